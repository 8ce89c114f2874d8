/* Ephemeral key agreement over OpenSSL. */
#include "crypto/kex.h"

#include <openssl/err.h>

#include "base/mem.h"
#include "base/rand.h"
#include "crypto/pkey_priv.h"

enum err kex_init(struct kex *kex, enum kex_kind kind,
	const uint8_t secret[KEX_PRIVATE_BYTES])
{
	struct kex fresh = { .kind = kind };
	uint8_t random[KEX_PRIVATE_BYTES], *q = NULL;
	enum err rc = ERR_CRYPTO;

	/* One in 2^32 random numbers is no scalar of P-256: the exchange then fails. */
	rand_bytes(random, sizeof(random));
	if (secret == NULL)
		secret = random;
	fresh.key = kind == KEX_X25519 ? EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519,
						 NULL, secret, KEX_PRIVATE_BYTES) :
					 pkey_p256(secret);
	mem_wipe(random, sizeof(random));
	if (fresh.key != NULL)
		fresh.q_n = EVP_PKEY_get1_encoded_public_key(fresh.key, &q);
	if (fresh.q_n > 0 && fresh.q_n <= sizeof(fresh.q)) {
		memcpy(fresh.q, q, fresh.q_n);
		*kex = fresh;
		rc = ERR_OK;
	} else {
		kex_fini(&fresh);
	}
	OPENSSL_free(q);
	return rc;
}

void kex_fini(struct kex *kex)
{
	EVP_PKEY_free(kex->key); /* wipes the secret */
	kex->key = NULL;
}

struct span kex_public(const struct kex *kex)
{
	return span_of(kex->q, kex->q_n);
}

/*
 * OpenSSL refuses points that are not on the curve, and those of small order, which give
 * zero. It would take compressed points: length and first byte exclude them.
 */
enum err kex_derive(const struct kex *kex, struct span peer,
	uint8_t out[KEX_SHARED_BYTES])
{
	EVP_PKEY *theirs = EVP_PKEY_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(kex->key, NULL);
	uint8_t shared[KEX_SHARED_BYTES];
	size_t n = sizeof(shared);
	enum err rc = ERR_CRYPTO;

	if (ctx != NULL && theirs != NULL && peer.n == kex->q_n &&
		(kex->kind == KEX_X25519 || peer.p[0] == 0x04) &&
		EVP_PKEY_copy_parameters(theirs, kex->key) == 1 &&
		EVP_PKEY_set1_encoded_public_key(theirs, peer.p, peer.n) == 1 &&
		EVP_PKEY_derive_init(ctx) == 1 &&
		EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
		EVP_PKEY_derive(ctx, shared, &n) == 1 && n == sizeof(shared)) {
		memcpy(out, shared, sizeof(shared));
		rc = ERR_OK;
	} else {
		ERR_clear_error(); /* or the next TLS call of this thread would see it */
	}
	mem_wipe(shared, sizeof(shared));
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(theirs);
	return rc;
}
