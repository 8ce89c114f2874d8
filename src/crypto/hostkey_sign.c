/* Signatures of host keys, as SSH writes them: string algorithm, string signature. */
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include "crypto/hostkey_priv.h"
#include "crypto/ssh_data.h"

/* False: @kind cannot do @algorithm. */
static bool find_digest(const struct pkey_kind *kind, const char *algorithm,
	const char **digest)
{
	*digest = strcmp(algorithm, "rsa-sha2-512") == 0 ? "SHA512" : kind->digest;
	return ssh_list_has(span_str(kind->algorithms), span_str(algorithm));
}

static enum err sign(EVP_PKEY *key, const char *digest, struct span data, uint8_t *out,
	size_t *n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	enum err rc = ERR_CRYPTO;

	if (ctx != NULL &&
		EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL) == 1 &&
		EVP_DigestSign(ctx, out, n, data.p, data.n) == 1)
		rc = ERR_OK;
	EVP_MD_CTX_free(ctx);
	return rc;
}

static enum err verify(EVP_PKEY *key, const char *digest, struct span data,
	struct span raw)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	enum err rc = ERR_CRYPTO;

	if (ctx != NULL &&
		EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL) == 1 &&
		EVP_DigestVerify(ctx, raw.p, raw.n, data.p, data.n) == 1)
		rc = ERR_OK;
	EVP_MD_CTX_free(ctx);
	return rc;
}

/* OpenSSL writes the two numbers of an ECDSA signature in DER, SSH as two mpints. */
static enum err ecdsa_from_der(struct span der, struct buf *out)
{
	const uint8_t *p = der.p;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.n);
	enum err rc = ERR_CRYPTO;

	if (sig != NULL)
		rc = pkey_put_number(out, ECDSA_SIG_get0_r(sig));
	if (rc == ERR_OK)
		rc = pkey_put_number(out, ECDSA_SIG_get0_s(sig));
	ECDSA_SIG_free(sig);
	return rc;
}

/* *@der is freed with OPENSSL_free(). */
static enum err ecdsa_to_der(struct span in, uint8_t **der, size_t *n)
{
	struct span r, s;
	ECDSA_SIG *sig;
	BIGNUM *bn_r, *bn_s;
	int made = -1;

	if (!ssh_get_mpint(&in, &r) || !ssh_get_mpint(&in, &s) || in.n > 0 ||
		r.n > PKEY_POINT_MAX || s.n > PKEY_POINT_MAX)
		return ERR_SYNTAX;
	sig = ECDSA_SIG_new();
	bn_r = BN_bin2bn(r.p, (int)r.n, NULL);
	bn_s = BN_bin2bn(s.p, (int)s.n, NULL);
	if (sig != NULL && bn_r != NULL && bn_s != NULL &&
		ECDSA_SIG_set0(sig, bn_r, bn_s) == 1) {
		bn_r = bn_s = NULL; /* the signature owns them now */
		made = i2d_ECDSA_SIG(sig, der);
	}
	BN_free(bn_r);
	BN_free(bn_s);
	ECDSA_SIG_free(sig);
	if (made < 0)
		return ERR_NOMEM;
	*n = (size_t)made;
	return ERR_OK;
}

enum err hostkey_sign(const struct hostkey *key, const char *algorithm, struct span data,
	struct buf *out)
{
	uint8_t raw[HOSTKEY_SIGNATURE_MAX];
	size_t n = sizeof(raw);
	struct buf body;
	const char *digest;
	enum err rc;

	if (!find_digest(key->kind, algorithm, &digest))
		return ERR_USAGE;
	buf_init(&body, HOSTKEY_SIGNATURE_MAX);
	rc = sign(key->pkey, digest, data, raw, &n);
	if (rc == ERR_OK)
		rc = key->kind->family == PKEY_ECDSA ?
			ecdsa_from_der(span_of(raw, n), &body) :
			buf_put(&body, raw, n);
	if (rc == ERR_OK) {
		ssh_put_text(out, algorithm);
		ssh_put_string(out, buf_span(&body));
		rc = out->failed;
	} else {
		ERR_clear_error();
	}
	buf_fini(&body);
	return rc;
}

static enum err check(EVP_PKEY *key, const struct pkey_kind *kind, const char *algorithm,
	struct span data, struct span signature)
{
	struct span name, body;
	const char *digest;
	uint8_t *der = NULL;
	enum err rc = ERR_OK;

	if (!ssh_get_string(&signature, &name) || !ssh_get_string(&signature, &body) ||
		signature.n > 0)
		return ERR_SYNTAX;
	if (!find_digest(kind, algorithm, &digest) || !span_is(name, algorithm))
		return ERR_CRYPTO;
	if (kind->family == PKEY_ECDSA) {
		rc = ecdsa_to_der(body, &der, &body.n);
		body.p = der;
	}
	if (rc == ERR_OK)
		rc = verify(key, digest, data, body);
	OPENSSL_free(der);
	return rc;
}

enum err hostkey_verify(struct span blob, const char *algorithm, struct span data,
	struct span signature)
{
	const struct pkey_kind *kind;
	EVP_PKEY *pkey;
	enum err rc;

	if (blob.n > HOSTKEY_BLOB_MAX || signature.n > HOSTKEY_SIGNATURE_MAX)
		return ERR_SYNTAX;
	rc = pkey_parse(blob, &kind, &pkey);
	if (rc != ERR_OK)
		return rc;
	rc = check(pkey, kind, algorithm, data, signature);
	if (rc != ERR_OK)
		ERR_clear_error(); /* or the next TLS call of this thread would see it */
	EVP_PKEY_free(pkey);
	return rc;
}
