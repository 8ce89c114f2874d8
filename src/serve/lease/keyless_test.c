/* The certificate's key: valid signatures, and algorithms that it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>

#include "base/mem.h"
#include "serve/lease/keyless.h"

/* An order for each algorithm, with any digest. */
static struct sign_order order_of(enum sign_algorithm algorithm)
{
	struct sign_order order = { .algorithm = algorithm };

	memset(order.digest, 7, sizeof(order.digest));
	return order;
}

static struct keyless *keyless_of(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct keyless *k;
	char *text;
	long n;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL),
		1);
	n = BIO_get_mem_data(bio, &text);
	assert_int_equal(keyless_new(span_of(text, (size_t)n), &k, NULL), ERR_OK);
	BIO_free(bio);
	return k;
}

static const EVP_MD *digest_of(enum sign_algorithm algorithm)
{
	switch (sign_algorithm_digest_bytes(algorithm)) {
	case 32:
		return EVP_sha256();
	case 48:
		return EVP_sha384();
	default:
		return EVP_sha512();
	}
}

static bool is_good(EVP_PKEY *key, const struct sign_order *order,
	const uint8_t *signature, size_t n)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool is_pss = order->algorithm >= SIGN_RSA_PSS_SHA256;
	bool ok = EVP_PKEY_verify_init(ctx) == 1 &&
		(!is_pss ||
			EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1) &&
		EVP_PKEY_CTX_set_signature_md(ctx, digest_of(order->algorithm)) == 1 &&
		(!is_pss ||
			EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) ==
				1) &&
		EVP_PKEY_verify(ctx, signature, n, order->digest,
			sign_algorithm_digest_bytes(order->algorithm)) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static void expect_from(EVP_PKEY *key, bool is_rsa)
{
	struct keyless *k = keyless_of(key);
	uint8_t signature[SIGN_SIGNATURE_MAX];
	size_t n;

	for (int i = SIGN_ECDSA_SHA256; i <= SIGN_RSA_PSS_SHA512; i++) {
		struct sign_order order = order_of((enum sign_algorithm)i);
		enum err rc = keyless_sign(k, &order, signature, &n, NULL);

		assert_int_equal(rc,
			(i >= SIGN_RSA_PKCS1V15_SHA256) == is_rsa ? ERR_OK : ERR_DENIED);
		if (rc == ERR_OK)
			assert_true(is_good(key, &order, signature, n));
	}
	keyless_unref(k);
	EVP_PKEY_free(key);
}

static void test_keys_sign_with_the_algorithms_they_support(void **state)
{
	(void)state;
	expect_from(EVP_EC_gen("P-256"), false);
	expect_from(EVP_EC_gen("P-384"), false);
	expect_from(EVP_RSA_gen(2048), true);
}

static void test_unsupported_keys_are_refused(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_mem());
	struct keyless *k;
	struct why why = { "" };
	char *text;
	long n;

	(void)state;
	assert_int_equal(keyless_new(span_str("x"), &k, &why), ERR_SYNTAX);
	assert_int_equal(keyless_new(span_of(NULL, 0), &k, &why), ERR_SYNTAX);
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL),
		1);
	n = BIO_get_mem_data(bio, &text);
	assert_int_equal(keyless_new(span_of(text, (size_t)n), &k, &why), ERR_SYNTAX);
	assert_non_null(strstr(why.text, "ECDSA"));
	BIO_free(bio);
	EVP_PKEY_free(key);
}

#define THREADS 4
#define ROUNDS 50

struct signer {
	pthread_t thread;
	struct keyless *k;
	EVP_PKEY *key;
	unsigned good;
};

static void *sign_many(void *arg)
{
	struct signer *s = arg;
	struct sign_order order = order_of(SIGN_ECDSA_SHA256);
	uint8_t signature[SIGN_SIGNATURE_MAX];
	size_t n;

	for (int i = 0; i < ROUNDS; i++) {
		order.digest[0] = (uint8_t)i;
		if (keyless_sign(s->k, &order, signature, &n, NULL) == ERR_OK &&
			is_good(s->key, &order, signature, n))
			s->good++;
	}
	keyless_unref(s->k);
	return NULL;
}

static void test_threads_share_a_key(void **state)
{
	struct signer signers[THREADS] = { 0 };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct keyless *k = keyless_of(key);

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		signers[i].k = keyless_ref(k);
		signers[i].key = key;
		assert_int_equal(pthread_create(&signers[i].thread, NULL, sign_many,
					 &signers[i]),
			0);
	}
	keyless_unref(k);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(signers[i].thread, NULL);
		assert_int_equal(signers[i].good, ROUNDS);
	}
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(test_keys_sign_with_the_algorithms_they_support),
		cmocka_unit_test(test_unsupported_keys_are_refused),
		cmocka_unit_test(test_threads_share_a_key),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
