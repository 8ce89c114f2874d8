/*
 * A splice moves bytes from one socket to another inside the kernel, through a pipe. It
 * pays for bulk only, and costs two descriptors: it asks to be freed when nothing has
 * moved for a second.
 */
#ifndef NET_SPLICE_H
#define NET_SPLICE_H

#include "loop/loop.h"

struct splice;

/*
 * Up to the first drain that works, no more than @trial_bytes are taken. @on_idle is
 * called with the pipe empty.  ERR_SYS: no descriptors, or no splice on this system.
 */
enum err splice_new(struct loop *loop, size_t trial_bytes, void (*on_idle)(void *arg),
	void *arg, struct splice **out) MUST_USE;

/* What is in the pipe is lost. NULL is fine. */
void splice_free(struct splice *s);

/* How many bytes are in the pipe. */
size_t splice_held(const struct splice *s);

/*
 * Fills the empty pipe. ERR_EOF; ERR_USAGE: this cannot be spliced, and nothing was
 * taken; other errors: it broke.
 */
enum err splice_fill(struct splice *s, int from_fd) MUST_USE;

/*
 * Empties it as far as @to_fd takes it. ERR_USAGE: it cannot be spliced to, which shows
 * at the trial.
 */
enum err splice_drain(struct splice *s, int to_fd, size_t *put) MUST_USE;

/* Takes the bytes of the trial back out of the pipe; @to has room for splice_held(). */
enum err splice_take_back(struct splice *s, void *to) MUST_USE;

#endif
