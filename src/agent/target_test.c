/* What may be written for a target, and what that means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/target.h"
#include "base/mem.h"

static void test_targets_are_read(void **state)
{
	static const struct {
		const char *text, *print, *authority;
		bool is_tls, skip_verify;
	} rows[] = {
		{ "3000", "127.0.0.1:3000", "127.0.0.1:3000", false, false },
		{ ":3000", "127.0.0.1:3000", "127.0.0.1:3000", false, false },
		{ " 3000 ", "127.0.0.1:3000", "127.0.0.1:3000", false, false },
		{ "localhost:8080", "localhost:8080", "localhost:8080", false, false },
		{ "192.0.2.1:1", "192.0.2.1:1", "192.0.2.1:1", false, false },
		{ "nas.local", "nas.local:80", "nas.local", false, false },
		{ "192.0.2.1", "192.0.2.1:80", "192.0.2.1", false, false },
		{ "::1", "[::1]:80", "[::1]", false, false },
		{ "[::1]", "[::1]:80", "[::1]", false, false },
		{ "[::1]:99", "[::1]:99", "[::1]:99", false, false },
		{ "http://app", "app:80", "app", false, false },
		{ "http://app:81/", "app:81", "app:81", false, false },
		{ "http://[::1]:81", "[::1]:81", "[::1]:81", false, false },
		{ "https://app.example", "https://app.example", "app.example", true,
			false },
		{ "https://app.example:8443/", "https://app.example:8443",
			"app.example:8443", true, false },
		{ "HTTPS://127.0.0.1:8443", "https://127.0.0.1:8443", "127.0.0.1:8443",
			true, true },
		{ "https://localhost", "https://localhost", "localhost", true, true },
		{ "https+insecure://nas", "https://nas", "nas", true, true },
		{ "unix:/run/app.sock", "unix:/run/app.sock", "localhost", false, false },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		char text[URL_TEXT_MAX];
		struct target t;
		struct why why = { "" };

		if (target_parse(span_str(rows[i].text), &t, &why) != ERR_OK)
			fail_msg("%s: %s", rows[i].text, why.text);
		assert_string_equal(target_print(&t, text), rows[i].print);
		assert_string_equal(target_print_authority(&t, text), rows[i].authority);
		assert_int_equal(t.is_tls, rows[i].is_tls);
		assert_int_equal(t.skip_verify, rows[i].skip_verify);
	}
}

/* longer than a socket's address holds */
#define LONG_PATH \
	"unix:/01234567890123456789012345678901234567890123456789" \
	"01234567890123456789012345678901234567890123456789012345678"

static void test_malformed_targets_are_refused_with_a_reason(void **state)
{
	static const char *const rows[] = { "", " ", "0", "65536", ":", ":0", "a:", "a:b",
		"a:0", "a:70000", "a b", "a/b", "::1:x", "ftp://a", "http://",
		"http:///x", "http://a/x", "http://a/?q", "http://a?q", "http://a/#f",
		"http://u:p@a", "https://a:0", "unix:", "unix:relative", "a@b", "[::1",
		"[x]:1", "\n", "3000 4000", LONG_PATH };

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct target t;
		struct why why = { "" };

		if (target_parse(span_str(rows[i]), &t, &why) == ERR_OK)
			fail_msg("\"%s\" is a target", rows[i]);
		assert_true(why.text[0] != '\0');
	}
}

static void test_upstreams_may_have_a_path(void **state)
{
	static const struct {
		const char *text, *path, *query;
	} rows[] = {
		{ "3000", "/", "" },
		{ "unix:/run/x", "/", "" },
		{ "http://a", "/", "" },
		{ "http://a/", "/", "" },
		{ "http://a/b/c/", "/b/c", "" },
		{ "http://a/b//../c?d=e&f", "/c", "d=e&f" },
		{ "https://a/b#c", "/b", "" },
		{ "http://a?d", "/", "d" },
		{ "http://a//b", "/b", "" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct target t;
		struct target_path at;
		struct why why = { "" };

		if (target_parse_upstream(span_str(rows[i].text), &t, &at, &why) !=
			ERR_OK)
			fail_msg("%s: %s", rows[i].text, why.text);
		assert_string_equal(at.path, rows[i].path);
		assert_string_equal(at.query, rows[i].query);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets_are_read),
		cmocka_unit_test(test_malformed_targets_are_refused_with_a_reason),
		cmocka_unit_test(test_upstreams_may_have_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
