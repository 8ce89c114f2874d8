/* Digests of "abc" and of nothing, as their standards print them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "text/hex.h"

static void test_digests_are_those_of_the_standards(void **state)
{
	struct span abc = span_str("abc");
	uint8_t out[HASH_SHA512_BYTES];
	char text[2 * HASH_SHA512_BYTES + 1];

	(void)state;
	assert_int_equal(hash_md5(abc, out), ERR_OK);
	assert_string_equal(hex_encode(span_of(out, HASH_MD5_BYTES), text),
		"900150983cd24fb0d6963f7d28e17f72");
	assert_int_equal(hash_sha1(abc, out), ERR_OK);
	assert_string_equal(hex_encode(span_of(out, HASH_SHA1_BYTES), text),
		"a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_int_equal(hash_sha256(abc, out), ERR_OK);
	assert_string_equal(hex_encode(span_of(out, HASH_SHA256_BYTES), text),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(hash_sha512(abc, out), ERR_OK);
	assert_string_equal(hex_encode(span_of(out, HASH_SHA512_BYTES), text),
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void test_nothing_has_a_digest_too(void **state)
{
	uint8_t out[HASH_SHA256_BYTES];
	char text[2 * HASH_SHA256_BYTES + 1];

	(void)state;
	assert_int_equal(hash_sha256(span_of(NULL, 0), out), ERR_OK);
	assert_string_equal(hex_encode(span_of(out, sizeof(out)), text),
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, cases 2 and 6: a short key, and one that is longer than a block. */
static void test_hmac_is_that_of_the_standard(void **state)
{
	uint8_t long_key[131], out[HASH_SHA256_BYTES];
	char text[2 * HASH_SHA256_BYTES + 1];

	(void)state;
	memset(long_key, 0xaa, sizeof(long_key));
	assert_int_equal(hash_hmac_sha256(span_str("Jefe"),
				 span_str("what do ya want for nothing?"), out),
		ERR_OK);
	assert_string_equal(hex_encode(span_of(out, sizeof(out)), text),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_int_equal(hash_hmac_sha256(span_of(long_key, sizeof(long_key)),
				 span_str("Test Using Larger Than Block-Size Key - "
					  "Hash Key First"),
				 out),
		ERR_OK);
	assert_string_equal(hex_encode(span_of(out, sizeof(out)), text),
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	assert_int_equal(hash_hmac_sha256(span_of(NULL, 0), span_of(NULL, 0), out),
		ERR_OK);
	assert_string_equal(hex_encode(span_of(out, sizeof(out)), text),
		"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_digests_are_those_of_the_standards),
		cmocka_unit_test(test_nothing_has_a_digest_too),
		cmocka_unit_test(test_hmac_is_that_of_the_standard),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
