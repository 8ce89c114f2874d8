/*
 * An HTTP/1.1 client of one server. Questions go out over kept connections, each
 * connection carrying one at a time; there is a bound on connections, and questions
 * beyond it wait for their turn in order.
 *
 * A kept connection that ends before the first byte of an answer has crossed with the
 * server's closing of it: that question is asked once more, on a new connection. So a
 * server may, very rarely, hear one twice.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "net/tls.h"
#include "wire/http1.h"

struct http_client;
struct http_ask; /* a question that waits for its answer */

struct http_client_options {
	struct loop *loop;     /* borrowed: outlives the client */
	const char *unix_path; /* a Unix socket; NULL: @host and @port. Copied */
	const char *host;      /* where to connect: name or literal; copied */
	uint16_t port;
	struct tls_context *tls;  /* a reference is taken; NULL: plain */
	const char *server_name;  /* for SNI and to verify; NULL: @host. Copied */
	const char *host_header;  /* "name" or "name:port"; NULL: @server_name. Copied */
	unsigned connections_max; /* 0 is 8 */
	uint32_t idle_ms;         /* a connection is kept for as long; 0 is 60 s */
	uint32_t connect_ms;      /* TLS included; 0 is 10 s */
};

enum err http_client_new(const struct http_client_options *o,
	struct http_client **out) MUST_USE;

/* Closes its connections; questions that wait are gone, and fn is not called.
 * NULL is fine. */
void http_client_free(struct http_client *client);

/*
 * For connections made from now on; those that are idle are closed, and those in use when
 * they have their answer. A reference is taken; NULL: plain.
 */
void http_client_set_tls(struct http_client *client, struct tls_context *tls);

/* The path may have changed: likewise, with the same TLS. */
void http_client_reconnect(struct http_client *client);

/*
 * Keeps @n connections open (at most connections_max), also without questions: opens them
 * now, and new ones in the place of those that end, after a while if connecting fails. 0:
 * none.
 */
void http_client_warm(struct http_client *client, unsigned n);

/* An answer, good until fn returns. */
struct http_answer {
	unsigned status;
	const struct http1_head *head;
	struct span body;
	const struct stream *stream; /* for tls_peer_chain(), tls_is_resumed() */
	bool is_reused;              /* the connection was there already */
	uint64_t first_us; /* from the question, waiting included, to the first byte */
};

/*
 * ERR_OK: @a is there, whatever its status. Else @a is NULL and @why has the words.
 * ERR_LIMIT: its body is longer than answer_max.  ERR_TIMEOUT.  ERR_SYNTAX: it is
 * malformed.
 * ERR_RESET: the server closed without one.  Others are those of connecting and of TLS.
 * The question is gone; anything may be done to the client in it, http_client_free() too.
 */
typedef void http_answer_fn(void *arg, enum err rc, const struct http_answer *a,
	const struct why *why);

struct http_question {
	const char *method, *target;
	const char *headers; /* lines ending in CRLF, or NULL; neither Host nor framing */
	struct span body;
	size_t answer_max;   /* bytes of the answer's body; 0 is 64 KiB */
	uint32_t timeout_ms; /* for all of it, waiting included; 0 is 30 s */
	http_answer_fn *fn;
	void *arg;
};

/* All of @q is copied. fn is called once, never from inside this call.
 * @out may be NULL. */
enum err http_client_ask(struct http_client *client, const struct http_question *q,
	struct http_ask **out) MUST_USE;

/* The answer is not wanted any more; fn is not called. NULL is fine. */
void http_ask_close(struct http_ask *ask);

#endif
