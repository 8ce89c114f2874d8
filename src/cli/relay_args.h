/* The command lines of "adit relay run" and of the commands that ask a running relay. */
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
	const struct call *call; /* borrowed: its flags are read again */
};

/* Of "relay run"; of commands that send requests to a running relay, whose own structs
 * have a struct relay_args as their first member. */
extern const struct field_table relay_run_fields, relay_admin_fields;

/*
 * A relay_read_fn; @arg is a struct relay_args, the first member of the struct of the
 * command's fields: defaults, then the file, then the
 * environment, then the flags.
 * ERR_USAGE: a flag, a variable or the file.  ERR_SYS: the file cannot be read.
 */
enum err relay_args_read(void *arg, struct relay_options *out, struct why *why) MUST_USE;

#endif
