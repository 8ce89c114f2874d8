/* What a context holds; for tls.c only. */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/tls.h"

#define TLS_ALPN_MAX 128

struct tls_context {
	atomic_uint refs; /* the owner's and one for each stream, on whatever thread */
	SSL_CTX *ssl;
	BIO_METHOD *bio; /* made by tls.c: how OpenSSL reaches the stream below */
	bool skip_verify;
	unsigned alpn_n;
	unsigned char alpn[TLS_ALPN_MAX]; /* as on the wire */
};

/* In tls.c. NULL: no memory. */
BIO_METHOD *tls_bio_method_new(void);

/* The words of the oldest error in OpenSSL's queue of this thread. Never NULL. */
const char *tls_reason(void);

#endif
