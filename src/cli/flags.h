/*
 * Flags: what a command takes on its command line and from the environment, as a table.
 *
 * A row says what a flag is called, of which kind it is, and where in the command's options
 * its value goes. Parsing, the environment, help, completion and the check of the man pages
 * read the same rows: a new flag is a new row.
 *
 * The conventions are those of Go's flag package, which Chisel's users know: one dash or two,
 * "--name value" or "--name=value", "--name" or "--name=false" for a switch, "--" ends the
 * flags, and so does the first word that is not one. chisel-protocol 8. Portal's users write
 * flags behind other words, too: portal-protocol 15.9.
 */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FLAG_LIST_MAX 64
#define FLAG_ROWS_MAX 64

enum flag_kind {
	FLAG_END = 0,  /* closes a table */
	FLAG_BOOL,     /* bool */
	FLAG_TEXT,     /* const char *, borrowed from argv or the environment */
	FLAG_SECRET,   /* char *, owned by the options; blotted out in argv */
	FLAG_LIST,     /* struct flag_list; each use adds an item */
	FLAG_PORT,     /* uint16_t */
	FLAG_INT,      /* int */
	FLAG_COUNT,    /* uint32_t */
	FLAG_BYTES,    /* uint64_t */
	FLAG_DURATION, /* uint32_t, milliseconds */

	/* const char *, as FLAG_TEXT, or NULL when the command line does not have it; the
	 * environment and the preset are only told by help: somebody else reads them. */
	FLAG_OVERRIDE,
	FLAG_OVERRIDE_SWITCH, /* the same; "true" when it stands alone */
};

struct flag {
	const char *name; /* NULL: only in the environment */
	const char
		*alias; /* another name, or NULL; the first name wins if both are given */
	enum flag_kind kind;
	bool is_own;     /* adit's own: the help of other personas does not show it */
	size_t offset;   /* of the value in the options */
	const char *env; /* read when the flag is not given or empty; or NULL */
	const char *
		preset; /* the value when there is none, as one would write it; or NULL */
	const char *argument; /* what help calls the value; NULL for a switch */
	const char *help;     /* a line or more, without a full stop */
};

struct flag_list {
	const char *items[FLAG_LIST_MAX + 1]; /* borrowed from argv; NULL at the end */
	unsigned count;
};

struct flag_result {
	int rest;        /* index in argv of the first word that is not a flag */
	bool wants_help; /* --help or -h was met, and parsing stopped there */
};

/*
 * Reads the flags in @argv (the first of @argc words is a flag already) and then the
 * environment into @options, which starts zeroed. Rows that only the environment has are
 * for tuning: a value there that makes no sense is logged and the default used.
 *
 * ERR_USAGE: @why names the flag and says what to write.  ERR_NOMEM.
 * Either way flags_fini() is due.
 */
enum err flags_parse(const struct flag *table, int argc, char **argv, void *options,
	struct flag_result *out, struct why *why) MUST_USE;

/*
 * The same with flags between and behind other words, which are moved behind the flags, in
 * their order. What follows "--" is no flag.
 */
enum err flags_parse_anywhere(const struct flag *table, int argc, char **argv,
	void *options, struct flag_result *out, struct why *why) MUST_USE;

/* Wipes and frees the secrets. */
void flags_fini(const struct flag *table, void *options);

/* The row that is called @name, by name or alias; NULL if there is none. */
const struct flag *flags_find(const struct flag *table, const char *name);

/* "--" or, before a single letter, "-". */
const char *flag_dashes(const char *name);

#endif
