/*
 * OpenSSL's keys as SSH writes them: public ones in blobs (K_S), RFC 4253 section 6.6,
 * RFC 5656 and RFC 8709, private ones in OpenSSH's files.
 */
#ifndef CRYPTO_PKEY_PRIV_H
#define CRYPTO_PKEY_PRIV_H

#include <openssl/evp.h>

#include "base/buf.h"

#define PKEY_POINT_MAX 133 /* an uncompressed point on P-521 */

enum pkey_family { PKEY_ECDSA, PKEY_ED25519, PKEY_RSA };

/* A row of a const table: there is one for each kind of key we know. */
struct pkey_kind {
	enum pkey_family family;
	const char *name;       /* the first field of the blob */
	const char *algorithms; /* name-list of signatures, best first */
	const char *digest;  /* of the first of them; NULL: the algorithm has its own */
	const char *group;   /* ECDSA: the curve's name in OpenSSL, */
	const char *curve;   /* in the blob, */
	size_t scalar_bytes; /* and the size of a coordinate */
};

/* The kind of that name, or NULL. */
const struct pkey_kind *pkey_kind_find(struct span name);

/* The kind that @key is of. NULL: one we do not use, or an RSA key of an odd size. */
const struct pkey_kind *pkey_kind_of(const EVP_PKEY *key);

/* A value that a key is made of: a number, big endian; the point or the curve's name. */
struct pkey_part {
	const char *name; /* OSSL_PKEY_PARAM_... */
	struct span value;
};

/*
 * A key of @type ("EC", "RSA") from @n parts, for EVP_PKEY_free(). @selection is
 * EVP_PKEY_PUBLIC_KEY or EVP_PKEY_KEYPAIR. NULL: they make no key, or memory is out.
 */
EVP_PKEY *pkey_build(const char *type, int selection, const struct pkey_part *parts,
	size_t n);

#define P256_SCALAR_BYTES 32
#define P256_POINT_BYTES 65

/* SEC 1 in DER: what stands between the scalar and the point. */
extern const uint8_t p256_der_curve[12];

/* The P-256 key whose private half is @scalar. NULL: it is out of range. */
EVP_PKEY *pkey_p256(const uint8_t scalar[P256_SCALAR_BYTES]);

/* Appends @number, not negative, as an mpint. */
enum err pkey_put_number(struct buf *out, const BIGNUM *number) MUST_USE;

/* Appends the blob of @key, which may be a private key. */
enum err pkey_print(const EVP_PKEY *key, const struct pkey_kind *kind,
	struct buf *out) MUST_USE;

/*
 * Reads all of @blob; *@out is freed with EVP_PKEY_free().
 * ERR_SYNTAX: not a key.  ERR_CRYPTO: not a good one (off the curve, too short).
 */
enum err pkey_parse(struct span blob, const struct pkey_kind **kind,
	EVP_PKEY **out) MUST_USE;

/*
 * Reads the bytes of an "OPENSSH PRIVATE KEY" (openssh_key.c), out of their PEM armour;
 * *@out is freed with EVP_PKEY_free(). That the halves of the key belong together is not
 * checked.  ERR_DENIED: encrypted.  ERR_SYNTAX.
 */
enum err openssh_key_parse(struct span in, EVP_PKEY **out, struct why *why) MUST_USE;

#endif
