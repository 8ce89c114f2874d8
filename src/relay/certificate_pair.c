/* A certificate chain and its private key. */
#include "relay/certificate.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/pem.h"
#include "crypto/x509_issue.h"
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

/*
 * OpenSSL and browsers never accept "*.localhost"; stock clients do, and take localhost
 * for the root if their URL has it.
 */
static X509 *development_issue(EVP_PKEY *key, const char *root)
{
	char under[NAMES_HOST_MAX + 3];
	const char *names[] = { root, under, "localhost", "*.localhost", "127.0.0.1",
		"::1" };
	const unsigned skipped = strcmp(root, "localhost") == 0 ? 2 : 0;
	const int64_t now = (int64_t)(clock_wall_ms() / 1000);

	snprintf(under, sizeof(under), "*.%s", root);
	return x509_issue(&(struct x509_order){
		.key = key,
		.common_name = strlen(root) <= X509_COMMON_NAME_MAX ? root : "localhost",
		.organization = "adit development",
		.begins_s = now - 3600,
		.ends_s = now + DEVELOPMENT_SECONDS,
		.is_authority = true,
		.key_usage = "critical,digitalSignature,keyCertSign",
		.purpose = "serverAuth",
		.names = names + skipped,
		.names_n = mem_count(names) - skipped,
	});
}

/* A key without its chain would stop the next attempt. */
static enum err pair_save(const struct buf *key, const struct buf *chain,
	const char *directory, struct why *why)
{
	char *chain_path = str_printf("%s/%s", directory, CERTIFICATE_CHAIN_FILE);
	char *key_path = str_printf("%s/%s", directory, CERTIFICATE_KEY_FILE);
	enum err rc = ERR_NOMEM;

	if (chain_path != NULL && key_path != NULL)
		rc = file_replace(key_path, 0600, buf_span(key), why);
	if (rc == ERR_OK) {
		rc = file_replace(chain_path, 0644, buf_span(chain), why);
		if (rc != ERR_OK)
			(void)unlink(key_path);
	}
	free(chain_path);
	free(key_path);
	return rc;
}

enum err certificate_pair_make(const char *directory, const char *root, struct why *why)
{
	EVP_PKEY *secret = EVP_EC_gen("P-256");
	X509 *leaf = secret != NULL ? development_issue(secret, root) : NULL;
	struct buf chain, key;
	enum err rc = leaf != NULL ? ERR_OK : ERR_CRYPTO;

	buf_init(&chain, CERTIFICATE_FILE_MAX);
	buf_init(&key, CERTIFICATE_FILE_MAX);
	if (rc == ERR_OK)
		rc = pem_put_certificate(&chain, leaf);
	if (rc == ERR_OK)
		rc = pem_put_key(&key, secret);
	if (rc == ERR_OK)
		rc = pair_save(&key, &chain, directory, why);
	else
		err_set(why, rc, "cannot make a certificate for %s", root);
	buf_fini(&chain);
	buf_wipe(&key);
	X509_free(leaf);
	EVP_PKEY_free(secret);
	ERR_clear_error();
	return rc;
}
