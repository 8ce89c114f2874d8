/* The program behind `adit expose`: one exposure, until somebody ends it. */
#ifndef AGENT_EXPOSE_RUN_H
#define AGENT_EXPOSE_RUN_H

#include "agent/expose_metrics.h"

/* All is borrowed and outlives the run. */
struct expose_run_options {
	const struct target *target; /* see agent/expose.h */
	const struct http_routes *routes;
	const struct relay_urls *relays;
	const struct identity *identity;
	const struct message_metadata *metadata;
	bool wants_tcp;
	bool bans_mitm;
	bool preserves_host; /* see agent/forward.h */
	size_t head_max;
	const struct addr_listen *metrics; /* where to serve figures; or NULL */
	/* The service can be reached at a place where it could not be before. */
	void (*on_public)(void *arg, const char *url, const char *tcp);
	void *arg;
};

/*
 * Runs until SIGINT or SIGTERM, or until no relay is left. Returns the program's exit code.
 * SIGHUP registers anew everywhere, now.
 */
int expose_run(const struct expose_run_options *o);

#endif
