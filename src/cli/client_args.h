/* The command line and environment of "adit client", read and checked. */
#ifndef CLI_CLIENT_ARGS_H
#define CLI_CLIENT_ARGS_H

#include "agent/link.h"
#include "cli/daemon.h"

struct client_args {
	struct link_client_options link;
	struct daemon_args daemon;
	struct field_list headers;
	bool checks;            /* once, and ends */
	struct remote *remotes; /* owned */
};

extern const struct field_table client_fields;

/*
 * Checks what was read by client_fields, reads server and remotes from the @argc words
 * left behind the flags, and completes @args->link.
 *
 * ERR_USAGE: @why names the flag or remote and says what to write.  ERR_NOMEM.
 * Either way client_args_fini() is due.
 */
enum err client_args_check(struct client_args *args, int argc, char **argv,
	struct why *why) MUST_USE;

void client_args_fini(struct client_args *args);

#endif
