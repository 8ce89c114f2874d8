/* The command lines and environments of "adit server" and "adit client". */
#ifndef CLI_LINK_ARGS_H
#define CLI_LINK_ARGS_H

#include "agent/link.h"
#include "cli/daemon.h"
#include "serve/link/link_server.h"

struct server_args {
	struct link_server_options link;
	struct daemon_args daemon;
	char *keygen; /* write a key to this file and end */
	bool forces;  /* replace a file that is there */
};

struct client_args {
	struct link_client_options link;
	struct daemon_args daemon;
	struct field_list headers;
	bool checks;            /* check the remotes once, and end */
	struct remote *remotes; /* owned */
};

extern const struct field_table server_fields, client_fields;

/* What depends on several flags. ERR_USAGE: @why names them and says what to write. */
enum err server_args_check(const struct server_args *args, struct why *why) MUST_USE;

/*
 * Checks what was read by client_fields, reads server and remotes from the @argc words
 * after the flags, and completes @args->link.
 *
 * ERR_USAGE: @why names the flag or remote and says what to write.  ERR_NOMEM.
 * Either way client_args_fini() is due.
 */
enum err client_args_check(struct client_args *args, int argc, char **argv,
	struct why *why) MUST_USE;

void client_args_fini(struct client_args *args);

#endif
