/*
 * Certificates that a server chooses by name: one listener, many names.
 *
 * A certificate here is a chain with its private key in memory, reference-counted, for
 * any thread. A server whose options have @choose asks for one in each handshake, so a
 * new certificate is in use at once, needs no new context, and open connections and
 * tickets stay as they are.
 */
#ifndef NET_TLS_CERTIFICATE_H
#define NET_TLS_CERTIFICATE_H

#include "base/err.h"
#include "base/span.h"

struct tls_certificate;

struct tls_certificate_options {
	struct span chain_pem; /* the leaf first */
	struct span key_pem;   /* unencrypted */
	/*
	 * Not NULL: only for handshakes that offer this protocol (ALPN). Such a handshake
	 * proves something, and the connection ends with it: no data follows, no client
	 * certificate is required (RFC 8737 3). Static.
	 */
	const char *protocol;
	/* Issuers that both have are shared: thousands of certificates have few. Borrowed
	 * for the call; or NULL. */
	const struct tls_certificate *like;
};

/* ERR_SYNTAX: no certificate, no key, or they do not belong together.  ERR_NOMEM. */
enum err tls_certificate_new(const struct tls_certificate_options *o,
	struct tls_certificate **out, struct why *why) MUST_USE;
struct tls_certificate *tls_certificate_ref(struct tls_certificate *c);
void tls_certificate_unref(struct tls_certificate *c); /* NULL is fine */

/* What a client asks for; good for the call. */
struct tls_hello {
	const char *name; /* SNI, in lower case, without a dot at its end; "": none */
	struct span protocols; /* ALPN, as on the wire: length and name, repeated */
};

bool tls_hello_offers(const struct tls_hello *hello, const char *protocol);

/*
 * Returns a reference to the certificate for @hello. NULL: the handshake ends with the
 * alert unrecognized_name. Called on the thread of the handshake.
 */
typedef struct tls_certificate *tls_choose_fn(void *arg, const struct tls_hello *hello);

/*
 * A table of them by name: written by one thread, read by all. A name is a host in
 * canonical form (text/names.h), or "*." and a host, which is for all names with one
 * label more.
 */
struct tls_names;

enum err tls_names_new(struct tls_names **out) MUST_USE;
void tls_names_free(struct tls_names *names); /* NULL is fine */

/* Replaces the certificate of @name, and takes a reference; NULL removes it.
 * ERR_NOMEM: the previous one stays. */
enum err tls_names_set(struct tls_names *names, const char *name,
	struct tls_certificate *c) MUST_USE;

/* A reference to the one for that host, or NULL. */
struct tls_certificate *tls_names_find(struct tls_names *names, const char *host);

/* The same, as a tls_choose_fn. @arg is the table. */
struct tls_certificate *tls_names_choose(void *arg, const struct tls_hello *hello);

#endif
