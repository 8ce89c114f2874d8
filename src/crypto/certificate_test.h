/* For tests: a certificate that signs itself, and signatures with its key. */
#ifndef CRYPTO_CERTIFICATE_TEST_H
#define CRYPTO_CERTIFICATE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "crypto/remote_key.h"

/*
 * Appends to @pem a certificate for an hour, of @key and signed by it. @names as in
 * openssl.cnf: "DNS:a.example,DNS:*.a.example"; or NULL.
 */
static inline void test_certificate_issue(EVP_PKEY *key, const char *names,
	struct buf *pem)
{
	X509 *cert = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
		(const unsigned char *)"relay", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	if (names != NULL) {
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL,
			NID_subject_alt_name, names);

		assert_non_null(ext);
		X509_add_ext(cert, ext, -1);
		X509_EXTENSION_free(ext);
	}
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	n = BIO_get_mem_data(bio, &text);
	assert_int_equal(buf_put(pem, text, (size_t)n), ERR_OK);
	BIO_free(bio);
	X509_free(cert);
}

struct test_certificate {
	EVP_PKEY *pkey;
	struct buf pem;
};

/* @names: see above. */
static inline void test_certificate_init(struct test_certificate *c, const char *names)
{
	c->pkey = EVP_EC_gen("P-256");
	buf_init(&c->pem, 65536);
	test_certificate_issue(c->pkey, names, &c->pem);
}

static inline void test_certificate_fini(struct test_certificate *c)
{
	EVP_PKEY_free(c->pkey);
	buf_fini(&c->pem);
}

/* Into files, for the call that reads them. */
static inline void test_certificate_save(const struct test_certificate *c,
	const char *cert_file, const char *key_file)
{
	FILE *cert = fopen(cert_file, "we"), *key = fopen(key_file, "we");

	assert_true(cert != NULL && key != NULL);
	assert_int_equal(fwrite(buf_front(&c->pem), 1, c->pem.n, cert), c->pem.n);
	assert_int_equal(PEM_write_PrivateKey(key, c->pkey, NULL, NULL, 0, NULL, NULL),
		1);
	fclose(cert);
	fclose(key);
}

/* The signature that @order wants. Returns its length. */
static inline size_t test_certificate_sign(const struct test_certificate *c,
	const struct sign_order *order, uint8_t out[SIGN_SIGNATURE_MAX])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(c->pkey, NULL);
	size_t n = SIGN_SIGNATURE_MAX;

	assert_int_equal(order->algorithm, SIGN_ECDSA_SHA256);
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, out, &n, order->digest, 32), 1);
	EVP_PKEY_CTX_free(ctx);
	return n;
}

/* A remote_sign_fn that answers at once; @arg is the certificate. */
static inline void test_certificate_on_order(void *arg, const struct sign_order *order,
	struct remote_signing *signing)
{
	uint8_t signature[SIGN_SIGNATURE_MAX];
	size_t n = test_certificate_sign(arg, order, signature);

	remote_signing_end(signing, ERR_OK, span_of(signature, n));
}

#endif
