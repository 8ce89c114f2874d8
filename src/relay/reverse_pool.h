/*
 * The reverse sessions of a lease that wait for visitors, and the visitors that wait for
 * sessions. Of one worker. portal-protocol 6.2 to 6.4.
 *
 * A session is kept alive with a byte now and then, and read: whose client is gone, or
 * talks before it is asked to, is dropped at once. Who came first is claimed first.
 */
#ifndef RELAY_REVERSE_POOL_H
#define RELAY_REVERSE_POOL_H

#include <stdatomic.h>

#include "net/prefix.h"
#include "net/stream.h"

#define REVERSE_POOL_SESSIONS 8  /* idle ones; more are closed */
#define REVERSE_POOL_CLAIMS 1024 /* that wait */
#define REVERSE_POOL_CLAIM_MS 10000
#define REVERSE_POOL_WRITE_MS 5000 /* for a keepalive, or an activation */

struct reverse_pool;

struct reverse_pool_options {
	struct loop *loop;              /* borrowed: outlives the pool */
	atomic_uint *ready;             /* borrowed: how many sessions are idle */
	atomic_uint_fast64_t *sessions; /* borrowed: likewise, of all pools */
};

enum err reverse_pool_new(const struct reverse_pool_options *o,
	struct reverse_pool **out) MUST_USE;

/* Closes its sessions; claims end with ERR_CLOSED. NULL is fine. */
void reverse_pool_free(struct reverse_pool *pool);

/* Takes @session, which @client has opened, whatever happens. */
void reverse_pool_add_take(struct reverse_pool *pool, struct stream *session,
	const struct addr *client);

/* Drops the sessions that clients in @banned have opened. */
void reverse_pool_drop(struct reverse_pool *pool, const struct prefix_set *banned);

/* Does what is due by the clock. The pool's own timer calls it;
 * and tests, who own the clock. */
void reverse_pool_check(struct reverse_pool *pool);

/*
 * A claim, embedded in who has it. @first is what the session hears first: the marker and
 * what there is of the visitor's; good until the claim has ended.
 */
struct reverse_claim {
	struct span first;

	/*
	 * It has ended, never from inside a call of its owner's. ERR_OK: @session is the
	 * owner's, and has been told @first.  ERR_TIMEOUT: there was none in time.
	 * ERR_LIMIT: too many wait.  ERR_CLOSED: the pool is gone.
	 */
	void (*on_end)(void *arg, enum err rc, struct stream *session);
	void *arg;
	/* who has opened the session, when it has ended with ERR_OK */
	struct addr client;

	/* The pool's. */
	struct list in_pool;
	struct reverse_pool *pool;
	struct loop *loop;
	struct reverse_session *active;
	struct stream *session;
	struct loop_deferred end;
	enum err rc;
	uint64_t until_ms;
};

/* on_end is called, unless it is cancelled first. */
void reverse_claim_open(struct reverse_pool *pool, struct reverse_claim *claim);

/* Quiet. Also for one that has ended, or zeroes. */
void reverse_claim_cancel(struct reverse_claim *claim);

#endif
