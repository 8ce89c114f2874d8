/*
 * Digests of bytes that are all there.
 *
 * ERR_CRYPTO: the library has no memory, or may not do the digest (often MD5).
 */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "base/err.h"
#include "base/span.h"

#define HASH_MD5_BYTES 16
#define HASH_SHA1_BYTES 20
#define HASH_SHA256_BYTES 32
#define HASH_SHA512_BYTES 64

/* MD5 and SHA-1 only where a protocol prescribes them: they protect nothing. */
enum err hash_md5(struct span in, uint8_t out[HASH_MD5_BYTES]) MUST_USE;
enum err hash_sha1(struct span in, uint8_t out[HASH_SHA1_BYTES]) MUST_USE;
enum err hash_sha256(struct span in, uint8_t out[HASH_SHA256_BYTES]) MUST_USE;
enum err hash_sha512(struct span in, uint8_t out[HASH_SHA512_BYTES]) MUST_USE;

/* HMAC, RFC 2104, with SHA-256. ERR_LIMIT: the key is longer than any key. */
enum err hash_hmac_sha256(struct span key, struct span in,
	uint8_t out[HASH_SHA256_BYTES]) MUST_USE;

#endif
