/*
 * Public keys as SSH writes them (K_S), to and from OpenSSL's. RFC 4253 section 6.6, RFC
 * 5656, RFC 8709.
 */
#ifndef CRYPTO_PUBKEY_H
#define CRYPTO_PUBKEY_H

#include <openssl/evp.h>

#include "base/buf.h"

#define PUBKEY_POINT_MAX 133 /* an uncompressed point on P-521 */

enum pubkey_family { PUBKEY_ECDSA, PUBKEY_ED25519, PUBKEY_RSA };

/* A row of a const table: there is one for each kind of key we know. */
struct pubkey_kind {
	enum pubkey_family family;
	const char *name;       /* the first field of the blob */
	const char *algorithms; /* the signatures it can do, best first */
	const char *group;      /* ECDSA: the curve's name in OpenSSL, */
	const char *curve;      /* in the blob, */
	size_t scalar_bytes;    /* and the size of a coordinate */
};

/* The kind of that name, or NULL. */
const struct pubkey_kind *pubkey_kind_find(struct span name);

/* The kind that @key is of. NULL: one we do not use, or an RSA key of an odd size. */
const struct pubkey_kind *pubkey_kind_of(const EVP_PKEY *key);

/* Appends the blob of @key, which may be a private key. */
enum err pubkey_print(const EVP_PKEY *key, const struct pubkey_kind *kind,
	struct buf *out) MUST_USE;

/*
 * Reads all of @blob; *@out is freed with EVP_PKEY_free().
 * ERR_SYNTAX: not a key.  ERR_CRYPTO: not a good one (off the curve, too short).
 */
enum err pubkey_parse(struct span blob, const struct pubkey_kind **kind,
	EVP_PKEY **out) MUST_USE;

#endif
