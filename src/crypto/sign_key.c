/* Signatures over digests, by OpenSSL. */
#include "crypto/sign_key.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "crypto/pem.h"

/* What an algorithm asks of the key. */
static const struct sign_rule {
	int type, padding;
	const EVP_MD *(*digest)(void);
} rules[] = {
	[SIGN_ECDSA_SHA256] = { EVP_PKEY_EC, 0, EVP_sha256 },
	[SIGN_ECDSA_SHA384] = { EVP_PKEY_EC, 0, EVP_sha384 },
	[SIGN_ECDSA_SHA512] = { EVP_PKEY_EC, 0, EVP_sha512 },
	[SIGN_RSA_PKCS1V15_SHA256] = { EVP_PKEY_RSA, RSA_PKCS1_PADDING, EVP_sha256 },
	[SIGN_RSA_PKCS1V15_SHA384] = { EVP_PKEY_RSA, RSA_PKCS1_PADDING, EVP_sha384 },
	[SIGN_RSA_PKCS1V15_SHA512] = { EVP_PKEY_RSA, RSA_PKCS1_PADDING, EVP_sha512 },
	[SIGN_RSA_PSS_SHA256] = { EVP_PKEY_RSA, RSA_PKCS1_PSS_PADDING, EVP_sha256 },
	[SIGN_RSA_PSS_SHA384] = { EVP_PKEY_RSA, RSA_PKCS1_PSS_PADDING, EVP_sha384 },
	[SIGN_RSA_PSS_SHA512] = { EVP_PKEY_RSA, RSA_PKCS1_PSS_PADDING, EVP_sha512 },
};

EVP_PKEY *sign_key_of_certificate(struct span pem)
{
	X509 *cert = pem_next_certificate(&pem);
	EVP_PKEY *key = cert != NULL ? X509_get_pubkey(cert) : NULL;

	X509_free(cert);
	ERR_clear_error(); /* or the next TLS call of this thread would see it */
	return key;
}

bool sign_key_algorithm(const EVP_PKEY *key, enum sign_algorithm *out)
{
	int type = EVP_PKEY_get_base_id(key);

	*out = type == EVP_PKEY_EC ? SIGN_ECDSA_SHA256 : SIGN_RSA_PSS_SHA256;
	return type == EVP_PKEY_EC || type == EVP_PKEY_RSA;
}

static bool context_set(EVP_PKEY_CTX *ctx, const struct sign_rule *rule)
{
	if (rule->padding != 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, rule->padding) != 1)
		return false;
	if (EVP_PKEY_CTX_set_signature_md(ctx, rule->digest()) != 1)
		return false;
	return rule->padding != RSA_PKCS1_PSS_PADDING ||
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

enum err sign_key_make(EVP_PKEY *key, const struct sign_order *order, uint8_t *signature,
	size_t *n)
{
	const struct sign_rule *rule = &rules[order->algorithm];
	EVP_PKEY_CTX *ctx;
	size_t size = SIGN_SIGNATURE_MAX;
	bool ok;

	if (EVP_PKEY_get_base_id(key) != rule->type)
		return ERR_USAGE;
	ctx = EVP_PKEY_CTX_new(key, NULL);
	ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 && context_set(ctx, rule) &&
		EVP_PKEY_sign(ctx, signature, &size, order->digest,
			sign_algorithm_digest_bytes(order->algorithm)) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	if (!ok)
		return ERR_CRYPTO;
	*n = size;
	return ERR_OK;
}

enum err sign_key_verify(EVP_PKEY *key, const struct sign_order *order,
	struct span signature)
{
	const struct sign_rule *rule = &rules[order->algorithm];
	EVP_PKEY_CTX *ctx;
	bool ok;

	if (EVP_PKEY_get_base_id(key) != rule->type)
		return ERR_USAGE;
	ctx = EVP_PKEY_CTX_new(key, NULL);
	ok = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 && context_set(ctx, rule) &&
		EVP_PKEY_verify(ctx, signature.p, signature.n, order->digest,
			sign_algorithm_digest_bytes(order->algorithm)) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? ERR_OK : ERR_CRYPTO;
}
