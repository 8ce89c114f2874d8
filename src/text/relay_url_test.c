/* Relay URLs and lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/relay_url.h"

static void test_urls_are_made_canonical(void **state)
{
	static const char *const rows[][2] = {
		{ "https://a.example", "https://a.example" },
		{ "https://a.example:443", "https://a.example:443" },
		{ "  a.example:4017 \n", "https://a.example:4017" },
		{ "//a.example", "https://a.example" },
		{ "HTTPS://a.example/", "https://a.example" },
		{ "https://a.example/relay", "https://a.example" },
		{ "https://a.example/relay/", "https://a.example" },
		{ "https://a.example/x/relay?y=1#z", "https://a.example/x" },
		{ "https://a.example/RELAY", "https://a.example/RELAY" },
		{ "https://a.example/norelay", "https://a.example/norelay" },
		{ "https://a.example/x///", "https://a.example/x" },
		{ "https://a.example?q", "https://a.example" },
		{ "https://a.example#f?q", "https://a.example" },
		{ "https://[::1]:4017", "https://[::1]:4017" },
		{ "localhost", "https://localhost" },
		{ "https://a.example.:4017", "https://a.example.:4017" },
	};
	char url[URL_TEXT_MAX], again[URL_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(relay_url_parse(span_str(rows[i][0]), url, NULL),
			ERR_OK);
		assert_string_equal(url, rows[i][1]);
		assert_int_equal(relay_url_parse(span_str(url), again, NULL), ERR_OK);
		assert_string_equal(again, url);
	}
}

static void test_other_urls_are_refused(void **state)
{
	static const char *const rows[] = { "", "  ", "https://", "http://a.example",
		"wss://a.example", "https://user@a.example", "https://a.example:0",
		"https://a b", "//", "#", "://a", "https://a..b", "https://.a",
		"https://.", "https://a..", "https://*.a.example",
		("https://l2345678901234567890123456789012345678901234567890123456789"
		 "01234.example") };
	char url[URL_TEXT_MAX], big[URL_TEXT_MAX + 1];
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		why.text[0] = '\0';
		assert_int_equal(relay_url_parse(span_str(rows[i]), url, &why),
			ERR_SYNTAX);
		assert_non_null(strstr(why.text, "; write one such as https://"));
	}
	memset(big, 'a', sizeof(big));
	assert_int_equal(relay_url_parse(span_of(big, sizeof(big)), url, NULL),
		ERR_LIMIT);
	assert_int_equal(relay_url_parse(span_of("a.example\0b", 11), url, NULL),
		ERR_SYNTAX);
}

static void test_the_root_host_is_in_lower_case_without_a_port(void **state)
{
	char host[NAMES_HOST_MAX + 1];

	(void)state;
	assert_int_equal(relay_url_host("https://Portal.Example.com:4017/x", host, NULL),
		ERR_OK);
	assert_string_equal(host, "portal.example.com");
	assert_int_equal(relay_url_host("https://[::1]:4017", host, NULL), ERR_OK);
	assert_string_equal(host, "::1");
	assert_int_equal(relay_url_host("", host, NULL), ERR_SYNTAX);
}

static void test_a_list_keeps_the_order_and_no_relay_twice(void **state)
{
	struct relay_urls list = { .count = 0 };

	(void)state;
	assert_int_equal(relay_urls_add(&list, span_str("b.example, a.example,,"), NULL),
		ERR_OK);
	assert_int_equal(relay_urls_add(&list, span_str("https://a.example/,c.example"),
				 NULL),
		ERR_OK);
	assert_int_equal(relay_urls_add(&list, span_str(""), NULL), ERR_OK);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.urls[0], "https://b.example");
	assert_string_equal(list.urls[1], "https://a.example");
	assert_string_equal(list.urls[2], "https://c.example");
	assert_int_equal(relay_urls_add(&list, span_str("d.example,http://e"), NULL),
		ERR_SYNTAX);
	assert_int_equal(list.count, 4);
	relay_urls_fini(&list);
}

static void test_a_list_has_a_bound(void **state)
{
	struct relay_urls list = { .count = 0 };
	char *text;

	(void)state;
	for (int i = 0; i <= RELAY_URLS_MAX; i++) {
		text = str_printf("r%d.example", i);
		assert_int_equal(relay_urls_add(&list, span_str(text), NULL),
			i < RELAY_URLS_MAX ? ERR_OK : ERR_LIMIT);
		free(text);
	}
	relay_urls_fini(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls_are_made_canonical),
		cmocka_unit_test(test_other_urls_are_refused),
		cmocka_unit_test(test_the_root_host_is_in_lower_case_without_a_port),
		cmocka_unit_test(test_a_list_keeps_the_order_and_no_relay_twice),
		cmocka_unit_test(test_a_list_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
