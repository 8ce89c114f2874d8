/* Behaviour of enrolment: what users write, clocks, requests and replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "agent/enrol.h"
#include "base/mem.h"
#include "crypto/authority.h"
#include "text/json.h"

#define NOW_S 1796040000 /* 2026-11-30 */

/* ---- what the user writes ---- */

static void test_a_relay_is_a_host_or_an_https_url(void **state)
{
	static const struct {
		const char *text, *url, *host;
		uint16_t port;
		const char *id;
	} rows[] = {
		{ "panel.example.com", "https://panel.example.com", "panel.example.com",
			443, "example.com" },
		{ "https://Panel.Example.com:443/", "https://panel.example.com",
			"panel.example.com", 443, "example.com" },
		{ "tunnel.example.com:8443", "https://tunnel.example.com:8443",
			"tunnel.example.com", 8443, "example.com" },
		{ "https://203.0.113.42:9292", "https://203.0.113.42:9292",
			"203.0.113.42", 9292, "203.0.113.42" },
		{ "[2001:db8::1]", "https://[2001:db8::1]", "2001:db8::1", 443,
			"2001-db8--1" },
		{ "panel.localhost", "https://panel.localhost", "panel.localhost", 443,
			"panel.localhost" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct enrol_relay r;
		char id[ENROL_ID_MAX];

		assert_int_equal(enrol_relay_parse(rows[i].text, &r, NULL), ERR_OK);
		assert_string_equal(r.url, rows[i].url);
		assert_string_equal(r.host, rows[i].host);
		assert_string_equal(r.authority, r.url + strlen("https://"));
		assert_int_equal(r.port, rows[i].port);
		assert_string_equal(enrol_link_id(&r, id), rows[i].id);
	}
}

static void test_another_address_is_refused_with_what_to_write(void **state)
{
	static const char *const texts[] = { "", "http://panel.example.com",
		"wss://panel.example.com", "panel.example.com/setup",
		"https://ann@panel.example.com", "https://", "a b", "a..b", "a.." };

	(void)state;
	for (size_t i = 0; i < mem_count(texts); i++) {
		struct why why = { "" };
		struct enrol_relay r;

		assert_int_equal(enrol_relay_parse(texts[i], &r, &why), ERR_USAGE);
		assert_non_null(strstr(why.text, "write one such as https://panel"));
	}
}

static void test_tokens_and_pins_have_one_form(void **state)
{
	static const char pin[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
	static const char *const bad[] = { "", "47DEQpj8", "47DEQpj8HBSa/TImW5JCeuQe",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" };
	char token[ENROL_TOKEN_CHARS + 2], prefixed[64] = "sha256//";
	uint8_t bytes[ENROL_PIN_BYTES];

	(void)state;
	memset(token, 'a', sizeof(token));
	token[ENROL_TOKEN_CHARS] = '\0';
	assert_int_equal(enrol_token_check(token, NULL), ERR_OK);
	token[3] = 'g';
	assert_int_equal(enrol_token_check(token, NULL), ERR_USAGE);
	assert_int_equal(enrol_token_check("abc", NULL), ERR_USAGE);
	assert_int_equal(enrol_pin_parse(pin, bytes, NULL), ERR_OK);
	assert_int_equal(bytes[0], 0xe3);
	memcpy(prefixed + 8, pin, sizeof(pin));
	assert_int_equal(enrol_pin_parse(prefixed, bytes, NULL), ERR_OK);
	for (size_t i = 0; i < mem_count(bad); i++)
		assert_int_equal(enrol_pin_parse(bad[i], bytes, NULL), ERR_USAGE);
}

/* ---- clocks ---- */

static void test_dates_of_http_are_read(void **state)
{
	static const char *const bad[] = { "", "Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 31 Feb 1994 08:49:37 GMT",
		"Sun, 06 Nop 1994 08:49:37 GMT" };
	int64_t s = 0;

	(void)state;
	assert_int_equal(enrol_date_parse(span_str("Sun, 06 Nov 1994 08:49:37 GMT"), &s),
		ERR_OK);
	assert_int_equal(s, 784111777);
	for (size_t i = 0; i < mem_count(bad); i++)
		assert_int_equal(enrol_date_parse(span_str(bad[i]), &s), ERR_SYNTAX);
	assert_int_equal(s, 784111777);
}

static void test_a_clock_may_be_five_minutes_off(void **state)
{
	const struct span date = span_str("Sun, 06 Nov 1994 08:49:37 GMT");
	struct why why = { "" };

	(void)state;
	assert_int_equal(enrol_clock_check(date, 784111777 + 300, NULL), ERR_OK);
	assert_int_equal(enrol_clock_check(date, 784111777 - 300, NULL), ERR_OK);
	assert_int_equal(enrol_clock_check(span_str("no date"), 0, NULL), ERR_OK);
	assert_int_equal(enrol_clock_check(date, 784111777 + 301, &why), ERR_DENIED);
	assert_non_null(strstr(why.text, "5 minutes ahead of the relay's"));
	assert_int_equal(enrol_clock_check(date, 784111777 - 7200, &why), ERR_DENIED);
	assert_non_null(strstr(why.text, "120 minutes behind the relay's"));
}

/* ---- replies ---- */

struct fixture {
	struct authority *ca;
	struct buf csr, key, body;
};

static int setup(void **state)
{
	struct fixture *x = mem_new(x);

	buf_init(&x->csr, AUTHORITY_CSR_MAX);
	buf_init(&x->key, AUTHORITY_FILE_MAX);
	buf_init(&x->body, ENROL_REPLY_MAX);
	assert_int_equal(authority_make("CA", NOW_S, &x->ca, NULL), ERR_OK);
	assert_int_equal(authority_make_csr("pending", &x->csr, &x->key), ERR_OK);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	authority_free(x->ca);
	buf_fini(&x->csr);
	buf_wipe(&x->key);
	buf_fini(&x->body);
	free(x);
	return 0;
}

/* The reply for the CSR @csr, with a certificate for @name. */
static void put_reply(struct fixture *x, struct span csr, const char *name,
	const char *link_url)
{
	const struct authority_order order = { .name = name, .now_s = NOW_S, .days = 30 };
	struct authority_pair pair = { .of.ends_s = 0 };
	struct json_writer w;
	struct buf ca;

	buf_init(&ca, AUTHORITY_FILE_MAX);
	assert_int_equal(authority_put(x->ca, &ca, NULL), ERR_OK);
	assert_int_equal(authority_issue_csr(x->ca, csr, &order, &pair, NULL), ERR_OK);
	buf_reset(&x->body);
	json_writer_init(&w, &x->body);
	json_put_open(&w);
	json_put_key(&w, "ok");
	json_put_flag(&w, true);
	json_put_key(&w, "cert");
	json_put_text(&w, buf_span(&pair.cert));
	json_put_key(&w, "caCert");
	json_put_text(&w, buf_span(&ca));
	json_put_key(&w, "label");
	json_put_text(&w, span_str("nas"));
	json_put_key(&w, "expiresAt");
	json_put_text(&w, span_str("2026-12-30T00:00:00.000Z"));
	if (link_url != NULL) {
		json_put_key(&w, "tunnelUrl");
		json_put_text(&w, span_str(link_url));
	}
	json_put_close(&w);
	authority_pair_wipe(&pair);
	buf_fini(&ca);
}

static void test_a_reply_has_a_certificate_for_the_key_that_asked(void **state)
{
	struct fixture *x = *state;
	struct enrol_reply r;
	struct why why = { "" };
	struct buf other_csr, other_key;

	put_reply(x, buf_span(&x->csr), "agent:nas", "https://tunnel.example.com");
	assert_int_equal(enrol_reply_read(buf_span(&x->body), buf_span(&x->key), &r,
				 &why),
		ERR_OK);
	assert_string_equal(r.label, "nas");
	assert_string_equal(r.link_url, "https://tunnel.example.com");
	assert_null(r.fingerprint);
	assert_int_equal(r.ends_s, NOW_S + 30 * 86400);
	enrol_reply_fini(&r);

	put_reply(x, buf_span(&x->csr), "agent:other", NULL);
	assert_int_equal(enrol_reply_read(buf_span(&x->body), buf_span(&x->key), &r,
				 &why),
		ERR_PROTO);
	assert_non_null(strstr(why.text, "agent:other"));
	enrol_reply_fini(&r);

	buf_init(&other_csr, AUTHORITY_CSR_MAX);
	buf_init(&other_key, AUTHORITY_FILE_MAX);
	assert_int_equal(authority_make_csr("pending", &other_csr, &other_key), ERR_OK);
	put_reply(x, buf_span(&other_csr), "agent:nas", NULL);
	assert_int_equal(enrol_reply_read(buf_span(&x->body), buf_span(&x->key), &r,
				 &why),
		ERR_PROTO);
	assert_non_null(strstr(why.text, "another key"));
	enrol_reply_fini(&r);
	buf_fini(&other_csr);
	buf_wipe(&other_key);
}

static void test_other_bodies_are_no_reply(void **state)
{
	static const char *const bodies[] = { "", "{}", "<html>", "[]", "{\"cert\":7}",
		"{\"cert\":\"x\",\"label\":\"nas\"}" };
	struct fixture *x = *state;

	for (size_t i = 0; i < mem_count(bodies); i++) {
		struct why why = { "" };
		struct enrol_reply r;

		assert_int_equal(enrol_reply_read(span_str(bodies[i]), buf_span(&x->key),
					 &r, &why),
			ERR_PROTO);
		assert_non_null(strstr(why.text, "the address of the relay's panel?"));
		enrol_reply_fini(&r);
	}
}

static void test_the_link_is_where_the_reply_says_or_beside_the_panel(void **state)
{
	char said[] = "https://tunnel.example.com:8443", plain[] = "http://example.com",
	     bare[] = "https://tunnel.example.com";
	struct enrol_reply reply = { .link_url = said };
	struct enrol_relay relay;
	char url[URL_TEXT_MAX];

	(void)state;
	assert_int_equal(enrol_relay_parse("panel.example.net:9", &relay, NULL), ERR_OK);
	assert_int_equal(enrol_link_url(&relay, &reply, url, NULL), ERR_OK);
	assert_string_equal(url, said);
	reply.link_url = NULL;
	assert_int_equal(enrol_link_url(&relay, &reply, url, NULL), ERR_OK);
	assert_string_equal(url, "https://tunnel.example.net:9");
	reply.link_url = bare;
	assert_int_equal(enrol_link_url(&relay, &reply, url, NULL), ERR_OK);
	assert_string_equal(url, bare);
	assert_int_equal(enrol_relay_parse("tunnel.example.com:9", &relay, NULL), ERR_OK);
	assert_int_equal(enrol_link_url(&relay, &reply, url, NULL), ERR_OK);
	assert_string_equal(url, "https://tunnel.example.com:9");
	reply.link_url = plain;
	assert_int_equal(enrol_link_url(&relay, &reply, url, NULL), ERR_PROTO);
	reply.link_url = NULL;
	assert_int_equal(enrol_relay_parse("203.0.113.42:9292", &relay, NULL), ERR_OK);
	assert_int_equal(enrol_link_url(&relay, &reply, url, NULL), ERR_PROTO);
}

static void test_a_refusal_says_what_to_do(void **state)
{
	static const struct {
		unsigned status;
		const char *body, *words;
		enum err rc;
	} rows[] = {
		{ 401, "{\"error\":\"Invalid token\"}", "make a new one", ERR_DENIED },
		{ 404, "", "panel.example.com does not enrol agents", ERR_PROTO },
		{ 429, "{\"error\":\"Too many\"}", "wait a minute", ERR_PROTO },
		{ 400, "{\"error\":\"Bad\",\"details\":\"the CSR is wrong\"}",
			"(status 400): the CSR is wrong", ERR_PROTO },
		{ 400,
			"{\"error\":\"Bad\",\"details\":[{\"path\":\"csr\",\"message\":"
			"\"no\\u001b[2J\"}]}",
			": no\\x1b[2J", ERR_PROTO },
		{ 400,
			"{\"error\":\"Bad\",\"details\":{\"issues\":[{\"path\":[\"csr\"],"
			"\"message\":\"write PEM\"}]}}",
			": write PEM", ERR_PROTO },
		{ 502, "<html>", "failed with status 502: its log", ERR_PROTO },
	};
	struct enrol_relay relay;

	(void)state;
	assert_int_equal(enrol_relay_parse("panel.example.com", &relay, NULL), ERR_OK);
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct why why = { "" };

		assert_int_equal(enrol_refusal(&relay, rows[i].status,
					 span_str(rows[i].body), &why),
			rows[i].rc);
		if (strstr(why.text, rows[i].words) == NULL)
			fail_msg("%s", why.text);
	}
}

static void test_a_request_has_token_and_csr(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	assert_int_equal(enrol_request_put("abc", span_str("-----\nline\n"), &out),
		ERR_OK);
	assert_true(span_is(buf_span(&out),
		"{\"token\":\"abc\",\"csr\":\"-----\\nline\\n\"}"));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_relay_is_a_host_or_an_https_url),
		cmocka_unit_test(test_another_address_is_refused_with_what_to_write),
		cmocka_unit_test(test_tokens_and_pins_have_one_form),
		cmocka_unit_test(test_dates_of_http_are_read),
		cmocka_unit_test(test_a_clock_may_be_five_minutes_off),
		cmocka_unit_test_setup_teardown(
			test_a_reply_has_a_certificate_for_the_key_that_asked, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_other_bodies_are_no_reply, setup,
			teardown),
		cmocka_unit_test(
			test_the_link_is_where_the_reply_says_or_beside_the_panel),
		cmocka_unit_test(test_a_refusal_says_what_to_do),
		cmocka_unit_test(test_a_request_has_token_and_csr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
