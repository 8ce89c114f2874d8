/* Behaviour of the checks: what passes, and what is refused in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/field.h"
#include "tunnel/chisel/check.h"

typedef enum err check_fn(void *member, struct why *why);

static void assert_all_pass(check_fn *check, const char *const *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct why why = { "" };
		const char *value = values[i];

		assert_int_equal(check(&value, &why), ERR_OK);
		assert_string_equal(why.text, "");
		assert_int_equal(check(&value, NULL), ERR_OK);
	}
}

struct refusal {
	const char *value;
	const char *sentence;
};

static void assert_all_refused(check_fn *check, const struct refusal *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct why why = { "" };
		const char *value = cases[i].value;

		assert_int_equal(check(&value, &why), ERR_USAGE);
		assert_string_equal(why.text, cases[i].sentence);
	}
}

#define ASSERT_PASS(check, ...) \
	do { \
		static const char *const values[] = { __VA_ARGS__ }; \
		assert_all_pass(check, values, mem_count(values)); \
	} while (0)

#define ASSERT_REFUSED(check, ...) \
	do { \
		static const struct refusal cases[] = { __VA_ARGS__ }; \
		assert_all_refused(check, cases, mem_count(cases)); \
	} while (0)

#define NOT_A_HOST " is not a host; write an address or a name, without a port"

static void test_a_host_is_an_address_or_a_name(void **state)
{
	(void)state;
	ASSERT_PASS(check_host, NULL, "0.0.0.0", "localhost", "::", "[::]", "[::1]",
		"fe80::1%eth0", "[fe80::1%eth0]", "a_b.example");
	ASSERT_REFUSED(check_host, { "", "\"\"" NOT_A_HOST },
		{ "localhost:80", "\"localhost:80\"" NOT_A_HOST },
		{ "a b", "\"a b\"" NOT_A_HOST },
		{ "http://x", "\"http://x\"" NOT_A_HOST },
		{ "[::1", "\"[::1\"" NOT_A_HOST }, { "[]", "\"[]\"" NOT_A_HOST },
		{ "[127.0.0.1]", "\"[127.0.0.1]\"" NOT_A_HOST });
}

static void test_auth_has_a_colon(void **state)
{
	(void)state;
	ASSERT_PASS(check_auth, NULL, "a:b", "a:", ":", "a:b:c");
	ASSERT_REFUSED(check_auth,
		{ "secret", "it has no colon; write <name>:<password>" });
}

static void test_tls_takes_two_files(void **state)
{
	struct why why;

	(void)state;
	assert_int_equal(check_tls_pair(NULL, NULL, &why), ERR_OK);
	assert_int_equal(check_tls_pair("k", "c", &why), ERR_OK);
	assert_int_equal(check_tls_pair("k", NULL, &why), ERR_USAGE);
	assert_string_equal(why.text,
		"--tls-key needs --tls-cert: give both files, or none");
	assert_int_equal(check_tls_pair(NULL, "c", &why), ERR_USAGE);
	assert_string_equal(why.text,
		"--tls-cert needs --tls-key: give both files, or none");
}

static void test_a_backend_is_http_with_a_host(void **state)
{
	(void)state;
	ASSERT_PASS(check_backend, NULL, "http://localhost",
		"https://example.com:8443/path?a=b", "HTTP://[::1]:3000",
		"http://a.b/x@y:z");
	ASSERT_REFUSED(check_backend,
		{ "localhost:3000",
			"the URL must begin with a scheme and \"://\"; write one such as "
			"http://127.0.0.1:3000" },
		{ "ftp://x",
			"it is reached by http or https, not ftp; write one such as "
			"http://127.0.0.1:3000" },
		{ "http:///path",
			"the URL has no host; write one such as http://127.0.0.1:3000" },
		{ "http://x:0",
			"the URL's port must be 1 to 65535; write one such as "
			"http://127.0.0.1:3000" });
}

static void test_a_proxy_is_http_or_socks_and_its_password_is_not_shown(void **state)
{
	(void)state;
	ASSERT_PASS(check_proxy, NULL, "http://proxy", "http://ann:s%40cret@proxy:3128",
		"socks://proxy:1080", "socks5://a:b@[::1]:1080", "SOCKS5h://proxy:1080");
	ASSERT_REFUSED(check_proxy,
		{ "https://ann:secret@proxy:1",
			"it cannot be https; write http://<host>:<port> or "
			"socks5://<host>:<port>" },
		{ "proxy:3128",
			"the URL must begin with a scheme and \"://\"; write one such as "
			"http://<host>:<port> or socks5://<host>:<port>" },
		{ "http://ann:secret@",
			"the URL has no host; write one such as "
			"http://<host>:<port> or socks5://<host>:<port>" },
		{ "socks5://proxy", "it has no port; write socks5://<host>:<port>" });
}

static enum err check_server_url(void *member, struct why *why)
{
	return check_server(*(char **)member, why);
}

static void test_a_server_is_a_host_or_a_web_address(void **state)
{
	(void)state;
	ASSERT_PASS(check_server_url, "example.com", "example.com:8080",
		"http://example.com", "https://example.com/path?q=1", "[::1]:8080",
		"http://[::1]", "httpbin.example:80", "127.0.0.1:1/x");
	ASSERT_REFUSED(check_server_url,
		{ "ftp://example.com",
			"the server's URL must be http:// or https://; write "
			"https://<host> or <host>:<port>" },
		{ "https://ann:secret@example.com",
			"the server's URL may not contain a user: use --auth; write https://<host> or "
			"<host>:<port>" },
		{ "https://",
			"the URL has no host; write https://<host> or <host>:<port>" },
		{ "example.com:99999",
			"the URL's port must be 1 to 65535; write https://<host> or "
			"<host>:<port>" });
}

static void test_a_hostname_may_have_a_port(void **state)
{
	(void)state;
	ASSERT_PASS(check_hostname, NULL, "example.com", "example.com:8443", "[::1]:80");
	ASSERT_REFUSED(check_hostname,
		{ "http://x",
			"\"http://x\" is not a host; write one such as example.com or "
			"example.com:8443" },
		{ "a\r\nb",
			"\"a\\x0d\\x0ab\" is not a host; write one such as example.com "
			"or example.com:8443" });
}

#define NOT_ONE " is not one; copy the 44 characters that the server logs when it starts"

static void test_a_fingerprint_is_whole(void **state)
{
	(void)state;
	ASSERT_PASS(check_fingerprint, NULL,
		"qmrRoo8MIqePv3jC8+wv49gU6uaFgD3FASQx9V8KdmY=",
		"a5:32:92:c6:56:7a:9e:61:26:74:1b:81:a6:f5:1b:44",
		"A5:32:92:C6:56:7A:9E:61:26:74:1B:81:A6:F5:1B:44");
	ASSERT_REFUSED(check_fingerprint, { "a5:32", "\"a5:32\"" NOT_ONE },
		{ "YWJj", "\"YWJj\"" NOT_ONE },
		{ "a5:32:92:c6:56:7a:9e:61:26:74:1b:81:a6:f5:1b:4",
			"\"a5:32:92:c6:56:7a:9e:61:26:74:1b:81:a6:f5:1b:4\"" NOT_ONE });
}

static enum err check_one_header(void *member, struct why *why)
{
	char *v[] = { *(char **)member, NULL };

	return check_headers(&(struct field_list){ .v = v, .n = 1 }, why);
}

static void test_a_header_is_a_line_that_is_not_ours(void **state)
{
	(void)state;
	ASSERT_PASS(check_one_header, "X-Name: value", "Cookie:a=b",
		"Host: other.example", "X-Empty:", "User-Agent: \ttab");
	ASSERT_REFUSED(check_one_header,
		{ "no secret", "it has no colon; write \"<name>: <value>\"" },
		{ ": secret", "\"\" is not a header name: write \"<name>: <value>\"" },
		{ "a b: secret",
			"\"a b\" is not a header name: write \"<name>: <value>\"" },
		{ "A: secret\r\nC: d",
			"\"A\" has control characters in its value: write one line" },
		{ "upgrade: x",
			"\"upgrade\" is needed for the tunnel itself: leave it out" });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_host_is_an_address_or_a_name),
		cmocka_unit_test(test_auth_has_a_colon),
		cmocka_unit_test(test_tls_takes_two_files),
		cmocka_unit_test(test_a_backend_is_http_with_a_host),
		cmocka_unit_test(
			test_a_proxy_is_http_or_socks_and_its_password_is_not_shown),
		cmocka_unit_test(test_a_server_is_a_host_or_a_web_address),
		cmocka_unit_test(test_a_hostname_may_have_a_port),
		cmocka_unit_test(test_a_fingerprint_is_whole),
		cmocka_unit_test(test_a_header_is_a_line_that_is_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
