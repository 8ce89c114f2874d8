/*
 * HTTP routes: which path of a tunnel leads to which upstream (portal-protocol 14.3 to
 * 14.5). Pure: what comes from visitors and upstreams is only read and written here.
 */
#ifndef AGENT_HTTP_ROUTES_H
#define AGENT_HTTP_ROUTES_H

#include "agent/target.h"

#define HTTP_ROUTES_MAX 64

struct http_route {
	char prefix[URL_PATH_MAX]; /* canonical: "/", or without a slash at its end */
	struct target upstream;
};

/* Longest prefix first, equally long ones by name. Begins as zeros. */
struct http_routes {
	struct http_route *routes[HTTP_ROUTES_MAX];
	unsigned count;
};

/*
 * Adds "PATH=UPSTREAM".
 * ERR_SYNTAX: @why says what is wrong.  ERR_EXISTS: the path has an upstream.
 * ERR_LIMIT: there are too many routes, or one is too long.
 */
enum err http_routes_add(struct http_routes *routes, struct span text,
	struct why *why) MUST_USE;

void http_routes_fini(struct http_routes *routes);

/* The route of @path, which is canonical, or NULL. */
const struct http_route *http_routes_find(const struct http_routes *routes,
	struct span path);

/*
 * Adds what to ask the upstream for: @path (canonical, of this route) without its prefix,
 * behind the upstream's own path; and @query, which has no '?'.
 */
enum err http_route_put_target(const struct http_route *route, struct span path,
	struct span query, struct buf *out) MUST_USE;

/*
 * Rewrites what an upstream says of its own places for a visitor of @public_host: the
 * value of a Location, whose @scheme is the visitor's, or of a Set-Cookie header. False:
 * it stays as it is, and @out is as good as empty.
 */
bool http_route_map_location(const struct http_route *route, const char *scheme,
	struct span public_host, struct span location, struct buf *out);
bool http_route_map_cookie(const struct http_route *route, struct span public_host,
	struct span cookie, struct buf *out);

#endif
