/*
 * A runner makes a daemon of an object: it owns the loop, the signals, the notifications
 * of the service manager, and the exit code. The object owns none of them.
 *
 *     open -> the loop, with SIGHUP: reload, SIGINT and SIGTERM: end -> close
 */
#ifndef CLI_RUNNER_H
#define CLI_RUNNER_H

#include "base/log.h"
#include "loop/notify.h"
#include "loop/worker.h"

struct runner {
	struct worker worker;  /* for the object's loop */
	struct notify *notify; /* NULL: no service manager */
	struct log log;
	const struct runner_ops *ops;
	void *arg;
	int exit_code;
	bool is_ending; /* after a signal */
	bool is_closing;
};

/* What a daemon does, with the @arg of runner_run(). NULL: nothing. */
struct runner_ops {
	const char *name; /* of its log lines */
	enum err (*open)(void *arg, struct runner *r, struct why *why);
	/* SIGHUP. NULL: SIGHUP ends it, and the service manager is not notified. */
	void (*reload)(void *arg);
	/* SIGUSR2: writes statistics to the log. */
	void (*report)(void *arg);
	/* Addresses or routes have changed, or the machine has slept. */
	void (*on_network)(void *arg, const char *reason);
	/* SIGINT or SIGTERM: leads to runner_stop(), now or later. @is_again:
	 * not the first. */
	void (*end)(void *arg, bool is_again);
	/* Also after an open that failed. What is deferred in it is called. */
	void (*close)(void *arg);
};

/* Runs until runner_stop(), and returns its exit code; 1 if the object does not open. */
int runner_run(const struct runner_ops *ops, void *arg);

void runner_stop(struct runner *r, int exit_code);

#endif
