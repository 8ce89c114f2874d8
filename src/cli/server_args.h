/* The command line and environment of "adit server", read and checked. */
#ifndef CLI_SERVER_ARGS_H
#define CLI_SERVER_ARGS_H

#include "cli/daemon.h"
#include "relay/link.h"

struct server_args {
	struct link_server_options link;
	struct daemon_args daemon;
	struct field_list tls_domains;
	char *keygen; /* write a key here and end */
	bool forces;  /* also if there is one */
};

extern const struct field_table server_fields;

/*
 * Checks what was read by server_fields, with @argc words left behind the flags, and
 * completes @args->link. ERR_USAGE: @why names the flag and says what to write.
 */
enum err server_args_check(struct server_args *args, int argc, char **argv,
	struct why *why) MUST_USE;

#endif
