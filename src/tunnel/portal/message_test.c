/* Messages of the life of a lease:
 * as stock peers write them, and what is made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tunnel/portal/message.h"

#define ADDRESS "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
#define IDENTITY "{\"name\":\"demo-app\",\"address\":\"" ADDRESS "\"}"

static const char *terminated(struct buf *out)
{
	assert_int_equal(buf_put_u8(out, '\0'), ERR_OK);
	return (const char *)buf_front(out);
}

/* What is read from @text is written as @text again. */
static void assert_survives(const struct field_table *fields, const char *text)
{
	void *object = calloc(1, fields->bytes);
	struct why why = { .text = "" };
	struct buf out;

	buf_init(&out, MESSAGE_BODY_MAX);
	if (message_read_request(fields, span_str(text), object, &why) != ERR_OK)
		fail_msg("%s: %s", text, why.text);
	assert_int_equal(message_put_request(fields, object, &out), ERR_OK);
	assert_string_equal(terminated(&out), text);
	field_fini(fields, object);
	free(object);
	buf_fini(&out);
}

static void test_requests_are_written_as_they_are_read(void **state)
{
	(void)state;
	assert_survives(&message_challenge_request_fields,
		"{\"identity\":" IDENTITY ",\"metadata\":{},\"ttl\":120}");
	assert_survives(&message_challenge_request_fields,
		"{\"identity\":" IDENTITY ",\"metadata\":{\"description\":\"d\","
		"\"owner\":\"o\",\"thumbnail\":\"t\",\"tags\":[\"a\",\"b\"],"
		"\"hide\":true},\"ttl\":30,\"udp_enabled\":true,\"tcp_enabled\":true,"
		"\"hop_token\":\"hpt_\",\"route_hostname\":\"ech-x.example.com\","
		"\"hostname_hash\":\"7lv6\",\"ech_config_list\":\"AAA=\"}");
	assert_survives(&message_register_request_fields,
		"{\"challenge_id\":\"rch_0011223344556677\",\"siwe_message\":\"a\\nb\","
		"\"siwe_signature\":\"0x25\",\"reported_ip\":\"203.0.113.9\"}");
	assert_survives(&message_renew_request_fields,
		"{\"access_token\":\"eyJ\",\"ttl\":120,\"metadata\":{\"hide\":true}}");
	assert_survives(&message_unregister_request_fields, "{\"access_token\":\"eyJ\"}");
}

static void test_replies_are_written_as_they_are_read(void **state)
{
	(void)state;
	assert_survives(&message_domain_fields,
		"{\"protocol_version\":\"7\",\"release_version\":\"v2.2.2\","
		"\"ens\":{\"enabled\":false,\"verified\":false}}");
	assert_survives(&message_tunnel_status_fields,
		"{\"hostname\":\"a.example.com\",\"registered\":true,"
		"\"service_alive\":false}");
	assert_survives(&message_challenge_fields,
		"{\"challenge_id\":\"rch_0011223344556677\","
		"\"expires_at\":\"2026-06-01T12:02:00.123456789Z\","
		"\"siwe_message\":\"portal.example.com wants you to sign in ...\"}");
	assert_survives(&message_lease_fields,
		"{\"identity\":" IDENTITY ",\"expires_at\":\"2026-06-01T12:02:00Z\","
		"\"access_token\":\"eyJ\",\"sni_port\":443}");
	assert_survives(&message_lease_fields,
		"{\"identity\":" IDENTITY ",\"expires_at\":\"2026-06-01T12:02:00Z\","
		"\"access_token\":\"eyJ\",\"sni_port\":443,\"udp_enabled\":true,"
		"\"udp_addr\":\"example.com:5000\",\"tcp_enabled\":true,"
		"\"tcp_addr\":\"example.com:5001\"}");
	assert_survives(&message_renewal_fields,
		"{\"expires_at\":\"2026-06-01T12:02:00.5Z\",\"access_token\":\"eyJ\"}");
}

#define LISTED \
	"{\"name\":\"demo-app\",\"ExpiresAt\":\"2026-06-01T12:02:00Z\"," \
	"\"FirstSeenAt\":\"2026-06-01T12:00:00Z\"," \
	"\"LastSeenAt\":\"2026-06-01T12:01:00.25Z\"," \
	"\"Hostname\":\"demo-app.example.com\",\"UDPEnabled\":false," \
	"\"TCPEnabled\":true,\"TCPAddr\":\"example.com:5001\"," \
	"\"Metadata\":{\"tags\":[\"a\"]},\"Ready\":2"

static void test_lists_have_the_keys_that_pages_know(void **state)
{
	(void)state;
	assert_survives(&message_public_lease_fields, LISTED "}");
	assert_survives(&message_admin_lease_fields,
		LISTED ",\"identity_key\":\"demo-app:0xf39f\",\"address\":\"" ADDRESS
		       "\",\"BPS\":1024,\"ClientIP\":\"203.0.113.9\",\"ReportedIP\":\"\","
		       "\"IsApproved\":true,\"IsBanned\":false,\"IsDenied\":false,"
		       "\"IsIPBanned\":false}");
}

static void test_a_request_may_say_little(void **state)
{
	struct message_challenge_request r;

	(void)state;
	assert_int_equal(message_read_request(&message_challenge_request_fields,
				 span_str("{\"later\":{}}"), &r, NULL),
		ERR_OK);
	assert_string_equal(r.identity.name, "");
	assert_int_equal(r.ttl_s, 0);
	assert_null(r.metadata.owner);
	assert_int_equal(r.metadata.tags.n, 0);
	field_fini(&message_challenge_request_fields, &r);
}

static void test_times_may_have_an_offset(void **state)
{
	struct message_renewal m;

	(void)state;
	assert_int_equal(
		message_read_request(&message_renewal_fields,
			span_str("{\"expires_at\":\"2026-06-01T21:02:00.5+09:00\"}"), &m,
			NULL),
		ERR_OK);
	assert_int_equal(m.expires_at.s, 1780315320);
	assert_int_equal(m.expires_at.ns, 500000000);
}

/* {"@key":"xxx..."} with @n of them. */
static char *long_member(const char *key, size_t n)
{
	char *x = malloc(n + 1), *text;

	memset(x, 'x', n);
	x[n] = '\0';
	text = str_printf("{\"%s\":\"%s\"}", key, x);
	free(x);
	return text;
}

static void test_members_are_bounded(void **state)
{
	static const struct {
		const char *key;
		size_t max;
	} cases[] = {
		{ "hop_token", 127 },
		{ "route_hostname", 255 },
		{ "ech_config_list", 5464 },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		for (size_t more = 0; more < 2; more++) {
			char *text = long_member(cases[i].key, cases[i].max + more);
			struct message_challenge_request r;

			assert_int_equal(
				message_read_request(&message_challenge_request_fields,
					span_str(text), &r, NULL),
				more ? ERR_LIMIT : ERR_OK);
			free(text);
		}
	}
}

static void test_a_long_body_is_not_looked_at(void **state)
{
	char *text = long_member("unknown", MESSAGE_BODY_MAX);
	struct message_unregister_request r;

	(void)state;
	assert_int_equal(message_read_request(&message_unregister_request_fields,
				 span_str(text), &r, NULL),
		ERR_LIMIT);
	free(text);
}

/* ---- the envelope ---- */

static void test_a_reply_lies_in_an_envelope(void **state)
{
	const struct message_renewal m = { .expires_at = { .s = 1780315320 },
		.access_token = "a" };
	struct message_refusal refusal;
	struct message_renewal got;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(message_put_reply(&message_renewal_fields, &m, &out), ERR_OK);
	assert_int_equal(message_read_reply(200, buf_span(&out), &message_renewal_fields,
				 &got, &refusal, NULL),
		ERR_OK);
	assert_string_equal(got.access_token, "a");
	assert_string_equal(terminated(&out),
		"{\"data\":{\"expires_at\":\"2026-06-01T12:02:00Z\",\"access_token\":\"a\"},\"ok\":true}\n");
	buf_fini(&out);
}

static void test_a_reply_may_be_empty(void **state)
{
	struct message_refusal refusal;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(message_put_reply(NULL, NULL, &out), ERR_OK);
	assert_int_equal(message_read_reply(201, buf_span(&out), NULL, NULL, &refusal,
				 NULL),
		ERR_OK);
	assert_string_equal(terminated(&out), "{\"data\":{},\"ok\":true}\n");
	buf_fini(&out);
}

static void test_a_refusal_is_read(void **state)
{
	struct message_refusal r;
	struct why why;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(message_put_refusal(MESSAGE_LEASE_NOT_FOUND, "lease not found",
				 &out),
		ERR_OK);
	assert_int_equal(message_read_reply(404, buf_span(&out), NULL, NULL, &r, &why),
		ERR_DENIED);
	assert_int_equal(r.status, 404);
	assert_string_equal(r.code, "lease_not_found");
	assert_string_equal(r.text, "lease not found");
	assert_string_equal(why.text, "the relay refuses: lease not found");
	assert_int_equal(message_read_reply(200, buf_span(&out), NULL, NULL, &r, &why),
		ERR_DENIED); /* a good status makes no success of it */
	assert_string_equal(terminated(&out),
		"{\"error\":{\"code\":\"lease_not_found\","
		"\"message\":\"lease not found\"},\"ok\":false}\n");
	buf_fini(&out);
}

static void test_a_refusal_may_be_no_envelope(void **state)
{
	static const struct {
		const char *body, *text;
	} cases[] = {
		{ " <h1>bad gateway</h1>\r\n", "<h1>bad gateway</h1>" },
		{ "", "" },
		{ " \n", "" },
		{ "{\"ok\":false}", "{\"ok\":false}" },
		{ "{\"error\":\"text\"}", "{\"error\":\"text\"}" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct message_refusal r;

		assert_int_equal(message_read_reply(502, span_str(cases[i].body), NULL,
					 NULL, &r, NULL),
			ERR_DENIED);
		assert_string_equal(r.code, "");
		assert_string_equal(r.text, cases[i].text);
	}
}

static void test_a_long_refusal_is_cut(void **state)
{
	char *x = long_member("x", 20000);
	struct message_refusal r;
	struct why why;

	(void)state;
	assert_int_equal(message_read_reply(500, span_str(x), NULL, NULL, &r, &why),
		ERR_DENIED);
	assert_int_equal(strlen(r.text), sizeof(r.text) - 1);
	free(x);
}

static void test_a_refusal_is_quoted_for_a_person(void **state)
{
	struct message_refusal r;
	struct why why;

	(void)state;
	assert_int_equal(message_read_reply(500, span_str("\033[2J"), NULL, NULL, &r,
				 &why),
		ERR_DENIED);
	assert_null(strchr(why.text, '\033'));
	assert_int_equal(message_read_reply(500, span_str(""), NULL, NULL, &r, &why),
		ERR_DENIED);
	assert_string_equal(why.text, "the relay refuses with status 500");
}

static void test_a_malformed_success_is_refused(void **state)
{
	struct message_renewal got;
	struct message_refusal r;

	(void)state;
	assert_int_equal(message_read_reply(200, span_str("hello"),
				 &message_renewal_fields, &got, &r, NULL),
		ERR_SYNTAX);
	assert_int_equal(message_read_reply(200, span_str("{\"data\":7,\"ok\":true}"),
				 &message_renewal_fields, &got, &r, NULL),
		ERR_SYNTAX);
	assert_int_equal(message_read_reply(200, span_str("{\"ok\":true}"),
				 &message_renewal_fields, &got, &r, NULL),
		ERR_OK);
	assert_string_equal(got.access_token, "");
}

/* ---- codes ---- */

static void test_codes_have_a_status(void **state)
{
	(void)state;
	assert_string_equal(message_error_code(MESSAGE_SIGNED_OUT), "unauthorized");
	assert_int_equal(message_error_status(MESSAGE_SIGNED_OUT), 401);
	assert_string_equal(message_error_code(MESSAGE_UNAUTHORIZED), "unauthorized");
	assert_int_equal(message_error_status(MESSAGE_UNAUTHORIZED), 403);
	assert_int_equal(message_error_status(MESSAGE_HTTP11_ONLY), 505);
	for (enum message_error e = MESSAGE_INVALID_JSON; e <= MESSAGE_HTTP11_ONLY; e++) {
		assert_non_null(message_error_code(e));
		assert_in_range(message_error_status(e), 400, 505);
	}
}

static void test_four_codes_end_a_registration(void **state)
{
	unsigned count = 0;

	(void)state;
	for (enum message_error e = MESSAGE_INVALID_JSON; e <= MESSAGE_HTTP11_ONLY; e++)
		count += message_error_is_final(message_error_code(e));
	assert_int_equal(count, 4);
	assert_true(message_error_is_final("hostname_conflict"));
	assert_true(message_error_is_final("ip_banned"));
	assert_false(message_error_is_final("unauthorized"));
	assert_false(message_error_is_final(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_written_as_they_are_read),
		cmocka_unit_test(test_replies_are_written_as_they_are_read),
		cmocka_unit_test(test_lists_have_the_keys_that_pages_know),
		cmocka_unit_test(test_a_request_may_say_little),
		cmocka_unit_test(test_times_may_have_an_offset),
		cmocka_unit_test(test_members_are_bounded),
		cmocka_unit_test(test_a_long_body_is_not_looked_at),
		cmocka_unit_test(test_a_reply_lies_in_an_envelope),
		cmocka_unit_test(test_a_reply_may_be_empty),
		cmocka_unit_test(test_a_refusal_is_read),
		cmocka_unit_test(test_a_refusal_may_be_no_envelope),
		cmocka_unit_test(test_a_long_refusal_is_cut),
		cmocka_unit_test(test_a_refusal_is_quoted_for_a_person),
		cmocka_unit_test(test_a_malformed_success_is_refused),
		cmocka_unit_test(test_codes_have_a_status),
		cmocka_unit_test(test_four_codes_end_a_registration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
