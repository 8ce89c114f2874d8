/*
 * A child is a program that this process runs and watches. Its output is reported as
 * lines, its end as an event.
 *
 * It has its own process group, so a Ctrl-C at the terminal does not reach it; the owner
 * forwards signals. On Linux it gets SIGTERM when this process dies in any way. Its
 * standard input is /dev/null, its standard output and error are one pipe to this
 * process. It inherits no other descriptor, provided that they were opened with
 * O_CLOEXEC.
 */
#ifndef LOOP_CHILD_H
#define LOOP_CHILD_H

#include "loop/loop.h"

#define CHILD_LINE_MAX 2048 /* longer lines are reported in pieces */
#define CHILD_END_MAX 48
#define CHILD_PATH_MAX 1024

struct child;

struct child_options {
	struct loop *loop;       /* borrowed: the first loop of the process */
	const char *path;        /* the program's file: PATH is not searched */
	const char *const *argv; /* with its name first, NULL at the end */
	const char *const *env;  /* "NAME=value", NULL at the end; NULL: this process's */
	/* @line has no newline and is good for the call. The child may be closed in
	 * it. */
	void (*on_line)(void *arg, const char *line);
	/* The child has ended. After its last line, once; @status is that of
	 * waitpid(2). */
	void (*on_end)(void *arg, int status);
	void *arg; /* borrowed: the owner's */
};

/*
 * Starts a child. @o is not used after the call. No callback is called from inside it.
 * ERR_SYS: the program cannot be run.  ERR_NOMEM.  @why says more.
 */
enum err child_open(const struct child_options *o, struct child **out,
	struct why *why) MUST_USE;

/* The path of this process's program, perhaps in @to. */
const char *child_own_path(char to[CHILD_PATH_MAX]);

/* Does nothing if the child has ended. */
void child_signal(struct child *c, int signo);

/* Kills the child if it still runs. NULL is fine. */
void child_close(struct child *c);

/* Prints "exit status 3" or "killed by SIGKILL". Returns @to. */
const char *child_print_end(int status, char to[CHILD_END_MAX]);

#endif
