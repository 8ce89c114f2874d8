/*
 * Arguments: the command line and the environment, read by a table of fields
 * (text/field.h). Help, completion and the check of the man pages use the same rows.
 *
 * The conventions are those of Go's flag package, which Chisel's users know: one dash or
 * two, "--name value" or "--name=value", "--name" or "--name=false" for a switch, "--"
 * ends the flags, and so does the first word that is not one. chisel-protocol 8. Portal's
 * users write flags behind other words, too: portal-protocol 15.9.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "text/field.h"

#define ARGS_ROWS_MAX 64
#define ARGS_FLAG_MAX 50
#define ARGS_REPEATED_MAX 64 /* uses of one flag */

struct args_result {
	int rest;        /* index in argv of the first word that is not a flag */
	bool wants_help; /* --help or -h was met, and reading stopped there */
	uint64_t given;  /* a bit for each row, by its index: the command line has it */
};

enum args_mode {
	ARGS_FIRST = 0,       /* flags end at the first other word */
	ARGS_ANYWHERE = 1,    /* other words are moved behind the flags; "--" ends them */
	ARGS_TAKES_EMPTY = 2, /* an empty text is a value; else as if it were not given */
};

/*
 * Reads the flags in @argv (the first of @argc words is a flag already) into @object, a
 * struct with its defaults. @mode: one or more of enum args_mode.
 *
 * ERR_USAGE: @why names the flag and says what to write.  ERR_NOMEM.
 * Call field_fini() also after an error.
 */
enum err args_read(const struct field_table *t, int argc, char **argv, unsigned mode,
	void *object, struct args_result *out, struct why *why) MUST_USE;

/*
 * Reads the variables of the rows that are not in @given. Rows that only the environment
 * has are for tuning: a value there that makes no sense is logged and the default used.
 * ERR_USAGE, ERR_NOMEM, as above.
 */
enum err args_read_environment(const struct field_table *t, uint64_t given, void *object,
	struct why *why) MUST_USE;

/* "--api-port" of "api_port", "-p" of "p". Returns @to. */
const char *args_flag(const char *name, char to[ARGS_FLAG_MAX]);

#endif
