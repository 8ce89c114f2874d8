/*
 * A child is a program that we run and watch: its words come as lines, its end as an
 * event.
 *
 * It stands in a process group of its own, so that a Ctrl-C at the terminal is ours to
 * pass on, and on Linux it gets SIGTERM when we die in whatever way. It reads from
 * /dev/null, its standard output and error are one pipe to us, and of our other
 * descriptors it has none, provided that they were opened with O_CLOEXEC.
 */
#ifndef LOOP_CHILD_H
#define LOOP_CHILD_H

#include "loop/loop.h"

#define CHILD_LINE_MAX 2048 /* longer lines come in pieces */
#define CHILD_END_MAX 48
#define CHILD_PATH_MAX 1024

struct child;

struct child_options {
	struct loop *loop;       /* borrowed: the first loop of the process */
	const char *path;        /* the program's file: PATH is not asked */
	const char *const *argv; /* with its name first, NULL at the end */
	const char *const *env;  /* "NAME=value", NULL at the end; NULL: ours */
	/* Without its newline, good for the call. The child may be closed in it. */
	void (*on_line)(void *arg, const char *line);
	/* It has ended, after its last line; @status as waitpid(2) has it.
	 * Called once. */
	void (*on_end)(void *arg, int status);
	void *arg; /* borrowed: the owner's */
};

/*
 * Starts it. All in @o is copied or used up. No callback comes from inside this.
 * ERR_SYS: the program cannot be run.  ERR_NOMEM.  @why has the words.
 */
enum err child_open(const struct child_options *o, struct child **out,
	struct why *why) MUST_USE;

/* The path of the program that we are, perhaps in @to. */
const char *child_own_path(char to[CHILD_PATH_MAX]);

/* Does nothing to one that has ended. */
void child_signal(struct child *c, int signo);

/* One that still runs is killed. NULL is fine. */
void child_close(struct child *c);

/* "exit status 3", "killed by SIGKILL": for a person. Returns @to. */
const char *child_print_end(int status, char to[CHILD_END_MAX]);

#endif
