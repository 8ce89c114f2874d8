/* URLs: the parts of good ones, and words about bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/url.h"

static const struct good_row {
	const char *text;
	const char *scheme, *user, *password, *host;
	unsigned port;
	const char *path, *printed;
} good[] = {
	{ "http://h", "http", NULL, NULL, "h", 0, "/", "http://h/" },
	{ "HTTPS://Host.Example:8443/a/b?c=d&e", "https", NULL, NULL, "Host.Example",
		8443, "/a/b?c=d&e", "https://Host.Example:8443/a/b?c=d&e" },
	{ "http://h?q", "http", NULL, NULL, "h", 0, "/?q", "http://h/?q" },
	{ "http://[::1]", "http", NULL, NULL, "::1", 0, "/", "http://[::1]/" },
	{ "http://[::1]:80/", "http", NULL, NULL, "::1", 80, "/", "http://[::1]:80/" },
	{ "socks5h://u:p@1.2.3.4:1080", "socks5h", "u", "p", "1.2.3.4", 1080, "/",
		"socks5h://1.2.3.4:1080/" },
	{ "http://u@h", "http", "u", NULL, "h", 0, "/", "http://h/" },
	{ "http://:@h", "http", "", "", "h", 0, "/", "http://h/" },
	{ "http://a%40b:c%3ad%2F%25@h/", "http", "a@b", "c:d/%", "h", 0, "/",
		"http://h/" },
	{ "http://h/@:[]%zz", "http", NULL, NULL, "h", 0, "/@:[]%zz",
		"http://h/@:[]%zz" },
	{ "http://h:00080", "http", NULL, NULL, "h", 80, "/", "http://h:80/" },
};

static void test_the_parts_of_a_url_are_found(void **state)
{
	char text[URL_TEXT_MAX];
	struct why why = { "" };
	struct url u;

	(void)state;
	for (size_t i = 0; i < mem_count(good); i++) {
		const struct good_row *row = &good[i];

		if (url_parse(span_str(row->text), &u, &why) != ERR_OK)
			fail_msg("%s: %s", row->text, why.text);
		assert_string_equal(u.scheme, row->scheme);
		assert_int_equal(u.has_user, row->user != NULL);
		assert_string_equal(u.user, row->user == NULL ? "" : row->user);
		assert_int_equal(u.has_password, row->password != NULL);
		assert_string_equal(u.password,
			row->password == NULL ? "" : row->password);
		assert_string_equal(u.host, row->host);
		assert_int_equal(u.port, row->port);
		assert_string_equal(u.path, row->path);
		assert_string_equal(url_print(&u, text), row->printed);
	}
}

static void test_a_bad_url_is_refused_in_words(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "the URL must begin with a scheme and \"://\"" },
		{ "h", "the URL must begin with a scheme and \"://\"" },
		{ "://h", "the URL must begin with a scheme and \"://\"" },
		{ "http:/h", "the URL must begin with a scheme and \"://\"" },
		{ "1http://h", "the URL must begin with a scheme and \"://\"" },
		{ "ht_tp://h", "the URL must begin with a scheme and \"://\"" },
		{ "http://", "the URL has no host" },
		{ "http:///x", "the URL has no host" },
		{ "http://:80", "the URL has no host" },
		{ "http://u@", "the URL has no host" },
		{ "http://a b", "the URL has spaces or characters that are not ASCII" },
		{ "http://a\n", "the URL has spaces or characters that are not ASCII" },
		{ "http://\xc3\xbc",
			"the URL has spaces or characters that are not ASCII" },
		{ "http://a%41", "the URL's host is not a host name" },
		{ "http://a@b@c", "the URL's host is not a host name" },
		{ "http://a\\b", "the URL's host is not a host name" },
		{ "http://h:", "the URL's port must be 1 to 65535" },
		{ "http://h:0", "the URL's port must be 1 to 65535" },
		{ "http://h:65536", "the URL's port must be 1 to 65535" },
		{ "http://h:8x", "the URL's port must be 1 to 65535" },
		{ "http://h:1:2", "the URL's port must be 1 to 65535" },
		{ "http://h:99999999999", "the URL's port must be 1 to 65535" },
		{ "http://[::1", "the URL's IPv6 address is invalid" },
		{ "http://[]", "the URL's IPv6 address is invalid" },
		{ "http://[h]", "the URL's IPv6 address is invalid" },
		{ "http://[::1]80", "the URL's IPv6 address is invalid" },
		{ "http://[fe80::1%25eth0]", "the URL's IPv6 address is invalid" },
		{ "http://h#x", "the URL has a fragment (\"#\")" },
		{ "http://h/#", "the URL has a fragment (\"#\")" },
		{ "http://u%4@h", "a %-escape in the URL is invalid" },
		{ "http://u%gg@h", "a %-escape in the URL is invalid" },
		{ "http://u%00@h", "a %-escape in the URL is invalid" },
		{ "http://u:p%0a@h", "a %-escape in the URL is invalid" },
		{ "http://u:p:q@h", "a colon in the URL's password must be %3A" },
	};
	struct url u = { .host = "kept" };
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		if (url_parse(span_str(rows[i].text), &u, &why) != ERR_SYNTAX)
			fail_msg("%s was taken", rows[i].text);
		assert_string_equal(why.text, rows[i].why);
	}
	assert_string_equal(u.host, "kept");
}

/* A URL whose part after @head, of @n bytes, is followed by @tail. */
static enum err parse_long(const char *head, size_t n, const char *tail)
{
	char text[2048];
	size_t head_n = strlen(head);
	struct url u;

	memcpy(text, head, head_n);
	memset(text + head_n, 'a', n);
	strcpy(text + head_n + n, tail);
	return url_parse(span_str(text), &u, NULL);
}

static void test_every_part_has_a_bound(void **state)
{
	(void)state;
	assert_int_equal(parse_long("", URL_SCHEME_MAX - 1, "://h"), ERR_OK);
	assert_int_equal(parse_long("", URL_SCHEME_MAX, "://h"), ERR_LIMIT);
	assert_int_equal(parse_long("http://", URL_HOST_MAX - 1, ""), ERR_OK);
	assert_int_equal(parse_long("http://", URL_HOST_MAX, ""), ERR_LIMIT);
	assert_int_equal(parse_long("http://", URL_LOGIN_MAX - 1, "@h"), ERR_OK);
	assert_int_equal(parse_long("http://", URL_LOGIN_MAX, "@h"), ERR_LIMIT);
	assert_int_equal(parse_long("http://u:", URL_LOGIN_MAX - 1, "@h"), ERR_OK);
	assert_int_equal(parse_long("http://u:", URL_LOGIN_MAX, "@h"), ERR_LIMIT);
	assert_int_equal(parse_long("http://h/", URL_PATH_MAX - 2, ""), ERR_OK);
	assert_int_equal(parse_long("http://h/", URL_PATH_MAX - 1, ""), ERR_LIMIT);
	assert_int_equal(parse_long("http://h?", URL_PATH_MAX - 3, ""), ERR_OK);
	assert_int_equal(parse_long("http://h?", URL_PATH_MAX - 2, ""), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_the_parts_of_a_url_are_found),
		cmocka_unit_test(test_a_bad_url_is_refused_in_words),
		cmocka_unit_test(test_every_part_has_a_bound),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
