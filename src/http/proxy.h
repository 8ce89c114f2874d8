/*
 * A reverse proxy for one request: forwards it to an upstream and the response back,
 * while both arrive, with back-pressure. Hop-by-hop headers are removed (RFC 9110 7.6.1),
 * the client's address is added to X-Forwarded-For, and an upgrade that the upstream
 * accepts becomes a bridge.
 *
 * A client that waits for 100 Continue gets it from the upstream, or from the proxy if
 * the upstream sends nothing for a second; other 1xx are forwarded.
 *
 * Trailers are forwarded in chunked bodies, except those that would change how the
 * message is framed, routed, authenticated or cached. Chunk extensions are dropped.
 */
#ifndef HTTP_PROXY_H
#define HTTP_PROXY_H

#include "base/log.h"
#include "http/idle_pool.h"
#include "http/server.h"
#include "net/tls.h"

/* Gets the stream, which wants nothing and is the receiver's, or NULL after an error. */
typedef void http_opened_fn(void *arg, enum err rc, struct stream *stream,
	const struct why *why);

/* How connections to an upstream are opened that are not dialled. */
struct http_opener {
	/*
	 * Begins to open one. @fn is called once, never from inside this call. If this
	 * fails, it is not called.
	 */
	enum err (*open)(void *arg, http_opened_fn *fn, void *fn_arg);

	/* @fn, which has not been called yet, is not called any more. */
	void (*cancel)(void *arg);
};

/* Why a request gets no answer of its upstream. */
enum http_failure {
	HTTP_UNREACHABLE,   /* there is no connection, also because of a timeout */
	HTTP_UNANSWERED,    /* no answer came, or none that is HTTP */
	HTTP_TIMED_OUT,     /* no byte moved for idle_ms */
	HTTP_BODY_TOO_LONG, /* the request's, for body_max */
};

/*
 * The upstream of one request, and the changes of the request. Copied, except for members
 * that are marked as borrowed.
 */
struct http_upstream {
	const char *unix_path; /* a Unix socket; NULL: @host and @port */
	const char *host;      /* name or literal; its certificate must name it */
	uint16_t port;
	struct tls_context *tls; /* borrowed until the answer; NULL: plain HTTP */
	/* in place of a connection to the above, which then only name the upstream for
	 * the log; const; NULL: dials */
	const struct http_opener *opener;
	void *opener_arg; /* borrowed until on_end() */
	/* borrowed until the answer: for failures; may be NULL */
	const struct log *log;

	/* for Host; NULL: the client's */
	const char *host_header;
	const char *target; /* path and query; NULL: the client's */
	/* lines ending in CRLF that replace those of their names, or NULL;
	 * none that frames the body */
	const char *headers;
	/*
	 * This is the outermost proxy: the client's Forwarded, X-Real-IP and
	 * X-Forwarded-* are dropped, also with "_" for "-". Else the client's address
	 * is appended to its X-Forwarded-For.
	 */
	bool is_edge;

	/*
	 * Connections to this upstream, and to no other, that are used again; borrowed:
	 * outlives the server. NULL: each request has one of its own. Requests that can
	 * be repeated go out on a used one, and are sent again if that one has ended.
	 */
	struct idle_pool *idle;

	/*
	 * Requests that cannot be repeated go out on one that was used less than this
	 * ago, too: it is improbable that the upstream ends it just now. 0: they never
	 * do.
	 */
	uint32_t recent_ms;

	/*
	 * Sees each header of the answer that is passed on: true if it wrote another
	 * value into @value, which is empty. NULL: all stay.
	 */
	bool (*rewrite)(void *arg, const struct http1_head *request,
		const struct http1_header *h, struct buf *value);
	void *rewrite_arg; /* borrowed until the answer */

	/* Names of headers of the request that are not forwarded, also with "_" for "-";
	 * const, and NULL ends them. NULL: all are. */
	const char *const *drops;

	/* Lines ending in CRLF that are added to the answer, each unless the answer has
	 * that name already; borrowed until on_end(). NULL: none. */
	const char *answer_headers;

	/* Bytes of the request's body. 0: no limit. */
	uint64_t body_max;
	/*
	 * While no byte moves in either direction, after the connection has been opened;
	 * bridges of upgraded connections may stay up to twice as long. 0: no limit.
	 */
	uint32_t idle_ms;

	/* Called when the status of the answer is known, also of a failure that is
	 * answered here; or NULL. @request is good for the call. */
	void (*on_status)(void *arg, const struct http1_head *request, unsigned status);
	void *status_arg; /* borrowed until then */

	/* borrowed until the answer: the body of a 502; NULL: "Bad Gateway\n" */
	const char *bad_gateway;

	/*
	 * Answers @x with http_reply() in place of 502, 504 or 413. @x is NULL if an
	 * answer has begun: the client's connection is cut. NULL: these.
	 */
	void (*on_failure)(void *arg, struct http_exchange *x, enum http_failure what,
		enum err rc);
	void *failure_arg; /* borrowed until on_end() */

	/* Called once, at the end of all of this, also if the client or the server is
	 * gone: nothing that is borrowed is used any more. May be NULL. */
	void (*on_end)(void *arg);
	void *end_arg;

	uint32_t connect_ms; /* TLS included; 0 is 10 s */
};

/*
 * Answers @x with the response of @up: with 502 if that fails before the response began;
 * if it fails later, the client's connection is cut. If the server is freed, so is all of
 * this.
 *
 * Without idle_ms there is no idle timeout while both ends are connected; the kernel
 * detects a dead one (net/socket.h). When the client closes its connection, the
 * upstream's is closed. A client that ends its side (half-close) may still read: it is
 * cut when nothing moves for 5 s.
 */
void http_proxy_pass(struct http_exchange *x, const struct http_upstream *up);

#endif
