/* Pairs, certificate requests, and the certificate of TLS-ALPN-01. */
#include "acme/pair.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <strings.h>

#include "acme/jws.h"
#include "acme/message.h"
#include "base/clock.h"
#include "base/str.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/x509_issue.h"
#include "text/base64.h"
#include "text/names.h"

#define KEY_MAX (32 * 1024)
#define CA_LINE "adit: certificate of "
#define ALPN_VALID_S (7 * 86400)
#define ALPN_EARLY_S 3600
#define ACME_IDENTIFIER "1.3.6.1.5.5.7.1.31"
#define ID_PART_MAX 32 /* bytes of a key identifier or serial number */

void acme_pair_wipe(struct acme_pair *pair)
{
	buf_wipe(&pair->key);
	buf_fini(&pair->chain);
	free(pair->ca);
	memset(pair, 0, sizeof(*pair));
}

/* ---- reading ---- */

static bool is_for(const X509 *leaf, const char *name)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	const size_t n = strlen(name);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
		const GENERAL_NAME *entry = sk_GENERAL_NAME_value(names, i);

		found = entry->type == GEN_DNS &&
			(size_t)ASN1_STRING_length(entry->d.dNSName) == n &&
			strncasecmp((const char *)ASN1_STRING_get0_data(entry->d.dNSName),
				name, n) == 0;
	}
	GENERAL_NAMES_free(names);
	return found;
}

/* RFC 9773 4.1: the key identifier of the issuer, a dot, and the serial number. */
static void leaf_print_id(X509 *leaf, char out[ACME_CERTIFICATE_ID_MAX])
{
	const ASN1_OCTET_STRING *issuer = X509_get0_authority_key_id(leaf);
	uint8_t *der = NULL;
	int n = i2d_ASN1_INTEGER(X509_get_serialNumber(leaf), &der);
	size_t at;

	out[0] = '\0';
	/* Numbers that are so short have a length of one byte. */
	if (issuer != NULL && ASN1_STRING_length(issuer) <= ID_PART_MAX && n > 2 &&
		n <= 2 + ID_PART_MAX) {
		at = base64_encode(BASE64_URL,
			span_of(ASN1_STRING_get0_data(issuer),
				(size_t)ASN1_STRING_length(issuer)),
			out);
		out[at] = '.';
		(void)base64_encode(BASE64_URL, span_of(der + 2, (size_t)n - 2),
			out + at + 1);
	}
	OPENSSL_free(der);
}

static enum err pair_check(struct acme_pair *pair, X509 *leaf, EVP_PKEY *key,
	const char *name, struct why *why)
{
	if (leaf == NULL)
		return err_set(why, ERR_SYNTAX, "there is no certificate");
	if (key == NULL)
		return err_set(why, ERR_SYNTAX, "there is no private key");
	if (X509_check_private_key(leaf, key) != 1)
		return err_set(why, ERR_SYNTAX,
			"the private key does not belong to the certificate");
	if (!is_for(leaf, name))
		return err_set(why, ERR_DENIED, "the certificate is not for %.100s",
			name);
	pair->begins_s = pem_seconds_of(X509_get0_notBefore(leaf));
	pair->ends_s = pem_seconds_of(X509_get0_notAfter(leaf));
	leaf_print_id(leaf, pair->id);
	return ERR_OK;
}

static enum err pair_read_ca(struct span text, char **out)
{
	struct span line, prefix;

	if (!span_split(&text, '\n', &line) || line.n > ACME_CA_MAX ||
		!span_cut(&line, strlen(CA_LINE), &prefix) || !span_is(prefix, CA_LINE))
		return ERR_OK;
	*out = span_dup(line);
	return *out != NULL ? ERR_OK : ERR_NOMEM;
}

static enum err pair_put_chain(struct span text, struct buf *out)
{
	enum err rc = ERR_OK;
	X509 *cert;

	while (rc == ERR_OK && (cert = pem_next_certificate(&text)) != NULL) {
		rc = pem_put_certificate(out, cert);
		X509_free(cert);
	}
	return rc;
}

enum err acme_pair_read(struct span text, const char *name, struct acme_pair *out,
	struct why *why)
{
	struct acme_pair pair = { .begins_s = 0 };
	struct span rest = text;
	X509 *leaf = pem_next_certificate(&rest);
	EVP_PKEY *key = pem_read_key(text, NULL);
	enum err rc;

	buf_init(&pair.key, KEY_MAX);
	buf_init(&pair.chain, ACME_CHAIN_MAX);
	rc = pair_check(&pair, leaf, key, name, why);
	if (rc == ERR_OK)
		rc = pair_read_ca(text, &pair.ca);
	if (rc == ERR_OK)
		rc = jws_key_put(key, &pair.key);
	if (rc == ERR_OK)
		rc = pair_put_chain(text, &pair.chain);
	ERR_clear_error();
	EVP_PKEY_free(key);
	X509_free(leaf);
	if (rc == ERR_OK)
		*out = pair;
	else
		acme_pair_wipe(&pair);
	return rc;
}

enum err acme_pair_put(const struct acme_pair *pair, struct buf *out)
{
	if (pair->ca != NULL)
		buf_printf(out, CA_LINE "%s\n", pair->ca);
	buf_put_span(out, buf_span(&pair->key));
	buf_put_span(out, buf_span(&pair->chain));
	return out->failed;
}

/* ---- certificate requests ---- */

/* The extension subjectAltName for the names. NULL: no memory. */
static X509_EXTENSION *names_extension(const char *const *names, unsigned n)
{
	GENERAL_NAMES *list = GENERAL_NAMES_new();
	X509_EXTENSION *extension = NULL;
	bool ok = list != NULL;

	for (unsigned i = 0; i < n && ok; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();

		ok = name != NULL && text != NULL &&
			ASN1_STRING_set(text, names[i], -1) == 1;
		if (ok) {
			GENERAL_NAME_set0_value(name, GEN_DNS, text);
			text = NULL;
			ok = sk_GENERAL_NAME_push(list, name) > 0;
			if (ok)
				name = NULL;
		}
		ASN1_IA5STRING_free(text);
		GENERAL_NAME_free(name);
	}
	if (ok)
		extension = X509V3_EXT_i2d(NID_subject_alt_name, 0, list);
	GENERAL_NAMES_free(list);
	return extension;
}

static bool csr_fill(X509_REQ *csr, EVP_PKEY *key, const char *const *names, unsigned n)
{
	STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
	X509_EXTENSION *alternatives = names_extension(names, n);
	bool ok = extensions != NULL && alternatives != NULL &&
		sk_X509_EXTENSION_push(extensions, alternatives) > 0;

	if (!ok)
		X509_EXTENSION_free(alternatives);
	ok = ok && X509_REQ_set_version(csr, X509_REQ_VERSION_1) == 1 &&
		X509_REQ_set_pubkey(csr, key) == 1 &&
		X509_REQ_add_extensions(csr, extensions) == 1 &&
		X509_REQ_sign(csr, key, EVP_sha256()) > 0;
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return ok;
}

enum err acme_csr_put(EVP_PKEY *key, const char *const *names, unsigned n,
	struct buf *out)
{
	X509_REQ *csr = X509_REQ_new();
	uint8_t *der = NULL;
	int der_n = -1;
	enum err rc = ERR_CRYPTO;

	if (csr != NULL && csr_fill(csr, key, names, n))
		der_n = i2d_X509_REQ(csr, &der);
	if (der_n > 0)
		rc = buf_put(out, der, (size_t)der_n);
	OPENSSL_free(der);
	X509_REQ_free(csr);
	ERR_clear_error();
	return rc;
}

/* ---- TLS-ALPN-01 ---- */

/* A critical extension, whose value is the hash as an OCTET STRING in DER. */
static bool leaf_add_identifier(X509 *leaf, const char *key_authorization)
{
	uint8_t value[2 + HASH_SHA256_BYTES] = { V_ASN1_OCTET_STRING, HASH_SHA256_BYTES };
	ASN1_OBJECT *oid = OBJ_txt2obj(ACME_IDENTIFIER, 1);
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension = NULL;
	bool ok = oid != NULL && octets != NULL &&
		hash_sha256(span_str(key_authorization), value + 2) == ERR_OK &&
		ASN1_OCTET_STRING_set(octets, value, sizeof(value)) == 1;

	if (ok)
		extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, octets);
	ok = extension != NULL && X509_add_ext(leaf, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(octets);
	ASN1_OBJECT_free(oid);
	return ok;
}

static X509 *alpn_leaf_new(EVP_PKEY *key, const char *name, const char *key_authorization)
{
	const int64_t now_s = (int64_t)(clock_wall_ms() / 1000);
	const struct x509_order order = {
		.key = key,
		.common_name = "ACME challenge",
		.begins_s = now_s - ALPN_EARLY_S,
		.ends_s = now_s + ALPN_VALID_S,
		.key_usage = "critical,digitalSignature",
		.names = &name,
		.names_n = 1,
	};
	X509 *leaf = x509_issue(&order);

	if (leaf != NULL && leaf_add_identifier(leaf, key_authorization) &&
		X509_sign(leaf, key, EVP_sha256()) > 0)
		return leaf;
	X509_free(leaf);
	return NULL;
}

enum err acme_alpn_pair_make(const char *name, const char *key_authorization,
	struct acme_pair *pair)
{
	EVP_PKEY *key = jws_key_new();
	X509 *leaf = NULL;
	enum err rc = ERR_CRYPTO;

	buf_init(&pair->key, KEY_MAX);
	buf_init(&pair->chain, ACME_CHAIN_MAX);
	if (key != NULL)
		leaf = alpn_leaf_new(key, name, key_authorization);
	if (leaf != NULL)
		rc = pem_put_certificate(&pair->chain, leaf);
	if (rc == ERR_OK)
		rc = jws_key_put(key, &pair->key);
	X509_free(leaf);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (rc != ERR_OK)
		acme_pair_wipe(pair);
	return rc;
}
