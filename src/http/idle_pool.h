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

/* Closes its connections. NULL is fine. */
void idle_pool_free(struct idle_pool *pool);

/* Closes its connections. */
void idle_pool_clear(struct idle_pool *pool);

/* The same, and keeps none from now on: what is put here is closed at once. */
void idle_pool_end(struct idle_pool *pool);

unsigned idle_pool_count(const struct idle_pool *pool);

/* The last @n connections are not closed for having been idle. */
void idle_pool_keep(struct idle_pool *pool, unsigned n);

/* Calls @fn when a connection ends in the pool, except for idle_pool_clear(). */
void idle_pool_watch(struct idle_pool *pool, void (*fn)(void *arg), void *arg);

/*
 * The connection that was put here last, wanting nothing, or NULL. @is_used, which may be
 * NULL: it has carried a request before.
 */
struct stream *idle_pool_take(struct idle_pool *pool, bool *is_used);

/* The same, if that was less than @ms ago. */
struct stream *idle_pool_take_recent(struct idle_pool *pool, uint32_t ms);

/*
 * Takes @stream, on which nothing is under way; the oldest goes if there are too many.
 * False: no memory, and nothing was taken.
 */
bool idle_pool_put(struct idle_pool *pool, struct stream *stream, bool is_used) MUST_USE;

#endif
