/* What the files of loop/ share. */
#ifndef LOOP_PRIV_H
#define LOOP_PRIV_H

#include <uv.h>

#include "base/mem.h"
#include "loop/loop.h"

struct loop {
	uv_loop_t uv;
	uv_prepare_t
		/* does nothing, but keeps libuv from thinking it is out of work */
		keeper;
	struct io_poller *poller;
	bool is_stopped;
	/* libuv was given something that it must tell the kernel about */
	bool uv_has_news;
	struct list deferred;  /* of loop_deferred */
	struct list changed;   /* ios whose wants the poller does not know yet */
	struct list always;    /* ios that cannot be polled: ready whenever wanted */
	struct list mailboxes; /* closed or not: their senders may outlive their use */
};

enum io_state {
	IO_POLLED, /* by the kernel, from the next turn on */
	IO_ALWAYS, /* a file, or the kernel has no room for one more: we just try */
	IO_CLOSED,
};

struct loop_io {
	struct loop *loop; /* borrowed: outlives its handles */
	loop_io_fn *fn;
	void *arg; /* borrowed: the owner's */
	int fd;    /* borrowed: outlives us */
	enum io_state state : 8;
	unsigned wants : 8;
	unsigned known : 8;  /* what the poller was told */
	struct list in_loop; /* changed, always, one of the poller's or none */
};

/* For handles that the kernel must be told of. */
static inline uv_loop_t *loop_uv(struct loop *loop)
{
	loop->uv_has_news = true;
	return &loop->uv;
}

/* Tells the poller what is wanted now. */
void io_apply(struct loop *loop);

/* Calls those that cannot be polled. */
void io_call_always(struct loop *loop);

static inline void io_call(struct loop_io *io, unsigned ready)
{
	ready &= io->wants;
	if (io->state != IO_CLOSED && ready != 0)
		io->fn(io->arg, ready);
}

/* ---- the poller: io_epoll.c or io_uv.c, as the build chooses ---- */

enum err io_setup(struct loop *loop) MUST_USE;

/* After the last io was closed, and before libuv's loop is. */
void io_teardown(struct loop *loop);

struct loop_io *io_new(void);

/* Final: no event of this turn calls it any more. */
void io_drop(struct loop_io *io);

/* Wakes the loop for @wants from now on. False: this descriptor cannot be polled. */
bool io_poll(struct loop_io *io, unsigned wants);

/* Waits for events and timers, if it may, and calls all that are ready. */
void io_wait(struct loop *loop, bool may_wait);

void mailbox_free_all(struct loop *loop);

#endif
