/* Algorithms of signatures over digests, as certificates' keys make them. */
#ifndef CRYPTO_SIGN_ALGORITHM_H
#define CRYPTO_SIGN_ALGORITHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
