/* Names: labels, hosts, and how they match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/names.h"

static void test_labels_are_made_canonical(void **state)
{
	static const char *const rows[][2] = {
		{ "demo-app", "demo-app" }, { " Demo App \n", "demo-app" },
		{ "My App!", "my-app" }, { "a.b.c", "a-b-c" }, { "a \t_ b", "a-b" },
		{ "a - b", "a---b" }, { "a--b", "a--b" }, { "--a--", "a" },
		{ "-_a_-", "a" }, { "3000", "3000" },
		{ "xn--bcher-kva", "xn--bcher-kva" },
		{ "b\xc3\xbc"
		  "cher",
			"xn--bcher-kva" },
		{ "B\xc3\x9c"
		  "CHER",
			"xn--bcher-kva" },
		{ "stra\xc3\x9f"
		  "e",
			"xn--strae-oqa" }, /* as in 2008, not "strasse" */
		{ "\xe4\xbe\x8b\xe3\x81\x88", "xn--r8jz45g" },
		{ "\xc4\xb0zmir", "izmir" },
		{ "K\xe2\x84\xaa", "kk" }, /* the sign of Kelvin */
		{ "\xc2\xa0x\xe3\x80\x80", "x" },
		{ "go \xe2\x9c\x93 home", "go-home" }, /* a symbol is not a letter */
	};
	char label[NAMES_LABEL_MAX + 1], again[NAMES_LABEL_MAX + 1];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(names_parse_label(span_str(rows[i][0]), label, NULL),
			ERR_OK);
		assert_string_equal(label, rows[i][1]);
		assert_int_equal(names_parse_label(span_str(label), again, NULL), ERR_OK);
		assert_string_equal(again, label);
	}
}

static void test_what_is_no_label_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "name is required" }, { " \t", "name is required" },
		{ "!!!", "name is required" }, { "---", "name is required" },
		{ "\xff\xfe", "name is invalid" }, { "a\xc3", "name is invalid" },
		{ "\xd7\x90"
		  "a\xd7\x90"
		  "1a",
			"name is invalid" }, /* right to left, with a 'a' */
	};
	char label[NAMES_LABEL_MAX + 1] = "same";
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(names_parse_label(span_str(rows[i].text), label, &why),
			ERR_SYNTAX);
		assert_string_equal(why.text, rows[i].why);
	}
	assert_string_equal(label, "same");
}

static void test_a_label_has_63_characters(void **state)
{
	char text[2 * NAMES_INPUT_MAX], label[NAMES_LABEL_MAX + 1];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(names_parse_label(span_of(text, 63), label, NULL), ERR_OK);
	assert_int_equal(strlen(label), 63);
	assert_int_equal(names_parse_label(span_of(text, 64), label, NULL), ERR_LIMIT);
	assert_int_equal(names_parse_label(span_of(text, sizeof(text)), label, NULL),
		ERR_LIMIT);
	/* two bytes that become three, as often as there is room for */
	for (size_t i = 0; i + 1 < NAMES_INPUT_MAX; i += 2)
		memcpy(text + i, "\xc8\xba", 2);
	assert_int_not_equal(names_parse_label(span_of(text, NAMES_INPUT_MAX), label,
				     NULL),
		ERR_OK);
}

static void test_hosts_are_made_canonical(void **state)
{
	static const char *const rows[][2] = {
		{ "Portal.Example.COM", "portal.example.com" },
		{ " portal.example.com. ", "portal.example.com" },
		{ "\xe2\x80\x83"
		  "a.b\xc2\x85",
			"a.b" },
		{ "a..", "a." }, /* one dot, not more */
		{ "127.0.0.1", "127.0.0.1" },
		{ "::1", "::1" },
	};
	static const char *const bad[] = { "", ".", " ", "a b", "a/b", "b\303\274cher.de",
		"a\"b", "*.a.b" };
	char host[NAMES_HOST_MAX + 1], big[NAMES_HOST_MAX + 1];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(names_parse_host(span_str(rows[i][0]), host, NULL),
			ERR_OK);
		assert_string_equal(host, rows[i][1]);
	}
	for (size_t i = 0; i < mem_count(bad); i++)
		assert_int_equal(names_parse_host(span_str(bad[i]), host, NULL),
			ERR_SYNTAX);
	assert_int_equal(names_parse_host(span_of("a\0b", 3), host, NULL), ERR_SYNTAX);
	memset(big, 'a', sizeof(big));
	assert_int_equal(names_parse_host(span_of(big, NAMES_HOST_MAX), host, NULL),
		ERR_OK);
	assert_int_equal(names_parse_host(span_of(big, sizeof(big)), host, NULL),
		ERR_LIMIT);
}

static void test_a_lease_host_is_label_and_root(void **state)
{
	char host[NAMES_HOST_MAX + 1], big[NAMES_HOST_MAX];

	(void)state;
	assert_int_equal(names_lease_host(span_str("Demo App"),
				 span_str("Portal.example.com."), host, NULL),
		ERR_OK);
	assert_string_equal(host, "demo-app.portal.example.com");
	assert_int_equal(names_lease_host(span_str(""), span_str("a"), host, NULL),
		ERR_SYNTAX);
	assert_int_equal(names_lease_host(span_str("a"), span_str(""), host, NULL),
		ERR_SYNTAX);
	memset(big, 'a', sizeof(big));
	assert_int_equal(names_lease_host(span_str("a"), span_of(big, 252), host, NULL),
		ERR_LIMIT);
	assert_int_equal(names_lease_host(span_str("a"), span_of(big, 251), host, NULL),
		ERR_OK);
}

static void test_local_hosts_are_recognized(void **state)
{
	static const char *const local[] = { "", "localhost", "hello.localhost",
		"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1" };
	static const char *const others[] = { "localhost.example", "mylocalhost",
		"128.0.0.1", "::2", "0.0.0.0", "example.com", "::ffff:10.0.0.1" };

	(void)state;
	for (size_t i = 0; i < mem_count(local); i++)
		assert_true(names_host_is_local(local[i]));
	for (size_t i = 0; i < mem_count(others); i++)
		assert_false(names_host_is_local(others[i]));
}

static void test_addresses_are_no_names(void **state)
{
	static const char *const addresses[] = { "203.0.113.5", "127.0.0.1", "::1",
		"2001:db8::1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "1.2.3.4.5",
		"example.0x1f", "example.com.1" };
	static const char *const names[] = { "", "localhost", "relay.example.com",
		"1.2.3.4.example", "127.0.0.1.nip.io", "1password.com", "a.0xg", "xn--3",
		"3com", "0.a" };

	(void)state;
	for (size_t i = 0; i < mem_count(addresses); i++)
		assert_true(names_host_is_address(addresses[i]));
	for (size_t i = 0; i < mem_count(names); i++)
		assert_false(names_host_is_address(names[i]));
}

static void test_a_star_stands_for_one_label(void **state)
{
	static const struct {
		const char *pattern, *host;
		bool is_match;
	} rows[] = {
		{ "a.example.com", "a.example.com", true },
		{ "a.example.com", "b.example.com", false },
		{ "*.example.com", "a.example.com", true },
		{ "*.example.com", "example.com", false },
		{ "*.example.com", ".example.com", false },
		{ "*.example.com", "b.a.example.com", false },
		{ "*.example.com", "a.example.org", false },
		{ "*.com", "a.com", false },
		{ "*", "a", false },
		{ "*.", "a.", false },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(names_match(rows[i].pattern, rows[i].host),
			rows[i].is_match);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels_are_made_canonical),
		cmocka_unit_test(test_what_is_no_label_is_refused),
		cmocka_unit_test(test_a_label_has_63_characters),
		cmocka_unit_test(test_hosts_are_made_canonical),
		cmocka_unit_test(test_a_lease_host_is_label_and_root),
		cmocka_unit_test(test_local_hosts_are_recognized),
		cmocka_unit_test(test_addresses_are_no_names),
		cmocka_unit_test(test_a_star_stands_for_one_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
