/* The key of the relay's certificate. */
#include "serve/lease/keyless.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "crypto/pem.h"
#include "crypto/sign_key.h"

struct keyless {
	atomic_uint refs;
	EVP_PKEY *key; /* const: any thread may sign with it */
};

enum err keyless_new(struct span pem, struct keyless **out, struct why *why)
{
	struct keyless *k = mem_new(k);
	enum err rc = ERR_OK;
	int type;

	if (k == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a key");
	atomic_init(&k->refs, 1);
	k->key = pem_read_key(pem, NULL);
	type = k->key != NULL ? EVP_PKEY_get_base_id(k->key) : 0;
	if (k->key == NULL)
		rc = err_set(why, ERR_SYNTAX,
			"the private key cannot be read: it must be PEM, without a password");
	else if ((type != EVP_PKEY_EC && type != EVP_PKEY_RSA) ||
		EVP_PKEY_get_size(k->key) > SIGN_SIGNATURE_MAX)
		rc = err_set(why, ERR_SYNTAX,
			"the key must be ECDSA, or RSA of at most 8192 bits");
	if (rc == ERR_OK)
		*out = k;
	else
		keyless_unref(k);
	return rc;
}

struct keyless *keyless_ref(struct keyless *k)
{
	atomic_fetch_add(&k->refs, 1);
	return k;
}

void keyless_unref(struct keyless *k)
{
	if (k == NULL || atomic_fetch_sub(&k->refs, 1) > 1)
		return;
	EVP_PKEY_free(k->key);
	free(k);
}

enum err keyless_sign(struct keyless *k, const struct sign_order *order,
	uint8_t *signature, size_t *n, struct why *why)
{
	switch (sign_key_make(k->key, order, signature, n)) {
	case ERR_OK:
		return ERR_OK;
	case ERR_USAGE:
		return err_set(why, ERR_DENIED,
			"the certificate's key does not support %s",
			sign_algorithm_name(order->algorithm));
	default:
		return err_set(why, ERR_CRYPTO, "signing failed");
	}
}
