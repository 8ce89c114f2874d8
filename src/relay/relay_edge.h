/*
 * The edge of the relay: what serves the tunnels of its panel. Agents connect by links at
 * "tunnel.<domain>", and at a loopback port for a proxy in front; the routes of tunnels
 * lead to them. On the control worker, unless a comment says otherwise.
 */
#ifndef RELAY_RELAY_EDGE_H
#define RELAY_RELAY_EDGE_H

#include "http/api.h"
#include "panel/panel.h"
#include "serve/tls_contexts.h"

struct relay;
struct relay_edge;

#define RELAY_LINK_KEY_FILE "link.key" /* in the state directory */
#define RELAY_TUNNEL_LABEL "tunnel"    /* of the host where agents connect */

/*
 * Adds its services to r->shared, before the workers are opened, and its route to
 * r->routes. Nothing if the options have no domain.
 * ERR_SYS, ERR_SYNTAX: the key of links cannot be read or made.
 */
enum err relay_edge_open(struct relay *r, struct why *why) MUST_USE;

/* Of the host key of links; good as long as the edge. */
const char *relay_edge_fingerprint(const struct relay *r);

/* The panel's API for data workers; the panel is open. */
enum err relay_edge_open_operations(struct relay *r, struct why *why) MUST_USE;

/* Those operations. */
const struct api *relay_edge_operations(const struct relay *r);

/* Listens; the workers are open. Errors are those of listener_open(). */
enum err relay_edge_listen(struct relay *r, struct why *why) MUST_USE;

/* Accepts nothing more. */
void relay_edge_end(struct relay *r);

/* The workers have ended, and the panel is closed. */
void relay_edge_close(struct relay *r);

/* SIGHUP: certificates that have failed are tried again. */
void relay_edge_retry(struct relay *r);

/* The TLS contexts of its names, for a new snapshot; NULL: it serves none. ERR_NOMEM. */
enum err relay_edge_contexts(struct relay *r, struct tls_contexts **out) MUST_USE;

/* ---- hooks of the panel ---- */

enum err relay_edge_on_tunnel(struct relay *r, const struct panel_tunnel *before,
	const struct panel_tunnel *after, struct why *why) MUST_USE;
void relay_edge_on_agents(struct relay *r);
/* Of names with a certificate by ACME; leaves others as they are. */
void relay_edge_certificate_of(struct relay *r, const char *host,
	struct path_certificate *out);
void relay_edge_agent_of(struct relay *r, const char *label, struct path_agent *out);

#endif
