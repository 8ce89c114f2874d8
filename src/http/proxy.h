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

/*
 * The upstream of one request, and the changes of the request. Copied, except for members
 * that are marked as borrowed.
 */
struct http_upstream {
	const char *unix_path; /* a Unix socket; NULL: @host and @port */
	const char *host;      /* name or literal; its certificate must name it */
	uint16_t port;
	struct tls_context *tls; /* borrowed until the answer; NULL: plain HTTP */
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
	 * outlives the server. NULL: each request has one of its own. Only requests that
	 * can be repeated go out on a used one, and are sent again if that one has ended.
	 */
	struct idle_pool *idle;

	/*
	 * Sees each header of the answer that is passed on: true if it wrote another
	 * value into @value, which is empty. NULL: all stay.
	 */
	bool (*rewrite)(void *arg, const struct http1_head *request,
		const struct http1_header *h, struct buf *value);
	void *rewrite_arg; /* borrowed until the answer */

	const char *drops; /* the name of a header that is not forwarded; or NULL */

	/* Called when the status of the answer is known, also of a 502; or NULL. @request
	 * is good for the call. */
	void (*on_status)(void *arg, const struct http1_head *request, unsigned status);
	void *status_arg; /* borrowed until then */

	/* borrowed until the answer: the body of a 502; NULL: "Bad Gateway\n" */
	const char *bad_gateway;

	uint32_t connect_ms; /* TLS included; 0 is 10 s */
};

/*
 * Answers @x with the response of @up: with 502 if that fails before the response began;
 * if it fails later, the client's connection is cut. If the server is freed, so is all of
 * this.
 *
 * There is no idle timeout while both ends are connected; the kernel detects a dead one
 * (net/socket.h). When the client closes its connection, the upstream's is closed. A
 * client that ends its side (half-close) may still read: it is cut when nothing moves
 * for 5 s.
 */
void http_proxy_pass(struct http_exchange *x, const struct http_upstream *up);

#endif
