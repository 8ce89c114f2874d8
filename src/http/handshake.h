/*
 * A handshake: one request on a fresh stream, and the head of its answer. The stream is
 * the caller's before and after: it carries another protocol then, or a refusal's body.
 */
#ifndef HTTP_HANDSHAKE_H
#define HTTP_HANDSHAKE_H

#include "net/stream.h"
#include "wire/http1.h"

/* Embedded. */
struct http_handshake {
	struct buf request; /* written by the caller, before the first step */
	struct http1_reader answer;
};

void http_handshake_init(struct http_handshake *h, size_t request_max);
void http_handshake_fini(struct http_handshake *h);

/*
 * Continues the handshake. @read, which lies in @room, has the bytes that were read last.
 * ERR_OK: the response's head is complete, and @rest has the bytes after it. ERR_AGAIN:
 * it has called stream_want() for the missing bytes. Errors are those of http1_next(),
 * with @why, and of the stream, with an empty @read. ERR_CLOSED: the peer closed the
 * stream.
 */
enum err http_handshake_step(struct http_handshake *h, struct stream *stream,
	struct mspan room, struct span *read, struct span *rest,
	struct why *why) MUST_USE;

#endif
