/* A private certificate authority. */
#include "crypto/authority.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/str.h"
#include "crypto/pem.h"
#include "crypto/pkey_priv.h"
#include "crypto/x509_issue.h"
#include "text/timefmt.h"

#define ORGANIZATION "adit"
#define DAY_S 86400
#define DAYS_MAX 36500

_Static_assert(AUTHORITY_NAME_MAX == X509_COMMON_NAME_MAX, "a name is a common name");

struct authority {
	X509 *cert;
	EVP_PKEY *key;
	X509_STORE *store; /* that certificate alone */
	struct authority_identity of;
};

static bool name_is_good(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (name[i] < ' ' || name[i] > '~')
			return false;
	return n > 0 && n <= AUTHORITY_NAME_MAX;
}

/* ---- what a certificate says ---- */

/* One common name. With two, readers could disagree on which counts. */
static bool read_name(const X509 *cert, char out[AUTHORITY_NAME_MAX + 1])
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1), n;
	unsigned char *text = NULL;
	bool ok;

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return false;
	n = ASN1_STRING_to_UTF8(&text,
		X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	ok = n > 0 && n <= AUTHORITY_NAME_MAX;
	if (ok) {
		memcpy(out, text, (size_t)n);
		out[n] = '\0';
		ok = strlen(out) == (size_t)n && name_is_good(out);
	}
	OPENSSL_free(text);
	return ok;
}

static bool read_serial(const X509 *cert, char out[AUTHORITY_SERIAL_CHARS + 1])
{
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *text = serial != NULL && !BN_is_negative(serial) ? BN_bn2hex(serial) : NULL;
	bool ok = text != NULL && str_copy(out, AUTHORITY_SERIAL_CHARS + 1, text);

	OPENSSL_free(text);
	BN_free(serial);
	return ok;
}

static enum err read_identity(const X509 *cert, struct authority_identity *out,
	struct why *why)
{
	struct authority_identity of = { .name = "" };

	if (!read_name(cert, of.name))
		return err_set(why, ERR_SYNTAX,
			"the certificate's subject does not have one common name of visible "
			"ASCII, at most %d characters",
			AUTHORITY_NAME_MAX);
	if (!read_serial(cert, of.serial))
		return err_set(why, ERR_SYNTAX,
			"the certificate's serial number is negative or has more than 20 "
			"bytes");
	of.begins_s = pem_seconds_of(X509_get0_notBefore(cert));
	of.ends_s = pem_seconds_of(X509_get0_notAfter(cert));
	*out = of;
	return ERR_OK;
}

/* For X509_free(). */
static X509 *read_certificate(struct span pem, struct why *why)
{
	X509 *cert = pem.n <= AUTHORITY_FILE_MAX ? pem_next_certificate(&pem) : NULL;

	if (cert == NULL)
		err_set(why, ERR_SYNTAX, "there is no certificate (PEM)");
	return cert;
}

enum err authority_read(struct span pem, struct authority_identity *out, struct why *why)
{
	X509 *cert = read_certificate(pem, why);
	enum err rc = cert != NULL ? read_identity(cert, out, why) : ERR_SYNTAX;

	X509_free(cert);
	ERR_clear_error();
	return rc;
}

/* ---- the authority ---- */

void authority_free(struct authority *a)
{
	if (a == NULL)
		return;
	X509_STORE_free(a->store);
	X509_free(a->cert);
	EVP_PKEY_free(a->key); /* wipes the private half */
	free(a);
}

/* Takes @cert and @key, also if it fails. */
static enum err authority_wrap(X509 *cert, EVP_PKEY *key, struct authority **out,
	struct why *why)
{
	struct authority *a = mem_new(a);
	enum err rc = ERR_OK;

	if (a == NULL) {
		X509_free(cert);
		EVP_PKEY_free(key);
		return err_set(why, ERR_NOMEM, "no memory for a CA");
	}
	a->cert = cert;
	a->key = key;
	a->store = X509_STORE_new();
	if (a->store == NULL || X509_STORE_add_cert(a->store, cert) != 1 ||
		X509_STORE_set_flags(a->store, X509_V_FLAG_PARTIAL_CHAIN) != 1)
		rc = err_set(why, ERR_NOMEM, "no memory for a CA");
	if (rc == ERR_OK)
		rc = read_identity(cert, &a->of, why);
	ERR_clear_error();
	if (rc == ERR_OK)
		*out = a;
	else
		authority_free(a);
	return rc;
}

enum err authority_make(const char *name, int64_t now_s, struct authority **out,
	struct why *why)
{
	struct x509_order order = {
		.common_name = name,
		.organization = ORGANIZATION,
		.begins_s = now_s - AUTHORITY_EARLY_S,
		.ends_s = now_s + (int64_t)AUTHORITY_DAYS * DAY_S,
		.is_authority = true,
		.key_usage = "critical,keyCertSign,cRLSign",
	};
	X509 *cert = NULL;

	if (!name_is_good(name))
		return err_set(why, ERR_USAGE,
			"the name of a CA is visible ASCII, at most %d characters",
			AUTHORITY_NAME_MAX);
	order.key = EVP_EC_gen("P-256");
	if (order.key != NULL)
		cert = x509_issue(&order);
	if (cert == NULL) {
		EVP_PKEY_free(order.key);
		return err_set(why, ERR_CRYPTO, "cannot make a certificate for a CA");
	}
	return authority_wrap(cert, order.key, out, why);
}

enum err authority_load(struct span cert_pem, struct span key_pem, struct authority **out,
	struct why *why)
{
	X509 *cert = read_certificate(cert_pem, why);
	bool is_encrypted = false;
	EVP_PKEY *key = key_pem.n <= AUTHORITY_FILE_MAX ?
		pem_read_key(key_pem, &is_encrypted) :
		NULL;
	enum err rc = ERR_SYNTAX;

	if (cert == NULL)
		; /* said already */
	else if (is_encrypted)
		err_set(why, rc,
			"the CA's private key is encrypted: remove the password, for example "
			"with \"openssl pkey\"");
	else if (key == NULL)
		err_set(why, rc, "there is no private key of the CA (PEM)");
	else if (X509_check_private_key(cert, key) != 1)
		err_set(why, rc,
			"the CA's private key does not belong to its certificate");
	else if (X509_check_ca(cert) == 0)
		err_set(why, rc, "the certificate is not the one of a CA");
	else
		rc = ERR_OK;
	ERR_clear_error();
	if (rc == ERR_OK)
		return authority_wrap(cert, key, out, why);
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

const struct authority_identity *authority_of(const struct authority *a)
{
	return &a->of;
}

enum err authority_put(const struct authority *a, struct buf *cert, struct buf *key)
{
	enum err rc = pem_put_certificate(cert, a->cert);

	if (rc == ERR_OK && key != NULL)
		rc = pem_put_key(key, a->key);
	return rc;
}

/* ---- certificates that it issues ---- */

void authority_pair_wipe(struct authority_pair *pair)
{
	buf_fini(&pair->cert);
	buf_wipe(&pair->key);
}

static enum err check_order(const struct authority *a, const struct authority_order *o,
	struct why *why)
{
	if (!name_is_good(o->name))
		return err_set(why, ERR_USAGE,
			"the name in a certificate is visible ASCII, at most %d characters",
			AUTHORITY_NAME_MAX);
	if (o->days == 0 || o->days > DAYS_MAX)
		return err_set(why, ERR_USAGE, "a certificate is valid for 1 to %d days",
			DAYS_MAX);
	if (o->now_s >= a->of.ends_s)
		return err_set(why, ERR_DENIED,
			"the CA has expired: its certificates would be refused");
	return ERR_OK;
}

/* For the public half of @key; its private one is written to @out with @has_key. */
static enum err issue(const struct authority *a, const struct authority_order *o,
	EVP_PKEY *key, bool has_key, struct authority_pair *out, struct why *why)
{
	int64_t ends_s = o->now_s + (int64_t)o->days * DAY_S;
	X509 *cert = x509_issue(&(struct x509_order){
		.key = key,
		.issuer = a->cert,
		.issuer_key = a->key,
		.common_name = o->name,
		.organization = ORGANIZATION,
		.begins_s = o->now_s - AUTHORITY_EARLY_S,
		.ends_s = ends_s < a->of.ends_s ? ends_s : a->of.ends_s,
		.key_usage = "critical,digitalSignature",
		.purpose = o->names_n > 0 ? "serverAuth" : "clientAuth",
		.names = o->names,
		.names_n = o->names_n,
	});
	struct authority_pair pair = { .of = { .name = "" } };
	enum err rc = cert != NULL ? ERR_OK : ERR_CRYPTO;

	buf_init(&pair.cert, AUTHORITY_FILE_MAX);
	buf_init(&pair.key, AUTHORITY_FILE_MAX);
	if (rc == ERR_OK)
		rc = read_identity(cert, &pair.of, NULL);
	if (rc == ERR_OK)
		rc = pem_put_certificate(&pair.cert, cert);
	if (rc == ERR_OK && has_key)
		rc = pem_put_key(&pair.key, key);
	X509_free(cert);
	if (rc != ERR_OK) {
		authority_pair_wipe(&pair);
		return err_set(why, rc, "cannot make a certificate for %s", o->name);
	}
	*out = pair;
	return ERR_OK;
}

static enum err issue_with_new_key(const struct authority *a,
	const struct authority_order *o, struct authority_pair *out, struct why *why)
{
	EVP_PKEY *key;
	enum err rc = check_order(a, o, why);

	if (rc != ERR_OK)
		return rc;
	key = EVP_EC_gen("P-256");
	rc = key != NULL ? issue(a, o, key, true, out, why) :
			   err_set(why, ERR_CRYPTO, "cannot make a key");
	EVP_PKEY_free(key);
	ERR_clear_error();
	return rc;
}

enum err authority_issue_client(const struct authority *a,
	const struct authority_order *order, struct authority_pair *out, struct why *why)
{
	struct authority_order o = *order;

	o.names_n = 0;
	return issue_with_new_key(a, &o, out, why);
}

enum err authority_issue_server(const struct authority *a,
	const struct authority_order *order, struct authority_pair *out, struct why *why)
{
	if (order->names_n == 0)
		return err_set(why, ERR_USAGE,
			"a server's certificate needs a name or an address");
	return issue_with_new_key(a, order, out, why);
}

/* ---- requests ---- */

/* Also one that SSH can verify with: a link is authenticated by the same key. */
static bool key_is_good(const EVP_PKEY *key)
{
	const struct pkey_kind *kind = pkey_kind_of(key), *again;
	EVP_PKEY *same = NULL;
	struct buf blob;
	bool ok;

	if (kind == NULL || strcmp(kind->name, "ecdsa-sha2-nistp521") == 0)
		return false;
	buf_init(&blob, AUTHORITY_CSR_MAX);
	ok = pkey_print(key, kind, &blob) == ERR_OK &&
		pkey_parse(buf_span(&blob), &again, &same) == ERR_OK;
	EVP_PKEY_free(same);
	buf_fini(&blob);
	return ok;
}

/* For X509_REQ_free(). */
static X509_REQ *read_csr(struct span pem)
{
	BIO *bio = pem.n > 0 ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	X509_REQ *csr = bio != NULL ?
		PEM_read_bio_X509_REQ(bio, NULL, pem_no_password, NULL) :
		NULL;

	BIO_free(bio);
	return csr;
}

static enum err check_csr(X509_REQ *csr, EVP_PKEY *key, struct why *why)
{
	if (csr == NULL)
		return err_set(why, ERR_SYNTAX,
			"there is no certificate request (PKCS#10, PEM)");
	if (key == NULL || !key_is_good(key))
		return err_set(why, ERR_DENIED,
			"the key of the certificate request is not accepted: use ECDSA "
			"(P-256, P-384), Ed25519 or RSA of 2048 to 8192 bits");
	if (X509_REQ_verify(csr, key) != 1)
		return err_set(why, ERR_CRYPTO,
			"the signature of the certificate request is wrong");
	return ERR_OK;
}

enum err authority_issue_csr(const struct authority *a, struct span csr_pem,
	const struct authority_order *order, struct authority_pair *out, struct why *why)
{
	struct authority_order o = *order;
	EVP_PKEY *key = NULL;
	X509_REQ *csr;
	enum err rc = check_order(a, order, why);

	if (rc != ERR_OK)
		return rc;
	if (csr_pem.n > AUTHORITY_CSR_MAX)
		return err_set(why, ERR_LIMIT,
			"the certificate request has more than %d bytes",
			AUTHORITY_CSR_MAX);
	o.names_n = 0;
	csr = read_csr(csr_pem);
	if (csr != NULL)
		key = X509_REQ_get_pubkey(csr);
	rc = check_csr(csr, key, why);
	if (rc == ERR_OK)
		rc = issue(a, &o, key, false, out, why);
	EVP_PKEY_free(key);
	X509_REQ_free(csr);
	ERR_clear_error();
	return rc;
}

static enum err put_csr(EVP_PKEY *key, const char *name, struct buf *out)
{
	X509_REQ *csr = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	enum err rc = ERR_CRYPTO;
	char *text;

	if (csr != NULL && bio != NULL &&
		X509_REQ_set_version(csr, X509_REQ_VERSION_1) == 1 &&
		X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(csr), "CN",
			MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1 &&
		X509_REQ_set_pubkey(csr, key) == 1 &&
		X509_REQ_sign(csr, key, x509_digest_of(key)) > 0 &&
		PEM_write_bio_X509_REQ(bio, csr) == 1) {
		long n = BIO_get_mem_data(bio, &text);

		rc = buf_put(out, text, (size_t)n);
	}
	BIO_free(bio);
	X509_REQ_free(csr);
	return rc;
}

enum err authority_make_csr(const char *name, struct buf *csr_pem, struct buf *key_pem)
{
	EVP_PKEY *key;
	enum err rc;

	if (!name_is_good(name))
		return ERR_USAGE;
	key = EVP_EC_gen("P-256");
	rc = key != NULL ? put_csr(key, name, csr_pem) : ERR_CRYPTO;
	if (rc == ERR_OK)
		rc = pem_put_key(key_pem, key);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return rc;
}

/* ---- certificates that are presented ---- */

static enum err deny(const struct authority_identity *of, int error, int depth,
	struct why *why)
{
	const bool is_own = depth == 0; /* or the CA's */
	char date[TIMEFMT_TEXT_MAX];
	bool is_early = error == X509_V_ERR_CERT_NOT_YET_VALID;
	struct timestamp at = { .s = is_early ? of->begins_s : of->ends_s };

	if (is_own && error == X509_V_ERR_CERT_HAS_EXPIRED)
		return err_set(why, ERR_DENIED, "the certificate of %s expired on %s",
			of->name, timefmt_print(at, date));
	if (is_own && is_early)
		return err_set(why, ERR_DENIED,
			"the certificate of %s is valid from %s on: check the clock",
			of->name, timefmt_print(at, date));
	if (is_own && error == X509_V_ERR_INVALID_PURPOSE)
		return err_set(why, ERR_DENIED,
			"the certificate of %s is not for clients", of->name);
	if (error == X509_V_ERR_CERT_HAS_EXPIRED)
		return err_set(why, ERR_DENIED,
			"the CA that has issued the certificate of %s has expired",
			of->name);
	if (is_early)
		return err_set(why, ERR_DENIED,
			"the CA that has issued the certificate of %s is not valid yet: check "
			"the clock",
			of->name);
	return err_set(why, ERR_DENIED,
		"the certificate of %s was not issued by this CA (%s)", of->name,
		X509_verify_cert_error_string(error));
}

static enum err verify(const struct authority *a, X509 *cert, int64_t now_s,
	const struct authority_identity *of, struct why *why)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	enum err rc = ERR_OK;

	if (ctx == NULL || X509_STORE_CTX_init(ctx, a->store, cert, NULL) != 1) {
		X509_STORE_CTX_free(ctx);
		return err_set(why, ERR_NOMEM, "no memory to verify a certificate");
	}
	X509_STORE_CTX_set_time(ctx, 0, (time_t)now_s);
	if (X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) != 1 ||
		X509_verify_cert(ctx) != 1)
		rc = deny(of, X509_STORE_CTX_get_error(ctx),
			X509_STORE_CTX_get_error_depth(ctx), why);
	X509_STORE_CTX_free(ctx);
	return rc;
}

enum err authority_check(const struct authority *a, struct span pem, int64_t now_s,
	struct authority_identity *out, struct why *why)
{
	X509 *cert = read_certificate(pem, why);
	struct authority_identity of;
	enum err rc = cert != NULL ? read_identity(cert, &of, why) : ERR_SYNTAX;

	/* The CA is trusted as an issuer; its own name is no client's. */
	if (rc == ERR_OK && X509_check_ca(cert) != 0)
		rc = err_set(why, ERR_DENIED, "the certificate of %s is the one of a CA",
			of.name);
	if (rc == ERR_OK)
		rc = verify(a, cert, now_s, &of, why);
	if (rc == ERR_OK)
		*out = of;
	X509_free(cert);
	ERR_clear_error();
	return rc;
}
