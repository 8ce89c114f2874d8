/*
 * A command is a word or two after the program's name and what they run: "adit server",
 * "adit relay run". Each has a file of its own; cli/persona.c says which name of the
 * program has which.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdio.h>

#include "base/log.h"
#include "cli/args.h"

/* What a program returns to the shell. */
enum exit_code {
	EXIT_CODE_DONE = 0,
	EXIT_CODE_FAILED = 1,
	EXIT_CODE_USAGE = 2,
};

struct persona;
struct command;

/* One call of one command. Everything is borrowed for the call. */
struct call {
	const struct persona *persona;
	const struct command *command;
	FILE *out; /* what was asked for */
	FILE *err; /* what went wrong */
	int argc;  /* the words behind the command; behind its flags after call_read() */
	char **argv;
};

/* In the texts, "@" stands for the name of the program. */
struct command {
	const char *name;                 /* all its words: "relay run" */
	const char *arguments;            /* "[flags] <server> <remote>..." */
	const char *summary;              /* one line, without a full stop */
	const char *about;                /* paragraphs before the flags; or NULL */
	const char *examples;             /* indented lines behind the flags; or NULL */
	const struct field_table *fields; /* of its arguments; NULL: there are no flags */
	int (*run)(struct call *c);
	bool has_flags_anywhere; /* behind other words, too */
	const char *words; /* that stand behind its flags, spaces between them; or NULL */
	bool takes_commands; /* names of commands stand there */
	bool stays; /* until it is told to end: it takes signals, and has a log */

	/* A group has these, NULL at the end, in place of fields and run. */
	const struct command *const *commands;
};

/* The last word of the name. */
const char *command_word(const struct command *c);

/* The one of @list (NULL at the end) whose last word is @word, or NULL. */
const struct command *command_find(const struct command *const *list, const char *word);

extern const struct command command_server, command_client, command_demo, command_relay;
extern const struct command command_relay_run, command_relay_status, command_relay_lease;
extern const struct command command_expose, command_list;
extern const struct command command_version, command_help, command_completion;

/*
 * Reads defaults, flags and environment into @args, which starts zeroed, and moves argc
 * and argv behind the flags. False if that is all: help was printed or a mistake named,
 * and *@exit_code says with which code to end. Either way field_fini() is due.
 */
bool call_read(struct call *c, void *args, int *exit_code) MUST_USE;

/* ERR_USAGE: there are words behind the flags. */
enum err call_refuse_words(const struct call *c, struct why *why) MUST_USE;

/*
 * Prints "@who: @text" on @err; where a program reads standard error, it is a line of the
 * log. @who is a name such as "adit server", or NULL.
 */
void command_tell(FILE *err, enum log_level level, const char *who, const char *text);

/* Prints "adit server: sentence" and returns the exit code that goes with @rc. */
int call_fail(const struct call *c, enum err rc, const struct why *why);

#endif
