/* Key agreement: known answers, agreement of two sides, and points that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/kex.h"
#include "text/hex.h"

static struct span unhex(const char *text, uint8_t *to, size_t size)
{
	size_t n = 0;

	assert_int_equal(hex_decode(span_str(text), to, size, &n), ERR_OK);
	return span_of(to, n);
}

/* chisel-protocol A.2 */
static void test_x25519_gives_the_known_secret(void **state)
{
	uint8_t one[KEX_PRIVATE_BYTES], two[KEX_PRIVATE_BYTES], shared[KEX_SHARED_BYTES];
	uint8_t want[KEX_SHARED_BYTES];
	struct kex client, server;

	(void)state;
	memset(one, 1, sizeof(one));
	memset(two, 2, sizeof(two));
	assert_int_equal(kex_init(&client, KEX_X25519, one), ERR_OK);
	assert_int_equal(kex_init(&server, KEX_X25519, two), ERR_OK);
	assert_true(span_eq(kex_public(&client),
		unhex("a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209",
			want, sizeof(want))));
	assert_true(span_eq(kex_public(&server),
		unhex("ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59",
			want, sizeof(want))));
	assert_int_equal(kex_derive(&client, kex_public(&server), shared), ERR_OK);
	assert_true(span_eq(span_of(shared, sizeof(shared)),
		unhex("2ed76ab549b1e73c031eb49c9448f0798aea81b698279a0c3dc3e49fbfc4b953",
			want, sizeof(want))));
	kex_fini(&client);
	kex_fini(&server);
}

/* RFC 5903 8.1 */
static void test_p256_gives_the_known_secret(void **state)
{
	uint8_t i[KEX_PRIVATE_BYTES], r[KEX_PRIVATE_BYTES];
	uint8_t shared[KEX_SHARED_BYTES], want[KEX_SHARED_BYTES];
	struct kex a, b;

	(void)state;
	unhex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433", i, 32);
	unhex("c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53", r, 32);
	assert_int_equal(kex_init(&a, KEX_P256, i), ERR_OK);
	assert_int_equal(kex_init(&b, KEX_P256, r), ERR_OK);
	assert_int_equal(kex_derive(&a, kex_public(&b), shared), ERR_OK);
	assert_true(span_eq(span_of(shared, sizeof(shared)),
		unhex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
			want, sizeof(want))));
	kex_fini(&a);
	kex_fini(&b);
}

static void test_fresh_halves_agree(void **state)
{
	uint8_t one[KEX_SHARED_BYTES], other[KEX_SHARED_BYTES];
	struct kex a, b;

	(void)state;
	for (enum kex_kind kind = KEX_X25519; kind <= KEX_P256; kind++) {
		assert_int_equal(kex_init(&a, kind, NULL), ERR_OK);
		assert_int_equal(kex_init(&b, kind, NULL), ERR_OK);
		assert_false(span_eq(kex_public(&a), kex_public(&b)));
		assert_int_equal(kex_derive(&a, kex_public(&b), one), ERR_OK);
		assert_int_equal(kex_derive(&b, kex_public(&a), other), ERR_OK);
		assert_memory_equal(one, other, sizeof(one));
		kex_fini(&a);
		kex_fini(&b);
	}
}

static void test_a_bad_point_is_refused(void **state)
{
	uint8_t bad[KEX_PUBLIC_MAX] = { 0 };
	uint8_t shared[KEX_SHARED_BYTES];
	struct kex x, p;

	(void)state;
	assert_int_equal(kex_init(&x, KEX_X25519, NULL), ERR_OK);
	assert_int_equal(kex_init(&p, KEX_P256, NULL), ERR_OK);

	/* All zeros leak; other lengths are no points. */
	assert_int_equal(kex_derive(&x, span_of(bad, 32), shared), ERR_CRYPTO);
	assert_int_equal(kex_derive(&x, span_of(bad, 31), shared), ERR_CRYPTO);
	assert_int_equal(kex_derive(&x, span_of(bad, 0), shared), ERR_CRYPTO);

	/* Infinity, off the curve, cut short. */
	assert_int_equal(kex_derive(&p, span_of(bad, 1), shared), ERR_CRYPTO);
	memcpy(bad, p.q, sizeof(bad));
	bad[64] ^= 1;
	assert_int_equal(kex_derive(&p, span_of(bad, 65), shared), ERR_CRYPTO);
	assert_int_equal(kex_derive(&p, span_of(p.q, 64), shared), ERR_CRYPTO);
	kex_fini(&x);
	kex_fini(&p);
}

static void test_a_scalar_is_below_the_order(void **state)
{
	uint8_t secret[KEX_PRIVATE_BYTES] = { 0 };
	struct kex p;

	(void)state;
	assert_int_equal(kex_init(&p, KEX_P256, secret), ERR_CRYPTO);
	memset(secret, 0xff, sizeof(secret));
	assert_int_equal(kex_init(&p, KEX_P256, secret), ERR_CRYPTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x25519_gives_the_known_secret),
		cmocka_unit_test(test_p256_gives_the_known_secret),
		cmocka_unit_test(test_fresh_halves_agree),
		cmocka_unit_test(test_a_bad_point_is_refused),
		cmocka_unit_test(test_a_scalar_is_below_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
