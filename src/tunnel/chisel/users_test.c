/* Users and what they may reach: chisel-protocol 5.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tunnel/chisel/users.h"

static struct users *parse(const char *text, const char *auth)
{
	struct users *set = NULL;
	struct why why = { "" };

	if (users_parse(span_str(text), auth, &set, &why) != ERR_OK)
		fail_msg("%s", why.text);
	return set;
}

static const struct user *check(const struct users *set, const char *name,
	const char *password)
{
	return users_check(set, span_str(name), span_str(password));
}

static const char example[] =
	"{ \"root:toor\": [\"\"],\n"
	"  \"foo:bar\": [\"^0.0.0.0:3000$\"],\n"
	"  \"all:a:b\": [\"*\"], \"none:\": [],\n"
	"  \"ping:pong\": [\"^0.0.0.0:[45]000$\", \"^example.com:80$\",\n"
	"    \"^R:0.0.0.0:7000$\"] }";

static void test_name_and_password_must_both_be_right(void **state)
{
	struct users *set = parse(example, NULL);

	(void)state;
	assert_int_equal(users_count(set), 5);
	assert_string_equal(user_name(check(set, "root", "toor")), "root");
	assert_string_equal(user_name(check(set, "all", "a:b")), "all");
	assert_string_equal(user_name(check(set, "none", "")), "none");
	assert_null(check(set, "root", "bar"));
	assert_null(check(set, "root", ""));
	assert_null(check(set, "root", "toor "));
	assert_null(check(set, "root", "too"));
	assert_null(check(set, "unknown", "toor"));
	assert_null(check(set, "", ""));
	assert_null(users_check(set, span_of("root\0", 5), span_str("toor")));
	assert_ptr_equal(users_find(set, "foo"), check(set, "foo", "bar"));
	assert_null(users_find(set, "unknown"));
	users_unref(set);
}

static void test_a_user_reaches_what_an_expression_finds(void **state)
{
	static const struct {
		const char *name, *access;
		bool may;
	} rows[] = {
		{ "root", "anything:1", true },
		{ "all", "R:0.0.0.0:1", true },
		{ "none", "example.com:80", false },
		{ "none", "", false },
		{ "foo", "0.0.0.0:3000", true },
		{ "foo", "0.0.0.0:30000", false },
		{ "foo", "0.0.0.0:3000\n", false },
		{ "foo", "10.0.0.0:3000", false },
		{ "foo", "socks", false },
		{ "ping", "0.0.0.0:4000", true },
		{ "ping", "0.0.0.0:5000", true },
		{ "ping", "0.0.0.0:6000", false },
		{ "ping", "example.com:80", true },
		{ "ping", "R:0.0.0.0:7000", true },
		{ "ping", "R:0.0.0.0:7001", false },
		{ "ping", "\xff", false },
	};
	struct users *set = parse(example, NULL);

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(user_may_reach(users_find(set, rows[i].name),
					 rows[i].access),
			rows[i].may);
	users_unref(set);
}

static void test_expressions_are_searched_as_re2_does(void **state)
{
	struct users *set =
		parse("{\"a:b\":[\"\\\\d+\\\\.local:(?i)80\", \"^(?P<x>s)ocks$\"]}",
			NULL);
	const struct user *u = users_find(set, "a");

	(void)state;
	assert_true(user_may_reach(u, "x12.local:8080"));
	assert_false(user_may_reach(u, "x.local:80"));
	assert_true(user_may_reach(u, "socks"));
	users_unref(set);
}

static void test_a_costly_expression_is_stopped(void **state)
{
	struct users *set = parse("{\"a:b\":[\"^(a+)+$\"]}", NULL);

	(void)state;
	assert_false(user_may_reach(users_find(set, "a"),
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"));
	users_unref(set);
}

static void test_the_user_of_auth_wins_over_the_file(void **state)
{
	struct users *set = parse("{\"me:old\":[], \"you:x\":[]}", "me:new:word");

	(void)state;
	assert_int_equal(users_count(set), 2);
	assert_null(check(set, "me", "old"));
	assert_true(user_may_reach(check(set, "me", "new:word"), "a:1"));
	assert_non_null(check(set, "you", "x"));
	users_unref(set);

	set = parse("", "me:");
	assert_int_equal(users_count(set), 1);
	assert_non_null(check(set, "me", ""));
	users_unref(set);
}

static void test_a_set_may_be_empty(void **state)
{
	struct users *set = parse("", NULL);

	(void)state;
	assert_int_equal(users_count(set), 0);
	assert_null(check(set, "", ""));
	users_unref(users_ref(set));
	users_unref(set);
	users_unref(NULL);
	set = parse("{}", NULL);
	assert_int_equal(users_count(set), 0);
	users_unref(set);
}

static void test_an_error_names_the_user_and_the_fault(void **state)
{
	static const struct {
		const char *text, *auth, *why;
	} rows[] = {
		{ "", "", "the login has no colon: it must be \"name:password\"" },
		{ "", "me", "the login has no colon: it must be \"name:password\"" },
		{ "", ":secret", "the login has no name: it must be \"name:password\"" },
		{ "{\"me\":[]}", NULL,
			"user \"me\" has no password: the key must be \"name:password\"" },
		{ "{\":x\":[]}", NULL,
			"a user has no name: the key must be \"name:password\"" },
		{ "{\"a:b\":[],\"a:c\":[]}", NULL, "user \"a\" appears twice" },
		{ "{\"a:secret\":[],\n\"a:secret\":[]}", NULL,
			"line 2, column 10: duplicate key" },
		{ "{\"a:b\":\"x\"}", NULL,
			"user \"a\": the permissions must be an array of strings" },
		{ "{\"a:b\":null}", NULL,
			"user \"a\": the permissions must be an array of strings" },
		{ "{\"a:b\":[1]}", NULL,
			"user \"a\": every permission must be a string" },
		{ "{\"a:b\":[\"(x\"]}", NULL,
			"user \"a\": expression \"(x\": missing closing parenthesis" },
		{ "{\"a\\u001b:b\":[\"[\"]}", NULL,
			"user \"a\\x1b\": expression \"[\": missing terminating ] for character "
			"class" },
		{ "{\"a:b\":[\"\\\\C\"]}", NULL,
			"user \"a\": expression \"\\\\C\": using \\C is disabled by the application" },
		{ "[]", NULL, "the users must be one JSON object" },
		{ "{\"a:secret\":", NULL, "line 1, column 12: not JSON" },
		{ " ", NULL, "line 1, column 1: not JSON" },
	};
	struct users *set = NULL;
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(users_parse(span_str(rows[i].text), rows[i].auth, &set,
					 &why),
			ERR_SYNTAX);
		assert_string_equal(why.text, rows[i].why);
	}
	assert_null(set);
}

static void test_unanchored_patterns_are_listed(void **state)
{
	struct users *set =
		parse("{\"a:1\":[\"^x$\", \"x$\", \"^x\", \"^x\\\\$\", \"*\"],"
		      " \"b:1\":[\"^a$|^b$\", \"^(a|b)$\", \"^[|]\\\\\\\\$\","
		      " \"\\\\Ax\\\\z\", \"^a\\\\|b$\"]}",
			NULL);
	static const char *const want[] = { "x$", "^x", "^x\\$", "^a$|^b$" };
	unsigned cursor = 0;

	(void)state;
	for (size_t i = 0; i < mem_count(want); i++)
		assert_string_equal(users_next_loose_pattern(set, &cursor), want[i]);
	assert_null(users_next_loose_pattern(set, &cursor));
	users_unref(set);
}

static void test_a_file_is_bounded(void **state)
{
	struct users *set = NULL;
	struct why why;
	struct buf text;

	(void)state;
	buf_init(&text, 2 << 20);
	buf_put_str(&text, "{\"a:b\":[\"");
	for (int i = 0; i < 1001; i++)
		buf_put_u8(&text, 'x');
	buf_put_str(&text, "\"]}");
	assert_int_equal(users_parse(buf_span(&text), NULL, &set, &why), ERR_SYNTAX);
	while (text.n <= 1 << 20)
		buf_put_u8(&text, ' ');
	assert_int_equal(users_parse(buf_span(&text), NULL, &set, &why), ERR_LIMIT);
	buf_reset(&text);
	buf_put_u8(&text, '{');
	for (int i = 0; i <= 10000; i++)
		buf_printf(&text, "\"%d:\":[],", i);
	buf_put_str(&text, "\"x:\":[]}");
	assert_int_equal(users_parse(buf_span(&text), NULL, &set, &why), ERR_LIMIT);
	assert_null(set);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_name_and_password_must_both_be_right),
		cmocka_unit_test(test_a_user_reaches_what_an_expression_finds),
		cmocka_unit_test(test_expressions_are_searched_as_re2_does),
		cmocka_unit_test(test_a_costly_expression_is_stopped),
		cmocka_unit_test(test_the_user_of_auth_wins_over_the_file),
		cmocka_unit_test(test_a_set_may_be_empty),
		cmocka_unit_test(test_an_error_names_the_user_and_the_fault),
		cmocka_unit_test(test_unanchored_patterns_are_listed),
		cmocka_unit_test(test_a_file_is_bounded),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
