/*
 * What remote keys look like to OpenSSL: a provider with the keys' management and their
 * signatures. For remote_key.c only.
 */
#ifndef CRYPTO_REMOTE_PROVIDER_H
#define CRYPTO_REMOTE_PROVIDER_H

#include <openssl/core.h>
#include <openssl/evp.h>

#include "base/err.h"
#include "crypto/sign_key.h"

#define REMOTE_KEY_PARAM "adit-remote-key" /* the address of a struct remote_key */

struct remote_key;

extern OSSL_provider_init_fn remote_provider_init;

/* ---- in remote_key.c ---- */

EVP_PKEY *remote_key_public(struct remote_key *key);

/* Asks, and waits if it must; @order is on no stack. ERR_LIMIT: no room. */
enum err remote_key_sign(struct remote_key *key, const struct sign_order *order,
	uint8_t *to, size_t room, size_t *n);

#endif
