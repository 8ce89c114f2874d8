/*
 * The route of a panel tunnel: a public name whose TLS ends at the edge, the rules for
 * its visitors, and the app that it leads to. It is const once it is in the table: a
 * change of the tunnel is a new one, which replaces it. Requests that are under way keep
 * the one that they have begun with.
 */
#ifndef EDGE_TUNNEL_ROUTE_H
#define EDGE_TUNNEL_ROUTE_H

#include "serve/route.h"

#define TUNNEL_ID_SIZE 37 /* a UUID */
#define TUNNEL_AGENT_SIZE 64
#define TUNNEL_TARGET_SIZE 640

/* Visitors that a tunnel is for. Zeroes are not public. */
enum tunnel_access {
	TUNNEL_RESTRICTED,    /* people who are named */
	TUNNEL_AUTHENTICATED, /* everybody who has signed in */
	TUNNEL_PUBLIC,
};

/*
 * Limits of a tunnel, for all of its visitors together and for each address that they
 * come from (of IPv6: each /64). 0 is no limit. A rate allows a burst of
 * TUNNEL_BURST_S seconds' worth. Bytes per second are limited for the owner of a route
 * (data_worker_open_route()).
 */
#define TUNNEL_BURST_S 5

struct tunnel_limits {
	uint32_t connections, client_connections;
	uint32_t requests_per_s, client_requests_per_s; /* at most 1,000,000 */
	uint64_t body_max;                              /* bytes of a request */
	/* without a byte in either direction; an upgraded connection may stay twice as
	 * long */
	uint32_t idle_ms;
};

/* 4,096 and 512 connections; 200 requests a second for each address; 24 h. */
extern const struct tunnel_limits tunnel_limits_default;

struct tunnel_route {
	struct route route; /* first: freed as a route */
	char id[TUNNEL_ID_SIZE];
	enum tunnel_access access;
	bool is_paused;
	char agent[TUNNEL_AGENT_SIZE];   /* its label; "": none yet */
	char target[TUNNEL_TARGET_SIZE]; /* "host:port" at the agent */
	bool has_no_hsts;
	struct tunnel_limits limits;
};

/*
 * With one reference, routable for ever, with the default limits, restricted; zero else.
 * @ops is const, and its serve_take is edge_serve_take() (edge/edge_service.h). Its
 * open_carrier makes a carrier also while no agent is there: claims wait or fail then.
 * NULL: out of memory.
 */
struct tunnel_route *tunnel_route_new(const struct route_ops *ops);

/* The same for one that is embedded first in a zeroed struct from malloc(). */
void tunnel_route_init(struct tunnel_route *t, const struct route_ops *ops);

/* NULL: @r is no tunnel's. */
struct tunnel_route *tunnel_route_of(struct route *r);

#endif
