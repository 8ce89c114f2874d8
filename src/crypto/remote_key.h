/*
 * A remote key is a private key held by a remote signer: OpenSSL signs handshakes with
 * it, and each signature is requested from the signer.
 *
 * For OpenSSL it is a key of our provider. The signature may arrive later: the handshake
 * then pauses on a separate stack (ASYNC_JOB, 32 KiB). For that an SSL needs
 * SSL_MODE_ASYNC and a callback (SSL_set_async_callback()), which is called when the
 * signature has arrived. If the SSL is used before that, the handshake fails, and its
 * stack is freed. portal-protocol 8.4, 8.5.
 *
 * OpenSSL keeps the stacks of a thread for later handshakes until the thread ends: at
 * most as many as were in use at the same time. OpenSSL has no bound for that; the owner
 * of the handshakes has one (VISITOR_TLS_HANDSHAKES_MAX: 512 for each relay, so 16 MiB).
 */
#ifndef CRYPTO_REMOTE_KEY_H
#define CRYPTO_REMOTE_KEY_H

#include <openssl/ssl.h>

#include "base/err.h"
#include "crypto/sign_key.h"

struct remote_key;     /* reference-counted; any thread */
struct remote_signing; /* one signature; good until it is ended or cancelled */

/*
 * Is called for each signature, and sees to it that remote_signing_end() is called for
 * @signing: now or later, once, on the same thread.
 */
typedef void remote_sign_fn(void *arg, const struct sign_order *order,
	struct remote_signing *signing);

/*
 * A key for the first certificate in @cert_pem. @arg outlives the handshakes.
 * ERR_SYNTAX: there is no certificate with an RSA or EC key.  ERR_CRYPTO, ERR_NOMEM.
 */
enum err remote_key_new(struct span cert_pem, remote_sign_fn *fn, void *arg,
	struct remote_key **out, struct why *why) MUST_USE;

/* The same for the public key of a certificate that was read; a reference is taken. */
enum err remote_key_new_of(EVP_PKEY *public, remote_sign_fn *fn, void *arg,
	struct remote_key **out, struct why *why) MUST_USE;
struct remote_key *remote_key_ref(struct remote_key *key);
void remote_key_unref(struct remote_key *key); /* NULL is fine */

/* For SSL_CTX_use_PrivateKey(). Borrowed: good as long as the reference. */
EVP_PKEY *remote_key_pkey(struct remote_key *key);

/* ERR_OK: @signature is it. Any error: there will be none. @signing is gone. */
void remote_signing_end(struct remote_signing *signing, enum err rc,
	struct span signature);

/* Calls @fn if the handshake goes away before the end: @signing is gone then. */
void remote_signing_on_cancel(struct remote_signing *signing, void (*fn)(void *arg),
	void *arg);

#endif
