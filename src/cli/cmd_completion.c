/* adit completion: what a shell needs to complete commands and flags, from the tables. */
#include "cli/command.h"

#include <string.h>

#include "cli/completion.h"

static int run(struct call *c, void *args)
{
	(void)args;
	if (c->argc == 1 && completion_print(c->argv[0], c->out))
		return EXIT_CODE_DONE;
	return call_fail(c,
		err_set(&c->why, ERR_USAGE, "name one shell: bash, zsh or fish"));
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
