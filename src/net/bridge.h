/*
 * A bridge joins two streams until both directions have ended: bytes, end of stream and
 * resets of each side reach the other. Memory is bounded: a block of the pool for each
 * direction, and only while bytes wait there.
 */
#ifndef NET_BRIDGE_H
#define NET_BRIDGE_H

#include "base/pool.h"
#include "net/stream.h"

struct bridge;

struct bridge_end {
	uint64_t a_to_b_bytes, b_to_a_bytes;
	enum err rc;  /* ERR_OK: both sides finished; else why it broke */
	bool a_broke; /* which side's error it was */
};

struct bridge_options {
	struct loop *loop;    /* borrowed: outlives the bridge */
	struct pool *pool;    /* borrowed: outlives the bridge */
	struct stream *a, *b; /* taken if bridge_open() succeeds */
	struct span a_first;  /* already read from a, copied: goes to b first */
	/* Idle limit of a once b has ended and a was told: ERR_TIMEOUT. 0: no limit. */
	uint32_t half_closed_ms;
	/* Called with all bytes in order, each when the other side has taken it. They are
	 * copied then, never spliced. Must not close the bridge. May be NULL. */
	void (*on_bytes)(void *arg, bool is_from_a, struct span bytes);
	void (*on_closed)(void *arg, const struct bridge_end *end);
	void *arg;
};

/*
 * Starts at once. on_closed is called once, never from inside a call of the owner's, with
 * both streams closed; the bridge is gone after it.
 */
enum err bridge_open(const struct bridge_options *options, struct bridge **out) MUST_USE;

/* The bytes so far; the rest is empty. */
struct bridge_end bridge_progress(const struct bridge *bridge);

/* Ends it now and quietly: both sides are reset, on_closed is not called.
 * NULL is fine. */
void bridge_close(struct bridge *bridge);

#endif
