/* What the files of loop/ know of each other; nobody else includes this. */
#ifndef LOOP_PRIV_H
#define LOOP_PRIV_H

#include <uv.h>

#include "loop/loop.h"

/*
 * Descriptors wait in an epoll of our own, and libuv's descriptor is one of them: that is
 * how libuv is meant to be embedded. uv_poll would cost five system calls for a
 * connection and two for each change of wants; this costs one each, and none for changes
 * that are taken back within a turn. libuv keeps timers, signals, file events and its
 * threads.
 */
struct loop {
	uv_loop_t uv;
	uv_prepare_t
		/* does nothing, but keeps libuv from thinking it is out of work */
		keeper;
	int epoll_fd;
	bool is_stopped;
	/* libuv was given something that it must tell the kernel about */
	bool uv_has_news;
	struct list deferred; /* of loop_deferred */
	struct list changed;  /* ios whose wants the kernel does not know yet */
	struct list always;   /* ios that the kernel cannot poll: ready whenever wanted */
	struct list dead;     /* closed ios, which events of this turn may still name */
	struct list mailboxes; /* closed or not: their senders may outlive their use */
};

enum err io_setup(struct loop *loop) MUST_USE;
void io_teardown(struct loop *loop);

/* Tells the kernel what is wanted now. */
void io_apply(struct loop *loop);

/* Waits up to @timeout_ms (-1: for ever) and calls whoever is ready. True:
 * libuv is, too. */
bool io_wait(struct loop *loop, int timeout_ms);

void mailbox_free_all(struct loop *loop);

#endif
