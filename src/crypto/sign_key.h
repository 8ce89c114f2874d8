/* Signatures over digests, by the key of a certificate: made and verified. */
#ifndef CRYPTO_SIGN_KEY_H
#define CRYPTO_SIGN_KEY_H

#include <openssl/evp.h>

#include "base/err.h"
#include "base/span.h"

#define SIGN_DIGEST_MAX 64
#define SIGN_SIGNATURE_MAX 1024 /* bytes: RSA of 8192 bits */

enum sign_algorithm {
	SIGN_ECDSA_SHA256,
	SIGN_ECDSA_SHA384,
	SIGN_ECDSA_SHA512,
	SIGN_RSA_PKCS1V15_SHA256,
	SIGN_RSA_PKCS1V15_SHA384,
	SIGN_RSA_PKCS1V15_SHA512,
	SIGN_RSA_PSS_SHA256, /* the salt is as long as the digest */
	SIGN_RSA_PSS_SHA384,
	SIGN_RSA_PSS_SHA512,
};

/* What is to be signed. */
struct sign_order {
	enum sign_algorithm algorithm;
	uint8_t digest[SIGN_DIGEST_MAX]; /* as long as the algorithm says */
};

const char *sign_algorithm_name(enum sign_algorithm algorithm);
size_t sign_algorithm_digest_bytes(enum sign_algorithm algorithm);
bool sign_algorithm_find(const char *name, enum sign_algorithm *out);

/* The key of the first certificate in @pem, for EVP_PKEY_free(); NULL: there is none. */
EVP_PKEY *sign_key_of_certificate(struct span pem);

/* One algorithm that @key can do. False: it is neither RSA nor EC. */
bool sign_key_algorithm(const EVP_PKEY *key, enum sign_algorithm *out);

/*
 * @signature has SIGN_SIGNATURE_MAX bytes.
 * ERR_USAGE: @key cannot do that algorithm.  ERR_CRYPTO.
 */
enum err sign_key_make(EVP_PKEY *key, const struct sign_order *order, uint8_t *signature,
	size_t *n) MUST_USE;

/* ERR_USAGE: as above.  ERR_CRYPTO: another key made it, or of something else. */
enum err sign_key_verify(EVP_PKEY *key, const struct sign_order *order,
	struct span signature) MUST_USE;

#endif
