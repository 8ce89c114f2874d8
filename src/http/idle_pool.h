/*
 * A connection pool: idle connections to one upstream, for the next request to it. One
 * that the upstream ends, or that has been idle for too long, is closed and removed.
 */
#ifndef HTTP_IDLE_POOL_H
#define HTTP_IDLE_POOL_H

#include "net/stream.h"

struct idle_pool;

/* Keeps @max connections at most, each for @idle_ms. @loop is borrowed:
 * it outlives the pool. */
enum err idle_pool_new(struct loop *loop, unsigned max, uint32_t idle_ms,
	struct idle_pool **out) MUST_USE;

/* Closes what it has. NULL is fine. */
void idle_pool_free(struct idle_pool *pool);

/* The connection that was put here last, wanting nothing, or NULL. */
struct stream *idle_pool_take(struct idle_pool *pool);

/* Takes @stream, on which nothing is under way; the oldest goes if there are too many. */
void idle_pool_put(struct idle_pool *pool, struct stream *stream);

#endif
