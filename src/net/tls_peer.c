/* The identity of a peer: its name in SNI and in certificates, and its certificates. */
#include <openssl/x509v3.h>
#include <string.h>

#include "crypto/pem.h"
#include "net/addr.h"
#include "net/tls_priv.h"

#define HOST_FLAGS \
	(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS)

/*
 * OpenSSL does not accept a wildcard for a whole top-level domain, but certificates for
 * development have *.localhost, and Go's clients accept it. For a name directly under
 * localhost this is the other name that may be verified: "*.localhost", literally.
 * (".localhost" would match all names below, also of other services.) NULL: none.
 */
static const char *name_alias(const char *host)
{
	const char *dot = strchr(host, '.');

	if (dot == NULL || dot == host || strcasecmp(dot, ".localhost") != 0)
		return NULL;
	return "*.localhost";
}

/* SNI is for names only (RFC 6066 3), and without the root's dot. */
bool tls_set_server_name(SSL *ssl, const char *server_name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char name[256], ip[ADDR_TEXT_MAX];
	size_t n = strlen(server_name);
	const char *alias;
	struct addr a;

	if (addr_from_literal(server_name, 0, &a) == ERR_OK) {
		if (a.sa.sa_family == AF_INET6)
			a.in6.sin6_scope_id = 0; /* certificates know no zones */
		return X509_VERIFY_PARAM_set1_ip_asc(param, addr_print_ip(&a, ip)) == 1;
	}
	if (n > 0 && server_name[n - 1] == '.')
		n--;
	if (n == 0 || n >= sizeof(name) || server_name[0] == '.')
		return false; /* with a dot in front OpenSSL accepts any name below */
	memcpy(name, server_name, n);
	name[n] = '\0';
	alias = name_alias(name);
	X509_VERIFY_PARAM_set_hostflags(param, HOST_FLAGS);
	return X509_VERIFY_PARAM_set1_host(param, name, n) == 1 &&
		(alias == NULL || X509_VERIFY_PARAM_add1_host(param, alias, 0) == 1) &&
		SSL_set_tlsext_host_name(ssl, name) == 1;
}

static bool certificate_covers(X509 *leaf, const char *host)
{
	const char *alias = name_alias(host);
	struct addr literal;

	if (addr_from_literal(host, 0, &literal) == ERR_OK)
		return X509_check_ip_asc(leaf, host, 0) == 1;
	if (host[0] == '.')
		return false; /* OpenSSL would match all names below */
	if (X509_check_host(leaf, host, 0, HOST_FLAGS, NULL) == 1)
		return true;
	return alias != NULL && X509_check_host(leaf, alias, 0, HOST_FLAGS, NULL) == 1;
}

bool tls_pem_covers(struct span pem, const char *host)
{
	X509 *leaf = pem_next_certificate(&pem);
	bool rc = leaf != NULL && certificate_covers(leaf, host);

	X509_free(leaf);
	return rc;
}

bool tls_is_resumed(const struct stream *tls)
{
	return SSL_session_reused(tls_ssl(tls)) == 1;
}

enum err tls_export(const struct stream *tls, const char *label, uint8_t *out, size_t n)
{
	if (SSL_export_keying_material(tls_ssl(tls), out, n, label, strlen(label), NULL,
		    0, 0) != 1)
		return ERR_CRYPTO;
	return ERR_OK;
}

enum err tls_peer_chain(const struct stream *tls, struct buf *out_pem)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(tls_ssl(tls));
	enum err rc = chain != NULL ? ERR_OK : ERR_NOENT;

	for (int i = 0; rc == ERR_OK && i < sk_X509_num(chain); i++)
		rc = pem_put_certificate(out_pem, sk_X509_value(chain, i));
	return rc;
}
