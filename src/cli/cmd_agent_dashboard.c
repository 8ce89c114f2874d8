/* adit agent dashboard: a terminal UI of the agent on this machine. */
#include <stdio.h>

#include "cli/agent_args.h"
#include "tui/dashboard.h"

static const struct field rows[] = {
	{ .kind = FIELD_TABLE,
		.size = sizeof(struct agent_args),
		.of = &agent_place_fields },
};

static const struct field_table fields = FIELD_TABLE_OF(struct agent_args, rows);

/* Without a config the agent is in the default place. */
static enum err find_agent(const struct call *c, const struct agent_args *args,
	struct agent_whereabouts *out, struct why *why)
{
	enum err rc = agent_whereabouts(c, args, out, why);

	return rc == ERR_NOENT && args->config == NULL ? ERR_OK : rc;
}

static int run(struct call *c, void *object)
{
	const struct agent_args *args = object;
	struct agent_whereabouts where = { .state_dir = "" };
	struct dashboard_options o = { .state_dir = where.state_dir };
	char command[AGENT_PATH_MAX + 64];
	enum err rc = find_agent(c, args, &where, &c->why);

	snprintf(command, sizeof(command), "%s agent run%s%s", c->persona->name,
		args->config != NULL ? " --config " : "",
		args->config != NULL ? where.config : "");
	o.start_command = command;
	if (rc == ERR_OK)
		rc = dashboard_run(&o, &c->why);
	return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc);
}

const struct command command_agent_dashboard = {
	.name = "agent dashboard",
	.arguments = "[flags]",
	.summary = "show the agent's tunnels in a terminal, and change them",
	.about =
		"Shows the state of the agent's tunnels every two seconds. Adds, edits and\n"
		"deletes tunnels, connects relays, and builds multi-hop routes; ? lists the\n"
		"keys. The agent goes on when the dashboard ends.\n",
	.examples = "  @ agent dashboard\n"
		    "  @ agent dashboard --state-dir /srv/agent\n",
	.fields = &fields,
	.run = run,
	.has_flags_anywhere = true,
	.has_flags_only = true,
	.stays = true,
};
