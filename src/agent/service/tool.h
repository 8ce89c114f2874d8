/*
 * Programs of the service manager, such as systemctl: each is run without a shell, found
 * by PATH, and killed when it takes too long.
 */
#ifndef AGENT_SERVICE_TOOL_H
#define AGENT_SERVICE_TOOL_H

#include "base/buf.h"

#define TOOL_OUTPUT_MAX (16u << 10) /* the rest is dropped */

/* Nothing is borrowed after the call. */
struct tool {
	const char *const *argv;    /* with the program first, NULL at the end */
	const char *const *setting; /* "NAME=value" beside our own environment; or NULL */
	unsigned limit_ms;
};

struct tool_result {
	int status;      /* the exit status; 128 and the signal that killed it */
	struct buf text; /* standard output and error, terminated; tool_result_fini() */
};

/*
 * Runs a program to its end. @out is set only if it ended by itself, whatever its status.
 * ERR_NOENT: there is no such program.  ERR_TIMEOUT, ERR_SYS, ERR_NOMEM.
 */
enum err tool_run(const struct tool *t, struct tool_result *out,
	struct why *why) MUST_USE;

void tool_result_fini(struct tool_result *r);

/* The text, which is good until tool_result_fini(). */
const char *tool_result_text(const struct tool_result *r);

/* Copies the first line of the text that is not empty, fit for a terminal. Returns
 * @to. */
const char *tool_first_line(const struct tool_result *r, char *to, size_t size);

/* Becomes the program @argv[0], with the signals of a program that starts. Returns only
 * on failure. */
enum err tool_become(const char *const *argv, struct why *why) MUST_USE;

#endif
