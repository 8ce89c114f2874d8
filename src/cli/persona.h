/*
 * A persona is what the program is when it is called by a certain name: through a link
 * named "chisel" it has the command line of Chisel.
 */
#ifndef CLI_PERSONA_H
#define CLI_PERSONA_H

#include <stdio.h>

#include "cli/command.h"

struct persona {
	const char *name;
	const char *about;   /* one line for its help */
	const char *version; /* what --version and -v print */
	bool is_lenient;     /* a word it does not know prints the help, as a success */
	/* What adit refuses as a risk unless a flag allows it, this one does with a
	 * warning. */
	bool only_warns;
	/* behind other words there are none, as with Go's flag package */
	bool has_flags_first;
	const struct command *const *commands; /* NULL at the end */
};

/* The table of all, ended by one without a name. The first serves any unknown name. */
extern const struct persona personas[];

/* The persona that the program @path (argv[0], may be NULL) is called as. */
const struct persona *persona_find(const char *path);

/*
 * The command or group that the front of the @argc words names, or NULL; *@used is how
 * many of them.
 */
const struct command *persona_find_command(const struct persona *p, int argc, char **argv,
	int *used);

/* Says on @err that @p, or its @group if not NULL, has no command @word, and which is
 * near. */
int persona_refuse_command(const struct persona *p, const struct command *group,
	const char *word, FILE *err);

/* Whether @c takes flags behind other words. */
bool persona_has_flags_anywhere(const struct persona *p, const struct command *c);

/* Runs the command of @p that @argv names, behind argv[0], and returns the exit code. */
int persona_call(const struct persona *p, int argc, char **argv, FILE *out, FILE *err);

/* The program: runs the command that @argv names and returns the exit code. */
int persona_run(int argc, char **argv, FILE *out, FILE *err);

#endif
