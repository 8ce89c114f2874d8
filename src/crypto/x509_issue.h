/*
 * Certificates that this program issues: X.509 version 3 with a random serial number of
 * 128 bits (RFC 5280). No call leaves an error in OpenSSL's queue.
 */
#ifndef CRYPTO_X509_ISSUE_H
#define CRYPTO_X509_ISSUE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X509_COMMON_NAME_MAX 64 /* bytes; RFC 5280, appendix A.1: ub-common-name */

/* All is borrowed. */
struct x509_order {
	EVP_PKEY *key;        /* of the subject; the public half is enough if it is not */
	X509 *issuer;         /* the one that signs; NULL: the subject's key does */
	EVP_PKEY *issuer_key; /* with issuer */
	const char *common_name,
		*organization;    /* the subject; organization may be NULL */
	int64_t begins_s, ends_s; /* since 1970 */
	bool is_authority;        /* a CA, for certificates that are no CAs themselves */
	/* As in openssl.cnf. */
	const char *key_usage; /* "critical,digitalSignature" */
	const char *purpose;   /* extendedKeyUsage: "clientAuth"; NULL: any */
	/* DNS names, "*.example.com" too, and IP addresses: subjectAltName. */
	const char *const *names;
	size_t names_n;
};

/* For X509_free(). NULL: OpenSSL refuses, or memory is out. */
X509 *x509_issue(const struct x509_order *order);

/* The digest of signatures by @key; NULL: its kind has one of its own. */
const EVP_MD *x509_digest_of(const EVP_PKEY *key);

#endif
