/* Signatures verify under the key that made them, over what they were made of, and
 * nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/certificate_test.h"
#include "crypto/sign_key.h"

static void check_with(EVP_PKEY *key, EVP_PKEY *other, bool is_rsa)
{
	uint8_t bytes[SIGN_SIGNATURE_MAX];
	enum sign_algorithm usual;
	size_t n;

	assert_true(sign_key_algorithm(key, &usual));
	assert_int_equal(usual >= SIGN_RSA_PKCS1V15_SHA256, is_rsa);
	for (int i = SIGN_ECDSA_SHA256; i <= SIGN_RSA_PSS_SHA512; i++) {
		struct sign_order order = { .algorithm = (enum sign_algorithm)i };
		bool fits = (i >= SIGN_RSA_PKCS1V15_SHA256) == is_rsa;

		memset(order.digest, i + 1, sizeof(order.digest));
		assert_int_equal(sign_key_make(key, &order, bytes, &n),
			fits ? ERR_OK : ERR_USAGE);
		if (!fits) {
			assert_int_equal(sign_key_verify(key, &order, span_of(bytes, 0)),
				ERR_USAGE);
			continue;
		}
		assert_int_equal(sign_key_verify(key, &order, span_of(bytes, n)), ERR_OK);
		assert_int_equal(sign_key_verify(other, &order, span_of(bytes, n)),
			ERR_CRYPTO);
		assert_int_equal(sign_key_verify(key, &order, span_of(bytes, n - 1)),
			ERR_CRYPTO);
		order.digest[0] ^= 1;
		assert_int_equal(sign_key_verify(key, &order, span_of(bytes, n)),
			ERR_CRYPTO);
	}
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static void test_every_key_signs_with_each_of_its_algorithms(void **state)
{
	(void)state;
	check_with(EVP_EC_gen("P-256"), EVP_EC_gen("P-256"), false);
	check_with(EVP_EC_gen("P-384"), EVP_EC_gen("P-256"), false);
	check_with(EVP_RSA_gen(2048), EVP_RSA_gen(2048), true);
}

static void test_a_certificate_has_the_key_of_its_first(void **state)
{
	struct test_certificate one, two;
	EVP_PKEY *key;
	struct buf pem;

	(void)state;
	test_certificate_init(&one, NULL);
	test_certificate_init(&two, NULL);
	buf_init(&pem, 65536);
	assert_int_equal(buf_put_span(&pem, buf_span(&one.pem)), ERR_OK);
	assert_int_equal(buf_put_span(&pem, buf_span(&two.pem)), ERR_OK);
	key = sign_key_of_certificate(buf_span(&pem));
	assert_int_equal(EVP_PKEY_eq(key, one.pkey), 1);
	EVP_PKEY_free(key);
	assert_null(sign_key_of_certificate(span_str("no PEM")));
	assert_null(sign_key_of_certificate(span_of(NULL, 0)));
	test_certificate_fini(&one);
	test_certificate_fini(&two);
	buf_fini(&pem);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(test_every_key_signs_with_each_of_its_algorithms),
		cmocka_unit_test(test_a_certificate_has_the_key_of_its_first),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
