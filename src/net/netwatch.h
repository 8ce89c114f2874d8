/*
 * A netwatch notices what makes a connection worth doubting: addresses or routes have
 * changed, the machine has slept, or this process was stopped for a while.
 */
#ifndef NET_NETWATCH_H
#define NET_NETWATCH_H

#include "loop/loop.h"

struct netwatch;

/* @reason is for a log line: "the network has changed". Once for a burst of changes. */
typedef void netwatch_fn(void *arg, const char *reason);

/* Where the kernel does not report changes (a sandbox), sleep is noticed all the same. */
enum err netwatch_open(struct loop *loop, netwatch_fn *fn, void *arg,
	struct netwatch **out) MUST_USE;

/* fn is not called any more. May be called in it. NULL is fine. */
void netwatch_close(struct netwatch *w);

#endif
