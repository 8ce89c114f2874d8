/*
 * What the commands that stay have in common: the log, the pid file and the tuning of
 * sessions, as tables of fields for theirs.
 */
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

#include "cli/args.h"

#define DAEMON_PID_FILE "chisel.pid" /* in the current directory, where Chisel has it */

struct daemon_args {
	char *log; /* ADIT_LOG: "json,debug" */
	bool is_verbose;
	bool writes_pid;
};

/*
 * Before any command: finds out where the log goes and reads ADIT_LOG, so that a mistake
 * of the command line is reported in the form that ADIT_LOG asks for.
 */
void daemon_prepare(void);

/*
 * Sets up the log, and writes the pid file if asked.
 * ERR_USAGE: ADIT_LOG has a word we do not know.  ERR_SYS: no pid file.
 */
enum err daemon_start(const struct daemon_args *args, struct why *why) MUST_USE;

/* Of a struct daemon_args: all of it, or without the pid file. */
extern const struct field_table daemon_fields, log_fields;

/* Of a struct chisel_tuning; in the environment only. */
extern const struct field_table tuning_fields;

#endif
