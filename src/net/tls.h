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
#include "net/tls_certificate.h"

#define TLS_VERSION_1_2 0x0303
#define TLS_VERSION_1_3 0x0304

#define TLS_PIN_BYTES 32

struct tls_context;
struct remote_key;

struct tls_server_options {
	const char *cert_file; /* PEM, leaf first */
	const char *key_file;  /* PEM */

	/* Or, in place of the two: */
	struct span cert_pem;
	struct remote_key *key; /* a reference is taken: crypto/remote_key.h */
	bool is_key_instant; /* signs during the call: no handshake has to wait for it */

	/* Or: called in each handshake; net/tls_certificate.h. */
	tls_choose_fn *choose;
	void *choose_arg; /* borrowed: outlives the context and its connections */

	unsigned min_version; /* 0: TLS_VERSION_1_2 */
	/* File or directory of client CAs: a client certificate is required and verified.
	 * NULL: no client certificate is requested. */
	const char *ca_path;
	/* The protocol (ALPN), or NULL. A client that offers only other protocols is
	 * refused; a client that offers no protocol is accepted. */
	const char *alpn;
};

struct tls_client_options {
	const char *ca_file; /* replaces the system's roots; NULL: the system's roots */
	/* Certificates that are trusted besides those; they need not be roots. */
	const char *more_ca_file;
	/* Trusted certificates in memory; they need not be roots. Overrides ca_file. */
	struct span ca_pem;
	/* SHA-256 of the server's public key (SubjectPublicKeyInfo, as in RFC 7469 2.4)
	 * or of its certificate: TLS_PIN_BYTES, copied. Nothing else of the certificate
	 * is checked; overrides the settings above. NULL: none. */
	const uint8_t *pin;
	bool skip_verify;      /* no check of chain or name; overrides all above */
	const char *cert_file; /* with key_file: a client certificate; NULL: none */
	const char *key_file;
	const char *alpn;
	unsigned min_version; /* 0: TLS_VERSION_1_2 */
	bool keeps_session;   /* resumes the newest session with the same server */
};

/* If a setting cannot be applied, the error names the file. */
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
	/* Server: signs in place of the context's key, which is of the same certificate.
	 * A reference is taken. NULL: the context's. */
	struct remote_key *key;
	/*
	 * The carrier of @below forwards neither EOF nor a reset to the peer. So
	 * stream_finish() finishes @below, too, and stream_abort() sends a record that is
	 * an error for the peer, in place of a reset.
	 */
	bool below_hides_ends;
};

/*
 * Reading and writing continue the handshake, as in OpenSSL. To wait for it, want
 * LOOP_READ and call tls_handshake() when ready.
 *
 * stream_close() sends only as much pending output as the stream below accepts at once.
 * To send all of it, wait for stream_finish() first.
 *
 * After the handshake the stream can move to another loop, if the stream below can.
 */
enum err tls_open(const struct tls_options *o, struct stream **out,
	struct why *why) MUST_USE;

/* ERR_OK: done. ERR_AGAIN: want what tls_wants() returns, and call again when ready. */
enum err tls_handshake(struct stream *tls, struct why *why) MUST_USE;
unsigned tls_wants(const struct stream *tls);

/* ---- after a failed handshake: the cause; the caller writes the message ---- */

#define TLS_DETAIL_MAX 160

enum tls_trouble {
	TLS_TROUBLE_OTHER,
	TLS_TROUBLE_UNKNOWN_CA,
	TLS_TROUBLE_EXPIRED,           /* detail: the time of expiry */
	TLS_TROUBLE_TOO_EARLY,         /* detail: the start of validity */
	TLS_TROUBLE_WRONG_NAME,        /* detail: the names of the certificate */
	TLS_TROUBLE_NO_TLS,            /* the peer does not speak TLS */
	TLS_TROUBLE_WANTS_CERTIFICATE, /* the client's is missing, or refused */
	TLS_TROUBLE_WRONG_PIN,         /* detail: the pin of the key, base64 */
};

/* After the handshake or the first read of @tls has failed. @detail may stay empty. */
enum tls_trouble tls_find_trouble(const struct stream *tls, char detail[TLS_DETAIL_MAX]);

/* ---- after the handshake ---- */

/* True if an earlier session was resumed. */
bool tls_is_resumed(const struct stream *tls);

/* Adds the peer's certificates as PEM, the leaf first. ERR_NOENT: it sent none. */
enum err tls_peer_chain(const struct stream *tls, struct buf *out_pem) MUST_USE;

/* Keying material without a context (RFC 5705, RFC 8446 7.5). ERR_CRYPTO. */
enum err tls_export(const struct stream *tls, const char *label, uint8_t *out,
	size_t n) MUST_USE;

/* True if the first certificate in @pem is for @host, a name or an address. Its validity
 * period is not checked. */
bool tls_pem_covers(struct span pem, const char *host);

#endif
