/* Signed requests: against texts that another program made, and verified with OpenSSL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <stdio.h>
#include <string.h>

#include "acme/jws.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/pem.h"
#include "text/base64.h"

/* The key of RFC 7515 A.3. */
static const char key_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
	"H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
	"7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
	"-----END PRIVATE KEY-----\n";

#define JWK \
	"{\"crv\":\"P-256\",\"kty\":\"EC\"," \
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"

static EVP_PKEY *key_read(void)
{
	EVP_PKEY *key = pem_read_key(span_str(key_pem), NULL);

	assert_non_null(key);
	return key;
}

static void assert_text(const struct buf *b, const char *text)
{
	assert_int_equal(b->failed, ERR_OK);
	assert_int_equal(b->n, strlen(text));
	assert_memory_equal(buf_span(b).p, text, b->n);
}

static void test_a_public_key_has_one_text_and_a_thumbprint(void **state)
{
	EVP_PKEY *key = key_read();
	char thumbprint[JWS_THUMBPRINT_SIZE];
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	assert_int_equal(jws_put_jwk(key, &out), ERR_OK);
	assert_text(&out, JWK);
	assert_int_equal(jws_thumbprint(key, thumbprint), ERR_OK);
	assert_string_equal(thumbprint, "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
	buf_fini(&out);
	EVP_PKEY_free(key);
}

static void test_only_p256_signs(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-384");
	char thumbprint[JWS_THUMBPRINT_SIZE];

	(void)state;
	assert_int_equal(jws_thumbprint(key, thumbprint), ERR_CRYPTO);
	EVP_PKEY_free(key);
}

/* The value of a member of a flattened JWS. */
static struct span member(const struct buf *jws, const char *name)
{
	char text[64];
	const char *at;
	struct span rest, value;

	snprintf(text, sizeof(text), "\"%s\":\"", name);
	at = strstr((const char *)buf_span(jws).p, text);
	assert_non_null(at);
	rest = span_str(at + strlen(text));
	assert_true(span_split(&rest, '"', &value));
	return value;
}

static void assert_member(const struct buf *jws, const char *name, const char *json)
{
	uint8_t bytes[1024];
	size_t n;

	assert_int_equal(base64_decode(BASE64_URL, member(jws, name), bytes,
				 sizeof(bytes), &n),
		ERR_OK);
	assert_true(span_is(span_of(bytes, n), json));
}

static void assert_signed(const struct buf *jws, EVP_PKEY *key)
{
	struct span header = member(jws, "protected"), payload = member(jws, "payload");
	uint8_t raw[64], der[128], *end = der;
	size_t n;
	ECDSA_SIG *pair = ECDSA_SIG_new();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	char *text = str_printf("%.*s.%.*s", (int)header.n, (const char *)header.p,
		(int)payload.n, (const char *)payload.p);

	assert_int_equal(base64_decode(BASE64_URL, member(jws, "signature"), raw,
				 sizeof(raw), &n),
		ERR_OK);
	assert_int_equal(n, 64);
	ECDSA_SIG_set0(pair, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
	n = (size_t)i2d_ECDSA_SIG(pair, &end);
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestVerify(ctx, der, n, (uint8_t *)text, strlen(text)), 1);
	EVP_MD_CTX_free(ctx);
	ECDSA_SIG_free(pair);
	free(text);
}

static void test_a_request_is_signed(void **state)
{
	EVP_PKEY *key = key_read();
	struct jws_request request = {
		.key = key,
		.nonce = "n-1",
		.url = "https://ca.example/acct",
		.payload = span_str("{\"a\":1}"),
	};
	struct buf out;

	(void)state;
	/* Some signatures have numbers with leading zeros. */
	for (int i = 0; i < 300; i++) {
		buf_init(&out, 4096);
		assert_int_equal(jws_put(&request, &out), ERR_OK);
		buf_put_u8(&out, '\0');
		assert_member(&out, "protected",
			"{\"alg\":\"ES256\",\"jwk\":" JWK
			",\"nonce\":\"n-1\",\"url\":\"https://ca.example/acct\"}");
		assert_member(&out, "payload", "{\"a\":1}");
		assert_signed(&out, key);
		buf_fini(&out);
	}
	EVP_PKEY_free(key);
}

static void test_post_as_get_has_an_empty_payload(void **state)
{
	EVP_PKEY *key = key_read();
	struct jws_request request = {
		.key = key,
		.kid = "https://ca.example/acct/1",
		.nonce = "n-2",
		.url = "https://ca.example/order/1",
	};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(jws_put(&request, &out), ERR_OK);
	buf_put_u8(&out, '\0');
	assert_member(&out, "protected",
		"{\"alg\":\"ES256\",\"kid\":\"https://ca.example/acct/1\","
		"\"nonce\":\"n-2\",\"url\":\"https://ca.example/order/1\"}");
	assert_member(&out, "payload", "");
	assert_signed(&out, key);
	buf_fini(&out);
	EVP_PKEY_free(key);
}

static void test_an_external_account_is_bound(void **state)
{
	EVP_PKEY *key = key_read();
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(jws_put_binding(key, "kid-1", span_str("secret"),
				 "https://ca.example/acct", &out),
		ERR_OK);
	assert_text(&out,
		"{\"protected\":\"eyJhbGciOiJIUzI1NiIsImtpZCI6ImtpZC0xIiwidXJsIjoi"
		"aHR0cHM6Ly9jYS5leGFtcGxlL2FjY3QifQ\",\"payload\":\"eyJjcnYiOiJQLTI1Ni"
		"IsImt0eSI6IkVDIiwieCI6ImY4M09KM0QyeEYxQmc4dnViOXRMZTFnSE16Vjc2ZThUdXM5"
		"dVBIdlJWRVUiLCJ5IjoieF9GRXpSdTltMzZITE5fdHVlNjU5TE5wWFc2cEN5U3Rpa1lqS0"
		"lXSTVhMCJ9\",\"signature\":\"b_JfJGW6q4P-5VDx02TTvRELBakJOltDEwF2ehxJN"
		"ck\"}");
	buf_fini(&out);
	EVP_PKEY_free(key);
}

static void test_a_new_key_can_be_read_again(void **state)
{
	EVP_PKEY *key = jws_key_new(), *again;
	char a[JWS_THUMBPRINT_SIZE], b[JWS_THUMBPRINT_SIZE];
	struct buf pem;

	(void)state;
	buf_init(&pem, 4096);
	assert_int_equal(jws_key_put(key, &pem), ERR_OK);
	again = pem_read_key(buf_span(&pem), NULL);
	assert_non_null(again);
	assert_int_equal(jws_thumbprint(key, a), ERR_OK);
	assert_int_equal(jws_thumbprint(again, b), ERR_OK);
	assert_string_equal(a, b);
	EVP_PKEY_free(again);
	EVP_PKEY_free(key);
	buf_wipe(&pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_public_key_has_one_text_and_a_thumbprint),
		cmocka_unit_test(test_only_p256_signs),
		cmocka_unit_test(test_a_request_is_signed),
		cmocka_unit_test(test_post_as_get_has_an_empty_payload),
		cmocka_unit_test(test_an_external_account_is_bound),
		cmocka_unit_test(test_a_new_key_can_be_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
