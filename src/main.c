/* The program: the name it is called by selects a persona. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "loop/loop.h"

/* Else a connection might get the number of standard error, and the log. */
static void open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	int exit_code;

	/* First of all: a signal that comes now is for the program, not its end. */
	loop_signals_hold();
	open_standard_files();
	/* A peer that is gone is an error of write(2), not the end of the program. */
	signal(SIGPIPE, SIG_IGN);
	exit_code = persona_call(persona_find(argc > 0 ? argv[0] : NULL), argc, argv,
		stdout, stderr);
	if (fflush(stdout) != 0 && exit_code == EXIT_CODE_DONE)
		exit_code = EXIT_CODE_FAILED;
	return exit_code;
}
