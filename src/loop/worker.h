/*
 * A worker is one thread with one loop, its mailbox and its pool of blocks. What it works
 * on belongs to it alone; others reach it by mail.
 */
#ifndef LOOP_WORKER_H
#define LOOP_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/pool.h"
#include "loop/loop.h"

#define WORKER_BLOCK_BYTES 66560 /* 65 KiB: a full WebSocket message and its header */

#define WORKER_SCRATCH_BYTES ((size_t)544 * 1024)

struct worker {
	unsigned index;
	struct loop *loop;
	struct mailbox *mailbox; /* mail is delivered with this worker as receiver */
	struct pool blocks;      /* WORKER_BLOCK_BYTES each */
	uint8_t *scratch;        /* worker_scratch() */
	pthread_t thread;
	bool has_thread;         /* false for the worker of the main thread */
	struct mail stop;        /* the last mail: needs no memory when it is sent */
	atomic_bool is_stopping; /* it has been sent */
};

/* Makes loop, mailbox and pool; runs nothing. */
enum err worker_init(struct worker *w, unsigned index) MUST_USE;

/* After worker_join() or loop_run() came back. Takes half-built workers. */
void worker_fini(struct worker *w);

/*
 * Calls @fn on @w's thread, from any thread, in the order of the calls, with a copy of
 * the @n bytes at @body. What is still on its way when @w ends is called by
 * worker_fini(). False: out of memory, or @w has ended; what the body refers to is still
 * the caller's.
 */
typedef void worker_fn(struct worker *w, void *body);
bool worker_send(struct worker *w, worker_fn *fn, const void *body, size_t n) MUST_USE;

/*
 * Returns WORKER_SCRATCH_BYTES for use until the callback returns: the same memory every
 * time, allocated at the first call. NULL: no memory.
 */
uint8_t *worker_scratch(struct worker *w);

/* Runs the loop on a thread of its own, with all signals blocked. */
enum err worker_start(struct worker *w, struct why *why) MUST_USE;

/* From any thread: makes the worker's loop_run() return. */
void worker_stop(struct worker *w);
void worker_join(struct worker *w);

/* Starts @fn on a thread with all signals blocked, to be joined or detached. An errno. */
int thread_start(size_t stack_bytes, void *(*fn)(void *arg), void *arg,
	pthread_t *out) MUST_USE;

/* As many descriptors as this process may have. At the start. */
void worker_raise_limits(void);

/* The number of cores that we may use, at least 1. */
unsigned worker_count_cores(void);

#endif
