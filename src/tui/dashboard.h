/*
 * The dashboard of an agent: a terminal UI over its control API. It keeps no state of its
 * own, so any number may run beside an agent, and an agent may be started and stopped
 * while one runs.
 */
#ifndef TUI_DASHBOARD_H
#define TUI_DASHBOARD_H

#include "loop/loop.h"

struct dashboard;

struct dashboard_options {
	struct loop *loop;     /* borrowed: outlives it; dashboard_run() has its own */
	const char *state_dir; /* of the agent; borrowed: outlives it */
	/* The command that starts the agent, shown while none runs: "adit agent run".
	 * Copied. */
	const char *start_command;
	/* The user leaves, or the terminal is gone: the owner closes the dashboard, in
	 * this call or later. dashboard_run() has its own. */
	void (*on_quit)(void *arg);
	void *arg; /* borrowed: the owner's */
};

/*
 * Opens a dashboard on the first loop of the process, whose owner takes the signals.
 * While it is open, nothing else may write to the terminal.
 * ERR_SYS: there is no terminal that it can use; @why says what to do.
 * ERR_NOMEM.
 */
enum err dashboard_open(const struct dashboard_options *o, struct dashboard **out,
	struct why *why) MUST_USE;

/* Gives the terminal back. Requests that have no response are dropped. NULL is fine. */
void dashboard_close(struct dashboard *d);

/* Opens a dashboard on a loop of its own, and returns when the user leaves, or after
 * SIGINT, SIGTERM or SIGHUP. Errors as above. */
enum err dashboard_run(const struct dashboard_options *o, struct why *why) MUST_USE;

#endif
