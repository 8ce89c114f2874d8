/* adit help: the commands, or one of them. */
#include "cli/command.h"

#include "cli/help.h"

static int run(struct call *c)
{
	const struct command *about;
	int exit_code, used;

	if (!call_read(c, NULL, &exit_code))
		return exit_code;
	if (c->argc == 0) {
		help_print_persona(c->out, c->persona);
		return EXIT_CODE_DONE;
	}
	about = persona_find_command(c->persona, c->argc, c->argv, &used);
	if (about == NULL || (about->commands != NULL && used < c->argc))
		return persona_refuse_command(c->persona, about, c->argv[used], c->err);
	help_print_command(c->out, c->persona, about);
	return EXIT_CODE_DONE;
}

const struct command command_help = {
	.name = "help",
	.arguments = "[<command>...]",
	.summary = "explain a command",
	.run = run,
	.takes_commands = true,
};
