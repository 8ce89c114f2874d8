/* Public keys as SSH writes them. */
#include "crypto/pubkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "base/mem.h"
#include "crypto/keyfield.h"

#define ED25519_BYTES 32
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define RSA_MODULUS_MAX (RSA_BITS_MAX / 8)
#define RSA_EXPONENT_MAX 8

static const struct pubkey_kind kinds[] = {
	{ PUBKEY_ECDSA, "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "prime256v1",
		"nistp256", 32 },
	{ PUBKEY_ECDSA, "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", "secp384r1",
		"nistp384", 48 },
	{ PUBKEY_ECDSA, "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", "secp521r1",
		"nistp521", 66 },
	{ PUBKEY_ED25519, "ssh-ed25519", "ssh-ed25519", NULL, NULL, 0 },
	{ PUBKEY_RSA, "ssh-rsa", "rsa-sha2-256,rsa-sha2-512", NULL, NULL, 0 },
};

const struct pubkey_kind *pubkey_kind_find(struct span name)
{
	for (size_t i = 0; i < mem_count(kinds); i++)
		if (span_is(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}

static bool pubkey_is_of(const EVP_PKEY *key, const struct pubkey_kind *kind)
{
	char group[32];
	int bits = EVP_PKEY_get_bits(key);

	switch (kind->family) {
	case PUBKEY_ECDSA:
		return EVP_PKEY_is_a(key, "EC") &&
			EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
			strcmp(group, kind->group) == 0;
	case PUBKEY_ED25519:
		return EVP_PKEY_is_a(key, "ED25519");
	case PUBKEY_RSA:
		return EVP_PKEY_is_a(key, "RSA") && bits >= RSA_BITS_MIN &&
			bits <= RSA_BITS_MAX;
	}
	return false;
}

const struct pubkey_kind *pubkey_kind_of(const EVP_PKEY *key)
{
	for (size_t i = 0; i < mem_count(kinds); i++)
		if (pubkey_is_of(key, &kinds[i]))
			return &kinds[i];
	return NULL;
}

/* Writes the public number called @name at the end of @size bytes, zeros before it. */
static enum err pubkey_number(const EVP_PKEY *key, const char *name, uint8_t *out,
	size_t size)
{
	BIGNUM *v = NULL;
	enum err rc = ERR_CRYPTO;

	if (EVP_PKEY_get_bn_param(key, name, &v) == 1 &&
		BN_bn2binpad(v, out, (int)size) >= 0)
		rc = ERR_OK;
	BN_free(v);
	return rc;
}

static enum err pubkey_print_ecdsa(const EVP_PKEY *key, const struct pubkey_kind *kind,
	struct buf *out)
{
	size_t n = kind->scalar_bytes;
	uint8_t point[PUBKEY_POINT_MAX] = { 0x04 };
	enum err rc;

	/* By coordinates: the whole point comes in whatever form the key's file had. */
	rc = pubkey_number(key, OSSL_PKEY_PARAM_EC_PUB_X, point + 1, n);
	if (rc == ERR_OK)
		rc = pubkey_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, point + 1 + n, n);
	if (rc == ERR_OK)
		rc = keyfield_put_string(out, span_str(kind->curve));
	if (rc == ERR_OK)
		rc = keyfield_put_string(out, span_of(point, 1 + 2 * n));
	return rc;
}

static enum err pubkey_print_ed25519(const EVP_PKEY *key, struct buf *out)
{
	uint8_t raw[ED25519_BYTES];
	size_t n = sizeof(raw);

	if (EVP_PKEY_get_raw_public_key(key, raw, &n) != 1)
		return ERR_CRYPTO;
	return keyfield_put_string(out, span_of(raw, n));
}

static enum err pubkey_print_rsa(const EVP_PKEY *key, struct buf *out)
{
	uint8_t e[RSA_EXPONENT_MAX], n[RSA_MODULUS_MAX];
	enum err rc;

	rc = pubkey_number(key, OSSL_PKEY_PARAM_RSA_E, e, sizeof(e));
	if (rc == ERR_OK)
		rc = pubkey_number(key, OSSL_PKEY_PARAM_RSA_N, n, sizeof(n));
	if (rc == ERR_OK)
		rc = keyfield_put_mpint(out, span_of(e, sizeof(e)));
	if (rc == ERR_OK)
		rc = keyfield_put_mpint(out, span_of(n, sizeof(n)));
	return rc;
}

enum err pubkey_print(const EVP_PKEY *key, const struct pubkey_kind *kind,
	struct buf *out)
{
	enum err rc = keyfield_put_string(out, span_str(kind->name));

	if (rc != ERR_OK)
		return rc;
	switch (kind->family) {
	case PUBKEY_ECDSA:
		return pubkey_print_ecdsa(key, kind, out);
	case PUBKEY_ED25519:
		return pubkey_print_ed25519(key, out);
	case PUBKEY_RSA:
		return pubkey_print_rsa(key, out);
	}
	return ERR_USAGE;
}

/* The public key of @type that @params describe. */
static enum err pubkey_from_params(const char *type, OSSL_PARAM *params, EVP_PKEY **out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;
	enum err rc = ERR_CRYPTO;

	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1) {
		*out = key;
		rc = ERR_OK;
	}
	EVP_PKEY_CTX_free(ctx);
	return rc;
}

static enum err pubkey_parse_ecdsa(struct span *in, const struct pubkey_kind *kind,
	EVP_PKEY **out)
{
	uint8_t copy[PUBKEY_POINT_MAX];
	struct span curve, point;

	if (!keyfield_string(in, &curve) || !keyfield_string(in, &point))
		return ERR_SYNTAX;
	if (!span_is(curve, kind->curve) || point.n != 1 + 2 * kind->scalar_bytes ||
		point.p[0] != 0x04)
		return ERR_SYNTAX;

	memcpy(copy, point.p, point.n); /* params are not const */
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)kind->group,
			strlen(kind->group)),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, point.n),
		OSSL_PARAM_END,
	};

	return pubkey_from_params("EC", params, out);
}

static enum err pubkey_parse_ed25519(struct span *in, EVP_PKEY **out)
{
	struct span raw;
	EVP_PKEY *key;

	if (!keyfield_string(in, &raw) || raw.n != ED25519_BYTES)
		return ERR_SYNTAX;
	key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw.p, raw.n);
	if (key == NULL)
		return ERR_CRYPTO;
	*out = key;
	return ERR_OK;
}

static enum err pubkey_from_rsa(struct span n, struct span e, EVP_PKEY **out)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *bn_n = BN_bin2bn(n.p, (int)n.n, NULL),
	       *bn_e = BN_bin2bn(e.p, (int)e.n, NULL);
	OSSL_PARAM *params = NULL;
	enum err rc = ERR_NOMEM;

	if (bld != NULL && bn_n != NULL && bn_e != NULL &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) == 1 &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params != NULL)
		rc = pubkey_from_params("RSA", params, out);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn_n);
	BN_free(bn_e);
	return rc;
}

static enum err pubkey_parse_rsa(struct span *in, EVP_PKEY **out)
{
	struct span n, e;

	if (!keyfield_mpint(in, &e) || !keyfield_mpint(in, &n))
		return ERR_SYNTAX;
	/* An even exponent or modulus is no key; 1 would let everybody sign. */
	if (e.n > RSA_EXPONENT_MAX || (e.p[e.n - 1] & 1) == 0 ||
		(e.n == 1 && e.p[0] == 1))
		return ERR_CRYPTO;
	if (n.n < RSA_BITS_MIN / 8 || n.n > RSA_MODULUS_MAX || n.p[0] < 0x80 ||
		(n.p[n.n - 1] & 1) == 0)
		return ERR_CRYPTO;
	return pubkey_from_rsa(n, e, out);
}

enum err pubkey_parse(struct span blob, const struct pubkey_kind **kind, EVP_PKEY **out)
{
	const struct pubkey_kind *found;
	EVP_PKEY *key = NULL;
	struct span name;
	enum err rc = ERR_SYNTAX;

	if (!keyfield_string(&blob, &name) || (found = pubkey_kind_find(name)) == NULL)
		return ERR_SYNTAX;
	switch (found->family) {
	case PUBKEY_ECDSA:
		rc = pubkey_parse_ecdsa(&blob, found, &key);
		break;
	case PUBKEY_ED25519:
		rc = pubkey_parse_ed25519(&blob, &key);
		break;
	case PUBKEY_RSA:
		rc = pubkey_parse_rsa(&blob, &key);
		break;
	}
	if (rc == ERR_OK && blob.n > 0)
		rc = ERR_SYNTAX;
	if (rc != ERR_OK) {
		ERR_clear_error(); /* or the next TLS call of this thread would see it */
		EVP_PKEY_free(key);
		return rc;
	}
	*kind = found;
	*out = key;
	return ERR_OK;
}
