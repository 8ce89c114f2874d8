/* Keyless signing: a request, its checks, and the two kinds of refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tunnel/portal/message.h"

#define NOW 1780315200
#define DIGEST "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" /* 32 zero bytes */
#define REQUEST \
	"{\"key_id\":\"relay-cert\",\"algorithm\":\"ECDSA_SHA256\",\"digest\":\"" DIGEST \
	"\",\"timestamp_unix\":1780315200,\"nonce\":\"00112233445566778899aabbccddeeff\"}"

static const struct sign_order order = { .algorithm = SIGN_ECDSA_SHA256 };

static struct message_sign_request good_request(void)
{
	struct message_sign_request r;

	assert_int_equal(message_read_request(&message_sign_request_fields,
				 span_str(REQUEST), &r, NULL),
		ERR_OK);
	return r;
}

static void test_a_request_is_written_and_read(void **state)
{
	static const uint8_t nonce[MESSAGE_SIGN_NONCE_BYTES] = { 0x00, 0x11, 0x22, 0x33,
		0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	struct message_sign_request r;
	struct sign_order got = { .algorithm = SIGN_RSA_PSS_SHA512 };
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	message_sign_request_fill(&order, NOW, nonce, &r);
	assert_int_equal(message_put_request(&message_sign_request_fields, &r, &out),
		ERR_OK);
	assert_int_equal(buf_put_u8(&out, '\0'), ERR_OK);
	assert_string_equal((const char *)buf_front(&out), REQUEST);
	assert_int_equal(message_sign_request_check(&r, NOW, &got, NULL), ERR_OK);
	assert_int_equal(got.algorithm, SIGN_ECDSA_SHA256);
	assert_memory_equal(got.digest, order.digest, 32);
	buf_fini(&out);
}

static void test_the_longest_digest_fits(void **state)
{
	static const uint8_t nonce[MESSAGE_SIGN_NONCE_BYTES];
	struct sign_order long_order = { .algorithm = SIGN_RSA_PSS_SHA512 }, got;
	struct message_sign_request r;

	(void)state;
	memset(long_order.digest, 0xff, sizeof(long_order.digest));
	message_sign_request_fill(&long_order, NOW, nonce, &r);
	assert_int_equal(message_sign_request_check(&r, NOW, &got, NULL), ERR_OK);
	assert_memory_equal(got.digest, long_order.digest, sizeof(got.digest));
}

static void test_a_request_is_checked(void **state)
{
	struct message_sign_request r = good_request();
	struct sign_order got;

	(void)state;
	strcpy(r.key_id, "other");
	assert_int_equal(message_sign_request_check(&r, NOW, &got, NULL), ERR_NOENT);
	r = good_request();
	strcpy(r.algorithm, "ECDSA_SHA1");
	assert_int_equal(message_sign_request_check(&r, NOW, &got, NULL), ERR_SYNTAX);
	strcpy(r.algorithm, "ECDSA_SHA384"); /* with a digest of 32 bytes */
	assert_int_equal(message_sign_request_check(&r, NOW, &got, NULL), ERR_SYNTAX);
	r = good_request();
	strcpy(r.digest, "?");
	assert_int_equal(message_sign_request_check(&r, NOW, &got, NULL), ERR_SYNTAX);
	r = good_request();
	r.nonce[0] = '\0';
	assert_int_equal(message_sign_request_check(&r, NOW, &got, NULL), ERR_SYNTAX);
}

static void test_the_clock_may_differ_by_30_seconds(void **state)
{
	static const struct {
		int64_t timestamp;
		enum err want;
	} cases[] = {
		{ NOW - 30, ERR_OK },
		{ NOW + 30, ERR_OK },
		{ NOW - 31, ERR_TIMEOUT },
		{ NOW + 31, ERR_TIMEOUT },
		{ INT64_MIN, ERR_TIMEOUT },
		{ INT64_MAX, ERR_TIMEOUT },
	};
	struct sign_order got;

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct message_sign_request r = good_request();

		r.timestamp_unix = cases[i].timestamp;
		assert_int_equal(message_sign_request_check(&r, NOW, &got, NULL),
			cases[i].want);
	}
}

static enum err read_signature(unsigned status, const char *body, size_t size,
	struct message_refusal *refusal)
{
	uint8_t bytes[64];
	size_t n;

	return message_read_signature(status, span_str(body), &order,
		(struct mspan){ .p = bytes, .n = size }, &n, refusal, NULL);
}

static void test_a_signature_comes_back(void **state)
{
	struct message_refusal refusal;
	uint8_t bytes[8];
	struct buf out;
	size_t n = 0;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(message_put_signature(SIGN_ECDSA_SHA256, span_str("signed"),
				 &out),
		ERR_OK);
	assert_int_equal(message_read_signature(200, buf_span(&out), &order,
				 (struct mspan){ .p = bytes, .n = sizeof(bytes) }, &n,
				 &refusal, NULL),
		ERR_OK);
	assert_true(span_is(span_of(bytes, n), "signed"));
	assert_int_equal(buf_put_u8(&out, '\0'), ERR_OK);
	assert_string_equal((const char *)buf_front(&out),
		"{\"key_id\":\"relay-cert\",\"algorithm\":\"ECDSA_SHA256\","
		"\"signature\":\"c2lnbmVk\"}");
	assert_int_equal(read_signature(200, (const char *)buf_front(&out), 5, &refusal),
		ERR_LIMIT);
	buf_fini(&out);
}

static void test_a_signature_must_be_the_one_asked_for(void **state)
{
	struct message_refusal refusal;

	(void)state;
	assert_int_equal(read_signature(200, "{}", 64, &refusal), ERR_PROTO);
	assert_int_equal(read_signature(200,
				 "{\"key_id\":\"relay-cert\",\"algorithm\":"
				 "\"RSA_PSS_SHA256\",\"signature\":\"c2lnbmVk\"}",
				 64, &refusal),
		ERR_PROTO);
	assert_int_equal(read_signature(200,
				 "{\"key_id\":\"relay-cert\",\"algorithm\":"
				 "\"ECDSA_SHA256\",\"signature\":\"c2lnbmV\"}",
				 64, &refusal),
		ERR_SYNTAX);
}

static void test_both_kinds_of_refusal_are_read(void **state)
{
	struct message_refusal r;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(message_put_sign_refusal("bad digest", &out), ERR_OK);
	assert_int_equal(buf_put_u8(&out, '\0'), ERR_OK);
	assert_string_equal((const char *)buf_front(&out), "{\"error\":\"bad digest\"}");
	assert_int_equal(read_signature(400, (const char *)buf_front(&out), 64, &r),
		ERR_DENIED);
	assert_string_equal(r.code, "");
	assert_string_equal(r.text, "bad digest");
	buf_reset(&out);
	assert_int_equal(message_put_refusal(MESSAGE_LEASE_REJECTED, "no", &out), ERR_OK);
	assert_int_equal(buf_put_u8(&out, '\0'), ERR_OK);
	assert_int_equal(read_signature(403, (const char *)buf_front(&out), 64, &r),
		ERR_DENIED);
	assert_string_equal(r.code, "lease_rejected");
	assert_int_equal(read_signature(500, "oops", 64, &r), ERR_DENIED);
	assert_string_equal(r.text, "oops");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_is_written_and_read),
		cmocka_unit_test(test_the_longest_digest_fits),
		cmocka_unit_test(test_a_request_is_checked),
		cmocka_unit_test(test_the_clock_may_differ_by_30_seconds),
		cmocka_unit_test(test_a_signature_comes_back),
		cmocka_unit_test(test_a_signature_must_be_the_one_asked_for),
		cmocka_unit_test(test_both_kinds_of_refusal_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
