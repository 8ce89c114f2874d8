/*
 * Ephemeral key agreement: a secret, its public value Q, and the secret that is shared
 * with the other side's Q. X25519 (RFC 7748, 8731) and ECDH on P-256 (RFC 5656).
 */
#ifndef CRYPTO_KEX_H
#define CRYPTO_KEX_H

#include <openssl/evp.h>

#include "base/err.h"
#include "base/span.h"

#define KEX_PRIVATE_BYTES 32
#define KEX_SHARED_BYTES 32
#define KEX_PUBLIC_MAX 65 /* P-256, uncompressed; X25519 has 32 */

enum kex_kind { KEX_X25519, KEX_P256 };

/* Half of an agreement: for one use. Embedded; zeroed, it is as after kex_fini(). */
struct kex {
	enum kex_kind kind;
	EVP_PKEY *key; /* the secret */
	uint8_t q[KEX_PUBLIC_MAX];
	size_t q_n;
};

/*
 * A fresh secret, or the one in @secret if that is not NULL (known-answer tests need it).
 *
 * ERR_CRYPTO: @secret is no scalar of the curve.  ERR_NOMEM.
 */
enum err kex_init(struct kex *kex, enum kex_kind kind,
	const uint8_t secret[KEX_PRIVATE_BYTES]) MUST_USE;

/* Wipes the secret. */
void kex_fini(struct kex *kex);

/* Our public value, as it is sent; good as long as @kex. */
struct span kex_public(const struct kex *kex);

/*
 * The secret shared with the holder of @peer, as big-endian bytes.
 *
 * ERR_CRYPTO: @peer is not a point of the curve, or one that leaks (all zeros result).
 */
enum err kex_derive(const struct kex *kex, struct span peer,
	uint8_t out[KEX_SHARED_BYTES]) MUST_USE;

#endif
