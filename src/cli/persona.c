/* Personas: the names of the program, the commands of each, and the way to them. */
#include "cli/persona.h"

#include <string.h>

#include "base/str.h"
#include "cli/help.h"
#include "cli/nearest.h"

static const struct command *const adit_commands[] = {
	&command_server,
	&command_client,
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
		.commands = chisel_commands,
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

const struct command *persona_find_command(const struct persona *p, const char *name)
{
	const struct command *const *c;

	for (c = p->commands; *c != NULL; c++) {
		if (strcmp((*c)->name, name) == 0)
			return *c;
	}
	return NULL;
}

int persona_refuse_command(const struct persona *p, const char *name, FILE *err)
{
	const struct command *const *c;
	struct nearest near;
	char shown[64];

	nearest_init(&near, name);
	for (c = p->commands; *c != NULL; c++)
		nearest_try(&near, (*c)->name);
	fprintf(err, "%s: there is no command \"%s\"; ", p->name,
		str_quote(shown, sizeof(shown), span_str(name)));
	if (near.best != NULL)
		fprintf(err, "did you mean %s?\n", near.best);
	else
		fprintf(err, "%s --help lists them\n", p->name);
	return EXIT_CODE_USAGE;
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcmp(word, *list) == 0)
			return true;
	}
	return false;
}

int persona_run(int argc, char **argv, FILE *out, FILE *err)
{
	static const char *const help[] = { "--help", "-help", "-h", NULL };
	static const char *const version[] = { "--version", "-version", "-v", NULL };
	const struct persona *p = persona_find(argc > 0 ? argv[0] : NULL);
	struct call call = { .persona = p, .out = out, .err = err };

	if (argc > 1 && is_one_of(argv[1], version)) {
		fprintf(out, "%s\n", p->version);
		return EXIT_CODE_DONE;
	}
	if (argc > 1)
		call.command = persona_find_command(p, argv[1]);
	if (call.command != NULL) {
		call.argc = argc - 2;
		call.argv = argv + 2;
		return call.command->run(&call);
	}
	if (argc > 1 && !p->is_lenient && !is_one_of(argv[1], help))
		return persona_refuse_command(p, argv[1], err);
	help_print_persona(out, p);
	return EXIT_CODE_DONE;
}
