/* What a context holds, and what tls*.c tell each other. */
#ifndef NET_TLS_PRIV_H
#define NET_TLS_PRIV_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/tls.h"

#define TLS_ALPN_MAX 128

#define TLS_RECORD_BYTES 16384
#define TLS_RECORD_ADDS (5 + 1 + 16)         /* to what is in one, with TLS 1.3 */
#define TLS_WRITE_MAX (5 * TLS_RECORD_BYTES) /* a bridge's block is sent as one */

struct tls_context {
	atomic_uint refs; /* the owner's and one for each stream, on whatever thread */
	SSL_CTX *ssl;
	BIO_METHOD *bio; /* made by tls.c: how OpenSSL reaches the stream below */
	bool skip_verify;
	struct remote_key *key; /* a reference, or NULL */

	/*
	 * A client's newest session, and with whom it is. Contexts are shared by threads.
	 */
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
 * In tls_peer.c: sets SNI, and what the certificate must cover. False: it is not a name.
 */
bool tls_set_server_name(SSL *ssl, const char *server_name);

/* In tls.c. NULL: no memory. */
BIO_METHOD *tls_bio_method_new(void);

/* In tls.c. It stays the stream's. */
SSL *tls_ssl(const struct stream *tls);

/* In tls.c: what of @tls has failed, in OpenSSL's words; NULL: nothing has. */
const char *tls_failure(const struct stream *tls);

/* The words of the oldest error in OpenSSL's queue of this thread. Never NULL. */
const char *tls_reason(void);

/* ---- in tls_out.c ---- */

struct tls_out {
	struct buf records;   /* memory only while there are any */
	struct stream *below; /* borrowed */
	bool is_blocked;      /* @below has not taken all of @records */
	bool carries_tls;     /* the owner is TLS, too */
	bool is_carried;      /* @below is TLS, too */
};

void tls_out_init(struct tls_out *out, struct stream *below);

/*
 * Adds @n bytes. @is_data: none of a handshake. ERR_LIMIT, ERR_NOMEM: nothing is added.
 */
enum err tls_out_put(struct tls_out *out, const char *p, size_t n, bool is_data);

/* A write of @n bytes follows: the buffer would grow by doubling and copying. */
void tls_out_reserve(struct tls_out *out, size_t n);

/* Is there so little that it may wait for more? */
bool tls_out_is_small(const struct tls_out *out);

/* A cursor over what the owner writes. */
struct tls_pieces {
	const struct iovec *iov;
	int count;
	size_t at; /* in the first */
};

void tls_pieces_skip(struct tls_pieces *p, size_t n);

/* One record's worth: in place if the next piece is enough or the last, else in @room. */
struct span tls_pieces_for_record(struct tls_pieces p, uint8_t room[TLS_RECORD_BYTES]);

/* Sends all. ERR_AGAIN: the rest stays. Another error: it is dropped. */
enum err tls_out_flush(struct tls_out *out);

#endif
