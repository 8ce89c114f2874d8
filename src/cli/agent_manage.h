/* The agent as a service, for its commands: install and start it, restart it, stop it. */
#ifndef CLI_AGENT_MANAGE_H
#define CLI_AGENT_MANAGE_H

#include "cli/agent_args.h"

/*
 * Installs the service of the config and starts it, waits until the agent responds, and
 * says which config, state directory and file it means. If it does not start, what was
 * new is removed.
 * ERR_EXISTS: an agent runs that is not the service.  Others: agent/service.h.
 */
enum err agent_manage_run(struct call *c, const struct agent_args *args) MUST_USE;

/*
 * Checks what can be known before agent_manage_run() with the agent at @where: there is a
 * service manager, and the file of the service may be written. Changes nothing.
 * ERR_EXISTS: the file is not adit's.  Others: agent/service.h.
 */
enum err agent_manage_check(struct call *c, const struct agent_whereabouts *where,
	bool may_replace) MUST_USE;

/* Ends the agent of the service and starts it again, with the config as it is now. */
enum err agent_manage_restart(struct call *c, const struct agent_args *args) MUST_USE;

/* Ends the agent, and has the service not started again. ERR_NOENT: none runs. */
enum err agent_manage_stop(struct call *c, const struct agent_args *args) MUST_USE;

#endif
