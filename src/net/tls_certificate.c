/* Certificates in memory, and how a handshake gets one. */
#include "net/tls_certificate.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "base/str.h"
#include "crypto/pem.h"
#include "net/tls_priv.h"
#include "text/names.h"

struct tls_certificate {
	atomic_uint refs;
	X509 *leaf;
	STACK_OF(X509) * chain; /* without the leaf */
	EVP_PKEY *key;
	const char *protocol; /* static; NULL: any */
};

struct tls_certificate *tls_certificate_ref(struct tls_certificate *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void tls_certificate_unref(struct tls_certificate *c)
{
	if (c == NULL || atomic_fetch_sub(&c->refs, 1) > 1)
		return;
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	free(c);
}

/* Uses the objects of @like in place of equal ones. */
static void certificate_share_issuers(struct tls_certificate *c,
	const struct tls_certificate *like)
{
	for (int i = 0; i < sk_X509_num(c->chain) && i < sk_X509_num(like->chain); i++) {
		X509 *mine = sk_X509_value(c->chain, i);
		X509 *theirs = sk_X509_value(like->chain, i);

		if (X509_cmp(mine, theirs) != 0)
			return;
		X509_up_ref(theirs);
		(void)sk_X509_set(c->chain, i, theirs);
		X509_free(mine);
	}
}

static enum err certificate_fill(struct tls_certificate *c,
	const struct tls_certificate_options *o, struct why *why)
{
	struct span pem = o->chain_pem;
	X509 *issuer;

	c->leaf = pem_next_certificate(&pem);
	if (c->leaf == NULL)
		return err_set(why, ERR_SYNTAX, "there is no certificate (PEM)");
	c->key = pem_read_key(o->key_pem, NULL);
	if (c->key == NULL)
		return err_set(why, ERR_SYNTAX, "there is no private key (PEM)");
	if (X509_check_private_key(c->leaf, c->key) != 1)
		return err_set(why, ERR_SYNTAX,
			"the private key does not belong to the certificate");
	c->chain = sk_X509_new_null();
	while (c->chain != NULL && (issuer = pem_next_certificate(&pem)) != NULL) {
		if (sk_X509_push(c->chain, issuer) == 0) {
			X509_free(issuer);
			return ERR_NOMEM;
		}
	}
	if (c->chain == NULL)
		return ERR_NOMEM;
	if (o->like != NULL)
		certificate_share_issuers(c, o->like);
	return ERR_OK;
}

enum err tls_certificate_new(const struct tls_certificate_options *o,
	struct tls_certificate **out, struct why *why)
{
	struct tls_certificate *c = mem_new(c);
	enum err rc;

	if (c == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a certificate");
	atomic_init(&c->refs, 1);
	c->protocol = o->protocol;
	rc = certificate_fill(c, o, why);
	ERR_clear_error();
	if (rc != ERR_OK) {
		tls_certificate_unref(c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

/* ---- the handshake ---- */

bool tls_hello_offers(const struct tls_hello *hello, const char *protocol)
{
	struct span rest = hello->protocols, name;
	uint8_t n;

	while (span_u8(&rest, &n) && span_cut(&rest, n, &name))
		if (span_is(name, protocol))
			return true;
	return false;
}

/* The first host name of the extension (RFC 6066 3). False: it is malformed. */
static bool hello_read_name(struct span extension, char out[NAMES_HOST_MAX + 1])
{
	struct span list, name;
	uint16_t n;
	uint8_t type;

	return span_u16(&extension, &n) && span_cut(&extension, n, &list) &&
		span_u8(&list, &type) && type == TLSEXT_NAMETYPE_host_name &&
		span_u16(&list, &n) && span_cut(&list, n, &name) &&
		names_parse_host(name, out, NULL) == ERR_OK;
}

static struct span hello_extension(SSL *ssl, unsigned type)
{
	const unsigned char *p;
	size_t n;

	return SSL_client_hello_get0_ext(ssl, type, &p, &n) == 1 ? span_of(p, n) :
								   span_of(NULL, 0);
}

/* False: the certificate cannot be used. */
static bool handshake_use(SSL *ssl, struct tls_certificate *c,
	const struct tls_hello *hello)
{
	if (c->protocol != NULL) {
		if (!tls_hello_offers(hello, c->protocol))
			return false;
		SSL_set_app_data(ssl, (void *)c->protocol);
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
	}
	return SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) == 1;
}

static int tls_on_hello(SSL *ssl, int *alert, void *arg)
{
	const struct tls_context *ctx = arg;
	struct span sni = hello_extension(ssl, TLSEXT_TYPE_server_name);
	struct span alpn = hello_extension(ssl,
		TLSEXT_TYPE_application_layer_protocol_negotiation);
	char name[NAMES_HOST_MAX + 1] = "";
	struct tls_hello hello = { .name = name };
	struct tls_certificate *c = NULL;
	uint16_t n;
	bool is_good = false;

	*alert = SSL_AD_UNRECOGNIZED_NAME;
	if (sni.n > 0 && !hello_read_name(sni, name))
		return SSL_CLIENT_HELLO_ERROR;
	if (span_u16(&alpn, &n))
		(void)span_cut(&alpn, n, &hello.protocols);
	c = ctx->choose(ctx->choose_arg, &hello);
	if (c != NULL) {
		is_good = handshake_use(ssl, c, &hello);
		tls_certificate_unref(c);
	}
	return is_good ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

void tls_context_choose(struct tls_context *ctx, tls_choose_fn *choose, void *arg)
{
	ctx->choose = choose;
	ctx->choose_arg = arg;
	SSL_CTX_set_client_hello_cb(ctx->ssl, tls_on_hello, ctx);
}

const char *tls_proven_protocol(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}
