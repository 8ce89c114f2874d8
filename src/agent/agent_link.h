/*
 * A link of an agent's config: it is open as long as it is in the config, whatever fails.
 */
#ifndef AGENT_AGENT_LINK_H
#define AGENT_AGENT_LINK_H

#include "agent/config.h"
#include "agent/health.h"
#include "agent/session.h"
#include "loop/worker.h"

#define AGENT_LINK_KEY "key.pem" /* the files of a managed link's credentials */
#define AGENT_LINK_CERT "cert.pem"
#define AGENT_LINK_CA "ca.pem" /* trusted besides the system's roots; may be missing */
#define AGENT_LINK_DIRECTORY "links" /* below the state directory: their default place */
#define AGENT_LINK_NAME "agent:" /* before the label in the certificate's common name */

struct agent_link;

struct agent_link_options {
	struct worker *worker; /* all borrowed: they outlive the link */
	const struct log *log;
	const char *state_dir; /* of the agent */
};

/*
 * @config is taken, and zeroed. A link that cannot run opens, too, and is in state error.
 * ERR_NOMEM: @config stays the caller's.
 */
enum err agent_link_open(const struct agent_link_options *o, struct link_config *config,
	struct agent_link **out) MUST_USE;

/* Ends it now. NULL is fine. */
void agent_link_close(struct agent_link *l);

const struct link_config *agent_link_config(const struct agent_link *l);

/* As agent_session_retry_now(). */
void agent_link_retry_now(struct agent_link *l, const char *reason);

/* Closes the connection of a managed link, reads its credentials again, and connects. */
void agent_link_reopen(struct agent_link *l, const char *reason);

struct agent_link_status {
	enum agent_state state;
	enum agent_health health;
	uint64_t since_ms, next_ms; /* clock_now_ms(); next: 0, none is planned */
	const char *error;          /* "": none. As old as the state */
	struct agent_session_status session; /* its texts are "" without one */
	/* Of a managed link: its tunnels; NULL: not connected yet. */
	const struct managed_list *tunnels;
};

struct agent_link_status agent_link_status(const struct agent_link *l);

#endif
