/*
 * ECDSA over the curve secp256k1, with libsecp256k1. The names begin with k1_, for the
 * library's own begin with secp256k1_.
 *
 * A private key is 32 bytes that the caller keeps and wipes. Signatures are deterministic
 * (RFC 6979 with SHA-256) and have the low s; those of others may have either.
 */
#ifndef CRYPTO_SECP256K1_H
#define CRYPTO_SECP256K1_H

#include "base/err.h"
#include "base/span.h"

#define K1_SECRET_BYTES 32
#define K1_DIGEST_BYTES 32
#define K1_RS_BYTES 64
#define K1_COMPRESSED_BYTES 33
#define K1_POINT_BYTES 65

/* A public key in both of its forms (SEC 1, section 2.3.3). */
struct k1_public {
	uint8_t compressed[K1_COMPRESSED_BYTES];
	uint8_t point[K1_POINT_BYTES]; /* 4, X, Y */
};

struct k1_signature {
	uint8_t rs[K1_RS_BYTES]; /* r, s: big endian */
	uint8_t recovery;        /* 0 to 3: which of the keys that rs fits */
};

/* ERR_CRYPTO: the secret is zero, or not below the order of the curve. */
enum err k1_derive_public(const uint8_t secret[K1_SECRET_BYTES],
	struct k1_public *out) MUST_USE;

/* Signs a digest. ERR_CRYPTO: as above. */
enum err k1_sign(const uint8_t secret[K1_SECRET_BYTES],
	const uint8_t digest[K1_DIGEST_BYTES], struct k1_signature *out) MUST_USE;

/* The key that made @sig of @digest. ERR_CRYPTO: no key can have made it. */
enum err k1_recover(const struct k1_signature *sig, const uint8_t digest[K1_DIGEST_BYTES],
	struct k1_public *out) MUST_USE;

/* ERR_CRYPTO: @key did not make @rs of @digest. */
enum err k1_verify(const struct k1_public *key, const uint8_t rs[K1_RS_BYTES],
	const uint8_t digest[K1_DIGEST_BYTES]) MUST_USE;

#endif
