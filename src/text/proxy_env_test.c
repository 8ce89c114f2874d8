/*
 * Proxies of the environment: which variable counts, and which destinations are direct.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/proxy_env.h"

static const char *const *environment; /* "NAME=value" */

static char *get(const char *name)
{
	size_t n = strlen(name);

	for (const char *const *v = environment; *v != NULL; v++) {
		if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
			return (char *)(uintptr_t)*v + n + 1;
	}
	return NULL;
}

static enum err find(const char *const *variables, bool has_tls, struct url *out,
	struct why *why)
{
	struct proxy_env e;

	environment = variables;
	proxy_env_read(&e, get);
	return proxy_env_find(&e, has_tls, "relay.example", 443, out, why);
}

static void test_the_variable_for_the_connection_counts(void **state)
{
	static const struct {
		const char *variables[5];
		const char *with_tls, *plain; /* NULL: direct */
	} rows[] = {
		{ { NULL }, NULL, NULL },
		{ { "HTTPS_PROXY=http://a:1" }, "http://a:1/", NULL },
		{ { "https_proxy=http://a:1" }, "http://a:1/", NULL },
		{ { "HTTPS_PROXY=http://a:1", "https_proxy=http://b:1" }, "http://a:1/",
			NULL },
		{ { "HTTPS_PROXY=", "https_proxy=http://b:1" }, "http://b:1/", NULL },
		{ { "HTTP_PROXY=http://a:1" }, NULL, "http://a:1/" },
		{ { "http_proxy=http://a:1" }, NULL, "http://a:1/" },
		{ { "HTTP_PROXY=http://a:1", "REQUEST_METHOD=GET" }, NULL, NULL },
		{ { "http_proxy=http://a:1", "REQUEST_METHOD=GET" }, NULL,
			"http://a:1/" },
		{ { "ALL_PROXY=socks5://a:1" }, "socks5://a:1/", "socks5://a:1/" },
		{ { "all_proxy=socks5h://a", "HTTPS_PROXY=b:3128" }, "http://b:3128/",
			"socks5h://a:1080/" },
		{ { "HTTPS_PROXY=b" }, "http://b:80/", NULL },
		{ { "HTTPS_PROXY=user:pass@b:8080" }, "http://b:8080/", NULL },
		{ { "HTTPS_PROXY=http://[::1]:8080/" }, "http://[::1]:8080/", NULL },
		{ { "HTTPS_PROXY=http://a", "NO_PROXY=example" }, NULL, NULL },
		{ { "HTTPS_PROXY=http://a", "no_proxy=relay.example:443" }, NULL, NULL },
		{ { "HTTPS_PROXY=http://a", "no_proxy=relay.example:8443" },
			"http://a:80/", NULL },
		{ { "HTTPS_PROXY=http://a", "NO_PROXY=x", "no_proxy=*" }, "http://a:80/",
			NULL },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		for (int has_tls = 0; has_tls < 2; has_tls++) {
			const char *want = has_tls ? rows[i].with_tls : rows[i].plain;
			char text[URL_TEXT_MAX] = "";
			struct why why = { "" };
			struct url url;
			enum err rc = find(rows[i].variables, has_tls, &url, &why);

			assert_int_equal(rc, want != NULL ? ERR_OK : ERR_NOENT);
			if (rc == ERR_OK)
				assert_string_equal(url_print(&url, text), want);
		}
	}
}

static void test_a_login_is_read(void **state)
{
	static const char *const variables[] = { "HTTPS_PROXY=ann:s%40cret@b:8080",
		NULL };
	struct url url;

	(void)state;
	assert_int_equal(find(variables, true, &url, NULL), ERR_OK);
	assert_string_equal(url.user, "ann");
	assert_string_equal(url.password, "s@cret");
}

static void test_a_proxy_that_cannot_be_used_is_an_error(void **state)
{
	static const char *const rows[][2] = {
		{ "HTTPS_PROXY=https://a:1",
			"HTTPS_PROXY: a proxy cannot be reached by https; write"
			" http://<host>:<port> or socks5://<host>:<port>" },
		{ "all_proxy=socks4://a:1",
			"all_proxy: a proxy cannot be reached by socks4; write"
			" http://<host>:<port> or socks5://<host>:<port>" },
	};
	static const char *const others[] = { "HTTPS_PROXY=http://", "HTTPS_PROXY=a:b:c",
		"HTTPS_PROXY=a b", "HTTPS_PROXY=http://ann:secret@a:99999" };
	struct url url;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		const char *variables[] = { rows[i][0], NULL };
		struct why why = { "" };

		assert_int_equal(find(variables, true, &url, &why), ERR_SYNTAX);
		assert_string_equal(why.text, rows[i][1]);
	}
	for (size_t i = 0; i < mem_count(others); i++) {
		const char *variables[] = { others[i], NULL };
		struct why why = { "" };

		assert_int_equal(find(variables, true, &url, &why), ERR_SYNTAX);
		assert_non_null(strstr(why.text, "HTTPS_PROXY: "));
		assert_null(strstr(why.text, "secret"));
	}
}

/* Where Go's httpproxy says otherwise, the row says so. */
static void test_destinations_without_a_proxy(void **state)
{
	static const struct {
		const char *list, *host;
		uint16_t port;
		bool is_direct;
	} rows[] = {
		/* this machine */
		{ NULL, "localhost", 443, true }, { NULL, "127.0.0.1", 443, true },
		{ NULL, "127.9.9.9", 443, true }, { NULL, "::1", 443, true },
		{ NULL, "::ffff:127.0.0.1", 443, true },
		{ NULL, "relay.localhost", 443, true }, /* not in Go */
		{ NULL, "localhost.example", 443, false },
		{ "", "example.com", 443, false }, { NULL, "10.0.0.1", 443, false },
		/* everything */
		{ "*", "example.com", 443, true }, { "a, *", "10.0.0.1", 443, true },
		{ "*x", "example.com", 443, false },
		/* domains */
		{ "example.com", "example.com", 443, true },
		{ "example.com", "EXAMPLE.com", 443, true },
		{ "Example.COM", "www.example.com", 443, true },
		{ "example.com", "badexample.com", 443, false },
		{ "example.com", "example.com.evil", 443, false },
		{ "example.com", "com", 443, false },
		{ ".example.com", "example.com", 443, false },
		{ ".example.com", "a.b.example.com", 443, true },
		{ "*.example.com", "example.com", 443, false },
		{ "*.example.com", "a.example.com", 443, true },
		{ "com", "example.com", 443, true }, { ".", "example.com", 443, false },
		{ "example.com:8443", "a.example.com", 8443, true },
		{ "example.com:8443", "a.example.com", 443, false },
		{ ".example.com:443", "a.example.com", 443, true },
		{ "example.com:", "example.com", 443, true },
		{ "example.com:x", "example.com", 443, false },
		{ ":443", "example.com", 443, false },
		{ " a , ,\tb.org,example.com", "example.com", 443, true },
		{ "a b.org", "b.org", 443, true }, /* as curl; not in Go */
		/* addresses */
		{ "10.0.0.1", "10.0.0.1", 443, true },
		{ "10.0.0.1", "10.0.0.10", 443, false },
		{ "10.0.0.1:443", "10.0.0.1", 443, true },
		{ "10.0.0.1:80", "10.0.0.1", 443, false },
		{ "10.0.0.0/8", "10.255.0.1", 443, true },
		{ "10.0.0.0/8", "11.0.0.1", 443, false },
		{ "10.20.0.0/14", "10.23.1.1", 443, true },
		{ "10.20.0.0/14", "10.24.1.1", 443, false },
		{ "0.0.0.0/0", "10.0.0.1", 443, true },
		{ "0.0.0.0/0", "2001:db8::1", 443, false },
		{ "::/0", "10.0.0.1", 443, false }, { "::/0", "2001:db8::1", 443, true },
		{ "10.0.0.0/33", "10.0.0.0", 443, false },
		{ "10.0.0.0/", "10.0.0.0", 443, false },
		{ "10.0.0.0/8", "ten.example", 443, false },
		{ "::ffff:10.0.0.1", "10.0.0.1", 443, true },
		{ "2001:db8::1", "2001:DB8:0::1", 443, true },
		{ "[2001:db8::1]", "2001:db8::1", 443, true }, /* not in Go */
		{ "[2001:db8::1]:443", "2001:db8::1", 443, true },
		{ "[2001:db8::1]:80", "2001:db8::1", 443, false },
		{ "2001:db8::/33", "2001:db8:7fff::1", 443, true },
		{ "2001:db8::/33", "2001:db8:8000::1", 443, false },
		{ "0.0.1", "10.0.0.1", 443, false }, /* no domain of an address */
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		if (proxy_env_is_direct(rows[i].list, rows[i].host, rows[i].port) !=
			rows[i].is_direct)
			fail_msg("%s: %s:%u", rows[i].list != NULL ? rows[i].list : "-",
				rows[i].host, rows[i].port);
	}
}

static void test_a_long_entry_is_ignored(void **state)
{
	char list[2000];

	(void)state;
	memset(list, 'a', sizeof(list));
	memcpy(list + sizeof(list) - 8, ",b.org ", 8);
	assert_true(proxy_env_is_direct(list, "b.org", 443));
	assert_false(proxy_env_is_direct(list, "c.org", 443));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_variable_for_the_connection_counts),
		cmocka_unit_test(test_a_login_is_read),
		cmocka_unit_test(test_a_proxy_that_cannot_be_used_is_an_error),
		cmocka_unit_test(test_destinations_without_a_proxy),
		cmocka_unit_test(test_a_long_entry_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
