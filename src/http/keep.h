/*
 * A keep has idle connections to one upstream, for the next request to it. One that the
 * upstream ends, or that has been there for too long, goes by itself.
 */
#ifndef HTTP_KEEP_H
#define HTTP_KEEP_H

#include "net/stream.h"

struct http_keep;

/* Keeps @max connections at most, each for @idle_ms. @loop is borrowed:
 * it outlives the keep. */
enum err http_keep_new(struct loop *loop, unsigned max, uint32_t idle_ms,
	struct http_keep **out) MUST_USE;

/* Closes what it has. NULL is fine. */
void http_keep_free(struct http_keep *keep);

/* The connection that was put here last, wanting nothing, or NULL. */
struct stream *http_keep_take(struct http_keep *keep);

/* Takes @stream, on which nothing is under way; the oldest goes if there are too many. */
void http_keep_put(struct http_keep *keep, struct stream *stream);

#endif
