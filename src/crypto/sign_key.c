/* Signatures over digests, by OpenSSL. */
#include "crypto/sign_key.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "crypto/pem.h"

#define ROW(algorithm, ...) [SIGN_##algorithm] = { #algorithm, __VA_ARGS__ }

/* What an algorithm needs of the key. */
static const struct sign_rule {
	const char *name;
	int type, padding;
	const EVP_MD *(*digest)(void);
} rules[] = {
	ROW(ECDSA_SHA256, EVP_PKEY_EC, 0, EVP_sha256),
	ROW(ECDSA_SHA384, EVP_PKEY_EC, 0, EVP_sha384),
	ROW(ECDSA_SHA512, EVP_PKEY_EC, 0, EVP_sha512),
	ROW(RSA_PKCS1V15_SHA256, EVP_PKEY_RSA, RSA_PKCS1_PADDING, EVP_sha256),
	ROW(RSA_PKCS1V15_SHA384, EVP_PKEY_RSA, RSA_PKCS1_PADDING, EVP_sha384),
	ROW(RSA_PKCS1V15_SHA512, EVP_PKEY_RSA, RSA_PKCS1_PADDING, EVP_sha512),
	ROW(RSA_PSS_SHA256, EVP_PKEY_RSA, RSA_PKCS1_PSS_PADDING, EVP_sha256),
	ROW(RSA_PSS_SHA384, EVP_PKEY_RSA, RSA_PKCS1_PSS_PADDING, EVP_sha384),
	ROW(RSA_PSS_SHA512, EVP_PKEY_RSA, RSA_PKCS1_PSS_PADDING, EVP_sha512),
};

const char *sign_algorithm_name(enum sign_algorithm algorithm)
{
	return rules[algorithm].name;
}

size_t sign_algorithm_digest_bytes(enum sign_algorithm algorithm)
{
	return (size_t)EVP_MD_get_size(rules[algorithm].digest());
}

bool sign_algorithm_find(const char *name, enum sign_algorithm *out)
{
	for (size_t i = 0; i < mem_count(rules); i++) {
		if (strcmp(rules[i].name, name) != 0)
			continue;
		*out = (enum sign_algorithm)i;
		return true;
	}
	return false;
}

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

/* For EVP_PKEY_CTX_free(); NULL: OpenSSL refuses. @key is of the rule's type. */
static EVP_PKEY_CTX *context_new(EVP_PKEY *key, const struct sign_rule *rule,
	int (*init)(EVP_PKEY_CTX *ctx))
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

	if (ctx != NULL && init(ctx) == 1 &&
		(rule->padding == 0 ||
			EVP_PKEY_CTX_set_rsa_padding(ctx, rule->padding) == 1) &&
		EVP_PKEY_CTX_set_signature_md(ctx, rule->digest()) == 1 &&
		(rule->padding != RSA_PKCS1_PSS_PADDING ||
			EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) ==
				1))
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

enum err sign_key_make(EVP_PKEY *key, const struct sign_order *order, uint8_t *signature,
	size_t *n)
{
	const struct sign_rule *rule = &rules[order->algorithm];
	size_t size = SIGN_SIGNATURE_MAX;
	EVP_PKEY_CTX *ctx;
	bool ok;

	if (EVP_PKEY_get_base_id(key) != rule->type)
		return ERR_USAGE;
	ctx = context_new(key, rule, EVP_PKEY_sign_init);
	ok = ctx != NULL &&
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
	ctx = context_new(key, rule, EVP_PKEY_verify_init);
	ok = ctx != NULL &&
		EVP_PKEY_verify(ctx, signature.p, signature.n, order->digest,
			sign_algorithm_digest_bytes(order->algorithm)) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? ERR_OK : ERR_CRYPTO;
}
