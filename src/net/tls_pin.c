/*
 * Verifying a server by a pin: the digest of its public key or of its certificate, which
 * the user has from elsewhere. Issuer, names and times do not matter then.
 */
#include <openssl/x509_vfy.h>
#include <string.h>

#include "crypto/hash.h"
#include "net/tls_priv.h"

static bool digest_of(X509 *cert, bool is_key, uint8_t out[TLS_PIN_BYTES])
{
	unsigned char *der = NULL;
	int n = is_key ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) :
			 i2d_X509(cert, &der);
	bool is_done = n > 0 && hash_sha256(span_of(der, (size_t)n), out) == ERR_OK;

	OPENSSL_free(der);
	return is_done;
}

bool tls_pin_of(X509 *cert, uint8_t pin[TLS_PIN_BYTES])
{
	return digest_of(cert, true, pin);
}

/* In place of OpenSSL's check of the chain. */
static int verify(X509_STORE_CTX *store, void *arg)
{
	const struct tls_context *ctx = arg;
	X509 *leaf = X509_STORE_CTX_get0_cert(store);
	uint8_t digest[TLS_PIN_BYTES];
	bool is_good = false;

	for (int is_key = 0; is_key <= 1 && leaf != NULL && !is_good; is_key++)
		is_good = digest_of(leaf, is_key, digest) &&
			memcmp(digest, ctx->pin, sizeof(digest)) == 0;
	X509_STORE_CTX_set_error(store,
		is_good ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
	return is_good;
}

void tls_context_use_pin(struct tls_context *ctx)
{
	SSL_CTX_set_cert_verify_callback(ctx->ssl, verify, ctx);
}
