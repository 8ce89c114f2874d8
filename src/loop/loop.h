/*
 * The event loop of one worker: readiness, timers, deferred calls, signals and mail.
 *
 * All handles are opaque and belong to their opener. Closing one is final and quiet: its
 * callback is never called again, not even later in this turn, and its owner may be freed
 * at once. Every _close takes NULL. Nothing here is thread safe but mailbox_post().
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct loop;

/* SIGPIPE is ignored from now on. */
enum err loop_new(struct loop **out) MUST_USE;

/* All handles must have been closed. What was deferred is called. NULL is fine. */
void loop_free(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* One turn without waiting; for tests. */
void loop_turn(struct loop *loop);

/* ---- deferred calls: at the end of this turn, once ---- */

/* Embedded in its owner, which must not be freed before the call or loop_undefer(). */
struct loop_deferred {
	struct list in_loop;
	void (*fn)(void *arg);
	void *arg;
};

void loop_deferred_init(struct loop_deferred *d, void (*fn)(void *arg), void *arg);

/* Asking again before the call changes nothing. */
void loop_defer(struct loop *loop, struct loop_deferred *d);
void loop_undefer(struct loop_deferred *d);

/* ---- readiness of a descriptor ---- */

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	LOOP_HANGUP = 4, /* an error or hang-up; implied by the other two */
};

struct loop_io;

/* @ready: LOOP_READ, LOOP_WRITE. After an error or hang-up, all that was wanted is
 * ready. */
typedef void loop_io_fn(void *arg, unsigned ready);

/* @fd is borrowed: close the io first, then the fd. Wants nothing at first. */
enum err loop_io_open(struct loop *loop, int fd, loop_io_fn *fn, void *arg,
	struct loop_io **out) MUST_USE;

/*
 * What the loop wakes us for: LOOP_READ, LOOP_WRITE, both or 0. LOOP_HANGUP alone wakes
 * us for nothing else. Level triggered.
 */
void loop_io_want(struct loop_io *io, unsigned wants);
void loop_io_close(struct loop_io *io);

/* ---- timers ---- */

struct loop_timer;
typedef void loop_timer_fn(void *arg);

enum err loop_timer_open(struct loop *loop, loop_timer_fn *fn, void *arg,
	struct loop_timer **out) MUST_USE;

/* Calls once after @ms, instead of whatever was set before. */
void loop_timer_set(struct loop_timer *timer, uint64_t ms);
void loop_timer_stop(struct loop_timer *timer); /* NULL is fine */
bool loop_timer_is_set(const struct loop_timer *timer);
void loop_timer_close(struct loop_timer *timer);

/* ---- signals; on the first loop of the process only ---- */

/*
 * SIGHUP, SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 wait from now on: each until
 * loop_signals_open() takes it, so that none is lost or fatal while a program starts. One
 * that is never taken has no effect. For a program that takes none:
 * loop_signals_release().
 */
void loop_signals_hold(void);
void loop_signals_release(void);

struct loop_signals;
typedef void loop_signal_fn(void *arg, int signo);

/* @signos ends with 0. */
enum err loop_signals_open(struct loop *loop, const int *signos, loop_signal_fn *fn,
	void *arg, struct loop_signals **out) MUST_USE;
void loop_signals_close(struct loop_signals *signals);

/* ---- a directory's entries ---- */

struct loop_watch;
/* @name may be NULL: look at all. */
typedef void loop_watch_fn(void *arg, const char *name);

enum err loop_watch_open(struct loop *loop, const char *directory, loop_watch_fn *fn,
	void *arg, struct loop_watch **out) MUST_USE;
void loop_watch_close(struct loop_watch *watch);

/* ---- mail from other threads ---- */

struct mailbox;

/* The first member of a message. The receiver's fn owns the message. */
struct mail {
	struct mail *next;
	void (*fn)(void *receiver, struct mail *mail);
};

/* Each mail is given to its fn with @receiver, in order, on the thread of the loop. */
enum err mailbox_open(struct loop *loop, void *receiver, struct mailbox **out) MUST_USE;

/* From any thread. @mail belongs to the mailbox from now on. False: the mailbox is closed
 * or closing and nothing was taken. */
bool mailbox_post(struct mailbox *box, struct mail *mail);

/* Accepts no more mail, and delivers waiting mail now. On the owner's thread. */
void mailbox_close(struct mailbox *box);

#endif
