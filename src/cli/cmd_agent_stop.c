/* adit agent stop, adit agent restart. */
#include "cli/agent_manage.h"

static int run_stop(struct call *c, void *args)
{
	enum err rc = agent_manage_stop(c, args);

	return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc);
}

const struct command command_agent_stop = {
	.name = "agent stop",
	.arguments = "[flags]",
	.summary = "stop the agent on this machine",
	.about =
		"Stops the service, so that it is not started again, or the agent that runs in\n"
		"the foreground: it unregisters its tunnels and lets visitors finish, a few\n"
		"seconds at most. Exits with 1 if there is nothing to stop.\n",
	.examples = "  @ agent stop\n",
	.fields = &agent_place_fields,
	.has_flags_only = true,
	.run = run_stop,
};

static int run_restart(struct call *c, void *args)
{
	enum err rc = agent_manage_restart(c, args);

	return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc);
}

const struct command command_agent_restart = {
	.name = "agent restart",
	.arguments = "[flags]",
	.summary = "restart the service of the agent",
	.about =
		"Stops the service and starts it again. All that can fail before the stop is\n"
		"done before it. Changes of the config need no restart, but for state_dir,\n"
		"control_addr and service_name.\n",
	.examples = "  @ agent restart\n",
	.fields = &agent_config_fields,
	.has_flags_only = true,
	.run = run_restart,
};
