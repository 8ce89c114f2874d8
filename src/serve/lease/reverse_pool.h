/*
 * The carrier of a lease: its reverse sessions that wait for visitors, and the visitors'
 * claims that wait for sessions. portal-protocol 6.2 to 6.4.
 *
 * A byte from time to time keeps a session alive. A session that closes, or sends data
 * before it is activated, is dropped. The oldest session is claimed first.
 */
#ifndef SERVE_LEASE_REVERSE_POOL_H
#define SERVE_LEASE_REVERSE_POOL_H

#include "serve/carrier.h"

#define REVERSE_POOL_SESSIONS 8  /* idle ones; more are closed */
#define REVERSE_POOL_CLAIMS 1024 /* that wait */
#define REVERSE_POOL_CLAIM_MS 10000
#define REVERSE_POOL_WRITE_MS 5000 /* for a keepalive, or an activation */
#define REVERSE_POOL_DEAD_MS 10000 /* without acknowledgement, of an idle session */

struct reverse_pool;

struct reverse_pool_options {
	struct loop *loop;              /* borrowed: outlives the pool */
	atomic_uint *ready;             /* borrowed: how many sessions are idle */
	atomic_uint_fast64_t *sessions; /* borrowed: the same, of all pools */
};

enum err reverse_pool_new(const struct reverse_pool_options *o,
	struct reverse_pool **out) MUST_USE;

/* The pool is closed as a carrier. */
struct carrier *reverse_pool_carrier(struct reverse_pool *pool);
struct reverse_pool *reverse_pool_of(struct carrier *c);

/* Takes @session, which @client has opened, whatever happens. */
void reverse_pool_add_take(struct reverse_pool *pool, struct stream *session,
	const struct addr *client);

/* Does what is due. The pool's timer calls it, and tests, which set the clock. */
void reverse_pool_check(void *pool);

#endif
