/* The URL of a server: chisel-protocol 1.5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tunnel/chisel/url.h"

static void test_a_servers_url_gets_scheme_and_port(void **state)
{
	static const struct {
		const char *text, *printed;
	} rows[] = {
		{ "example.com", "ws://example.com:80/" },
		{ "example.com:8080", "ws://example.com:8080/" },
		{ "http://example.com", "ws://example.com:80/" },
		{ "https://example.com", "wss://example.com:443/" },
		{ "https://example.com:80/p?q", "wss://example.com:80/p?q" },
		{ "ws://h", "ws://h:80/" },
		{ "WSS://h", "wss://h:443/" },
		{ "httpbin.example:81", "ws://httpbin.example:81/" },
		{ "[::1]:8080", "ws://[::1]:8080/" },
		{ "10.0.0.1/path", "ws://10.0.0.1:80/path" },
	};
	char text[URL_TEXT_MAX];
	struct url u;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(chisel_url_parse(span_str(rows[i].text), &u, NULL),
			ERR_OK);
		assert_string_equal(url_print(&u, text), rows[i].printed);
	}
}

static void test_other_urls_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "the URL has no host" },
		{ "ftp://h", "the server's URL must be http:// or https://" },
		{ "user:pass@h", "the server's URL may not contain a user: use --auth" },
		{ "https://u@h", "the server's URL may not contain a user: use --auth" },
		{ "h:x", "the URL's port must be 1 to 65535" },
	};
	struct why why;
	struct url u;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(chisel_url_parse(span_str(rows[i].text), &u, &why),
			ERR_SYNTAX);
		assert_string_equal(why.text, rows[i].why);
	}
	assert_int_equal(chisel_url_parse(span_of("h\0:80", 5), &u, &why), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_a_servers_url_gets_scheme_and_port),
		cmocka_unit_test(test_other_urls_are_refused),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
