/* What is found in PEM text, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "crypto/certificate_test.h"
#include "crypto/pem.h"

static void put_key(struct buf *out, EVP_PKEY *key, const char *password)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key,
				 password != NULL ? EVP_aes_128_cbc() : NULL, password,
				 password != NULL ? (int)strlen(password) : 0, NULL,
				 NULL),
		1);
	n = BIO_get_mem_data(bio, &text);
	assert_int_equal(buf_put(out, text, (size_t)n), ERR_OK);
	BIO_free(bio);
}

static void test_certificates_come_in_order_whatever_lies_between(void **state)
{
	EVP_PKEY *keys[] = { EVP_EC_gen("P-256"), EVP_EC_gen("P-256") };
	struct buf pem, again;
	struct span rest;
	X509 *cert;

	(void)state;
	buf_init(&pem, 65536);
	buf_init(&again, 65536);
	assert_int_equal(buf_printf(&pem, "of my relay:\n"), ERR_OK);
	test_certificate_issue(keys[0], NULL, &pem);
	put_key(&pem, keys[0], NULL);
	test_certificate_issue(keys[1], NULL, &pem);
	assert_int_equal(buf_printf(&pem, "-----BEGIN CERTIFICATE-----\nAAAA\n"), ERR_OK);
	rest = buf_span(&pem);
	for (int i = 0; i < 2; i++) {
		cert = pem_next_certificate(&rest);
		assert_non_null(cert);
		assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), keys[i]), 1);
		assert_int_equal(pem_put_certificate(&again, cert), ERR_OK);
		X509_free(cert);
	}
	assert_null(pem_next_certificate(&rest));
	assert_null(pem_next_certificate(&rest));
	assert_int_equal(ERR_peek_error(), 0);
	rest = buf_span(&again);
	cert = pem_next_certificate(&rest);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), keys[0]), 1);
	X509_free(cert);
	for (int i = 0; i < 2; i++)
		EVP_PKEY_free(keys[i]);
	buf_fini(&pem);
	buf_fini(&again);
}

static void test_no_password_is_asked_for(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *found;
	struct buf pem;
	bool is_encrypted = false;

	(void)state;
	buf_init(&pem, 65536);
	assert_null(pem_read_key(buf_span(&pem), &is_encrypted));
	assert_false(is_encrypted);
	put_key(&pem, key, "secret");
	assert_null(pem_read_key(buf_span(&pem), &is_encrypted));
	assert_true(is_encrypted);
	assert_int_equal(ERR_peek_error(), 0);
	buf_reset(&pem);
	test_certificate_issue(key, NULL, &pem);
	put_key(&pem, key, NULL);
	found = pem_read_key(buf_span(&pem), &is_encrypted);
	assert_false(is_encrypted);
	assert_int_equal(EVP_PKEY_eq(found, key), 1);
	EVP_PKEY_free(found);
	EVP_PKEY_free(key);
	buf_fini(&pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificates_come_in_order_whatever_lies_between),
		cmocka_unit_test(test_no_password_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
