/* Access tokens: the known one, and every way not to be believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "crypto/hash.h"
#include "text/base64.h"
#include "text/hex.h"
#include "tunnel/portal/access_token.h"
#include "tunnel/portal/identity_vector_test.h"
#include "tunnel/portal/random_id.h"

#define ISSUER "https://portal.example.com"
#define ISSUED_AT 1780315200
#define EXPIRES_AT 1780315320

static const char known[] =
	"eyJhbGciOiJFUzI1NksiLCJ0eXAiOiJKV1QifQ."
	"eyJhdWQiOlsicG9ydGFsLXNkayJdLCJleHAiOjE3ODAzMTUzMjAsImlhdCI6MTc4MDMxNTIwMCwiaWRlbnRpdHki"
	"OnsibmFtZSI6ImRlbW8tYXBwIiwiYWRkcmVzcyI6IjB4ZjM5RmQ2ZTUxYWFkODhGNkY0Y2U2YUI4ODI3Mjc5Y2Zm"
	"RmI5MjI2NiJ9LCJpc3MiOiJodHRwczovL3BvcnRhbC5leGFtcGxlLmNvbSIsImp0aSI6InRva18wMTIzNDU2Nzg5"
	"YWJjZGVmIiwibmJmIjoxNzgwMzE1MjAwLCJzdWIiOiJkZW1vLWFwcDoweGYzOWZkNmU1MWFhZDg4ZjZmNGNlNmFi"
	"ODgyNzI3OWNmZmZiOTIyNjYifQ."
	"5sMcKoUZZZCHEIpspPBStURT_Ki3mlqS6L_yEqqkqDo7E5zEibPQspCLpkyzh4sXQIv_0WeODx5p5pDvo-uLlQ";

static const struct access_token token = {
	.issuer = ISSUER,
	.id = "tok_0123456789abcdef",
	.name = VECTOR_NAME,
	.address = VECTOR_ADDRESS,
	.issued_at_s = ISSUED_AT,
	.expires_at_s = EXPIRES_AT,
};

static void known_secret(uint8_t secret[K1_SECRET_BYTES])
{
	size_t n;

	assert_int_equal(hex_decode(span_str(VECTOR_SECRET), secret, K1_SECRET_BYTES, &n),
		ERR_OK);
}

static enum err verify_at(struct span text, int64_t now_s, struct access_token *out)
{
	struct access_check check = { .issuer = ISSUER, .now_s = now_s };
	uint8_t secret[K1_SECRET_BYTES];
	struct k1_public key;
	struct why why = { "" };
	enum err rc;

	known_secret(secret);
	assert_int_equal(k1_derive_public(secret, &key), ERR_OK);
	check.key = &key;
	rc = access_token_verify(text, &check, out, &why);
	assert_true(rc == ERR_OK || why.text[0] != '\0');
	return rc;
}

/* Signs a header and claims as they are, and says whether the token is believed. */
static enum err verify_made(const char *header, const char *claims)
{
	uint8_t secret[K1_SECRET_BYTES], digest[HASH_SHA256_BYTES];
	char first[256], second[1024], third[BASE64_TEXT_SIZE(K1_RS_BYTES)];
	struct k1_signature sig;
	struct access_token out;
	char *text, *whole;
	enum err rc;

	known_secret(secret);
	base64_encode(BASE64_URL, span_str(header), first);
	base64_encode(BASE64_URL, span_str(claims), second);
	text = str_printf("%s.%s", first, second);
	assert_int_equal(hash_sha256(span_str(text), digest), ERR_OK);
	assert_int_equal(k1_sign(secret, digest, &sig), ERR_OK);
	base64_encode(BASE64_URL, span_of(sig.rs, sizeof(sig.rs)), third);
	whole = str_printf("%s.%s", text, third);
	rc = verify_at(span_str(whole), ISSUED_AT, &out);
	free(text);
	free(whole);
	return rc;
}

static void test_the_known_token_is_written_and_read(void **state)
{
	uint8_t secret[K1_SECRET_BYTES];
	struct access_token read;
	struct buf out;

	(void)state;
	known_secret(secret);
	buf_init(&out, ACCESS_TOKEN_MAX);
	assert_int_equal(access_token_print(&token, secret, &out), ERR_OK);
	assert_true(span_is(buf_span(&out), known));
	assert_int_equal(verify_at(buf_span(&out), ISSUED_AT, &read), ERR_OK);
	assert_string_equal(read.issuer, ISSUER);
	assert_string_equal(read.id, token.id);
	assert_string_equal(read.name, token.name);
	assert_string_equal(read.address, token.address);
	assert_true(read.issued_at_s == ISSUED_AT && read.expires_at_s == EXPIRES_AT);
	buf_fini(&out);
}

static void test_a_token_is_good_for_its_time(void **state)
{
	struct access_token out;

	(void)state;
	assert_int_equal(verify_at(span_str(known), ISSUED_AT - 1, &out), ERR_DENIED);
	assert_int_equal(verify_at(span_str(known), EXPIRES_AT, &out), ERR_OK);
	assert_int_equal(verify_at(span_str(known), EXPIRES_AT + 1, &out), ERR_DENIED);
}

static void test_another_key_or_issuer_is_denied(void **state)
{
	struct access_check check = { .issuer = ISSUER "/", .now_s = ISSUED_AT };
	uint8_t secret[K1_SECRET_BYTES];
	struct access_token out;
	struct k1_public key;

	(void)state;
	known_secret(secret);
	assert_int_equal(k1_derive_public(secret, &key), ERR_OK);
	check.key = &key;
	assert_int_equal(access_token_verify(span_str(known), &check, &out, NULL),
		ERR_DENIED);
	check.issuer = ISSUER;
	assert_int_equal(access_token_verify(span_str(known), &check, &out, NULL),
		ERR_OK);
	secret[0] ^= 1;
	assert_int_equal(k1_derive_public(secret, &key), ERR_OK);
	assert_int_equal(access_token_verify(span_str(known), &check, &out, NULL),
		ERR_DENIED);
}

static void test_every_change_and_every_prefix_is_denied(void **state)
{
	struct access_token out;
	char text[sizeof(known)];

	(void)state;
	for (size_t i = 0; i < strlen(known); i++) {
		assert_int_equal(verify_at(span_of(known, i), ISSUED_AT, &out),
			ERR_DENIED);
		memcpy(text, known, sizeof(text));
		text[i] = text[i] == 'A' ? 'B' : 'A';
		assert_int_equal(verify_at(span_str(text), ISSUED_AT, &out), ERR_DENIED);
	}
}

#define HEADER "{\"alg\":\"ES256K\",\"typ\":\"JWT\"}"
#define AUD "\"aud\":[\"portal-sdk\"],"
#define TIMES "\"exp\":1780315320,\"iat\":1780315200,\"nbf\":1780315200,"
#define HOLDER "\"identity\":{\"name\":\"demo-app\",\"address\":\"" VECTOR_ADDRESS "\"},"
#define ISS "\"iss\":\"" ISSUER "\","
#define SUB "\"sub\":\"demo-app:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266\""

static void test_well_signed_claims_must_be_right_too(void **state)
{
	static const struct {
		const char *header, *claims;
		enum err rc;
	} rows[] = {
		{ HEADER, "{" AUD TIMES HOLDER ISS SUB "}", ERR_OK },
		{ HEADER, "{\"aud\":[\"x\",\"portal-sdk\"]," TIMES HOLDER ISS SUB "}",
			ERR_OK },
		{ HEADER, "{\"aud\":\"portal-sdk\"," TIMES HOLDER ISS SUB "}", ERR_OK },
		{ HEADER, "{\"aud\":\"portal\"," TIMES HOLDER ISS SUB "}", ERR_DENIED },
		{ HEADER, "{\"aud\":7," TIMES HOLDER ISS SUB "}", ERR_DENIED },
		{ "{\"alg\":\"none\"}", "{" AUD TIMES HOLDER ISS SUB "}", ERR_DENIED },
		{ "{\"alg\":\"ES256\"}", "{" AUD TIMES HOLDER ISS SUB "}", ERR_DENIED },
		{ "{}", "{" AUD TIMES HOLDER ISS SUB "}", ERR_DENIED },
		{ "[]", "{" AUD TIMES HOLDER ISS SUB "}", ERR_DENIED },
		{ HEADER, "{" TIMES HOLDER ISS SUB "}", ERR_DENIED },
		{ HEADER, "{\"aud\":[\"other\"]," TIMES HOLDER ISS SUB "}", ERR_DENIED },
		{ HEADER, "{" AUD HOLDER ISS SUB "}", ERR_DENIED },
		{ HEADER, "{" AUD TIMES HOLDER SUB "}", ERR_DENIED },
		{ HEADER, "{" AUD TIMES ISS SUB "}", ERR_DENIED },
		{ HEADER, "{" AUD TIMES HOLDER ISS "\"sub\":\"demo-app:0x00\"}",
			ERR_DENIED },
		{ HEADER,
			"{" AUD
			"\"exp\":1780315320,\"iat\":1780315201,\"nbf\":1780315200," HOLDER
				ISS SUB "}",
			ERR_DENIED },
		{ HEADER,
			"{" AUD
			"\"exp\":\"1780315320\",\"iat\":1,\"nbf\":1," HOLDER ISS SUB "}",
			ERR_DENIED },
		{ HEADER, "[]", ERR_DENIED },
		{ HEADER, "", ERR_DENIED },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(verify_made(rows[i].header, rows[i].claims), rows[i].rc);
}

static void test_a_token_has_a_bound(void **state)
{
	uint8_t secret[K1_SECRET_BYTES];
	struct access_token out;
	char text[ACCESS_TOKEN_MAX + 1];
	struct buf small;

	(void)state;
	memset(text, '.', sizeof(text));
	assert_int_equal(verify_at(span_of(text, sizeof(text)), 0, &out), ERR_DENIED);
	assert_int_equal(verify_at(span_of(text, sizeof(text) - 1), 0, &out), ERR_DENIED);
	known_secret(secret);
	buf_init(&small, 10);
	assert_int_equal(access_token_print(&token, secret, &small), ERR_LIMIT);
	assert_int_equal(small.n, 0);
	buf_fini(&small);
	memset(secret, 0, sizeof(secret));
	buf_init(&small, ACCESS_TOKEN_MAX);
	assert_int_equal(access_token_print(&token, secret, &small), ERR_CRYPTO);
	buf_fini(&small);
}

static void test_ids_are_a_prefix_and_digits(void **state)
{
	char id[RANDOM_ID_SIZE], other[RANDOM_ID_SIZE];

	(void)state;
	assert_string_equal(random_id_make(RANDOM_ID_TOKEN, id), id);
	assert_true(str_has_prefix(id, "tok_"));
	assert_int_equal(strspn(id + 4, "0123456789abcdef"), RANDOM_ID_DIGITS);
	assert_int_equal(strlen(id), 4 + RANDOM_ID_DIGITS);
	assert_string_not_equal(id, random_id_make(RANDOM_ID_TOKEN, other));
}

static enum err verify_cached(struct access_cache *cache, struct span text, int64_t now_s,
	const struct k1_public *key, struct access_holder *to)
{
	struct access_check check = { .key = key, .issuer = ISSUER, .now_s = now_s };

	return access_cache_verify(cache, text, &check, to, NULL);
}

static void test_a_known_token_is_believed_again_and_no_other(void **state)
{
	struct access_cache *cache = mem_new(cache);
	struct access_holder holder;
	char other[sizeof(known)];
	uint8_t secret[K1_SECRET_BYTES];
	struct k1_public key, nobody = { { 0 }, { 0 } };

	(void)state;
	known_secret(secret);
	assert_int_equal(k1_derive_public(secret, &key), ERR_OK);
	assert_int_equal(verify_cached(cache, span_str(known), ISSUED_AT, &nobody,
				 &holder),
		ERR_DENIED);
	assert_int_equal(verify_cached(cache, span_str(known), ISSUED_AT, &key, &holder),
		ERR_OK);
	/* Not looked at any more: a key that has signed nothing does. */
	assert_int_equal(verify_cached(cache, span_str(known), EXPIRES_AT, &nobody,
				 &holder),
		ERR_OK);
	assert_string_equal(holder.identity_key,
		VECTOR_NAME ":0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
	assert_int_equal(verify_cached(cache, span_str(known), EXPIRES_AT + 1, &key,
				 &holder),
		ERR_DENIED);
	assert_int_equal(verify_cached(cache, span_str(known), ISSUED_AT - 1, &key,
				 &holder),
		ERR_DENIED);
	/* It ends alike, so it has the same place. */
	memcpy(other, known, sizeof(other));
	other[50] ^= 1;
	assert_int_equal(verify_cached(cache, span_str(other), ISSUED_AT, &key, &holder),
		ERR_DENIED);
	assert_int_equal(verify_cached(cache, span_str(known), ISSUED_AT, &nobody,
				 &holder),
		ERR_OK);
	access_cache_fini(cache);
	free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_known_token_is_written_and_read),
		cmocka_unit_test(test_a_token_is_good_for_its_time),
		cmocka_unit_test(test_another_key_or_issuer_is_denied),
		cmocka_unit_test(test_every_change_and_every_prefix_is_denied),
		cmocka_unit_test(test_well_signed_claims_must_be_right_too),
		cmocka_unit_test(test_a_token_has_a_bound),
		cmocka_unit_test(test_ids_are_a_prefix_and_digits),
		cmocka_unit_test(test_a_known_token_is_believed_again_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
