/* The command line and environment of "adit server", read and checked. */
#ifndef CLI_SERVER_ARGS_H
#define CLI_SERVER_ARGS_H

#include "cli/daemon.h"
#include "serve/link/link_server.h"

struct server_args {
	struct link_server_options link;
	struct daemon_args daemon;
	char *keygen; /* write a key here and end */
	bool forces;  /* also if there is one */
};

extern const struct field_table server_fields;

/* What depends on several flags. ERR_USAGE: @why names them and says what to write. */
enum err server_args_check(const struct server_args *args, struct why *why) MUST_USE;

#endif
