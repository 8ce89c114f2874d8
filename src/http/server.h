/*
 * An HTTP/1 server over streams: reads requests strictly, answers them, hands upgraded
 * connections over, or passes a request on to another server (http/proxy.h).
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/pool.h"
#include "net/addr.h"
#include "net/stream.h"
#include "wire/http1.h"

#define HTTP_HEAD_MAX (1 << 20) /* the longest head that a server can be made to take */

struct http_server;   /* shared settings and the connections of one worker */
struct http_exchange; /* one request and its answer */
struct connection;    /* of a client */

struct http_server_options {
	struct loop *loop; /* borrowed */
	struct pool *pool; /* borrowed */
	uint32_t first_ms; /* until the first byte of a new connection; 0: @head_ms */
	uint32_t head_ms;  /* timeout of a request head; 0 is 10 s */
	uint32_t idle_ms;  /* between requests; 0 is 60 s */
	/* Bytes of a request head: 1 KiB to HTTP_HEAD_MAX, or the nearer one;
	 * 0 is 64 KiB. */
	size_t head_max;
	/*
	 * At the limit the oldest connection without a whole request is closed for a new
	 * one, so that idle connections keep no client out. If there is none, the new one
	 * is closed. 0: 10,000.
	 */
	unsigned connections_max;
	/*
	 * Memory for the bodies that http_read_body() reads, all together and until their
	 * requests are answered. One of at most 8 KiB needs no room. 0: no bound.
	 */
	size_t bodies_max;
	/*
	 * A request's head is there. Answer with exactly one of http_reply(),
	 * http_upgrade(), http_detach(), http_proxy_pass(), now or later, having read its
	 * body with http_read_body() or not. The exchange is good until it is answered or
	 * the server is freed.
	 */
	void (*on_request)(void *arg, struct http_exchange *x);
	void *arg;
};

enum err http_server_new(const struct http_server_options *o,
	struct http_server **out) MUST_USE;

/*
 * Takes no more connections, and closes those without a request, in order: at once if
 * they have had one, else after a second. Requests that have come are answered, and
 * their connections are closed then. @on_empty is called, never from inside a call of the
 * owner's, when the last one is closed; not if this returns true: there was
 * none.
 */
bool http_server_end(struct http_server *server, void (*on_empty)(void *arg), void *arg);

/*
 * Closes its connections; exchanges that were not answered are gone. Not from inside
 * on_request or an http_body_fn. NULL is fine.
 */
void http_server_free(struct http_server *server);

/* Serves @stream, which is taken whatever happens. @peer is the client's address. */
void http_server_serve_take(struct http_server *server, struct stream *stream,
	const struct addr *peer);

/* What the owner of a server keeps about a connection. */
struct http_tag {
	void *arg; /* borrowed until on_closed() */
	/* Called once, when the connection has been closed and its stream is gone; also
	 * from inside http_server_serve_tagged_take() and http_server_free(). */
	void (*on_closed)(void *arg);
};

/* The same with a tag. NULL: the stream was closed at once, and on_closed() is called. */
struct connection *http_server_serve_tagged_take(struct http_server *server,
	struct stream *stream, const struct addr *peer, const struct http_tag *tag);

/* The arg of the tag of the connection that @x came on; NULL: it has none. */
void *http_tag_of(const struct http_exchange *x);

/* Resets a connection that is served, with what is under way on it. Not from inside
 * on_request or an http_body_fn. */
void http_connection_cut(struct connection *c);

/* The same for a socket. A listener_accept_fn, whose @arg is the server. */
void http_server_on_accept(void *arg, int fd, const struct addr *peer);

/*
 * Listens on @host and @port, and serves what connects. At most once. @at is set to
 * where it listens. Errors are those of listener_open().
 */
enum err http_server_listen(struct http_server *server, const char *host, uint16_t port,
	struct addr *at, struct why *why) MUST_USE;

/* The request's head, and its client; good until it is answered. */
const struct http1_head *http_request(const struct http_exchange *x);
const struct addr *http_peer(const struct http_exchange *x);

/*
 * Answers with @status and a text/plain body; Date, Content-Length and Content-Type
 * ("text/plain; charset=utf-8" unless @headers has one) are added. @headers is NULL or
 * lines ending in CRLF; "Connection: close" among them closes the connection after the
 * answer. A body of the request is read and dropped, unless that is more work than a new
 * connection. All is copied. on_request is not called from inside this.
 */
void http_reply(struct http_exchange *x, unsigned status, const char *headers,
	struct span body);

/* A body that many answers share and none copies. */
struct http_shared {
	struct span bytes;          /* good until release() */
	void (*release)(void *arg); /* called once, when the answer is out or cannot be */
	void *arg;
};

void http_reply_shared(struct http_exchange *x, unsigned status, const char *headers,
	const struct http_shared *body);

/*
 * Reads the request's whole body, asking for it with 100 Continue if need be, at most
 * @max bytes, then calls @fn, which answers @x now or later; never from inside this call.
 * @body is good until @fn returns.
 * ERR_LIMIT: it is longer.  ERR_NOMEM: there is no room for it now.  @fn answers then,
 * too.
 *
 * If the client goes first, or its body is malformed (400) or takes longer than a minute
 * (408), the exchange is answered here or gone, and @fn is never called.
 */
typedef void http_body_fn(void *arg, struct http_exchange *x, enum err rc,
	struct span body);
void http_read_body(struct http_exchange *x, size_t max, http_body_fn *fn, void *arg);

/*
 * Answers with @status and @headers (lines ending in CRLF; nothing is added) and hands
 * the stream over, wanting nothing; the exchange is gone. Bytes that came behind the head
 * are an error here: ERR_PROTO (chisel-protocol 1.3, portal-protocol 6.1). ERR_LIMIT: the
 * stream has no room for the head. After any error the connection is closed.
 */
enum err http_detach(struct http_exchange *x, unsigned status, const char *headers,
	struct stream **out) MUST_USE;

/* The same with "101 Switching Protocols". */
static inline enum err http_upgrade(struct http_exchange *x, const char *headers,
	struct stream **out)
{
	return http_detach(x, 101, headers, out);
}

#endif
