/*
 * Managed links: adit's own addition to Chisel's protocol. The agent logs in with a key
 * and declares no remotes; the relay sends it the list of its tunnels whenever that
 * changes, as a notice (chisel_session_notify()), and opens channels to their targets.
 */
#ifndef TUNNEL_CHISEL_MANAGED_H
#define TUNNEL_CHISEL_MANAGED_H

#include "base/buf.h"
#include "text/field.h"
#include "tunnel/chisel/remote.h"

/* The header of the WebSocket request with the agent's label: the relay hands the
 * connection to the thread that serves the agent's tunnels before anything is known. */
#define MANAGED_HEADER "Adit-Agent"

#define MANAGED_NOTICE "adit-tunnels"

/* A list is longer than a packet may be: all but its last part, in their order, have this
 * name. */
#define MANAGED_PART "adit-tunnels-part"
#define MANAGED_PART_BYTES 16384

/* The notice that ends a link: a newer one of the same agent has its place. */
#define MANAGED_REPLACED "adit-replaced"

#define MANAGED_LABEL_MAX 64 /* with its terminator */
#define MANAGED_TUNNELS_MAX 1000
#define MANAGED_LIST_MAX (240 * 1024) /* bytes of JSON */

struct managed_tunnel {
	char *host;   /* its public name */
	char *target; /* "host:port", as the channel names it */
	char *access; /* "public", "authenticated" or "restricted" */
	bool is_paused;
};

extern const struct field_table managed_tunnel_fields;

struct managed_list {
	struct field_tables tunnels; /* struct managed_tunnel */
};

/*
 * Reads a list. managed_list_fini() is due in any case.
 * ERR_SYNTAX: not a list, or a target is malformed.  ERR_LIMIT, ERR_NOMEM.
 */
enum err managed_list_parse(struct span json, struct managed_list *out,
	struct why *why) MUST_USE;
enum err managed_list_print(const struct managed_list *list, struct buf *out) MUST_USE;
void managed_list_fini(struct managed_list *list);

static inline struct managed_tunnel *managed_list_at(const struct managed_list *list,
	unsigned i)
{
	return (struct managed_tunnel *)list->tunnels.v + i;
}

/* Is @target that of a tunnel in the list? Paused ones count: requests to them may be
 * under way. */
bool managed_list_covers(const struct managed_list *list,
	const struct remote_target *target);

#endif
