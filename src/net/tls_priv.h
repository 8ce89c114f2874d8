/* The context, and the functions that tls*.c share. */
#ifndef NET_TLS_PRIV_H
#define NET_TLS_PRIV_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/tls.h"
#include "net/tls_certificate.h"

#define TLS_ALPN_MAX 128

#define TLS_RECORD_BYTES 16384
#define TLS_RECORD_ADDS (5 + 1 + 16)         /* to the data in it, with TLS 1.3 */
#define TLS_WRITE_MAX (5 * TLS_RECORD_BYTES) /* a bridge's block fits into one write */

struct tls_context {
	atomic_uint refs; /* the owner's and one for each stream, on whatever thread */
	SSL_CTX *ssl;
	BIO_METHOD *bio; /* made by tls.c: OpenSSL's access to the stream below */
	bool skip_verify;
	uint8_t pin[TLS_PIN_BYTES];
	struct remote_key *key; /* a reference, or NULL */
	tls_choose_fn *choose;  /* or NULL: see tls_certificate.h */
	void *choose_arg;       /* borrowed: the owner's */

	/* A client's newest session, and its server. The lock is for these: threads share
	 * contexts. */
	bool keeps_session;
	pthread_mutex_t lock;
	SSL_SESSION *session;
	char session_host[256];

	unsigned alpn_n;
	unsigned char alpn[TLS_ALPN_MAX]; /* as on the wire */
};

/* Lets @ssl resume the session with @server_name, if there is one. */
void tls_context_offer_session(struct tls_context *ctx, SSL *ssl,
	const char *server_name);

/* In tls_certificate.c: handshakes get their certificate from @choose. */
void tls_context_choose(struct tls_context *ctx, tls_choose_fn *choose, void *arg);

/* In tls_certificate.c: the protocol that the handshake of a server is for alone, or
 * NULL. */
const char *tls_proven_protocol(const SSL *ssl);

/* In tls_peer.c: sets SNI, and the name to verify. False: it is not a valid name. */
bool tls_set_server_name(SSL *ssl, const char *server_name);

/* In tls_pin.c: the server is verified by the context's pin alone. */
void tls_context_use_pin(struct tls_context *ctx);

/* In tls_pin.c: the pin of the certificate's key. False: it has none. */
bool tls_pin_of(X509 *cert, uint8_t pin[TLS_PIN_BYTES]);

/* In tls.c. NULL: no memory. */
BIO_METHOD *tls_bio_method_new(void);

/* In tls.c. Borrowed from the stream. */
SSL *tls_ssl(const struct stream *tls);

/* In tls.c: OpenSSL's text for the failure of @tls; NULL: it has not failed. */
const char *tls_failure(const struct stream *tls);

/* The text of the oldest error in OpenSSL's queue of this thread. Never NULL. */
const char *tls_reason(void);

/* ---- in tls_out.c ---- */

struct tls_out {
	struct buf records;   /* memory only while there are any */
	struct stream *below; /* borrowed */
	bool is_blocked;      /* @below has not accepted all of @records */
	bool carries_tls;     /* the owner is TLS, too */
	bool is_carried;      /* @below is TLS, too */
};

void tls_out_init(struct tls_out *out, struct stream *below);

/* Adds @n bytes. @is_data: not of a handshake. ERR_LIMIT, ERR_NOMEM: nothing is added. */
enum err tls_out_put(struct tls_out *out, const char *p, size_t n, bool is_data);

/* Before a write of @n bytes: the buffer need not grow by doubling and copying. */
void tls_out_reserve(struct tls_out *out, size_t n);

/* True if there is so little output that it may wait for more. */
bool tls_out_is_small(const struct tls_out *out);

/* A cursor over the data of a write. */
struct tls_pieces {
	const struct iovec *iov;
	int count;
	size_t at; /* in the first piece */
};

void tls_pieces_skip(struct tls_pieces *p, size_t n);

/* The data of one record: in place if the next piece fills it or is the last one, else
 * copied to @room. */
struct span tls_pieces_for_record(struct tls_pieces p, uint8_t room[TLS_RECORD_BYTES]);

/* Sends all records. ERR_AGAIN: the rest stays. Another error: the rest is dropped. */
enum err tls_out_flush(struct tls_out *out);

#endif
