/*
 * TLS as a filter: a stream over a stream, with OpenSSL. TLS 1.2 and 1.3.
 *
 * A context is made once, read-mostly, and shared by all workers of a process; it is
 * reference-counted by OpenSSL, so that one may be replaced while connections use it.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buf.h"
#include "net/stream.h"

#define TLS_VERSION_1_2 0x0303
#define TLS_VERSION_1_3 0x0304

struct tls_context;
struct remote_key;

struct tls_server_options {
	const char *cert_file; /* PEM, leaf first */
	const char *key_file;  /* PEM */

	/* Or, in place of the two: */
	struct span cert_pem;
	struct remote_key *key; /* a reference is taken: crypto/remote_key.h */
	bool is_key_instant;    /* it answers at once: no handshake has to wait for it */

	unsigned min_version; /* 0: TLS_VERSION_1_2 */
	/* file or directory of client CAs: a client certificate is required and verified;
	 * NULL: none is asked for */
	const char *ca_path;
	/* the protocol (ALPN), or NULL; a client that offers only others is refused, a
	 * client that offers none is not */
	const char *alpn;
};

struct tls_client_options {
	const char *ca_file; /* replaces the system's roots; NULL: those */
	/* the same, from memory; any of these may be trusted, roots or not;
	 * wins over ca_file */
	struct span ca_pem;
	bool skip_verify;      /* no check of chain or name; wins over ca_file */
	const char *cert_file; /* with key_file: a client certificate; NULL: none */
	const char *key_file;
	const char *alpn;
	unsigned min_version; /* 0: TLS_VERSION_1_2 */
	bool keeps_session;   /* the newest is offered to the same server again */
};

/* A setting that cannot be applied is an error whose sentence names the file. */
enum err tls_context_new_server(const struct tls_server_options *o,
	struct tls_context **out, struct why *why) MUST_USE;
enum err tls_context_new_client(const struct tls_client_options *o,
	struct tls_context **out, struct why *why) MUST_USE;
void tls_context_free(struct tls_context *ctx); /* one reference; NULL is fine */

/* One more reference, on any thread. Returns @ctx. */
struct tls_context *tls_context_ref(struct tls_context *ctx);

struct tls_options {
	struct tls_context *context; /* borrowed for the call */
	struct loop *loop;           /* borrowed: outlives the stream */
	struct stream *below;        /* taken if the call succeeds */
	bool is_server;
	const char *server_name; /* client: SNI, and verified; copied */
	/*
	 * What carries @below tells the peer of no end and no reset. So stream_finish()
	 * finishes @below, too, and stream_abort() ends it with a record that the peer
	 * must take for an error, where a reset would say the same.
	 */
	bool below_hides_ends;
};

/*
 * The handshake goes on by itself inside read and write, as in OpenSSL: to wait for it,
 * want LOOP_READ and call tls_handshake() when ready.
 *
 * stream_close() sends only as much of what was written as the stream below takes at
 * once: to send all, wait for stream_finish() first.
 *
 * It can move to another loop, if the stream below can, once the handshake is done.
 */
enum err tls_open(const struct tls_options *o, struct stream **out,
	struct why *why) MUST_USE;

/* ERR_OK: done. ERR_AGAIN: want what tls_wants() says and call again. */
enum err tls_handshake(struct stream *tls, struct why *why) MUST_USE;
unsigned tls_wants(const struct stream *tls);

/* ---- once the handshake has failed: the cause; the caller has the words ---- */

#define TLS_DETAIL_MAX 160

enum tls_trouble {
	TLS_TROUBLE_OTHER,
	TLS_TROUBLE_UNKNOWN_CA,
	TLS_TROUBLE_EXPIRED,           /* detail: when that was */
	TLS_TROUBLE_TOO_EARLY,         /* detail: from when on it is valid */
	TLS_TROUBLE_WRONG_NAME,        /* detail: the names it is for */
	TLS_TROUBLE_NO_TLS,            /* the peer answered with something else */
	TLS_TROUBLE_WANTS_CERTIFICATE, /* of the client, or another one than it showed */
};

/* After the handshake or the first read of @tls has failed. @detail may stay empty. */
enum tls_trouble tls_find_trouble(const struct stream *tls, char detail[TLS_DETAIL_MAX]);

/* ---- once the handshake is done ---- */

/* Was an earlier session resumed? */
bool tls_is_resumed(const struct stream *tls);

/* Adds the peer's certificates as PEM, the leaf first. ERR_NOENT: it showed none. */
enum err tls_peer_chain(const struct stream *tls, struct buf *out_pem) MUST_USE;

/* Keying material without a context (RFC 5705, RFC 8446 7.5). ERR_CRYPTO. */
enum err tls_export(const struct stream *tls, const char *label, uint8_t *out,
	size_t n) MUST_USE;

/* Is the first certificate in @pem good for @host, a name or an address? Its time is not
 * looked at. */
bool tls_pem_covers(struct span pem, const char *host);

#endif
