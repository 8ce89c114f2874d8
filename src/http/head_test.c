/* Which requests a web page that was rebound to this machine can have sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/head.h"

static void check(const char *value, const char *expected, bool is_local)
{
	struct http1_reader reader;
	struct http1_event ev;
	char text[300] = "GET / HTTP/1.0\r\n\r\n";
	struct span in;

	if (value != NULL)
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", value);
	http1_reader_init_request(&reader, &http1_request_limits);
	in = span_str(text);
	assert_int_equal(http1_next(&reader, &in, &ev, NULL), ERR_OK);
	assert_true(span_is(http_host(&reader.head), expected));
	assert_int_equal(http_host_is_local(&reader.head, "Monitor.lan"), is_local);
	http1_reader_fini(&reader);
}

static void test_only_other_names_are_refused(void **state)
{
	static const struct {
		const char *host, *expected;
		bool is_local;
	} rows[] = {
		{ NULL, "", true },
		{ "localhost", "localhost", true },
		{ "LOCALHOST:9100", "LOCALHOST", true },
		{ "app.localhost:9100", "app.localhost", true },
		{ "127.0.0.1:9100", "127.0.0.1", true },
		{ "[::1]:9100", "::1", true },
		{ "[::1]", "::1", true },
		{ "192.0.2.1:9100", "192.0.2.1", true },
		{ "monitor.lan:9100", "monitor.lan", true },
		{ "monitor.lan.", "monitor.lan.", true },
		{ "evil.example", "evil.example", false },
		{ "evil.example:9100", "evil.example", false },
		{ "127.0.0.1.evil.example:9100", "127.0.0.1.evil.example", false },
		{ "localhost.evil.example", "localhost.evil.example", false },
		{ "monitor.lan.evil.example", "monitor.lan.evil.example", false },
		{ "mylocalhost", "mylocalhost", false },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		check(rows[i].host, rows[i].expected, rows[i].is_local);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_other_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
