/* Signatures as SSH writes them. */
#include "crypto/signature.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include "base/mem.h"
#include "crypto/keyfield.h"

#define SIGNATURE_RAW_MAX 1024 /* RSA with 8192 bits */
#define SIGNATURE_BLOB_MAX (SIGNATURE_RAW_MAX + 64)

static const struct signature_algorithm {
	const char *name;
	const char *kind;
	const char *digest; /* NULL: the algorithm has its own */
} algorithms[] = {
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "SHA256" },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", "SHA384" },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", "SHA512" },
	{ "ssh-ed25519", "ssh-ed25519", NULL },
	{ "rsa-sha2-256", "ssh-rsa", "SHA256" },
	{ "rsa-sha2-512", "ssh-rsa", "SHA512" },
};

static const struct signature_algorithm *signature_find(const char *name,
	const struct pubkey_kind *kind)
{
	for (size_t i = 0; i < mem_count(algorithms); i++)
		if (strcmp(algorithms[i].name, name) == 0 &&
			strcmp(algorithms[i].kind, kind->name) == 0)
			return &algorithms[i];
	return NULL;
}

static enum err signature_sign(EVP_PKEY *key, const char *digest, struct span data,
	uint8_t *out, size_t *n)
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

static enum err signature_verify(EVP_PKEY *key, const char *digest, struct span data,
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

static enum err put_number(struct buf *out, const BIGNUM *v)
{
	uint8_t bytes[SIGNATURE_RAW_MAX];

	if (BN_num_bytes(v) > (int)sizeof(bytes))
		return ERR_LIMIT;
	return keyfield_put_mpint(out, span_of(bytes, (size_t)BN_bn2bin(v, bytes)));
}

/* OpenSSL writes the two numbers of an ECDSA signature in DER, SSH as two mpints. */
static enum err ecdsa_from_der(struct span der, struct buf *out)
{
	const uint8_t *p = der.p;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.n);
	enum err rc = ERR_CRYPTO;

	if (sig != NULL)
		rc = put_number(out, ECDSA_SIG_get0_r(sig));
	if (rc == ERR_OK)
		rc = put_number(out, ECDSA_SIG_get0_s(sig));
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

	if (!keyfield_mpint(&in, &r) || !keyfield_mpint(&in, &s) || in.n > 0 ||
		r.n > PUBKEY_POINT_MAX || s.n > PUBKEY_POINT_MAX)
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

/* Appends the signature in the form that SSH gives it. */
static enum err put_body(struct buf *out, const struct pubkey_kind *kind, struct span raw)
{
	struct buf numbers;
	enum err rc;

	if (kind->family != PUBKEY_ECDSA)
		return keyfield_put_string(out, raw);
	buf_init(&numbers, SIGNATURE_BLOB_MAX);
	rc = ecdsa_from_der(raw, &numbers);
	if (rc == ERR_OK)
		rc = keyfield_put_string(out, buf_span(&numbers));
	buf_fini(&numbers);
	return rc;
}

enum err signature_make(EVP_PKEY *key, const struct pubkey_kind *kind,
	const char *algorithm, struct span data, struct buf *out)
{
	const struct signature_algorithm *a = signature_find(algorithm, kind);
	uint8_t raw[SIGNATURE_RAW_MAX];
	size_t n = sizeof(raw);
	struct buf blob;
	enum err rc;

	if (a == NULL)
		return ERR_USAGE;
	buf_init(&blob, SIGNATURE_BLOB_MAX);
	rc = signature_sign(key, a->digest, data, raw, &n);
	if (rc == ERR_OK)
		rc = keyfield_put_string(&blob, span_str(algorithm));
	if (rc == ERR_OK)
		rc = put_body(&blob, kind, span_of(raw, n));
	if (rc == ERR_OK)
		rc = buf_put_span(out, buf_span(&blob));
	else
		ERR_clear_error();
	buf_fini(&blob);
	return rc;
}

static enum err check_body(EVP_PKEY *key, const struct pubkey_kind *kind,
	const char *digest, struct span data, struct span body)
{
	uint8_t *der = NULL;
	size_t n;
	enum err rc;

	if (kind->family != PUBKEY_ECDSA)
		return signature_verify(key, digest, data, body);
	rc = ecdsa_to_der(body, &der, &n);
	if (rc == ERR_OK)
		rc = signature_verify(key, digest, data, span_of(der, n));
	OPENSSL_free(der);
	return rc;
}

enum err signature_check(EVP_PKEY *key, const struct pubkey_kind *kind,
	const char *algorithm, struct span data, struct span signature)
{
	const struct signature_algorithm *a = signature_find(algorithm, kind);
	struct span name, body;
	enum err rc;

	if (!keyfield_string(&signature, &name) || !keyfield_string(&signature, &body) ||
		signature.n > 0)
		return ERR_SYNTAX;
	if (a == NULL || !span_is(name, algorithm))
		return ERR_CRYPTO;
	rc = check_body(key, kind, a->digest, data, body);
	if (rc != ERR_OK)
		ERR_clear_error(); /* or the next TLS call of this thread would see it */
	return rc;
}
