/* adit agent logs, adit agent uninstall: what needs the service and no running agent. */
#include "cli/agent_service.h"

#include "base/mem.h"
#include "base/str.h"

#define AT(member) FIELD_AT(struct agent_args, member)
#define PLACE_ROW \
	{ \
		.kind = FIELD_TABLE, .size = sizeof(struct agent_args), \
		.of = &agent_place_fields \
	}

static const struct field logs_rows[] = {
	PLACE_ROW,
	{ "follow", FIELD_BOOL, AT(follows), .alias = "f",
		.help = "wait for further lines, until Ctrl-C" },
	{ "lines", FIELD_COUNT, AT(lines), .alias = "n", .initial = "100",
		.argument = "number", .max = 1000000,
		.help = "show so many of the last lines" },
};

static const struct field uninstall_rows[] = {
	PLACE_ROW,
	{ "force", FIELD_BOOL, AT(may_replace),
		.help = "remove the service's file even if adit has not written it" },
};

static const struct field_table logs_fields = FIELD_TABLE_OF(struct agent_args,
	logs_rows);
static const struct field_table uninstall_fields = FIELD_TABLE_OF(struct agent_args,
	uninstall_rows);

/* Runs @act with the service that the flags name. Without a config, that is the persona's
 * own. */
static int run_with(struct call *c, const struct agent_args *args,
	enum err (*act)(struct call *c, const struct agent_args *args, struct service *s))
{
	struct agent_service *found = mem_new(found);
	struct agent_whereabouts where;
	enum err rc = ERR_NOMEM;

	if (found == NULL)
		return call_fail(c, rc);
	rc = agent_whereabouts(c, args, &where, &c->why);
	if (rc == ERR_NOENT && args->config == NULL)
		rc = ERR_OK;
	if (rc == ERR_OK)
		rc = agent_service_init(found, c->persona->agent, &where, &c->why);
	if (rc == ERR_OK)
		rc = act(c, args, &found->service);
	agent_service_fini(found);
	free(found);
	return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc);
}

/* ---- logs ---- */

static enum err show_logs(struct call *c, const struct agent_args *args,
	struct service *s)
{
	struct service_place place;
	enum err rc = service_find_installed(s, &place, &c->why);

	if (rc == ERR_OK)
		rc = service_show_log(s, args->lines, args->follows, &c->why);
	return rc;
}

static int run_logs(struct call *c, void *args)
{
	return run_with(c, args, show_logs);
}

const struct command command_agent_logs = {
	.name = "agent logs",
	.arguments = "[-f] [flags]",
	.summary = "show the log of the agent's service",
	.about =
		"Shows what the service has logged: the journal of systemd, or the log file\n"
		"that launchd writes. An agent that runs in the foreground logs to its\n"
		"terminal.\n",
	.examples = "  @ agent logs\n"
		    "  @ agent logs -f\n",
	.fields = &logs_fields,
	.has_flags_anywhere = true,
	.has_flags_only = true,
	.run = run_logs,
};

/* ---- uninstall ---- */

static enum err uninstall(struct call *c, const struct agent_args *args,
	struct service *s)
{
	struct service_place place;
	char shown[300];
	enum err rc;

	s->may_replace = args->may_replace;
	rc = service_remove(s, &place, &c->why);
	if (rc == ERR_OK)
		fprintf(c->out,
			"The service %s has been stopped and removed:\n"
			"  %s %s\n"
			"The config and the state directory have been kept.\n",
			s->name, place.kind,
			str_quote(shown, sizeof(shown), span_str(place.path)));
	return rc;
}

static int run_uninstall(struct call *c, void *args)
{
	return run_with(c, args, uninstall);
}

const struct command command_agent_uninstall = {
	.name = "agent uninstall",
	.arguments = "[flags]",
	.summary = "stop the agent's service, and remove it",
	.about =
		"Stops the service, and removes the file that starts it. The config and the\n"
		"state directory, which has the identities of the tunnels, are kept.\n",
	.examples = "  @ agent uninstall\n"
		    "  sudo @ agent uninstall\n",
	.fields = &uninstall_fields,
	.has_flags_anywhere = true,
	.has_flags_only = true,
	.run = run_uninstall,
};
