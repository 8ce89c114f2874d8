/* OpenSSL's keys as SSH writes them. */
#include "crypto/pkey_priv.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "base/mem.h"
#include "crypto/ssh_data.h"

#define ED25519_BYTES 32
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define RSA_MODULUS_MAX (RSA_BITS_MAX / 8)
#define RSA_EXPONENT_MAX 8
#define PARTS_MAX 3

static const struct pkey_kind kinds[] = {
	{ PKEY_ECDSA, "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "SHA256",
		"prime256v1", "nistp256", 32 },
	{ PKEY_ECDSA, "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", "SHA384", "secp384r1",
		"nistp384", 48 },
	{ PKEY_ECDSA, "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", "SHA512", "secp521r1",
		"nistp521", 66 },
	{ PKEY_ED25519, "ssh-ed25519", "ssh-ed25519", NULL, NULL, NULL, 0 },
	{ PKEY_RSA, "ssh-rsa", "rsa-sha2-256,rsa-sha2-512", "SHA256", NULL, NULL, 0 },
};

const struct pkey_kind *pkey_kind_find(struct span name)
{
	for (size_t i = 0; i < mem_count(kinds); i++)
		if (span_is(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}

static bool pkey_is_of(const EVP_PKEY *key, const struct pkey_kind *kind)
{
	char group[32];
	int bits = EVP_PKEY_get_bits(key);

	switch (kind->family) {
	case PKEY_ECDSA:
		return EVP_PKEY_is_a(key, "EC") &&
			EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
			strcmp(group, kind->group) == 0;
	case PKEY_ED25519:
		return EVP_PKEY_is_a(key, "ED25519");
	case PKEY_RSA:
		return EVP_PKEY_is_a(key, "RSA") && bits >= RSA_BITS_MIN &&
			bits <= RSA_BITS_MAX;
	}
	return false;
}

const struct pkey_kind *pkey_kind_of(const EVP_PKEY *key)
{
	for (size_t i = 0; i < mem_count(kinds); i++)
		if (pkey_is_of(key, &kinds[i]))
			return &kinds[i];
	return NULL;
}

/* ---- from numbers ---- */

const uint8_t p256_der_curve[12] = { 0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
	0x03, 0x01, 0x07 };

static const uint8_t p256_order[P256_SCALAR_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
	0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };

EVP_PKEY *pkey_p256(const uint8_t scalar[P256_SCALAR_BYTES])
{
	static const uint8_t head[] = { 0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20 };
	static const uint8_t zero[P256_SCALAR_BYTES];
	uint8_t der[sizeof(head) + P256_SCALAR_BYTES + sizeof(p256_der_curve)], *to = der;
	const uint8_t *p = der;
	EVP_PKEY *key;

	/* OpenSSL would take any number. */
	if (memcmp(scalar, p256_order, sizeof(p256_order)) >= 0 ||
		memcmp(scalar, zero, sizeof(zero)) == 0)
		return NULL;
	/* OpenSSL works the public half out only when it reads a key without one. */
	to = mem_put(to, head, sizeof(head));
	to = mem_put(to, scalar, P256_SCALAR_BYTES);
	memcpy(to, p256_der_curve, sizeof(p256_der_curve));
	key = d2i_PrivateKey(EVP_PKEY_EC, NULL, &p, sizeof(der));
	mem_wipe(der, sizeof(der));
	if (key == NULL)
		ERR_clear_error();
	return key;
}

/* @number is for the caller to free, after the params are made. */
static bool part_push(OSSL_PARAM_BLD *bld, const struct pkey_part *part, BIGNUM **number)
{
	const char *name = part->name;
	struct span v = part->value;

	if (strcmp(name, OSSL_PKEY_PARAM_GROUP_NAME) == 0)
		return OSSL_PARAM_BLD_push_utf8_string(bld, name, (const char *)v.p,
			       v.n) == 1;
	if (strcmp(name, OSSL_PKEY_PARAM_PUB_KEY) == 0)
		return OSSL_PARAM_BLD_push_octet_string(bld, name, v.p, v.n) == 1;
	*number = BN_secure_new();
	return *number != NULL && BN_bin2bn(v.p, (int)v.n, *number) != NULL &&
		OSSL_PARAM_BLD_push_BN(bld, name, *number) == 1;
}

EVP_PKEY *pkey_build(const char *type, int selection, const struct pkey_part *parts,
	size_t n)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *numbers[PARTS_MAX] = { NULL };
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	bool ok = ctx != NULL && bld != NULL && n <= PARTS_MAX;

	for (size_t i = 0; i < n && ok; i++)
		ok = part_push(bld, &parts[i], &numbers[i]);
	if (ok)
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &key, selection, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params); /* secret numbers lie in a part that it wipes */
	for (size_t i = 0; i < PARTS_MAX; i++)
		BN_clear_free(numbers[i]);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* ---- blobs ---- */

/* BN_bn2mpi() is what SSH calls an mpint. */
enum err pkey_put_number(struct buf *out, const BIGNUM *number)
{
	size_t n = (size_t)BN_bn2mpi(number, NULL);
	uint8_t *room;
	enum err rc = buf_reserve(out, n, &room);

	if (rc != ERR_OK)
		return rc;
	buf_commit(out, (size_t)BN_bn2mpi(number, room));
	return ERR_OK;
}

/* ECDSA: the coordinates, as the whole point comes in whatever form the file had. */
static enum err print_point(const EVP_PKEY *key, const struct pkey_kind *kind,
	struct buf *out)
{
	int n = (int)kind->scalar_bytes;
	uint8_t point[PKEY_POINT_MAX] = { 0x04 };
	BIGNUM *x = NULL, *y = NULL;
	enum err rc = ERR_CRYPTO;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
		BN_bn2binpad(x, point + 1, n) == n &&
		BN_bn2binpad(y, point + 1 + n, n) == n) {
		ssh_put_text(out, kind->curve);
		ssh_put_string(out, span_of(point, 1 + 2 * kind->scalar_bytes));
		rc = out->failed;
	}
	BN_free(x);
	BN_free(y);
	return rc;
}

static enum err print_rsa(const EVP_PKEY *key, struct buf *out)
{
	BIGNUM *e = NULL, *n = NULL;
	enum err rc = ERR_CRYPTO;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
		BN_num_bytes(e) <= RSA_EXPONENT_MAX)
		rc = pkey_put_number(out, e);
	if (rc == ERR_OK)
		rc = pkey_put_number(out, n);
	BN_free(e);
	BN_free(n);
	return rc;
}

enum err pkey_print(const EVP_PKEY *key, const struct pkey_kind *kind, struct buf *out)
{
	uint8_t raw[ED25519_BYTES];
	size_t n = sizeof(raw);

	ssh_put_text(out, kind->name);
	switch (kind->family) {
	case PKEY_ECDSA:
		return print_point(key, kind, out);
	case PKEY_ED25519:
		if (EVP_PKEY_get_raw_public_key(key, raw, &n) != 1)
			return ERR_CRYPTO;
		ssh_put_string(out, span_of(raw, n));
		return out->failed;
	case PKEY_RSA:
		return print_rsa(key, out);
	}
	return ERR_USAGE;
}

static enum err parse_ecdsa(struct span *in, const struct pkey_kind *kind, EVP_PKEY **out)
{
	struct span curve, point;

	if (!ssh_get_string(in, &curve) || !ssh_get_string(in, &point) ||
		!span_is(curve, kind->curve) || point.n != 1 + 2 * kind->scalar_bytes ||
		point.p[0] != 0x04)
		return ERR_SYNTAX;
	const struct pkey_part parts[] = {
		{ OSSL_PKEY_PARAM_GROUP_NAME, span_str(kind->group) },
		{ OSSL_PKEY_PARAM_PUB_KEY, point },
	};

	*out = pkey_build("EC", EVP_PKEY_PUBLIC_KEY, parts, mem_count(parts));
	return ERR_OK;
}

static enum err parse_ed25519(struct span *in, EVP_PKEY **out)
{
	struct span raw;

	if (!ssh_get_string(in, &raw) || raw.n != ED25519_BYTES)
		return ERR_SYNTAX;
	*out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw.p, raw.n);
	return ERR_OK;
}

static enum err parse_rsa(struct span *in, EVP_PKEY **out)
{
	struct span n, e;

	if (!ssh_get_mpint(in, &e) || !ssh_get_mpint(in, &n))
		return ERR_SYNTAX;
	/* An even exponent or modulus is no key; with 1, anyone could sign. */
	if (e.n > RSA_EXPONENT_MAX || (e.p[e.n - 1] & 1) == 0 ||
		(e.n == 1 && e.p[0] == 1))
		return ERR_CRYPTO;
	if (n.n < RSA_BITS_MIN / 8 || n.n > RSA_MODULUS_MAX || n.p[0] < 0x80 ||
		(n.p[n.n - 1] & 1) == 0)
		return ERR_CRYPTO;
	const struct pkey_part parts[] = {
		{ OSSL_PKEY_PARAM_RSA_N, n },
		{ OSSL_PKEY_PARAM_RSA_E, e },
	};

	*out = pkey_build("RSA", EVP_PKEY_PUBLIC_KEY, parts, mem_count(parts));
	return ERR_OK;
}

enum err pkey_parse(struct span blob, const struct pkey_kind **kind, EVP_PKEY **out)
{
	const struct pkey_kind *found;
	EVP_PKEY *key = NULL;
	struct span name;
	enum err rc;

	if (!ssh_get_string(&blob, &name) || (found = pkey_kind_find(name)) == NULL)
		return ERR_SYNTAX;
	if (found->family == PKEY_ECDSA)
		rc = parse_ecdsa(&blob, found, &key);
	else if (found->family == PKEY_ED25519)
		rc = parse_ed25519(&blob, &key);
	else
		rc = parse_rsa(&blob, &key);
	if (rc == ERR_OK && key == NULL)
		rc = ERR_CRYPTO;
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
