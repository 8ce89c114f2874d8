/*
 * The agents that a relay knows: each logs in to a link with a key of its own, and is
 * told the list of its tunnels. The newest connection of an agent is the one that counts.
 *
 * The control worker writes, all threads read, behind one lock that is held for a look-up
 * and no longer.
 */
#ifndef SERVE_LINK_LINK_AGENTS_H
#define SERVE_LINK_LINK_AGENTS_H

#include "base/buf.h"
#include "net/addr.h"
#include "serve/link/link_server.h"
#include "tunnel/chisel/managed.h"

struct link_agents;

struct link_agents_options {
	unsigned workers; /* data workers of the server */
	/* An agent has connected or is gone. Called on data workers, with no lock held;
	 * may be NULL. */
	void (*on_change)(void *arg, const char *label);
	void *arg;
};

enum err link_agents_new(const struct link_agents_options *o,
	struct link_agents **out) MUST_USE;
void link_agents_free(struct link_agents *t); /* NULL is fine */

/* For link_server_options: whose key it is. Borrowed: as long as the table. */
const struct link_keys *link_agents_keys(const struct link_agents *t);

/* The data worker that has the link of the agent, and serves its tunnels. */
unsigned link_agents_worker(const struct link_agents *t, const char *label);

/* ---- the control worker's; link_server_check_keys() after a change of keys ---- */

/* The agent has the public key @blob (SSH's format) from now on. ERR_NOMEM, ERR_LIMIT. */
enum err link_agents_put(struct link_agents *t, const char *label,
	struct span blob) MUST_USE;
void link_agents_remove(struct link_agents *t, const char *label);

/* The list of its tunnels, JSON; link_server_tell() sends it. ERR_NOENT: no such
 * agent. */
enum err link_agents_set_list(struct link_agents *t, const char *label,
	struct span json) MUST_USE;

/* ---- any thread ---- */

struct link_agent_status {
	bool is_connected;
	uint64_t since_ms;  /* clock_wall_ms(): connected, or gone; 0: never seen */
	struct addr client; /* of the newest connection */
	uint64_t rtt_us;    /* 0: not known */
	char version[64];   /* of adit at the agent; "": not known */
};

/* False: there is no such agent. */
bool link_agents_status(struct link_agents *t, const char *label,
	struct link_agent_status *out);

/* Grows with every change of a list: while it is the same, no list is new. */
uint64_t link_agents_changes(const struct link_agents *t);

/* Appends its list to @out if that is not of *@version (0: any), which is set then.
 * False: there is no such agent, or nothing new. */
bool link_agents_read_list(struct link_agents *t, const char *label, uint64_t *version,
	struct buf *out);

/* ---- for link_session.c: the agent's session has begun or ended ---- */

void link_agents_attach(struct link_agents *t, const char *label, uint64_t session,
	const struct addr *client, const char *version);
void link_agents_note_rtt(struct link_agents *t, const char *label, uint64_t rtt_us);
void link_agents_detach(struct link_agents *t, const char *label, uint64_t session);

#endif
