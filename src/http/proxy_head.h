/* What a proxy makes of the heads that pass through it. For proxy.c only. */
#ifndef HTTP_PROXY_HEAD_H
#define HTTP_PROXY_HEAD_H

#include "http/proxy.h"

/* What is written may be longer than what was read: paths are mapped to longer ones. */
#define PROXY_HEAD_MAX (4 * HTTP_HEAD_MAX)

/*
 * Writes the head for the upstream of @up's client @peer.
 * ERR_LIMIT: too long, or its Connection header names too many others.
 */
enum err proxy_put_request(struct buf *out, const struct http1_head *request,
	const struct http_upstream *up, const struct addr *peer) MUST_USE;

/*
 * Writes the trailers of @reader's message that may be forwarded, as lines. A field that
 * frames, routes, authenticates or is needed before the content is dropped (RFC 9110
 * 6.5.1).
 */
enum err proxy_put_trailers(struct buf *out, const struct http1_reader *reader) MUST_USE;

/* How an answer's body reaches the client. */
struct proxy_framing {
	bool is_chunked; /* by us */
	bool is_last;    /* the client's connection closes after it */
};

struct proxy_framing proxy_frame_answer(const struct http1_head *answer,
	const struct http1_head *request);

/* True if @answer, a 101, switches to something that @request offered. */
bool proxy_upgrade_was_offered(const struct http1_head *answer,
	const struct http1_head *request);

/* Writes the head for the client. @up may rewrite it, or be NULL. Errors as above. */
enum err proxy_put_answer(struct buf *out, const struct http1_head *answer,
	const struct http1_head *request, struct proxy_framing framing,
	const struct http_upstream *up) MUST_USE;

#endif
