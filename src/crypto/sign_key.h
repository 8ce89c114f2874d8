/* Signatures over digests, by the key of a certificate: made, and verified. */
#ifndef CRYPTO_SIGN_KEY_H
#define CRYPTO_SIGN_KEY_H

#include <openssl/evp.h>

#include "base/err.h"
#include "crypto/sign_algorithm.h"

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
