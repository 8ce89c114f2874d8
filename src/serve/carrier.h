/*
 * A carrier reaches the agent behind a route: it opens a stream to that agent for each
 * visitor. Each tunnel implements it; its users (front, visitor, limits, policy, metrics)
 * depend on nothing else of a tunnel.
 *
 * A carrier lives on one data worker: all calls, in both directions, are made on its
 * thread.
 */
#ifndef SERVE_CARRIER_H
#define SERVE_CARRIER_H

#include <stdatomic.h>

#include "net/prefix.h"
#include "net/stream.h"

struct carrier;

/* A claim for a stream, embedded in what makes it. */
struct claim {
	/* ---- set before claim_open() ---- */

	bool is_raw; /* of a TCP port; else the visitor speaks TLS from the first byte */
	/* the first bytes of the visitor; borrowed until the claim has ended */
	struct span first;

	/*
	 * It has ended, never from inside a call of its owner's. ERR_OK: @stream is the
	 * owner's, and has taken @first. Else @stream is NULL. ERR_TIMEOUT: the agent had
	 * no session in time. ERR_LIMIT: too many claims wait. ERR_CLOSED: the carrier is
	 * closed. ERR_RESET, and others: the agent could not serve the visitor.
	 */
	void (*on_end)(void *arg, enum err rc, struct stream *stream);
	void *arg; /* borrowed */

	/* ---- the result ---- */

	struct addr agent; /* with ERR_OK: the address of the agent that serves it */

	/* ---- the carrier's, until it has ended ---- */

	struct carrier *carrier; /* NULL: it has ended, or never begun */
	struct list in_carrier;
	void *session;
	uint64_t until_ms;

	/* ---- carrier.c's ---- */

	struct loop *loop;
	struct loop_deferred end;
	enum err rc;
	struct stream *stream;
};

struct carrier_ops {
	/*
	 * Takes a claim: it ends with claim_end(), also during this call, or is
	 * cancelled. It is written to no stream that it may have to leave again: a
	 * visitor's bytes are delivered once.
	 */
	void (*claim)(struct carrier *c, struct claim *claim);

	/* Forgets a claim that has not ended, and what was opened for it. */
	void (*cancel)(struct carrier *c, struct claim *claim);

	/* Ends the sessions that agents in @banned have opened;
	 * their streams are not touched. */
	void (*drop)(struct carrier *c, const struct prefix_set *banned);

	/* Ends all claims with ERR_CLOSED, all sessions, and frees. Streams that were
	 * given away are not touched. */
	void (*close)(struct carrier *c);
};

/* What an implementation embeds. */
struct carrier {
	const struct carrier_ops *ops;
	struct loop *loop; /* borrowed: outlives it */

	/* Sessions that can serve a visitor now; borrowed, and read on any thread. */
	atomic_uint *present;
};

/* on_end is called, unless the claim is cancelled first. */
void claim_open(struct carrier *c, struct claim *claim);

/* Quiet. Also for a claim that has ended, or zeroes. */
void claim_cancel(struct claim *claim);

static inline void carrier_drop(struct carrier *c, const struct prefix_set *banned)
{
	c->ops->drop(c, banned);
}

/* NULL is fine. */
static inline void carrier_close(struct carrier *c)
{
	if (c != NULL)
		c->ops->close(c);
}

/* ---- for implementations ---- */

/* Takes @stream, which is NULL unless @rc is ERR_OK.
 * @claim is on no list of the carrier's. */
void claim_end(struct claim *claim, enum err rc, struct stream *stream);

#endif
