/* Ephemeral key agreement over OpenSSL. */
#include "crypto/kex.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include "base/mem.h"
#include "base/rand.h"

#define X25519_BYTES 32
#define P256_POINT_BYTES 65

static enum err x25519_public(struct kex *kex)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, kex->secret,
		sizeof(kex->secret));
	size_t n = X25519_BYTES;
	enum err rc = ERR_OK;

	if (key == NULL || EVP_PKEY_get_raw_public_key(key, kex->q, &n) != 1)
		rc = ERR_NOMEM;
	kex->q_n = n;
	EVP_PKEY_free(key);
	return rc;
}

/* OpenSSL itself refuses the points of small order, whose result is zero. */
static enum err x25519_derive(const struct kex *kex, struct span peer,
	uint8_t out[KEX_SHARED_BYTES])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, kex->secret,
		sizeof(kex->secret));
	EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer.p,
		peer.n);
	EVP_PKEY_CTX *ctx = key == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL);
	uint8_t shared[KEX_SHARED_BYTES];
	size_t n = sizeof(shared);
	enum err rc = ERR_CRYPTO;

	if (ctx == NULL || theirs == NULL || EVP_PKEY_derive_init(ctx) != 1 ||
		EVP_PKEY_derive_set_peer(ctx, theirs) != 1 ||
		EVP_PKEY_derive(ctx, shared, &n) != 1)
		goto out;
	memcpy(out, shared, sizeof(shared));
	rc = ERR_OK;
out:
	mem_wipe(shared, sizeof(shared));
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(key);
	return rc;
}

/* The secret scalar as a number below the order of the curve, or NULL. */
static BIGNUM *p256_scalar(const EC_GROUP *group, const uint8_t secret[KEX_PRIVATE_BYTES])
{
	BIGNUM *d = BN_bin2bn(secret, KEX_PRIVATE_BYTES, NULL);

	if (d == NULL || BN_is_zero(d) || BN_cmp(d, EC_GROUP_get0_order(group)) >= 0) {
		BN_clear_free(d);
		return NULL;
	}
	BN_set_flags(d, BN_FLG_CONSTTIME);
	return d;
}

static enum err p256_public(struct kex *kex)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *q = group == NULL ? NULL : EC_POINT_new(group);
	BIGNUM *d = q == NULL ? NULL : p256_scalar(group, kex->secret);
	enum err rc = ERR_CRYPTO;

	if (d == NULL || EC_POINT_mul(group, q, d, NULL, NULL, NULL) != 1)
		goto out;
	kex->q_n = EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED, kex->q,
		sizeof(kex->q), NULL);
	if (kex->q_n == P256_POINT_BYTES)
		rc = ERR_OK;
out:
	BN_clear_free(d);
	EC_POINT_free(q);
	EC_GROUP_free(group);
	return rc;
}

/* EC_POINT_oct2point() checks that the point is on the curve; the cofactor is 1. */
static enum err p256_derive(const struct kex *kex, struct span peer,
	uint8_t out[KEX_SHARED_BYTES])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *point = group == NULL ? NULL : EC_POINT_new(group);
	BIGNUM *d = point == NULL ? NULL : p256_scalar(group, kex->secret);
	BIGNUM *x = BN_new();
	enum err rc = ERR_CRYPTO;

	if (d == NULL || x == NULL || peer.n != P256_POINT_BYTES || peer.p[0] != 0x04)
		goto out;
	if (EC_POINT_oct2point(group, point, peer.p, peer.n, NULL) != 1 ||
		EC_POINT_mul(group, point, NULL, point, d, NULL) != 1 ||
		EC_POINT_get_affine_coordinates(group, point, x, NULL, NULL) != 1)
		goto out;
	if (BN_bn2binpad(x, out, KEX_SHARED_BYTES) == KEX_SHARED_BYTES)
		rc = ERR_OK;
out:
	BN_clear_free(x);
	BN_clear_free(d);
	EC_POINT_clear_free(point);
	EC_GROUP_free(group);
	return rc;
}

enum err kex_init(struct kex *kex, enum kex_kind kind,
	const uint8_t secret[KEX_PRIVATE_BYTES])
{
	struct kex fresh = { .kind = kind };
	enum err rc;

	/* One in 2^32 random numbers is no scalar of P-256: the exchange then fails. */
	if (secret == NULL)
		rand_bytes(fresh.secret, sizeof(fresh.secret));
	else
		memcpy(fresh.secret, secret, sizeof(fresh.secret));
	rc = kind == KEX_X25519 ? x25519_public(&fresh) : p256_public(&fresh);
	if (rc == ERR_OK)
		*kex = fresh;
	mem_wipe(&fresh, sizeof(fresh));
	return rc;
}

void kex_fini(struct kex *kex)
{
	mem_wipe(kex, sizeof(*kex));
}

struct span kex_public(const struct kex *kex)
{
	return span_of(kex->q, kex->q_n);
}

enum err kex_derive(const struct kex *kex, struct span peer,
	uint8_t out[KEX_SHARED_BYTES])
{
	return kex->kind == KEX_X25519 ? x25519_derive(kex, peer, out) :
					 p256_derive(kex, peer, out);
}
