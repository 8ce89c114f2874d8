/*
 * A private certificate authority (CA): the certificates by which administrators and
 * agents authenticate to a relay, and the relay's own until it has a public one.
 * RFC 5280.
 *
 * Keys that are made here are ECDSA on P-256. A CA from elsewhere may have another kind.
 * A certificate is for the client that its common name tells, which the caller chooses:
 * "admin", "agent:home". The CA keeps no record of what it has issued or revoked: the
 * caller does, by serial number.
 *
 * An authority is constant: several threads may use it at the same time. No call leaves
 * an error in OpenSSL's queue.
 */
#ifndef CRYPTO_AUTHORITY_H
#define CRYPTO_AUTHORITY_H

#include "base/buf.h"

#define AUTHORITY_NAME_MAX 64     /* bytes of a common name */
#define AUTHORITY_SERIAL_CHARS 40 /* of 20 bytes, RFC 5280 4.1.2.2 */
#define AUTHORITY_CSR_MAX 8192    /* bytes of PEM */
#define AUTHORITY_FILE_MAX 65536  /* bytes of a certificate or key, PEM */

#define AUTHORITY_DAYS 3650       /* how long a CA is valid, */
#define AUTHORITY_CLIENT_DAYS 730 /* a client's certificate, */
#define AUTHORITY_SERVER_DAYS 397 /* and a server's: some clients refuse more than 398 */
#define AUTHORITY_EARLY_S 3600    /* earlier than now, for clocks that are slow */

struct authority;

/* What a certificate says of its subject. */
struct authority_identity {
	char name[AUTHORITY_NAME_MAX + 1];       /* the common name: visible ASCII */
	char serial[AUTHORITY_SERIAL_CHARS + 1]; /* hexadecimal, in upper case */
	int64_t begins_s, ends_s;                /* since 1970 */
};

/* A certificate and its private key, PEM. */
struct authority_pair {
	struct buf cert;
	struct buf key; /* PKCS#8, unencrypted; empty if its holder alone has it */
	struct authority_identity of;
};

/* Frees it, and wipes the key. Zeroes are fine. */
void authority_pair_wipe(struct authority_pair *pair);

/* ---- the authority ---- */

/* A new one with the common name @name, valid from now on. ERR_USAGE: not a name. */
enum err authority_make(const char *name, int64_t now_s, struct authority **out,
	struct why *why) MUST_USE;

/*
 * The first certificate and the first private key in the two texts, as they are.
 *
 * ERR_SYNTAX: there is none, the key is encrypted, the two do not belong together, or the
 * certificate is none of a CA. That it is valid now is not checked.
 */
enum err authority_load(struct span cert_pem, struct span key_pem, struct authority **out,
	struct why *why) MUST_USE;

/* NULL is fine. */
void authority_free(struct authority *a);

/* Of its own certificate; lives as long as the authority. */
const struct authority_identity *authority_of(const struct authority *a);

/* Appends its certificate to @cert, and its key to @key, which may be NULL. */
enum err authority_put(const struct authority *a, struct buf *cert,
	struct buf *key) MUST_USE;

/* ---- certificates that it issues ---- */

struct authority_order {
	const char *name; /* the common name; borrowed, as all here */
	int64_t now_s;
	unsigned days; /* at most as long as the CA itself */
	/* Of a server: DNS names, "*.example.com" too, and IP addresses. */
	const char *const *names;
	size_t names_n;
};

/*
 * A client's certificate for the key of a request (CSR, PKCS#10 in PEM). Its signature is
 * checked; its subject and its extensions are ignored. Keys: ECDSA on P-256 or P-384,
 * Ed25519, RSA from 2048 to 8192 bits.
 *
 * ERR_LIMIT: more than AUTHORITY_CSR_MAX.  ERR_SYNTAX: not a request.  ERR_CRYPTO: its
 * signature is wrong.  ERR_DENIED: another kind of key, or the CA has expired.
 * ERR_USAGE: the order is not valid.
 */
enum err authority_issue_csr(const struct authority *a, struct span csr_pem,
	const struct authority_order *order, struct authority_pair *out,
	struct why *why) MUST_USE;

/* A client's certificate with a new key. Errors as above. */
enum err authority_issue_client(const struct authority *a,
	const struct authority_order *order, struct authority_pair *out,
	struct why *why) MUST_USE;

/* A server's certificate with a new key. Errors as above. */
enum err authority_issue_server(const struct authority *a,
	const struct authority_order *order, struct authority_pair *out,
	struct why *why) MUST_USE;

/* ---- certificates that are presented ---- */

/*
 * The subject of the first certificate in @pem, if this authority has issued it to a
 * client and it is valid now. Whether it was revoked is for the caller to know.
 *
 * ERR_SYNTAX: not a certificate, or without one common name.  ERR_DENIED: @why has the
 * reason.
 */
enum err authority_check(const struct authority *a, struct span pem, int64_t now_s,
	struct authority_identity *out, struct why *why) MUST_USE;

/* The same without any check of the issuer, purpose and time: for one's own. */
enum err authority_read(struct span pem, struct authority_identity *out,
	struct why *why) MUST_USE;

/* ---- requests ---- */

/* A new key and a request (CSR) with it, for a subject of that common name. */
enum err authority_make_csr(const char *name, struct buf *csr_pem,
	struct buf *key_pem) MUST_USE;

#endif
