/* A certificate chain and its private key. */
#include "relay/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "crypto/pem.h"
#include "store/file.h"
#include "text/names.h"

static const struct field names_row = { .kind = FIELD_LIST };

void certificate_pair_wipe(struct certificate_pair *pair)
{
	buf_wipe(&pair->key);
	buf_fini(&pair->chain);
	field_member_fini(&names_row, &pair->names);
}

/* ---- checks ---- */

/* Names with a NUL are ignored. */
static enum err leaf_read_names(X509 *leaf, struct field_list *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	const int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
	enum err rc = ERR_OK;

	out->v = calloc((size_t)count + 1, sizeof(*out->v));
	for (int i = 0; i < count && out->v != NULL && rc == ERR_OK; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const char *text;
		size_t n;

		if (name->type != GEN_DNS)
			continue;
		text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
		n = (size_t)ASN1_STRING_length(name->d.dNSName);
		if (n == 0 || n > NAMES_HOST_MAX || memchr(text, '\0', n) != NULL)
			continue;
		out->v[out->n] = strndup(text, n);
		rc = out->v[out->n] == NULL ? ERR_NOMEM : ERR_OK;
		out->n += rc == ERR_OK;
	}
	GENERAL_NAMES_free(names);
	return out->v == NULL ? ERR_NOMEM : rc;
}

/* With @is_exact, @host itself must be among them. */
static bool names_cover(const struct field_list *names, const char *host, bool is_exact)
{
	char pattern[NAMES_HOST_MAX + 1];
	bool found = false;

	for (unsigned i = 0; i < names->n && !found; i++) {
		str_copy(pattern, sizeof(pattern), names->v[i]);
		str_lower(pattern);
		found = is_exact ? strcmp(pattern, host) == 0 :
				   names_match(pattern, host);
	}
	return found;
}

static enum err names_check(const struct field_list *names, const char *root,
	const char *path, struct why *why)
{
	char under[NAMES_HOST_MAX + 3];
	bool has_root = names_cover(names, root, false);

	snprintf(under, sizeof(under), "*.%s", root);
	if (has_root && names_cover(names, under, true))
		return ERR_OK;
	return err_set(why, ERR_DENIED,
		"the certificate %.100s is not for %s%s: it must cover both %s and %s",
		path, has_root ? "*." : "", root, root, under);
}

static enum err pair_check(struct certificate_pair *pair, const char *root,
	const char *chain_path, const char *key_path, struct why *why)
{
	struct span chain = buf_span(&pair->chain);
	X509 *leaf = pem_next_certificate(&chain);
	EVP_PKEY *secret = pem_read_key(buf_span(&pair->key), NULL);
	enum err rc = ERR_OK;

	if (leaf == NULL) {
		rc = err_set(why, ERR_SYNTAX, "there is no certificate in %.150s (PEM)",
			chain_path);
	} else if (secret == NULL) {
		rc = err_set(why, ERR_SYNTAX,
			"there is no private key in %.150s (PEM, without a password)",
			key_path);
	} else if (X509_check_private_key(leaf, secret) != 1) {
		rc = err_set(why, ERR_SYNTAX,
			"the key %.100s does not belong to the certificate %.100s",
			key_path, chain_path);
	} else {
		pair->begins_s = pem_seconds_of(X509_get0_notBefore(leaf));
		pair->ends_s = pem_seconds_of(X509_get0_notAfter(leaf));
		rc = leaf_read_names(leaf, &pair->names);
		if (rc == ERR_OK)
			rc = names_check(&pair->names, root, chain_path, why);
	}
	ERR_clear_error();
	EVP_PKEY_free(secret);
	X509_free(leaf);
	return rc;
}

enum err certificate_pair_load(const char *directory, const char *root,
	struct certificate_pair *out, struct why *why)
{
	char *chain = str_printf("%s/%s", directory, CERTIFICATE_CHAIN_FILE);
	char *key = str_printf("%s/%s", directory, CERTIFICATE_KEY_FILE);
	struct certificate_pair pair = { .begins_s = 0 };
	enum err rc = ERR_OK;

	buf_init(&pair.chain, CERTIFICATE_FILE_MAX);
	buf_init(&pair.key, CERTIFICATE_FILE_MAX);
	if (chain == NULL || key == NULL)
		rc = err_set(why, ERR_NOMEM, "no memory for a certificate");
	if (rc == ERR_OK)
		rc = file_read(chain, &pair.chain, why);
	if (rc == ERR_OK)
		rc = file_read(key, &pair.key, why);
	/* ERR_NOENT is for neither of the two. */
	if (rc == ERR_NOENT && (pair.chain.n > 0 || access(key, F_OK) == 0))
		rc = ERR_SYNTAX;
	if (rc == ERR_OK)
		rc = pair_check(&pair, root, chain, key, why);
	if (rc == ERR_OK)
		*out = pair;
	else
		certificate_pair_wipe(&pair);
	free(chain);
	free(key);
	return rc;
}

/* ---- one for development ---- */

#define DEVELOPMENT_SECONDS (10L * 365 * 86400)
#define SERIAL_BITS 127

static bool leaf_add_extension(X509 *leaf, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, leaf, leaf, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ok = extension != NULL && X509_add_ext(leaf, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

/*
 * OpenSSL and browsers never accept "*.localhost"; stock clients do, and take localhost
 * for the root if their URL has it.
 */
static bool leaf_add_names(X509 *leaf, const char *root)
{
	char *own = strcmp(root, "localhost") == 0 ?
		strdup("") :
		str_printf("DNS:%s,DNS:*.%s,", root, root);
	char *text = own == NULL ?
		NULL :
		str_printf("%sDNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:::1", own);
	bool ok = text != NULL && leaf_add_extension(leaf, NID_subject_alt_name, text);

	free(own);
	free(text);
	return ok;
}

static bool leaf_set_serial(X509 *leaf)
{
	BIGNUM *serial = BN_new();
	bool ok = serial != NULL && BN_rand(serial, SERIAL_BITS, 0, 0) == 1 &&
		BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(leaf)) != NULL;

	BN_free(serial);
	return ok;
}

static bool leaf_fill(X509 *leaf, EVP_PKEY *key, const char *root)
{
	X509_NAME *name = X509_get_subject_name(leaf);

	return X509_set_version(leaf, X509_VERSION_3) == 1 && leaf_set_serial(leaf) &&
		X509_gmtime_adj(X509_getm_notBefore(leaf), -3600) != NULL &&
		X509_gmtime_adj(X509_getm_notAfter(leaf), DEVELOPMENT_SECONDS) != NULL &&
		X509_set_pubkey(leaf, key) == 1 &&
		X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
			(const unsigned char *)"adit development", -1, -1, 0) == 1 &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
			(const unsigned char *)(strlen(root) <= 64 ? root : "localhost"),
			-1, -1, 0) == 1 &&
		X509_set_issuer_name(leaf, name) == 1 &&
		leaf_add_extension(leaf, NID_basic_constraints, "critical,CA:TRUE") &&
		leaf_add_extension(leaf, NID_key_usage,
			"critical,digitalSignature,keyCertSign") &&
		leaf_add_extension(leaf, NID_ext_key_usage, "serverAuth") &&
		leaf_add_extension(leaf, NID_subject_key_identifier, "hash") &&
		leaf_add_names(leaf, root) && X509_sign(leaf, key, EVP_sha256()) > 0;
}

static enum err bio_save(BIO *bio, const char *path, mode_t mode, struct why *why)
{
	char *text;
	long n = BIO_get_mem_data(bio, &text);

	return file_replace(path, mode, span_of(text, (size_t)n), why);
}

/* A key without its chain would stop the next attempt. */
static enum err pair_save(BIO *key, BIO *chain, const char *directory, struct why *why)
{
	char *chain_path = str_printf("%s/%s", directory, CERTIFICATE_CHAIN_FILE);
	char *key_path = str_printf("%s/%s", directory, CERTIFICATE_KEY_FILE);
	enum err rc = ERR_NOMEM;

	if (chain_path != NULL && key_path != NULL)
		rc = bio_save(key, key_path, 0600, why);
	if (rc == ERR_OK) {
		rc = bio_save(chain, chain_path, 0644, why);
		if (rc != ERR_OK)
			(void)unlink(key_path);
	}
	free(chain_path);
	free(key_path);
	return rc;
}

enum err certificate_pair_make(const char *directory, const char *root, struct why *why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *leaf = X509_new();
	BIO *chain_text = BIO_new(BIO_s_mem()), *key_text = BIO_new(BIO_s_secmem());
	enum err rc = ERR_OK;

	if (key == NULL || leaf == NULL || chain_text == NULL || key_text == NULL ||
		!leaf_fill(leaf, key, root) ||
		PEM_write_bio_X509(chain_text, leaf) != 1 ||
		PEM_write_bio_PKCS8PrivateKey(key_text, key, NULL, NULL, 0, NULL, NULL) !=
			1)
		rc = err_set(why, ERR_CRYPTO, "cannot make a certificate for %s", root);
	if (rc == ERR_OK)
		rc = pair_save(key_text, chain_text, directory, why);
	ERR_clear_error();
	BIO_free(chain_text);
	BIO_free(key_text);
	X509_free(leaf);
	EVP_PKEY_free(key);
	return rc;
}
