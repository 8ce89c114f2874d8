/* The command line of "adit expose". */
#ifndef CLI_EXPOSE_ARGS_H
#define CLI_EXPOSE_ARGS_H

#include "agent/expose_metrics.h"
#include "cli/daemon.h"
#include "text/relay_url.h"
#include "tunnel/portal/identity.h"
#include "tunnel/portal/message.h"

struct expose_args {
	/* As they were given. */
	char *relays_text;
	int multi_hop_depth, max_active_relays;
	char *identity_path;
	char *identity_json;
	char *name;
	struct field_list route_texts;
	char *metrics_addr;
	struct daemon_args daemon;
	bool has_discovery, bans_mitm, has_tcp, allows_public_metrics;
	bool preserves_host, takes_over;
	unsigned head_max;
	bool only_warns; /* see cli/persona.h; set before the check */

	/* What they mean. */
	struct relay_urls relays;
	struct target target;
	bool has_target; /* else there are routes */
	struct http_routes routes;
	struct identity identity;
	int claim;      /* of the identity; -1: none */
	bool has_rival; /* another program of this machine has claimed it */
	struct message_metadata metadata;
	struct addr_listen metrics; /* port 0: none */
	bool has_public_metrics;    /* other machines can read them */
};

extern const struct field_table expose_fields;

/*
 * Makes sense of the flags and the words behind them, and loads or makes the identity.
 * @why is for the user, and says what to write. ERR_NOENT: there is no relay.
 */
enum err expose_args_check(struct expose_args *args, int argc, char **argv,
	struct why *why) MUST_USE;

void expose_args_fini(struct expose_args *args);

#endif
