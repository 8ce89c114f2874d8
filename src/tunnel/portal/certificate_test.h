/* For tests: a certificate that signs itself, and signatures with its key. */
#ifndef TUNNEL_PORTAL_CERTIFICATE_TEST_H
#define TUNNEL_PORTAL_CERTIFICATE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "crypto/remote_key.h"

struct test_certificate {
	EVP_PKEY *pkey;
	struct buf pem;
};

static inline void test_certificate_print(struct test_certificate *c, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;

	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	n = BIO_get_mem_data(bio, &text);
	assert_int_equal(buf_put(&c->pem, text, (size_t)n), ERR_OK);
	BIO_free(bio);
}

/* @names as in openssl.cnf: "DNS:a.example,DNS:*.a.example". */
static inline void test_certificate_init(struct test_certificate *c, const char *names)
{
	X509 *cert = X509_new();
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
		names);

	assert_non_null(ext);
	c->pkey = EVP_EC_gen("P-256");
	buf_init(&c->pem, 65536);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, c->pkey);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
		(const unsigned char *)"relay", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_add_ext(cert, ext, -1);
	assert_true(X509_sign(cert, c->pkey, EVP_sha256()) > 0);
	test_certificate_print(c, cert);
	X509_EXTENSION_free(ext);
	X509_free(cert);
}

static inline void test_certificate_fini(struct test_certificate *c)
{
	EVP_PKEY_free(c->pkey);
	buf_fini(&c->pem);
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
