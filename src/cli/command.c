/* Commands: the names of the program, the commands of each, and what all commands do
 * before their own work. */
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "agent/paths.h"
#include "base/str.h"
#include "cli/daemon.h"
#include "loop/loop.h"
#include "text/nearest.h"

static const struct command *const adit_commands[] = {
	&command_server,
	&command_client,
	&command_expose,
	&command_agent,
	&command_list,
	&command_relay,
	&command_demo,
	&command_version,
	&command_help,
	&command_completion,
	NULL,
};

static const struct command *const chisel_commands[] = {
	&command_server,
	&command_client,
	NULL,
};

static const struct command *const portal_commands[] = {
	&command_expose,
	&command_agent,
	&command_list,
	&command_version,
	&command_help,
	NULL,
};

static const struct command *const relay_commands[] = {
	&command_relay_run,
	&command_relay_status,
	&command_relay_tunnel,
	&command_relay_agent,
	&command_relay_lease,
	NULL,
};

static const struct command *const agent_commands[] = {
	&command_agent_setup,
	&command_agent_run,
	&command_agent_dashboard,
	&command_agent_status,
	&command_agent_update,
	&command_agent_restart,
	&command_agent_stop,
	&command_agent_logs,
	&command_agent_uninstall,
	&command_agent_check,
	NULL,
};

/* The agent's own commands at the top; with the group it can be installed. */
static const struct command *const portlama_commands[] = {
	&command_agent_setup,
	&command_agent_update,
	&command_agent_status,
	&command_agent_logs,
	&command_agent_uninstall,
	&command_agent,
	&command_version,
	&command_help,
	NULL,
};

const struct persona personas[] = {
	{
		.name = "adit",
		.about = "publish services that run behind a firewall",
		.version = "adit " ADIT_VERSION,
		.agent = &agent_names_adit,
		.commands = adit_commands,
	},
	{
		.name = "chisel",
		.about = "TCP and UDP tunnels over HTTP, by adit",
		.version = ADIT_VERSION,
		.is_lenient = true,
		.has_flags_first = true,
		.commands = chisel_commands,
	},
	{
		.name = "portal",
		.about = "publish local services through relays, by adit",
		.version = "adit " ADIT_VERSION,
		.only_warns = true,
		.agent = &agent_names_portal,
		.commands = portal_commands,
	},
	{
		.name = "portlama-agent",
		.about = "an agent that keeps tunnels open, by adit",
		.version = "adit " ADIT_VERSION,
		.agent = &agent_names_portlama,
		.commands = portlama_commands,
	},
	{ .name = NULL },
};

const struct command command_agent = {
	.name = "agent",
	.summary = "tunnels and links that outlive the terminal",
	.about =
		"An agent reads a config, keeps every tunnel and link in it running, and follows\n"
		"changes of the file.\n",
	.commands = agent_commands,
};

const struct command command_relay = {
	.name = "relay",
	.summary = "run and manage the public server",
	.about =
		"A relay gives public names to services behind firewalls. Its tunnels are names\n"
		"that its operator gives to agents; leases are names that agents hold.\n",
	.commands = relay_commands,
};

const struct persona *persona_find(const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	const char *name = slash != NULL ? slash + 1 : path;
	const struct persona *p;

	for (p = personas; name != NULL && p->name != NULL; p++) {
		if (strcmp(p->name, name) == 0)
			return p;
	}
	return &personas[0];
}

const char *command_word(const struct command *c)
{
	const char *space = strrchr(c->name, ' ');

	return space != NULL ? space + 1 : c->name;
}

const char *persona_command_name(const struct persona *p, const struct command *c)
{
	for (const struct command *const *own = p->commands; *own != NULL; own++)
		if (*own == c)
			return command_word(c);
	return c->name;
}

const struct command *persona_find_command(const struct persona *p, int argc, char **argv,
	int *used)
{
	const struct command *const *c = p->commands;
	const struct command *found = NULL;

	for (*used = 0; *used < argc && c != NULL; *used += 1) {
		while (*c != NULL && strcmp(command_word(*c), argv[*used]) != 0)
			c++;
		if (*c == NULL)
			break;
		found = *c;
		c = found->commands;
	}
	return found;
}

int persona_refuse_command(const struct persona *p, const struct command *group,
	const char *word, FILE *err)
{
	const struct command *const *c = group != NULL ? group->commands : p->commands;
	char subject[64], shown[64], text[200];
	struct nearest near;

	snprintf(subject, sizeof(subject), "%s%s%s", p->name, group != NULL ? " " : "",
		group != NULL ? group->name : "");
	nearest_init(&near, word);
	for (; *c != NULL; c++)
		nearest_try(&near, command_word(*c));
	str_quote(shown, sizeof(shown), span_str(word));
	if (near.best != NULL)
		snprintf(text, sizeof(text),
			"there is no command \"%s\"; did you mean %s?", shown, near.best);
	else
		snprintf(text, sizeof(text),
			"there is no command \"%s\"; %s --help lists them", shown,
			subject);
	command_print_error(err, LOG_ERROR, subject, text);
	return EXIT_CODE_USAGE;
}

bool persona_has_flags_anywhere(const struct persona *p, const struct command *c)
{
	return c->has_flags_anywhere && !p->has_flags_first;
}

void command_print_error(FILE *err, enum log_level level, const char *subject,
	const char *text)
{
	struct log log;

	if (log_is_for_programs()) {
		log_init(&log, NULL, "%s", subject != NULL ? subject : "");
		log_at(level, subject != NULL ? &log : NULL, "%s", text);
	} else {
		fprintf(err, "%s%s%s\n", subject != NULL ? subject : "",
			subject != NULL ? ": " : "", text);
	}
}

/* The program ends now: signals end it even if the output cannot be written. */
int call_fail(const struct call *c, enum err rc)
{
	char subject[64];

	loop_signals_release();
	snprintf(subject, sizeof(subject), "%s %s", c->persona->name,
		persona_command_name(c->persona, c->command));
	command_print_error(c->err, LOG_ERROR, subject, err_text(rc, &c->why));
	return rc == ERR_USAGE ? EXIT_CODE_USAGE : EXIT_CODE_FAILED;
}

/* Reads defaults, flags and environment into @args, which is zeroed, and runs. */
static int call_run(struct call *c, void *args)
{
	const struct field_table *fields = c->command->fields;
	bool is_anywhere = persona_has_flags_anywhere(c->persona, c->command);
	struct args_result result = { .rest = 0 };
	char shown[64];
	enum err rc = fields != NULL ? field_defaults(fields, args, &c->why) : ERR_OK;

	if (rc == ERR_OK)
		rc = args_read(fields, c->argc, c->argv,
			is_anywhere ? ARGS_ANYWHERE : ARGS_FIRST, args, &result, &c->why);
	if (rc == ERR_OK && !result.wants_help)
		rc = args_read_environment(fields, result.given, args, &c->why);
	if (rc != ERR_OK)
		return call_fail(c, rc);
	if (result.wants_help) {
		loop_signals_release();
		help_print(c->out, c->persona, c->command);
		return EXIT_CODE_DONE;
	}
	c->flags = c->argv;
	c->flag_count = result.rest;
	c->argc -= result.rest;
	c->argv += result.rest;
	if (c->argc > 0 && c->command->has_flags_only)
		return call_fail(c,
			err_set(&c->why, ERR_USAGE,
				"it takes flags only, not \"%s\": write them as --name value;"
				" --help lists them",
				str_quote(shown, sizeof(shown), span_str(c->argv[0]))));
	return c->command->run(c, args);
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcmp(word, *list) == 0)
			return true;
	}
	return false;
}

int persona_call(const struct persona *p, int argc, char **argv, FILE *out, FILE *err)
{
	static const char *const version[] = { "--version", "-version", "-v", NULL };
	static const char *const help[] = { "--help", "-help", "-h", NULL };
	struct call call = { .persona = p, .out = out, .err = err };
	const struct command *c = NULL;
	const char *word;
	int used = 0, exit_code;
	void *args;

	if (argc > 1)
		c = persona_find_command(p, argc - 1, argv + 1, &used);
	daemon_prepare();
	if (c == NULL || !c->stays)
		loop_signals_release();
	if (argc > 1 && is_one_of(argv[1], version)) {
		fprintf(out, "%s\n", p->version);
		return EXIT_CODE_DONE;
	}
	call.command = c;
	call.argc = argc - 1 - used;
	call.argv = argv + 1 + used;
	if (c == NULL || c->commands != NULL) {
		word = call.argc > 0 ? call.argv[0] : help[0];
		if (!is_one_of(word, help) && (c != NULL || !p->is_lenient))
			return persona_refuse_command(p, c, word, err);
		help_print(out, p, c);
		return EXIT_CODE_DONE;
	}
	args = calloc(1, c->fields != NULL ? c->fields->bytes : 1);
	if (args == NULL)
		return call_fail(&call, ERR_NOMEM);
	exit_code = call_run(&call, args);
	if (c->fields != NULL)
		field_fini(c->fields, args);
	free(args);
	return exit_code;
}
