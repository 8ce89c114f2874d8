/*
 * A command is one or two words after the program's name, and the function for them:
 * "adit server", "adit relay run". Each command has its own file. A persona is the
 * command line of the program under a certain name: through a link named "chisel" it has
 * the command line of Chisel.
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

struct agent_names; /* agent/paths.h */
struct command;

struct persona {
	const char *name;
	const char *about;   /* one line for its help */
	const char *version; /* what --version and -v print */
	bool is_lenient;     /* an unknown word prints the help, as a success */
	/* Risks that adit refuses unless a flag allows them are only warned about. */
	bool only_warns;
	bool has_flags_first; /* flags end at the first other word, as in Go's package */
	const struct agent_names *agent;       /* places and service; NULL: it has none */
	const struct command *const *commands; /* NULL at the end */
};

/* One call of one command. Everything is borrowed for the call. */
struct call {
	const struct persona *persona;
	const struct command *command;
	FILE *out;   /* results */
	FILE *err;   /* errors */
	char **argv; /* the words after the flags */
	int argc;
	char **flags; /* the words that were read as flags, and their values */
	int flag_count;
	struct why why; /* for call_fail() */
};

/* In the texts, "@" stands for the name of the program. */
struct command {
	const char *name;                 /* all its words: "relay run" */
	const char *arguments;            /* "[flags] <server> <remote>..." */
	const char *summary;              /* one line, without a full stop */
	const char *about;                /* paragraphs before the flags; or NULL */
	const char *examples;             /* indented lines after the flags; or NULL */
	const struct field_table *fields; /* of its arguments; NULL: there are no flags */

	/* @args: a struct of @fields, with defaults, flags and environment. What @fields
	 * names in it is freed after the call. Returns the exit code. */
	int (*run)(struct call *c, void *args);
	bool has_flags_anywhere; /* after other words, too */
	bool has_flags_only;     /* other words are refused */
	const char *words;       /* choices for the first word, with spaces; or NULL */
	bool takes_commands;     /* its words are names of commands */
	bool takes_file;         /* its first word is the name of a file */
	bool stays;              /* runs until a signal ends it, and has a log */

	/* A group has these, NULL at the end, in place of fields and run. */
	const struct command *const *commands;
};

extern const struct command command_server, command_client, command_demo, command_relay;
extern const struct command command_relay_run, command_relay_status, command_relay_lease;
extern const struct command command_relay_tunnel, command_relay_agent;
extern const struct command command_expose, command_list, command_agent;
extern const struct command command_agent_run, command_agent_check;
extern const struct command command_agent_status, command_agent_stop;
extern const struct command command_agent_restart, command_agent_logs;
extern const struct command command_agent_setup, command_agent_update;
extern const struct command command_agent_uninstall, command_agent_dashboard;
extern const struct command command_version, command_help, command_completion;

/* All personas; the last has no name. The first serves any unknown name. */
extern const struct persona personas[];

/* The persona that the program @path (argv[0], may be NULL) is called as. */
const struct persona *persona_find(const char *path);

/* The last word of the name. */
const char *command_word(const struct command *c);

/* The words that call @c: "agent logs", but "logs" where that is a command of @p. */
const char *persona_command_name(const struct persona *p, const struct command *c);

/*
 * The command or group that the first of the @argc words name, or NULL; *@used is how
 * many of them.
 */
const struct command *persona_find_command(const struct persona *p, int argc, char **argv,
	int *used);

/* Prints on @err that @p, or its @group if not NULL, has no command @word, and which is
 * similar. Returns the exit code. */
int persona_refuse_command(const struct persona *p, const struct command *group,
	const char *word, FILE *err);

/* Whether @c takes flags after other words. */
bool persona_has_flags_anywhere(const struct persona *p, const struct command *c);

/* Runs the command of @p that @argv names, after argv[0], and returns the exit code. */
int persona_call(const struct persona *p, int argc, char **argv, FILE *out, FILE *err);

/*
 * Prints the help of a command, with its flags; of a group; or, with @c NULL, of @p.
 */
void help_print(FILE *out, const struct persona *p, const struct command *c);

/*
 * Prints "@subject: @text" on @err; where a program reads standard error, it is a line of
 * the log. @subject is a name such as "adit server", or NULL.
 */
void command_print_error(FILE *err, enum log_level level, const char *subject,
	const char *text);

/* Prints "adit server: " and the sentence in @c->why, and returns the exit code that
 * goes with @rc. */
int call_fail(const struct call *c, enum err rc);

#endif
