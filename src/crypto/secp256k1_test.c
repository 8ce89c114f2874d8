/* secp256k1: a known key and signature, recovery, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/secp256k1.h"
#include "text/hex.h"

static const char secret_hex[] =
	"ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
static const char public_hex[] =
	"038318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753fa7397fed75";
static const char digest_hex[] =
	"2a393ec7905ba9c5afd4e6bc97ee03fa6164977352e8d9f2a57b8e0d5cd05e84";
static const char rs_hex[] =
	"25f43ccdf524c3e904f38fe56daaa02559dc827378b394a3eb64df166f14f35e"
	"76ebabca69dcd5b7edb978177013a339aa23a34b84905c04c6038c29e23e685c";
static const char order_hex[] =
	"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

static void from_hex(const char *text, uint8_t *out, size_t size)
{
	size_t n;

	assert_int_equal(hex_decode(span_str(text), out, size, &n), ERR_OK);
	assert_int_equal(n, size);
}

static void known_key(uint8_t secret[K1_SECRET_BYTES], struct k1_public *key)
{
	from_hex(secret_hex, secret, K1_SECRET_BYTES);
	assert_int_equal(k1_derive_public(secret, key), ERR_OK);
}

static void test_the_public_key_has_two_forms(void **state)
{
	uint8_t secret[K1_SECRET_BYTES];
	char text[2 * K1_COMPRESSED_BYTES + 1];
	struct k1_public key;

	(void)state;
	known_key(secret, &key);
	assert_string_equal(hex_encode(span_of(key.compressed, sizeof(key.compressed)),
				    text),
		public_hex);
	assert_int_equal(key.point[0], 4);
	assert_memory_equal(key.point + 1, key.compressed + 1, 32);
}

static void test_a_signature_is_deterministic_and_names_its_key(void **state)
{
	uint8_t secret[K1_SECRET_BYTES], digest[K1_DIGEST_BYTES], rs[K1_RS_BYTES];
	struct k1_public key, found;
	struct k1_signature sig;

	(void)state;
	known_key(secret, &key);
	from_hex(digest_hex, digest, sizeof(digest));
	from_hex(rs_hex, rs, sizeof(rs));
	assert_int_equal(k1_sign(secret, digest, &sig), ERR_OK);
	assert_memory_equal(sig.rs, rs, sizeof(rs));
	assert_int_equal(sig.recovery, 1);
	assert_int_equal(k1_recover(&sig, digest, &found), ERR_OK);
	assert_memory_equal(&found, &key, sizeof(key));
	assert_int_equal(k1_verify(&key, sig.rs, digest), ERR_OK);
}

/* s and the order less s are both right; the other key is recovered then. */
static void test_the_high_s_counts(void **state)
{
	uint8_t secret[K1_SECRET_BYTES], digest[K1_DIGEST_BYTES], order[32];
	struct k1_public key, found;
	struct k1_signature sig;
	int borrow = 0;

	(void)state;
	known_key(secret, &key);
	from_hex(digest_hex, digest, sizeof(digest));
	from_hex(order_hex, order, sizeof(order));
	assert_int_equal(k1_sign(secret, digest, &sig), ERR_OK);
	for (size_t i = 32; i-- > 0;) {
		int v = order[i] - sig.rs[32 + i] - borrow;

		borrow = v < 0;
		sig.rs[32 + i] = (uint8_t)v;
	}
	sig.recovery ^= 1;
	assert_int_equal(k1_verify(&key, sig.rs, digest), ERR_OK);
	assert_int_equal(k1_recover(&sig, digest, &found), ERR_OK);
	assert_memory_equal(&found, &key, sizeof(key));
}

static void test_secrets_out_of_range_are_refused(void **state)
{
	uint8_t secret[K1_SECRET_BYTES] = { 0 }, digest[K1_DIGEST_BYTES] = { 1 };
	struct k1_signature sig;
	struct k1_public key;

	(void)state;
	assert_int_equal(k1_derive_public(secret, &key), ERR_CRYPTO);
	assert_int_equal(k1_sign(secret, digest, &sig), ERR_CRYPTO);
	from_hex(order_hex, secret, sizeof(secret));
	assert_int_equal(k1_derive_public(secret, &key), ERR_CRYPTO);
	secret[31]--;
	assert_int_equal(k1_derive_public(secret, &key), ERR_OK);
}

static void test_bad_signatures_are_refused(void **state)
{
	uint8_t secret[K1_SECRET_BYTES], digest[K1_DIGEST_BYTES];
	struct k1_signature sig, bad;
	struct k1_public key, found;

	(void)state;
	known_key(secret, &key);
	from_hex(digest_hex, digest, sizeof(digest));
	assert_int_equal(k1_sign(secret, digest, &sig), ERR_OK);
	for (size_t i = 0; i < sizeof(sig.rs); i++) {
		bad = sig;
		bad.rs[i] ^= 1;
		assert_int_equal(k1_verify(&key, bad.rs, digest), ERR_CRYPTO);
		if (k1_recover(&bad, digest, &found) == ERR_OK)
			assert_memory_not_equal(&found, &key, sizeof(key));
	}
	bad = sig;
	bad.recovery = 4;
	assert_int_equal(k1_recover(&bad, digest, &found), ERR_CRYPTO);
	memset(bad.rs, 0xff, sizeof(bad.rs));
	bad.recovery = 0;
	assert_int_equal(k1_recover(&bad, digest, &found), ERR_CRYPTO);
	assert_int_equal(k1_verify(&key, bad.rs, digest), ERR_CRYPTO);
	key.compressed[0] = 9;
	assert_int_equal(k1_verify(&key, sig.rs, digest), ERR_CRYPTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_public_key_has_two_forms),
		cmocka_unit_test(test_a_signature_is_deterministic_and_names_its_key),
		cmocka_unit_test(test_the_high_s_counts),
		cmocka_unit_test(test_secrets_out_of_range_are_refused),
		cmocka_unit_test(test_bad_signatures_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
