/*
 * A pair is a certificate chain and its private key, as one PEM text in one file: it is
 * replaced at once, never by halves. Also what is made of keys: certificate requests, and
 * the certificate of a TLS-ALPN-01 challenge. Keys are P-256.
 *
 * The layout is that of Go's autocert, which stock Chisel uses: first the key, then the
 * chain, the leaf first. A line before them names the CA's directory; it is a comment for
 * other readers, and those of autocert lack it.
 */
#ifndef ACME_PAIR_H
#define ACME_PAIR_H

#include <openssl/evp.h>

#include "base/buf.h"

#define ACME_PAIR_MAX (300 * 1024) /* bytes of such a file */
#define ACME_CERTIFICATE_ID_MAX 128
#define ACME_CA_MAX 1024

struct acme_pair {
	struct buf key, chain;    /* PEM */
	int64_t begins_s, ends_s; /* validity of the leaf, since 1970 */
	/* The leaf's id for renewal info (RFC 9773 4.1); "": it has none. */
	char id[ACME_CERTIFICATE_ID_MAX];
	char *ca; /* the URL of the CA's directory; NULL: not known */
};

/* Zeroes are fine. */
void acme_pair_wipe(struct acme_pair *pair);

/*
 * Reads a pair for @name, and checks that key and leaf belong together and that the leaf
 * has @name (which may begin with "*."). The validity is the caller's to check.
 * ERR_SYNTAX: no certificate, no key, or they do not belong together.  ERR_DENIED: it is
 * for other names.  ERR_LIMIT, ERR_NOMEM.  @out is good after ERR_OK only.
 */
enum err acme_pair_read(struct span text, const char *name, struct acme_pair *out,
	struct why *why) MUST_USE;

/* Appends the text that acme_pair_read() reads. */
enum err acme_pair_put(const struct acme_pair *pair, struct buf *out) MUST_USE;

/* A certificate request (RFC 2986) for the @n names, in DER. ERR_CRYPTO, ERR_NOMEM. */
enum err acme_csr_put(EVP_PKEY *key, const char *const *names, unsigned n,
	struct buf *out) MUST_USE;

/*
 * The certificate of a TLS-ALPN-01 challenge (RFC 8737 3): self-signed, for @name, with
 * the SHA-256 of @key_authorization in the extension acmeIdentifier. @pair is zeroed.
 * ERR_CRYPTO, ERR_NOMEM.
 */
enum err acme_alpn_pair_make(const char *name, const char *key_authorization,
	struct acme_pair *pair) MUST_USE;

#endif
