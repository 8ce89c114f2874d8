/* The program: the name it is called by selects a persona. */
#include <signal.h>
#include <stdio.h>

#include "cli/persona.h"

int main(int argc, char **argv)
{
	int exit_code;

	/* A peer that is gone is an error of write(2), not the end of the program. */
	signal(SIGPIPE, SIG_IGN);
	exit_code = persona_run(argc, argv, stdout, stderr);
	if (fflush(stdout) != 0 && exit_code == EXIT_CODE_DONE)
		exit_code = EXIT_CODE_FAILED;
	return exit_code;
}
