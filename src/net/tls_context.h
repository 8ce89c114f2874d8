/* What a context holds, and what tls*.c tell each other. */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/tls.h"

#define TLS_ALPN_MAX 128

struct tls_context {
	atomic_uint refs; /* the owner's and one for each stream, on whatever thread */
	SSL_CTX *ssl;
	BIO_METHOD *bio; /* made by tls.c: how OpenSSL reaches the stream below */
	bool skip_verify;
	struct remote_key *key; /* a reference, or NULL */

	/* A client's newest session, and with whom it is. Contexts are shared by threads. */
	bool keeps_session;
	pthread_mutex_t lock;
	SSL_SESSION *session;
	char session_host[256];

	unsigned alpn_n;
	unsigned char alpn[TLS_ALPN_MAX]; /* as on the wire */
};

/* Lets @ssl resume what there is with @server_name, and keeps what comes of it. */
void tls_context_offer_session(struct tls_context *ctx, SSL *ssl,
	const char *server_name);

/*
 * OpenSSL takes no wildcard for a whole top-level domain, but *.localhost is what certificates
 * for development have, and Go's clients believe it. For a name right under localhost this is
 * what else it may be verified as: "*.localhost", to the letter. (".localhost" would be any
 * name below, so somebody else's, too.) Or else NULL.
 */
const char *tls_also_known_as(const char *host);
#define TLS_HOST_FLAGS \
	(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS)

/* In tls.c. NULL: no memory. */
BIO_METHOD *tls_bio_method_new(void);

/* In tls.c: what of @tls has failed, in OpenSSL's words; @text is NULL if nothing has. */
const SSL *tls_failure(const struct stream *tls, const char **text);

/* The words of the oldest error in OpenSSL's queue of this thread. Never NULL. */
const char *tls_reason(void);

#endif
