/*
 * A bell wakes a loop from another thread: bell_linux.c (an eventfd) or bell_posix.c (a
 * pipe).
 */
#ifndef LOOP_BELL_H
#define LOOP_BELL_H

#include "base/err.h"

struct bell {
	int fd;      /* readable once it has rung */
	int ring_fd; /* may be the same */
};

enum err bell_init(struct bell *b) MUST_USE;
void bell_fini(struct bell *b);

/* From any thread. */
void bell_ring(const struct bell *b);

/* Not readable any more. */
void bell_quiet(const struct bell *b);

#endif
