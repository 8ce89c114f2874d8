/* Certificates that this program issues. */
#include "crypto/x509_issue.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define SERIAL_BITS 128

const EVP_MD *x509_digest_of(const EVP_PKEY *key)
{
	return EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
}

static bool add_extension(X509 *cert, const struct x509_order *o, int nid,
	const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, o->issuer != NULL ? o->issuer : cert, cert, NULL, NULL,
		0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

/* Takes @value, also if it fails. */
static bool push_name(GENERAL_NAMES *names, int type, void *value)
{
	GENERAL_NAME *name = GENERAL_NAME_new();

	if (name == NULL || value == NULL) {
		ASN1_STRING_free(value);
		GENERAL_NAME_free(name);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(names, name) > 0)
		return true;
	GENERAL_NAME_free(name);
	return false;
}

static ASN1_IA5STRING *host_name(const char *text)
{
	ASN1_IA5STRING *name = ASN1_IA5STRING_new();

	if (name != NULL && ASN1_STRING_set(name, text, -1) == 1)
		return name;
	ASN1_IA5STRING_free(name);
	return NULL;
}

/* Not from a text of all names: a name with a comma would be two. */
static bool add_names(X509 *cert, const struct x509_order *o)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	bool ok = names != NULL;

	for (size_t i = 0; i < o->names_n && ok; i++) {
		ASN1_OCTET_STRING *ip = a2i_IPADDRESS(o->names[i]);

		ok = ip != NULL ? push_name(names, GEN_IPADD, ip) :
				  push_name(names, GEN_DNS, host_name(o->names[i]));
	}
	if (ok)
		ok = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	return ok;
}

static bool set_serial(X509 *cert)
{
	BIGNUM *serial = BN_new();
	bool ok = serial != NULL &&
		BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
		!BN_is_zero(serial) &&
		BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;

	BN_free(serial);
	return ok;
}

static bool add_entry(X509_NAME *name, const char *field, const char *value)
{
	return value == NULL ||
		X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
			(const unsigned char *)value, -1, -1, 0) == 1;
}

static bool fill_subject(X509 *cert, const struct x509_order *o)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return add_entry(name, "O", o->organization) &&
		add_entry(name, "CN", o->common_name) &&
		X509_set_issuer_name(cert,
			o->issuer != NULL ? X509_get_subject_name(o->issuer) : name) == 1;
}

static bool set_time(ASN1_TIME *to, int64_t seconds)
{
	return ASN1_TIME_adj(to, (time_t)seconds, 0, 0) != NULL;
}

static bool fill(X509 *cert, const struct x509_order *o)
{
	return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
		set_time(X509_getm_notBefore(cert), o->begins_s) &&
		set_time(X509_getm_notAfter(cert), o->ends_s) &&
		X509_set_pubkey(cert, o->key) == 1 && fill_subject(cert, o) &&
		add_extension(cert, o, NID_basic_constraints,
			o->is_authority ? "critical,CA:TRUE,pathlen:0" :
					  "critical,CA:FALSE") &&
		add_extension(cert, o, NID_key_usage, o->key_usage) &&
		(o->purpose == NULL ||
			add_extension(cert, o, NID_ext_key_usage, o->purpose)) &&
		add_extension(cert, o, NID_subject_key_identifier, "hash") &&
		(o->issuer == NULL ||
			add_extension(cert, o, NID_authority_key_identifier, "keyid")) &&
		(o->names_n == 0 || add_names(cert, o));
}

X509 *x509_issue(const struct x509_order *o)
{
	EVP_PKEY *signer = o->issuer != NULL ? o->issuer_key : o->key;
	X509 *cert = X509_new();

	if (cert != NULL &&
		(!fill(cert, o) ||
			X509_sign(cert, signer, x509_digest_of(signer)) <= 0)) {
		X509_free(cert);
		cert = NULL;
	}
	ERR_clear_error();
	return cert;
}
