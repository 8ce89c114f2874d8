/* The cause of a client's failed handshake. */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "net/addr.h"
#include "net/tls_priv.h"
#include "text/base64.h"

/* The server's certificate, even if it is not trusted. NULL: none was received. */
static X509 *trouble_leaf(const SSL *ssl)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);

	return chain != NULL && sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : NULL;
}

/* Prints a time in the past, if @is_past, or in the future. Else nothing: then another
 * certificate of the chain is at fault. */
static void trouble_print_time(const ASN1_TIME *at, bool is_past,
	char detail[TLS_DETAIL_MAX])
{
	struct tm tm;
	int order = X509_cmp_current_time(at);

	if (order == 0 || (order < 0) != is_past || ASN1_TIME_to_tm(at, &tm) != 1)
		return;
	strftime(detail, TLS_DETAIL_MAX, "%Y-%m-%d %H:%M UTC", &tm);
}

static bool trouble_name(const GENERAL_NAME *name, char *to, size_t size)
{
	const ASN1_STRING *text = name->d.dNSName;
	struct addr a = { .n = 0 };
	char ip[ADDR_TEXT_MAX];
	int n = ASN1_STRING_length(text);

	if (name->type == GEN_DNS) {
		str_quote(to, size, span_of(ASN1_STRING_get0_data(text), (size_t)n));
		return true;
	}
	if (name->type != GEN_IPADD || (n != 4 && n != 16))
		return false;
	a.sa.sa_family = n == 4 ? AF_INET : AF_INET6;
	memcpy(n == 4 ? (void *)&a.in.sin_addr : (void *)&a.in6.sin6_addr,
		ASN1_STRING_get0_data(text), (size_t)n);
	return str_copy(to, size, addr_print_ip(&a, ip));
}

/* "a.example, b.example, ...", cut to the room. */
static void trouble_print_names(X509 *leaf, char detail[TLS_DETAIL_MAX])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	char name[TLS_DETAIL_MAX];
	size_t n = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		if (!trouble_name(sk_GENERAL_NAME_value(names, i), name, sizeof(name)))
			continue;
		if (n + strlen(name) + sizeof(", ...") >= TLS_DETAIL_MAX) {
			snprintf(detail + n, TLS_DETAIL_MAX - n, ", ...");
			break;
		}
		n += (size_t)snprintf(detail + n, TLS_DETAIL_MAX - n, "%s%s",
			n > 0 ? ", " : "", name);
	}
	GENERAL_NAMES_free(names);
}

static void trouble_print_pin(X509 *leaf, char detail[TLS_DETAIL_MAX])
{
	uint8_t pin[TLS_PIN_BYTES];

	if (tls_pin_of(leaf, pin))
		base64_encode(BASE64_PADDED, span_of(pin, sizeof(pin)), detail);
}

static enum tls_trouble trouble_of_verdict(const SSL *ssl, char detail[TLS_DETAIL_MAX])
{
	X509 *leaf = trouble_leaf(ssl);

	switch (SSL_get_verify_result(ssl)) {
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_UNTRUSTED:
		return TLS_TROUBLE_UNKNOWN_CA;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		if (leaf != NULL)
			trouble_print_time(X509_get0_notAfter(leaf), true, detail);
		return TLS_TROUBLE_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		if (leaf != NULL)
			trouble_print_time(X509_get0_notBefore(leaf), false, detail);
		return TLS_TROUBLE_TOO_EARLY;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		if (leaf != NULL)
			trouble_print_names(leaf, detail);
		return TLS_TROUBLE_WRONG_NAME;
	case X509_V_ERR_APPLICATION_VERIFICATION:
		if (leaf != NULL)
			trouble_print_pin(leaf, detail);
		return TLS_TROUBLE_WRONG_PIN;
	default:
		return TLS_TROUBLE_OTHER;
	}
}

/* By OpenSSL's text for the input from the peer. */
static enum tls_trouble trouble_of_text(const char *text)
{
	static const struct {
		const char *words;
		enum tls_trouble trouble;
	} rows[] = {
		{ "wrong version number", TLS_TROUBLE_NO_TLS },
		{ "http request", TLS_TROUBLE_NO_TLS },
		{ "packet length too long", TLS_TROUBLE_NO_TLS },
		{ "alert certificate required", TLS_TROUBLE_WANTS_CERTIFICATE },
		{ "alert bad certificate", TLS_TROUBLE_WANTS_CERTIFICATE },
		{ "alert unknown ca", TLS_TROUBLE_WANTS_CERTIFICATE },
		{ "alert certificate unknown", TLS_TROUBLE_WANTS_CERTIFICATE },
	};

	for (size_t i = 0; i < mem_count(rows); i++) {
		if (strstr(text, rows[i].words) != NULL)
			return rows[i].trouble;
	}
	return TLS_TROUBLE_OTHER;
}

enum tls_trouble tls_find_trouble(const struct stream *tls, char detail[TLS_DETAIL_MAX])
{
	const char *text = tls_failure(tls);
	enum tls_trouble trouble;

	detail[0] = '\0';
	if (text == NULL)
		return TLS_TROUBLE_OTHER;
	trouble = trouble_of_text(text);
	return trouble != TLS_TROUBLE_OTHER ? trouble :
					      trouble_of_verdict(tls_ssl(tls), detail);
}
