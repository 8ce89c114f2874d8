/*
 * The provider of remote keys: provider-keymgmt(7), provider-signature(7).
 *
 * Properties of a key come from the public key of its certificate, which is one of
 * OpenSSL's own. A private key cannot be exported: so OpenSSL lets this provider sign.
 */
#include "crypto/remote_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/mem.h"

/* ---- keys ---- */

/* What OpenSSL has for a key: freed by it, while the key lives on. */
struct handle {
	struct remote_key *key; /* borrowed: its owner frees OpenSSL's keys first */
};

static void *key_new(void *provider)
{
	struct handle *h = mem_new(h);

	(void)provider;
	return h;
}

static void key_free(void *data)
{
	free(data);
}

static int key_has(const void *data, int selection)
{
	(void)selection;
	return ((const struct handle *)data)->key != NULL;
}

static int key_match(const void *a, const void *b, int selection)
{
	(void)selection;
	return EVP_PKEY_eq(remote_key_public(((const struct handle *)a)->key),
		       remote_key_public(((const struct handle *)b)->key)) == 1;
}

static int key_import(void *data, int selection, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, REMOTE_KEY_PARAM);
	struct handle *h = data;

	(void)selection;
	if (p == NULL || p->data_size != sizeof(h->key))
		return 0;
	memcpy(&h->key, p->data, sizeof(h->key));
	return 1;
}

static const OSSL_PARAM *key_import_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(REMOTE_KEY_PARAM, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

static int key_export(void *data, int selection, OSSL_CALLBACK *fn, void *arg)
{
	struct handle *h = data;
	OSSL_PARAM *params = NULL;
	int rc;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ||
		EVP_PKEY_todata(remote_key_public(h->key), EVP_PKEY_PUBLIC_KEY,
			&params) != 1)
		return 0;
	rc = fn(params, arg);
	OSSL_PARAM_free(params);
	return rc;
}

static const OSSL_PARAM *ec_export_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? NULL : types;
}

static const OSSL_PARAM *rsa_export_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END,
	};

	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? NULL : types;
}

static int key_get_params(void *data, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(remote_key_public(((struct handle *)data)->key),
		params);
}

static const OSSL_PARAM *key_gettable_params(void *provider)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL,
			0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return types;
}

static const char *ec_query_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

static const char *rsa_query_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "RSA" : NULL;
}

/* clang-format off: rows of tables */
typedef void (*fn)(void);

#define KEY_FUNCTIONS \
	{ OSSL_FUNC_KEYMGMT_NEW, (fn)key_new }, \
		{ OSSL_FUNC_KEYMGMT_FREE, (fn)key_free }, \
		{ OSSL_FUNC_KEYMGMT_HAS, (fn)key_has }, \
		{ OSSL_FUNC_KEYMGMT_MATCH, (fn)key_match }, \
		{ OSSL_FUNC_KEYMGMT_IMPORT, (fn)key_import }, \
		{ OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (fn)key_import_types }, \
		{ OSSL_FUNC_KEYMGMT_EXPORT, (fn)key_export }, \
		{ OSSL_FUNC_KEYMGMT_GET_PARAMS, (fn)key_get_params }, \
	{ \
		OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (fn)key_gettable_params \
	}

static const OSSL_DISPATCH ec_key_functions[] = {
	KEY_FUNCTIONS,
	{ OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (fn)ec_export_types },
	{ OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (fn)ec_query_operation },
	{ 0, NULL },
};

static const OSSL_DISPATCH rsa_key_functions[] = {
	KEY_FUNCTIONS,
	{ OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (fn)rsa_export_types },
	{ OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (fn)rsa_query_operation },
	{ 0, NULL },
};
/* clang-format on */

/* ---- signatures ---- */

_Static_assert(SIGN_DIGEST_MAX >= EVP_MAX_MD_SIZE, "any digest has room");

enum padding { PADDING_PKCS1, PADDING_PSS };

struct operation {
	struct handle *handle; /* borrowed: OpenSSL keeps the key */
	EVP_MD *md;
	EVP_MD_CTX *hash;
	enum padding padding;
	struct sign_order order; /* what is being asked */
	unsigned digest_n;
};

static void *signature_new(void *provider, const char *properties)
{
	struct operation *op = mem_new(op);

	(void)provider;
	(void)properties;
	return op;
}

static void signature_free(void *ctx)
{
	struct operation *op = ctx;

	EVP_MD_CTX_free(op->hash);
	EVP_MD_free(op->md);
	free(op);
}

static void *signature_dup(void *ctx)
{
	const struct operation *from = ctx;
	struct operation *op = mem_new(op);

	if (op == NULL)
		return NULL;
	op->handle = from->handle;
	op->padding = from->padding;
	if (from->md != NULL && EVP_MD_up_ref(from->md) == 1)
		op->md = from->md;
	if (from->hash != NULL) {
		op->hash = EVP_MD_CTX_new();
		if (op->hash == NULL || EVP_MD_CTX_copy_ex(op->hash, from->hash) != 1) {
			signature_free(op);
			return NULL;
		}
	}
	return op;
}

static bool operation_is_ec(const struct operation *op)
{
	return EVP_PKEY_is_a(remote_key_public(op->handle->key), "EC") == 1;
}

/* False: there is no such algorithm. */
static bool operation_algorithm(const struct operation *op, size_t digest_n,
	enum sign_algorithm *out)
{
	enum sign_algorithm base = SIGN_RSA_PKCS1V15_SHA256;
	unsigned step = 0;

	if (operation_is_ec(op))
		base = SIGN_ECDSA_SHA256;
	else if (op->padding == PADDING_PSS)
		base = SIGN_RSA_PSS_SHA256;
	while (step < 3 && sign_algorithm_digest_bytes(base + step) != digest_n)
		step++;
	*out = base + step;
	return step < 3;
}

static bool operation_end_digest(struct operation *op)
{
	return EVP_DigestFinal_ex(op->hash, op->order.digest, &op->digest_n) == 1 &&
		operation_algorithm(op, op->digest_n, &op->order.algorithm);
}

/* May be called again to change the parameters of one that has begun:
 * then without names. */
static int signature_begin(void *ctx, const char *md_name, void *key,
	const OSSL_PARAM params[]);

static int signature_set_params(void *ctx, const OSSL_PARAM params[])
{
	struct operation *op = ctx;
	const OSSL_PARAM *p;
	const char *text = NULL;
	int mode;

	if (params == NULL)
		return 1;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (p == NULL)
		return 1;
	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		if (OSSL_PARAM_get_utf8_string_ptr(p, &text) != 1)
			return 0;
		mode = strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ?
			RSA_PKCS1_PSS_PADDING :
			RSA_PKCS1_PADDING;
	} else if (OSSL_PARAM_get_int(p, &mode) != 1) {
		return 0;
	}
	op->padding = mode == RSA_PKCS1_PSS_PADDING ? PADDING_PSS : PADDING_PKCS1;
	return mode == RSA_PKCS1_PSS_PADDING || mode == RSA_PKCS1_PADDING;
}

static const OSSL_PARAM *signature_settable_params(void *ctx, void *provider)
{
	/* The salt's length is the digest's, which is what TLS asks for. */
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)ctx;
	(void)provider;
	return types;
}

static int signature_begin(void *ctx, const char *md_name, void *key,
	const OSSL_PARAM params[])
{
	struct operation *op = ctx;

	if (key != NULL)
		op->handle = key;
	if (op->handle == NULL)
		return 0;
	if (md_name != NULL) {
		EVP_MD_free(op->md);
		op->md = EVP_MD_fetch(NULL, md_name, NULL);
	}
	if (op->hash == NULL)
		op->hash = EVP_MD_CTX_new();
	if (op->md == NULL || op->hash == NULL ||
		EVP_DigestInit_ex(op->hash, op->md, NULL) != 1)
		return 0;
	return signature_set_params(op, params);
}

static int signature_update(void *ctx, const unsigned char *p, size_t n)
{
	return EVP_DigestUpdate(((struct operation *)ctx)->hash, p, n);
}

/* It may stop in the middle: see remote_key.c for what it must not have. */
static int signature_final(void *ctx, unsigned char *to, size_t *n, size_t room)
{
	struct operation *op = ctx;

	if (to == NULL) {
		*n = (size_t)EVP_PKEY_get_size(remote_key_public(op->handle->key));
		return 1;
	}
	return operation_end_digest(op) &&
		remote_key_sign(op->handle->key, &op->order, to, room, n) == ERR_OK;
}

/* clang-format off: rows of a table */
static const OSSL_DISPATCH signature_functions[] = {
	{ OSSL_FUNC_SIGNATURE_NEWCTX, (fn)signature_new },
	{ OSSL_FUNC_SIGNATURE_FREECTX, (fn)signature_free },
	{ OSSL_FUNC_SIGNATURE_DUPCTX, (fn)signature_dup },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (fn)signature_begin },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, (fn)signature_update },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, (fn)signature_final },
	{ OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (fn)signature_set_params },
	{ OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (fn)signature_settable_params },
	{ 0, NULL },
};
/* clang-format on */

/* ---- the provider ---- */

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keys[] = {
		{ "EC:id-ecPublicKey:1.2.840.10045.2.1", "provider=remote",
			ec_key_functions, "EC key of a remote signer" },
		{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=remote",
			rsa_key_functions, "RSA key of a remote signer" },
		{ NULL, NULL, NULL, NULL },
	};
	static const OSSL_ALGORITHM signatures[] = {
		{ "ECDSA", "provider=remote", signature_functions, "ECDSA" },
		{ "RSA:rsaEncryption", "provider=remote", signature_functions, "RSA" },
		{ NULL, NULL, NULL, NULL },
	};

	(void)provider;
	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keys;
	return operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static const OSSL_DISPATCH provider_functions[] = {
	{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (fn)provider_query },
	{ 0, NULL },
};

int remote_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
	const OSSL_DISPATCH **out, void **context)
{
	(void)in;
	*out = provider_functions;
	*context = (void *)(uintptr_t)handle;
	return 1;
}
