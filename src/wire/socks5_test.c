/* SOCKS5, both sides: chisel-protocol 6.5 and 1.8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>

#include "base/mem.h"
#include "text/hex.h"
#include "wire/socks5.h"

static size_t unhex(const char *hex, uint8_t *out, size_t size)
{
	size_t n;

	assert_int_equal(hex_decode(span_str(hex), out, size, &n), ERR_OK);
	return n;
}

static void assert_sent(struct buf *b, const char *hex)
{
	char got[2 * 600 + 1];

	assert_true(b->n < 600);
	assert_string_equal(hex_encode(buf_span(b), got), hex);
}

static const struct server_row {
	const char *in; /* greeting and request */
	const char *out;
	enum err rc;
	const char *host; /* if all is well */
	uint16_t port;
} server_rows[] = {
	{ "050100"
	  "05010001"
	  "7f000001"
	  "0050",
		"0500", ERR_OK, "127.0.0.1", 80 },
	{ "05020200"
	  "05010003"
	  "0b6578616d706c652e636f6d"
	  "01bb",
		"0500", ERR_OK, "example.com", 443 },
	{ "050100"
	  "05010004"
	  "00000000000000000000000000000001"
	  "ffff",
		"0500", ERR_OK, "::1", 65535 },
	{ "050102", "05ff", ERR_DENIED, NULL, 0 },
	{ "0500", "05ff", ERR_DENIED, NULL, 0 },
	{ "04", "", ERR_SYNTAX, NULL, 0 },
	{ "47", "", ERR_SYNTAX, NULL, 0 },
	{ "050100"
	  "04",
		"0500", ERR_SYNTAX, NULL, 0 },
	{ "050100"
	  "05020001"
	  "7f000001"
	  "0050",
		"0500"
		"05070001000000000000",
		ERR_PROTO, NULL, 0 },
	{ "050100"
	  "05030001"
	  "7f000001"
	  "0050",
		"0500"
		"05070001000000000000",
		ERR_PROTO, NULL, 0 },
	{ "050100"
	  "05010002",
		"0500"
		"05080001000000000000",
		ERR_PROTO, NULL, 0 },
	{ "050100"
	  "05010003"
	  "00"
	  "0050",
		"0500"
		"05040001000000000000",
		ERR_SYNTAX, NULL, 0 },
	{ "050100"
	  "05010003"
	  "036100"
	  "62"
	  "0050",
		"0500"
		"05040001000000000000",
		ERR_SYNTAX, NULL, 0 },
};

/* Feeds @row in two parts. */
static void check_server(const struct server_row *row, const uint8_t *bytes, size_t n,
	size_t split)
{
	struct socks5_server s;
	struct socks5_target t = { .host = "kept" };
	struct span in = span_of(bytes, split);
	struct buf out;
	enum err rc;

	buf_init(&out, 64);
	socks5_server_init(&s);
	rc = socks5_server_next(&s, &in, &out, &t);
	if (split < n && rc == ERR_AGAIN) {
		in.n += n - split;
		rc = socks5_server_next(&s, &in, &out, &t);
	}
	assert_int_equal(rc, row->rc);
	assert_sent(&out, row->out);
	if (rc == ERR_OK) {
		assert_string_equal(t.host, row->host);
		assert_int_equal(t.port, row->port);
		assert_int_equal(in.n, 0);
	} else {
		assert_string_equal(t.host, "kept");
		assert_int_equal(s.state, SOCKS5_FAILED);
	}
	buf_fini(&out);
}

static void test_a_server_reads_what_users_send_however_split(void **state)
{
	uint8_t bytes[300];

	(void)state;
	for (size_t i = 0; i < mem_count(server_rows); i++) {
		size_t n = unhex(server_rows[i].in, bytes, sizeof(bytes));

		for (size_t split = 0; split <= n; split++)
			check_server(&server_rows[i], bytes, n, split);
	}
}

static void test_a_server_wants_more_of_every_prefix(void **state)
{
	uint8_t bytes[64];
	size_t n = unhex("0502020005010003"
			 "0b6578616d706c652e636f6d"
			 "01bb",
		bytes, sizeof(bytes));

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct socks5_server s;
		struct socks5_target t;
		struct span in = span_of(bytes, i);
		struct buf out;

		buf_init(&out, 64);
		socks5_server_init(&s);
		assert_int_equal(socks5_server_next(&s, &in, &out, &t), ERR_AGAIN);
		buf_fini(&out);
	}
}

static void test_bytes_behind_a_request_are_the_targets(void **state)
{
	struct socks5_server s;
	struct socks5_target t;
	uint8_t bytes[64];
	struct span in = span_of(bytes,
		unhex("05010005010001"
		      "7f000001"
		      "0050"
		      "474554",
			bytes, sizeof(bytes)));
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	socks5_server_init(&s);
	assert_int_equal(socks5_server_next(&s, &in, &out, &t), ERR_OK);
	assert_true(span_is(in, "GET"));
	assert_int_equal(socks5_server_next(&s, &in, &out, &t), ERR_PROTO);
	buf_fini(&out);
}

static void test_replies_carry_our_end(void **state)
{
	static const uint8_t ip6[16] = { 0x20, 1, [15] = 9 };
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	assert_int_equal(socks5_server_reply(&out, SOCKS5_OK, span_of("\x0a\0\0\1", 4),
				 0x1234),
		ERR_OK);
	assert_sent(&out, "050000010a0000011234");
	buf_reset(&out);
	assert_int_equal(socks5_server_reply(&out, SOCKS5_OK, span_of(ip6, 16), 1),
		ERR_OK);
	assert_sent(&out,
		"0500000420010000000000000000000000000009"
		"0001");
	buf_reset(&out);
	assert_int_equal(socks5_server_reply(&out, SOCKS5_REFUSED, span_of(NULL, 0), 7),
		ERR_OK);
	assert_sent(&out, "05050001000000000000");
	buf_fini(&out);
	assert_int_equal(socks5_reply_for_errno(ECONNREFUSED), SOCKS5_REFUSED);
	assert_int_equal(socks5_reply_for_errno(ENETUNREACH), SOCKS5_NETWORK_UNREACHABLE);
	assert_int_equal(socks5_reply_for_errno(ETIMEDOUT), SOCKS5_HOST_UNREACHABLE);
	assert_int_equal(socks5_reply_for_errno(0), SOCKS5_HOST_UNREACHABLE);
}

#define REQUEST_NAME \
	"05010003" \
	"0b6578616d706c652e636f6d" \
	"01bb"
#define LOGIN \
	"0104" \
	"75736572" \
	"0470617373"

static const struct client_row {
	const char *host, *user;
	const char *in;  /* what the proxy says */
	const char *out; /* what we say, the greeting too */
	enum err rc;
	const char *why;
} client_rows[] = {
	{ "example.com", NULL,
		"0500"
		"05000001"
		"0a0000010050",
		"050100" REQUEST_NAME, ERR_OK, "" },
	{ "example.com", "user",
		"0500"
		"05000001"
		"0a0000010050",
		"05020002" REQUEST_NAME, ERR_OK, "" },
	{ "example.com", "user",
		"0502"
		"0100"
		"05000001"
		"0a0000010050",
		"05020002" LOGIN REQUEST_NAME, ERR_OK, "" },
	{ "example.com", NULL,
		"0500"
		"05000003"
		"03616263"
		"0050",
		"050100" REQUEST_NAME, ERR_OK, "" },
	{ "127.0.0.1", NULL,
		"0500"
		"05000004"
		"00000000000000000000000000000001"
		"0050",
		"050100"
		"05010001"
		"7f000001"
		"01bb",
		ERR_OK, "" },
	{ "::1", NULL,
		"0500"
		"05000001"
		"0a0000010050",
		"050100"
		"05010004"
		"00000000000000000000000000000001"
		"01bb",
		ERR_OK, "" },
	{ "a", NULL, "05ff", "050100", ERR_DENIED,
		"the proxy requires an authentication method that is not supported" },
	{ "a", NULL, "0502", "050100", ERR_DENIED,
		"the proxy requires an authentication method that is not supported" },
	{ "a", "user", "0501", "05020002", ERR_DENIED,
		"the proxy requires an authentication method that is not supported" },
	{ "a", NULL, "48", "050100", ERR_SYNTAX, "the proxy does not speak SOCKS5" },
	{ "a", "user",
		"0502"
		"0101",
		"05020002" LOGIN, ERR_DENIED,
		"the proxy rejected the user name or the password" },
	{ "a", "user",
		"0502"
		"05",
		"05020002" LOGIN, ERR_SYNTAX, "the proxy does not speak SOCKS5" },
	{ "a", NULL,
		"0500"
		"0502",
		"050100"
		"05010003"
		"0161"
		"01bb",
		ERR_DENIED, "the proxy could not connect: not allowed by its rules" },
	{ "a", NULL,
		"0500"
		"0505",
		"050100"
		"05010003"
		"0161"
		"01bb",
		ERR_PROTO, "the proxy could not connect: connection refused" },
	{ "a", NULL,
		"0500"
		"0599",
		"050100"
		"05010003"
		"0161"
		"01bb",
		ERR_PROTO, "the proxy could not connect: code 153" },
	{ "a", NULL,
		"0500"
		"05000009",
		"050100"
		"05010003"
		"0161"
		"01bb",
		ERR_PROTO, "the proxy's reply has an unknown address type" },
};

static void check_client(const struct client_row *row, const uint8_t *bytes, size_t n,
	size_t split)
{
	struct socks5_target t = { .port = 443 };
	struct span in = span_of(bytes, split);
	struct socks5_client c;
	struct why why = { "" };
	struct buf out;
	enum err rc;

	buf_init(&out, 600);
	strcpy(t.host, row->host);
	assert_int_equal(socks5_client_start(&c, &t, row->user, "pass", &out), ERR_OK);
	rc = socks5_client_next(&c, &in, &out, &why);
	if (split < n && rc == ERR_AGAIN) {
		in.n += n - split;
		rc = socks5_client_next(&c, &in, &out, &why);
	}
	assert_int_equal(rc, row->rc);
	assert_string_equal(why.text, row->why);
	assert_sent(&out, row->out);
	if (rc == ERR_OK)
		assert_int_equal(in.n, 0);
	else
		assert_int_equal(c.state, SOCKS5_FAILED);
	buf_fini(&out);
}

static void test_a_client_talks_to_a_proxy_however_split(void **state)
{
	uint8_t bytes[300];

	(void)state;
	for (size_t i = 0; i < mem_count(client_rows); i++) {
		size_t n = unhex(client_rows[i].in, bytes, sizeof(bytes));

		for (size_t split = 0; split <= n; split++)
			check_client(&client_rows[i], bytes, n, split);
	}
}

static void test_credentials_that_do_not_fit_are_refused(void **state)
{
	struct socks5_target t = { .host = "a", .port = 1 };
	struct socks5_client c;
	char text[257];
	struct buf out;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[256] = '\0';
	buf_init(&out, 600);
	assert_int_equal(socks5_client_start(&c, &t, text, "", &out), ERR_LIMIT);
	assert_int_equal(socks5_client_start(&c, &t, "", text, &out), ERR_LIMIT);
	assert_int_equal(out.n, 0);
	text[255] = '\0';
	assert_int_equal(socks5_client_start(&c, &t, text, text, &out), ERR_OK);
	buf_fini(&out);
}

static void test_an_answer_that_finds_no_room_is_a_failure(void **state)
{
	struct socks5_server s;
	struct socks5_target t;
	struct span in = span_of("\5\1\0", 3);
	struct buf out;

	(void)state;
	buf_init(&out, 1);
	socks5_server_init(&s);
	assert_int_equal(socks5_server_next(&s, &in, &out, &t), ERR_LIMIT);
	assert_int_equal(s.state, SOCKS5_FAILED);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_a_server_reads_what_users_send_however_split),
		cmocka_unit_test(test_a_server_wants_more_of_every_prefix),
		cmocka_unit_test(test_bytes_behind_a_request_are_the_targets),
		cmocka_unit_test(test_replies_carry_our_end),
		cmocka_unit_test(test_a_client_talks_to_a_proxy_however_split),
		cmocka_unit_test(test_credentials_that_do_not_fit_are_refused),
		cmocka_unit_test(test_an_answer_that_finds_no_room_is_a_failure),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
