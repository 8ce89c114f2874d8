/* Why attempts failed, in words: stock's, what was found, what to do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/link_priv.h"

static const struct {
	const char *server;
	struct connect_failure failure;
	const char *words, *text;
	bool is_denied;
} connects[] = {
	{ "http://h:1", { .trouble = CONNECT_TROUBLE_OTHER }, "dial h:1: refused",
		"dial h:1: refused", false },
	{ "http://h:1", { .trouble = CONNECT_TROUBLE_DIAL, .errnum = ECONNREFUSED },
		"dial h:1: refused", "dial h:1: refused; is it running?", false },
	{ "http://h", { .trouble = CONNECT_TROUBLE_DIAL }, "lookup h: no such host",
		"lookup h: no such host; is the name right?", false },
	{ "http://h", { .trouble = CONNECT_TROUBLE_DIAL, .errnum = ETIMEDOUT },
		"dial h:80: timed out",
		"dial h:80: timed out; does a firewall drop the packets?", false },
	{ "http://h", { .trouble = CONNECT_TROUBLE_DIAL, .errnum = ENETUNREACH },
		"dial h:80: unreachable", "dial h:80: unreachable; is the network up?",
		false },
	{ "http://h", { .trouble = CONNECT_TROUBLE_DIAL, .errnum = EACCES },
		"dial h:80: denied", "dial h:80: denied", false },
	{ "http://h", { .trouble = CONNECT_TROUBLE_STATUS, .status = 404 }, "bad",
		"bad: the server answered 404 Not Found: is this a tunnel server?",
		false },
	{ "http://h", { .trouble = CONNECT_TROUBLE_STATUS, .status = 299 }, "bad",
		"bad: the server answered 299: is this a tunnel server?", false },
	{ "http://h",
		{ .trouble = CONNECT_TROUBLE_STATUS,
			.status = 301,
			.detail = "https://h/" },
		"bad",
		"bad: the server answered 301 Moved Permanently, which points to https://h/:"
		" write that address",
		false },
	{ "http://h", { .trouble = CONNECT_TROUBLE_STATUS, .status = 302 }, "bad",
		"bad: the server answered 302 Found: is this a tunnel server?", false },
	{ "http://h", { .trouble = CONNECT_TROUBLE_STATUS, .status = 502 }, "bad",
		"bad: the server answered 502 Bad Gateway: a proxy in front of the tunnel"
		" server cannot reach it",
		false },
	{ "http://h", { .trouble = CONNECT_TROUBLE_STATUS, .status = 401 }, "bad",
		"bad: the server answered 401 Unauthorized: a proxy in front requires a login: see"
		" --header",
		true },
	{ "http://h", { .trouble = CONNECT_TROUBLE_STATUS, .status = 101 }, "bad",
		"bad: the answer is not a WebSocket handshake", false },
	{ "http://h:8443", { .trouble = CONNECT_TROUBLE_SPEAKS_TLS }, "bad",
		"bad: this server speaks TLS: write https://h:8443", false },
	{ "http://h", { .trouble = CONNECT_TROUBLE_NO_ANSWER }, "closed",
		"closed without an answer: if it speaks TLS, write https://h:80", false },
	{ "https://h", { .trouble = CONNECT_TROUBLE_NO_ANSWER }, "closed",
		"closed without an answer", false },
	{ "https://h", { .trouble = CONNECT_TROUBLE_TLS, .tls = TLS_TROUBLE_UNKNOWN_CA },
		"bad", "bad: pass the CA certificate with --tls-ca", false },
	{ "https://h",
		{ .trouble = CONNECT_TROUBLE_TLS,
			.tls = TLS_TROUBLE_EXPIRED,
			.detail = "2026-01-02 03:04 UTC" },
		"certificate has expired",
		"certificate has expired on 2026-01-02 03:04 UTC: the server needs a new certificate",
		false },
	{ "https://h", { .trouble = CONNECT_TROUBLE_TLS, .tls = TLS_TROUBLE_EXPIRED },
		"certificate has expired",
		"certificate has expired: the server needs a new certificate", false },
	{ "https://h",
		{ .trouble = CONNECT_TROUBLE_TLS,
			.tls = TLS_TROUBLE_TOO_EARLY,
			.detail = "2026-01-02 03:04 UTC" },
		"not yet valid",
		"not yet valid before 2026-01-02 03:04 UTC: is the clock of this machine"
		" right?",
		false },
	{ "https://h",
		{ .trouble = CONNECT_TROUBLE_TLS,
			.tls = TLS_TROUBLE_WRONG_NAME,
			.detail = "a.example, *.b.example" },
		"mismatch",
		"mismatch: the certificate is for a.example, *.b.example and not for h: write"
		" one of its names, or set it with --sni",
		false },
	{ "https://h:8080", { .trouble = CONNECT_TROUBLE_TLS, .tls = TLS_TROUBLE_NO_TLS },
		"bad", "bad: this server speaks plain HTTP: write http://h:8080", false },
	{ "https://h",
		{ .trouble = CONNECT_TROUBLE_TLS, .tls = TLS_TROUBLE_WANTS_CERTIFICATE },
		"bad",
		"bad: the server requires a client certificate: see --tls-cert and"
		" --tls-key",
		true },
};

static void test_a_failed_connection_is_described(void **state)
{
	struct link_client_options o = { 0 };
	struct link_client c = { .o = &o };
	struct link_trouble t;
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(connects); i++) {
		assert_int_equal(chisel_url_parse(span_str(connects[i].server), &c.url,
					 NULL),
			ERR_OK);
		err_set(&why, ERR_PROTO, "%s", connects[i].words);
		link_trouble_of_connect(&t, &c, ERR_PROTO, &connects[i].failure, &why);
		assert_string_equal(t.text, connects[i].text);
		assert_int_equal(t.is_denied, connects[i].is_denied);
	}
}

static void test_a_refused_login_is_described(void **state)
{
	struct link_client_options o = { 0 };
	struct link_client c = { .o = &o };
	struct why why = { "wrong user or password" };
	struct link_trouble t;

	(void)state;
	link_trouble_of_session(&t, &c, ERR_DENIED, &why);
	assert_string_equal(t.text,
		"wrong user or password: no password was given: use --auth or AUTH");
	o.auth = "ann:wrong";
	link_trouble_of_session(&t, &c, ERR_DENIED, &why);
	assert_string_equal(t.text, "wrong user or password: check --auth or AUTH");
	assert_true(t.is_denied && t.is_login);
}

static void test_a_link_that_was_replaced_waits(void **state)
{
	struct link_client_options o = { 0 };
	struct link_client c = { .o = &o, .has_greeted = true };
	struct why why = { "another connection has replaced this one" };
	struct link_trouble t;

	(void)state;
	link_trouble_of_session(&t, &c, ERR_EXISTS, &why);
	assert_string_equal(t.text, why.text);
	assert_true(t.is_denied && !t.is_login);
}

static void test_refused_remotes_are_named(void **state)
{
	static const struct {
		const char *words, *more;
		bool is_denied;
	} rows[] = {
		{ "server: Reverse port forwaring not enabled on server",
			": start the server with --reverse", true },
		{ "server: Reverse port forwarding not enabled on server",
			": start the server with --reverse", true },
		{ "server: access to 'R:0.0.0.0:1' denied",
			": the user's permissions on the server do not allow it", true },
		{ "server: Server cannot listen on R:80=>80", "", false },
		{ "", "", false },
	};
	struct link_trouble t;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		link_trouble_of_refusal(&t, rows[i].words);
		assert_memory_equal(t.text, rows[i].words, strlen(rows[i].words));
		assert_string_equal(t.text + strlen(rows[i].words), rows[i].more);
		assert_int_equal(t.is_denied, rows[i].is_denied);
	}
}

static void test_an_unexpected_key_is_described(void **state)
{
	struct link_client_options o = { .fingerprint = "EXPECTED" };
	struct link_client c = { .o = &o, .is_key_bad = true };
	struct why why = { "Invalid fingerprint (FOUND)" };
	struct link_trouble t;

	(void)state;
	link_trouble_of_session(&t, &c, ERR_DENIED, &why);
	assert_memory_equal(t.text,
		"Invalid fingerprint (FOUND), expected EXPECTED: ", 48);
	assert_false(t.is_denied);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_failed_connection_is_described),
		cmocka_unit_test(test_a_refused_login_is_described),
		cmocka_unit_test(test_a_link_that_was_replaced_waits),
		cmocka_unit_test(test_refused_remotes_are_named),
		cmocka_unit_test(test_an_unexpected_key_is_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
