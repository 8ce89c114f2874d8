/* The command lines of "adit relay run", "adit relay status" and "adit relay lease". */
#ifndef CLI_RELAY_ARGS_H
#define CLI_RELAY_ARGS_H

#include "cli/command.h"
#include "cli/daemon.h"
#include "relay/relay_config.h"

struct relay_args {
	struct relay_options options; /* without the file: see relay_args_read() */
	char *config;
	struct daemon_args daemon;
	bool is_json;

	const struct field_table *fields; /* of the command */
	int argc;                         /* its flags */
	char **argv;
};

extern const struct field_table relay_run_fields, relay_status_fields, relay_lease_fields;

/*
 * call_read() into @args, which starts zeroed; relay_args_fini() is due.
 * @args is good for relay_args_read() as long as argv is.
 */
bool relay_args_call(struct call *c, struct relay_args *args, int *exit_code) MUST_USE;
void relay_args_fini(struct relay_args *args);

/*
 * A relay_read_fn; @arg is a struct relay_args: defaults, then the file, then the
 * environment, then the flags.
 * ERR_USAGE: a flag or a variable.  ERR_SYNTAX: the file.  ERR_SYS: it cannot be read.
 */
enum err relay_args_read(void *arg, struct relay_options *out, struct why *why) MUST_USE;

#endif
