/*
 * An agent keeps all tunnels and links of one config running, follows the file, and lets
 * others see and change what it has (agent/control.h). portal-agent; portal-protocol 15.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/config.h"
#include "loop/notify.h"
#include "loop/worker.h"

struct agent;

struct agent_options {
	struct worker *worker; /* all borrowed: they outlive the agent */
	struct notify *notify; /* NULL: no service manager */
	const struct log *log;
	const char *config_path; /* absolute */
	const struct agent_names *names;
	const char *default_state_dir; /* used unless the config has one */
	/* Accepts what a stock agent accepts: see agent/config.h. */
	bool is_lenient;
	/* agent_leave() is done, also after a request to stop: close it. */
	void (*on_ended)(void *owner);
	void *owner;
};

/*
 * Reads the config, takes the state directory, and begins. If the file has a mistake, the
 * last config that was used is used again, and the mistake is reported.
 *
 * ERR_NOENT: there is no config.  ERR_SYNTAX: its text, and there is no earlier one.
 * ERR_EXISTS: another agent has the state directory; @why names the process.  ERR_SYS,
 * ERR_NOMEM.
 */
enum err agent_open(const struct agent_options *o, struct agent **out,
	struct why *why) MUST_USE;

/* Where its endpoint file is; good until the config changes. */
const char *agent_state_dir(const struct agent *a);

/* Reads the config again now. */
void agent_reload(struct agent *a);

/* The network may have changed: as agent_session_retry_now(), everywhere. */
void agent_retry_now(struct agent *a, const char *reason);

/* Unregisters everything: on_ended within AGENT_LEAVE_MS. */
#define AGENT_LEAVE_MS 15000
void agent_leave(struct agent *a);

/* Ends it now. NULL is fine. */
void agent_close(struct agent *a);

#endif
