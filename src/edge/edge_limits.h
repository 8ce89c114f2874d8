/*
 * Limits of one tunnel on its worker: connections and requests, of all its visitors and
 * of each client address. An IPv6 address counts as its /64. What is counted outlives a
 * change of the tunnel; the limits are those of the tunnel as it is now.
 */
#ifndef EDGE_EDGE_LIMITS_H
#define EDGE_EDGE_LIMITS_H

#include "base/err.h"
#include "edge/tunnel_route.h"
#include "net/addr.h"

#define EDGE_CLIENTS_MAX 10000 /* addresses that are remembered */

struct edge_limits;
struct edge_client; /* a client address that has connections */

enum err edge_limits_new(struct edge_limits **out) MUST_USE;
void edge_limits_free(struct edge_limits *l); /* NULL is fine */

enum edge_admission {
	EDGE_ADMITTED,
	/* above a limit: it is counted, and gets the answer that says so */
	EDGE_EXCESS,
	/* above twice a limit, or no memory: it is not counted, and is closed at once */
	EDGE_REFUSED,
};

/*
 * A connection of @peer. Unless it is refused, *@out is its client, until
 * edge_limits_disconnect().
 */
enum edge_admission edge_limits_connect(struct edge_limits *l,
	const struct tunnel_limits *max, const struct addr *peer,
	struct edge_client **out);
void edge_limits_disconnect(struct edge_limits *l, struct edge_client *client);

/* Counts a request. 0: it is allowed; else seconds until the next one will be. */
uint32_t edge_limits_request(struct edge_limits *l, const struct tunnel_limits *max,
	struct edge_client *client) MUST_USE;

/* Client addresses that are remembered now. */
size_t edge_limits_clients(const struct edge_limits *l);

#endif
