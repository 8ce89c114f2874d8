/*
 * HTTP routes: the upstream of each path of a tunnel (portal-protocol 14.3 to 14.5).
 * These functions have no state and do no I/O.
 */
#ifndef AGENT_HTTP_ROUTES_H
#define AGENT_HTTP_ROUTES_H

#include "agent/target.h"

#define HTTP_ROUTES_MAX 64

struct http_route {
	char prefix[URL_PATH_MAX]; /* canonical: "/", or without a slash at the end */
	struct target upstream;
	struct target_path at; /* in the upstream */
};

/* Longest prefix first, prefixes of the same length by name. Initialised to zero. */
struct http_routes {
	struct http_route **routes;
	unsigned count;
};

/*
 * Adds "PATH=UPSTREAM".
 * ERR_SYNTAX: @why says what is wrong.  ERR_EXISTS: there is a route for the path.
 * ERR_LIMIT: there are too many routes, or this one is too long.
 */
enum err http_routes_add(struct http_routes *routes, struct span text,
	struct why *why) MUST_USE;

/* Copies them into @to, which is empty. ERR_NOMEM: @to is empty. */
enum err http_routes_copy(const struct http_routes *from,
	struct http_routes *to) MUST_USE;

void http_routes_fini(struct http_routes *routes);

/* The route of @path, which is canonical, or NULL. */
const struct http_route *http_routes_find(const struct http_routes *routes,
	struct span path);

/*
 * Adds the target of the upstream's request: the upstream's own path, @path (canonical,
 * of this route) without its prefix, and @query, which has no '?'.
 */
enum err http_route_put_target(const struct http_route *route, struct span path,
	struct span query, struct buf *out) MUST_USE;

/*
 * Rewrites the value of an upstream's Location or Set-Cookie header to public paths, for
 * a visitor of @public_host that uses @scheme. False: the value stays as it is; ignore
 * @out.
 */
bool http_route_map_location(const struct http_route *route, const char *scheme,
	struct span public_host, struct span location, struct buf *out);
bool http_route_map_cookie(const struct http_route *route, struct span public_host,
	struct span cookie, struct buf *out);

#endif
