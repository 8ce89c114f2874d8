/* The private key format of OpenSSH: PROTOCOL.key in its sources describes it. */
#include "crypto/openssh_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "crypto/keyfield.h"
#include "crypto/pubkey.h"

#define ED25519_SEED_BYTES 32
#define ED25519_PRIVATE_BYTES 64 /* the seed and the public key */

static const char magic[] = "openssh-key-v1"; /* on the wire with its terminator */

/* The key of @type that the params collected in @bld describe. */
static enum err key_from_bld(const char *type, OSSL_PARAM_BLD *bld, EVP_PKEY **out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY *key = NULL;
	enum err rc = ERR_SYNTAX;

	if (ctx != NULL && params != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1) {
		*out = key;
		rc = ERR_OK;
	}
	OSSL_PARAM_free(params); /* secret numbers lie in a part that it wipes */
	EVP_PKEY_CTX_free(ctx);
	return rc;
}

static BIGNUM *secret_number(struct span magnitude)
{
	BIGNUM *v = BN_secure_new();

	if (v != NULL && BN_bin2bn(magnitude.p, (int)magnitude.n, v) == NULL) {
		BN_clear_free(v);
		return NULL;
	}
	return v;
}

static enum err read_ed25519(struct span *in, EVP_PKEY **out)
{
	struct span public, private;
	EVP_PKEY *key;

	if (!keyfield_string(in, &public) || !keyfield_string(in, &private) ||
		private.n != ED25519_PRIVATE_BYTES)
		return ERR_SYNTAX;
	if (!span_eq(public, span_of(private.p + ED25519_SEED_BYTES, ED25519_SEED_BYTES)))
		return ERR_SYNTAX;
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private.p,
		ED25519_SEED_BYTES);
	if (key == NULL)
		return ERR_SYNTAX;
	*out = key;
	return ERR_OK;
}

static enum err read_ecdsa(struct span *in, const struct pubkey_kind *kind,
	EVP_PKEY **out)
{
	struct span curve, point, scalar;
	OSSL_PARAM_BLD *bld;
	BIGNUM *d;
	enum err rc = ERR_NOMEM;

	if (!keyfield_string(in, &curve) || !keyfield_string(in, &point) ||
		!keyfield_mpint(in, &scalar))
		return ERR_SYNTAX;
	if (!span_is(curve, kind->curve) || point.n > PUBKEY_POINT_MAX ||
		scalar.n > kind->scalar_bytes)
		return ERR_SYNTAX;

	bld = OSSL_PARAM_BLD_new();
	d = secret_number(scalar);
	if (bld != NULL && d != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
			kind->group, 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point.p,
			point.n) == 1 &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1)
		rc = key_from_bld("EC", bld, out);
	OSSL_PARAM_BLD_free(bld);
	BN_clear_free(d);
	return rc;
}

/* Without the primes: a host key signs once a session, and so there is less to check. */
static enum err key_from_rsa(struct span n, struct span e, struct span d, EVP_PKEY **out)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *bn_n = BN_bin2bn(n.p, (int)n.n, NULL),
	       *bn_e = BN_bin2bn(e.p, (int)e.n, NULL);
	BIGNUM *bn_d = secret_number(d);
	enum err rc = ERR_NOMEM;

	if (bld != NULL && bn_n != NULL && bn_e != NULL && bn_d != NULL &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) == 1 &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e) == 1 &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_D, bn_d) == 1)
		rc = key_from_bld("RSA", bld, out);
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn_n);
	BN_free(bn_e);
	BN_clear_free(bn_d);
	return rc;
}

static enum err read_rsa(struct span *in, EVP_PKEY **out)
{
	struct span n, e, d, iqmp, p, q;

	if (!keyfield_mpint(in, &n) || !keyfield_mpint(in, &e) ||
		!keyfield_mpint(in, &d) || !keyfield_mpint(in, &iqmp) ||
		!keyfield_mpint(in, &p) || !keyfield_mpint(in, &q))
		return ERR_SYNTAX;
	return key_from_rsa(n, e, d, out);
}

static enum err read_key(struct span *in, EVP_PKEY **out)
{
	const struct pubkey_kind *kind;
	struct span name;

	if (!keyfield_string(in, &name) || (kind = pubkey_kind_find(name)) == NULL)
		return ERR_SYNTAX;
	switch (kind->family) {
	case PUBKEY_ED25519:
		return read_ed25519(in, out);
	case PUBKEY_ECDSA:
		return read_ecdsa(in, kind, out);
	case PUBKEY_RSA:
		return read_rsa(in, out);
	}
	return ERR_SYNTAX;
}

/* A comment, and padding that counts 1, 2, 3. */
static bool is_tail(struct span in)
{
	struct span comment;

	if (!keyfield_string(&in, &comment))
		return false;
	for (size_t i = 0; i < in.n; i++)
		if (in.p[i] != (uint8_t)(i + 1))
			return false;
	return true;
}

static enum err read_private(struct span in, EVP_PKEY **out)
{
	uint32_t check_a, check_b;
	EVP_PKEY *key = NULL;
	enum err rc;

	if (!span_u32(&in, &check_a) || !span_u32(&in, &check_b) || check_a != check_b)
		return ERR_SYNTAX;
	rc = read_key(&in, &key);
	if (rc != ERR_OK)
		return rc;
	if (!is_tail(in)) {
		EVP_PKEY_free(key);
		return ERR_SYNTAX;
	}
	*out = key;
	return ERR_OK;
}

enum err openssh_key_parse(struct span in, EVP_PKEY **out, struct why *why)
{
	struct span head, cipher, kdf, options, public, private;
	uint32_t count;
	enum err rc = ERR_SYNTAX;

	if (!span_cut(&in, sizeof(magic), &head) ||
		memcmp(head.p, magic, sizeof(magic)) != 0 ||
		!keyfield_string(&in, &cipher) || !keyfield_string(&in, &kdf) ||
		!keyfield_string(&in, &options) || !span_u32(&in, &count))
		return err_set(why, ERR_SYNTAX, "not an OpenSSH private key");
	if (!span_is(cipher, "none"))
		return err_set(why, ERR_DENIED, "the key is protected by a pass phrase");
	if (count == 1 && keyfield_string(&in, &public) &&
		keyfield_string(&in, &private) && in.n == 0)
		rc = read_private(private, out);
	if (rc != ERR_OK)
		err_set(why, rc,
			"not a whole OpenSSH private key of a kind that can be used");
	return rc;
}
