/*
 * A child of the demo is this very program, started with the words that a user would
 * type. They are shown before, and what it logs is passed on.
 */
#ifndef CLI_DEMO_CHILD_H
#define CLI_DEMO_CHILD_H

#include <stdio.h>

#include "loop/child.h"

struct demo_child;

struct demo_child_options {
	struct loop *loop;       /* borrowed */
	FILE *out, *err;         /* borrowed: for the command line, and for its log */
	const char *user;        /* as whom it signs in, or whom it lets in; or NULL */
	const char *password;    /* secret: it travels in the environment */
	const char *const *argv; /* "adit", "server", ...; NULL at the end */
	/* A line of its log. The child may be closed in it. */
	void (*on_line)(void *arg, const char *line);
	void (*on_end)(void *arg, int status);
	void *arg;
};

/* No callback comes from inside this. */
enum err demo_child_open(const struct demo_child_options *o, struct demo_child **out,
	struct why *why) MUST_USE;

void demo_child_signal(struct demo_child *c, int signo);

/* One that still runs is killed. NULL is fine. */
void demo_child_close(struct demo_child *c);

#endif
