/*
 * The key of the relay's certificate. It signs the relay's own handshakes and those of
 * leases (portal-protocol 8.4). No other code has access to the key, so that it can move
 * to a process of its own.
 */
#ifndef SERVE_LEASE_KEYLESS_H
#define SERVE_LEASE_KEYLESS_H

#include "base/buf.h"
#include "crypto/sign_key.h"

struct keyless; /* reference-counted; any thread */

/* @pem holds a private key, unencrypted: PKCS #8, SEC 1 or PKCS #1. ERR_SYNTAX. */
enum err keyless_new(struct span pem, struct keyless **out, struct why *why) MUST_USE;
struct keyless *keyless_ref(struct keyless *k);
void keyless_unref(struct keyless *k); /* NULL is fine */

/*
 * Signs. ERR_DENIED: the key does not support the algorithm.  ERR_CRYPTO.
 * @signature has SIGN_SIGNATURE_MAX bytes.
 */
enum err keyless_sign(struct keyless *k, const struct sign_order *order,
	uint8_t *signature, size_t *n, struct why *why) MUST_USE;

#endif
