/* Personas: the names of the program, the commands of each, and the way to them. */
#include "cli/persona.h"

#include <string.h>

#include "base/str.h"
#include "cli/daemon.h"
#include "cli/help.h"
#include "loop/loop.h"
#include "text/nearest.h"

static const struct command *const adit_commands[] = {
	&command_server,
	&command_client,
	&command_expose,
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
	&command_list,
	&command_version,
	&command_help,
	NULL,
};

const struct persona personas[] = {
	{
		.name = "adit",
		.about = "publish services that run behind a firewall",
		.version = "adit " ADIT_VERSION,
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
		.commands = portal_commands,
	},
	{ .name = NULL },
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

const struct command *persona_find_command(const struct persona *p, int argc, char **argv,
	int *used)
{
	const struct command *const *list = p->commands;
	const struct command *found = NULL, *next;

	for (*used = 0; *used < argc && list != NULL; *used += 1) {
		next = command_find(list, argv[*used]);
		if (next == NULL)
			break;
		found = next;
		list = found->commands;
	}
	return found;
}

int persona_refuse_command(const struct persona *p, const struct command *group,
	const char *word, FILE *err)
{
	const struct command *const *c = group != NULL ? group->commands : p->commands;
	char who[64], shown[64], text[200];
	struct nearest near;

	snprintf(who, sizeof(who), "%s%s%s", p->name, group != NULL ? " " : "",
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
			"there is no command \"%s\"; %s --help lists them", shown, who);
	command_tell(err, LOG_ERROR, who, text);
	return EXIT_CODE_USAGE;
}

bool persona_has_flags_anywhere(const struct persona *p, const struct command *c)
{
	return c->has_flags_anywhere && !p->has_flags_first;
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcmp(word, *list) == 0)
			return true;
	}
	return false;
}

static const char *const help_words[] = { "--help", "-help", "-h", NULL };

/* @argv is what follows the words of the group. */
static int group_call(const struct persona *p, const struct command *group, int argc,
	char **argv, FILE *out, FILE *err)
{
	if (argc > 0 && !is_one_of(argv[0], help_words))
		return persona_refuse_command(p, group, argv[0], err);
	help_print_command(out, p, group);
	return EXIT_CODE_DONE;
}

int persona_call(const struct persona *p, int argc, char **argv, FILE *out, FILE *err)
{
	static const char *const version[] = { "--version", "-version", "-v", NULL };
	struct call call = { .persona = p, .out = out, .err = err };
	int used = 0;

	if (argc > 1)
		call.command = persona_find_command(p, argc - 1, argv + 1, &used);
	daemon_prepare();
	if (call.command == NULL || !call.command->stays)
		loop_signals_release();
	if (argc > 1 && is_one_of(argv[1], version)) {
		fprintf(out, "%s\n", p->version);
		return EXIT_CODE_DONE;
	}
	if (call.command != NULL) {
		call.argc = argc - 1 - used;
		call.argv = argv + 1 + used;
		if (call.command->commands != NULL)
			return group_call(p, call.command, call.argc, call.argv, out,
				err);
		return call.command->run(&call);
	}
	if (argc > 1 && !p->is_lenient && !is_one_of(argv[1], help_words))
		return persona_refuse_command(p, NULL, argv[1], err);
	help_print_persona(out, p);
	return EXIT_CODE_DONE;
}

int persona_run(int argc, char **argv, FILE *out, FILE *err)
{
	return persona_call(persona_find(argc > 0 ? argv[0] : NULL), argc, argv, out,
		err);
}
