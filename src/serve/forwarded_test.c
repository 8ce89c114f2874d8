/* Who asks, behind which proxies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "serve/forwarded.h"

#define XFF "X-Forwarded-For: "
#define REAL "X-Real-IP: 203.0.113.77\r\n"

static const struct row {
	const char *peer, *headers, *client;
} rows[] = {
	{ "10.0.0.7", "", "10.0.0.7" },
	{ "10.0.0.7", XFF "203.0.113.9\r\n", "203.0.113.9" },
	{ "10.0.0.7", XFF "203.0.113.9:443\r\n", "203.0.113.9" },
	{ "10.0.0.7", XFF "[2001:db8::9]:443\r\n", "2001:db8::9" },
	{ "10.0.0.7", XFF "2001:db8::9\r\n", "2001:db8::9" },
	{ "10.0.0.7", "x-forwarded-for:203.0.113.9 , 10.0.0.8\r\n", "203.0.113.9" },

	/* Who is not trusted is himself. */
	{ "203.0.113.5", XFF "198.51.100.1\r\n" REAL, "203.0.113.5" },

	/* What a client claims is before what the proxy says. */
	{ "10.0.0.7", XFF "198.51.100.1, 203.0.113.9\r\n", "203.0.113.9" },
	{ "10.0.0.7", XFF "198.51.100.1\r\n" XFF "203.0.113.9\r\n", "203.0.113.9" },
	{ "10.0.0.7", XFF "198.51.100.1, 203.0.113.9\r\n" XFF "10.0.0.8\r\n",
		"203.0.113.9" },
	{ "10.0.0.7", XFF "10.0.0.1, 203.0.113.9, 10.0.0.8, 10.0.0.9\r\n",
		"203.0.113.9" },
	{ "10.0.0.7", XFF "nonsense, 203.0.113.9\r\n", "203.0.113.9" },

	/* All are trusted: the one that is farthest. */
	{ "10.0.0.7", XFF "10.1.1.1, 10.0.0.8\r\n", "10.1.1.1" },

	/* Nobody speaks for what is before nonsense. */
	{ "10.0.0.7", XFF "198.51.100.1, unknown, 10.0.0.8\r\n", "10.0.0.8" },
	{ "10.0.0.7", XFF "198.51.100.1, unknown\r\n", "10.0.0.7" },
	{ "10.0.0.7", XFF "198.51.100.1\r\n" XFF "unknown\r\n" REAL, "203.0.113.77" },
	{ "10.0.0.7", XFF "\r\n" REAL, "203.0.113.77" },
	{ "10.0.0.7", REAL, "203.0.113.77" },
	{ "10.0.0.7", "X-Real-IP: no\r\n", "10.0.0.7" },
};

static void check(const struct row *row, const struct prefix_set *proxies)
{
	char text[1024], ip[ADDR_TEXT_MAX];
	struct http1_reader reader;
	struct http1_event event;
	struct span in;
	struct addr client;

	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", row->headers);
	in = span_str(text);
	http1_reader_init_request(&reader, &http1_request_limits);
	assert_int_equal(http1_next(&reader, &in, &event, NULL), ERR_OK);
	assert_int_equal(event.kind, HTTP1_HEAD);
	assert_int_equal(addr_from_literal(row->peer, 1, &client), ERR_OK);
	forwarded_find_client(&reader.head, proxies, &client);
	assert_string_equal(addr_print_ip(&client, ip), row->client);
	http1_reader_fini(&reader);
}

static void test_which_client_a_request_is_from(void **state)
{
	struct prefix_set proxies = { .n = 0 };
	struct prefix p;

	(void)state;
	assert_int_equal(prefix_parse(span_str("10.0.0.0/8"), &p), ERR_OK);
	assert_int_equal(prefix_set_add(&proxies, &p), ERR_OK);
	for (size_t i = 0; i < mem_count(rows); i++)
		check(&rows[i], &proxies);
	prefix_set_fini(&proxies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_client_a_request_is_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
