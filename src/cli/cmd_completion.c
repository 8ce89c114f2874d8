/* adit completion: what a shell needs to complete commands and flags, from the tables. */
#include "cli/command.h"

#include <string.h>

#include "cli/completion.h"

static int run(struct call *c)
{
	struct why why;
	int exit_code;

	if (!call_read(c, NULL, &exit_code))
		return exit_code;
	if (c->argc == 1 && completion_print(c->argv[0], c->out))
		return EXIT_CODE_DONE;
	return call_fail(c, err_set(&why, ERR_USAGE, "name one shell: bash, zsh or fish"),
		&why);
}

const struct command command_completion = {
	.name = "completion",
	.arguments = "bash|zsh|fish",
	.summary = "print a completion script for a shell",
	.about =
		"Prints a script that completes the commands and flags of adit, and of chisel\n"
		"and portal where adit goes by these names. In zsh, source it after compinit.\n",
	.examples = "  source <(@ completion bash)       in ~/.bashrc\n"
		    "  source <(@ completion zsh)        in ~/.zshrc\n"
		    "  @ completion fish | source        in ~/.config/fish/config.fish\n",
	.run = run,
	.words = "bash zsh fish",
};
