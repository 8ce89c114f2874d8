/*
 * Signed requests of ACME: JSON Web Signatures (RFC 7515, flattened JSON) by an account's
 * key with ES256, as RFC 8555 6.2 requires. No I/O.
 *
 * Keys are P-256. Texts are appended to a buf, whose owner checks buf.failed or the
 * result. ERR_CRYPTO: the key is of another kind, or OpenSSL fails.
 */
#ifndef ACME_JWS_H
#define ACME_JWS_H

#include <openssl/evp.h>

#include "base/buf.h"

/* The base64url text of a SHA-256, and a terminator. */
#define JWS_THUMBPRINT_SIZE 44

/* A new key, for EVP_PKEY_free(); NULL: OpenSSL fails. */
EVP_PKEY *jws_key_new(void);

/* Appends the key as PEM (PKCS #8, unencrypted). */
enum err jws_key_put(EVP_PKEY *key, struct buf *out) MUST_USE;

struct jws_request {
	EVP_PKEY *key;
	const char
		*kid; /* the account's URL; NULL: the public key is sent in its place */
	const char *nonce;
	const char *url;     /* where the request goes: it is signed, too */
	struct span payload; /* JSON; empty for POST-as-GET (RFC 8555 6.3) */
};

/* Appends the body of the request. */
enum err jws_put(const struct jws_request *request, struct buf *out) MUST_USE;

/* The public key of a key as a JWK (RFC 7517), in the form that is hashed (RFC 7638). */
enum err jws_put_jwk(EVP_PKEY *key, struct buf *out) MUST_USE;

/* RFC 7638: the SHA-256 of the JWK. */
enum err jws_thumbprint(EVP_PKEY *key, char out[JWS_THUMBPRINT_SIZE]) MUST_USE;

/*
 * The value of "externalAccountBinding" (RFC 8555 7.3.4): the account's public key,
 * authenticated by HS256 with @secret, the CA's key @kid. @url is that of newAccount.
 */
enum err jws_put_binding(EVP_PKEY *key, const char *kid, struct span secret,
	const char *url, struct buf *out) MUST_USE;

#endif
