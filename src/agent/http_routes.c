/* HTTP routes: read, found, and the way there. */
#include "agent/http_routes.h"

#include <stdlib.h>

#include "agent/http_path.h"
#include "base/mem.h"

static enum err read_prefix(struct span text, struct http_route *route, struct why *why)
{
	struct buf clean;
	enum err rc;

	if (text.n == 0 || text.p[0] != '/' || memchr(text.p, '?', text.n) != NULL ||
		memchr(text.p, '#', text.n) != NULL)
		return err_set(why, ERR_SYNTAX,
			"a route's path begins with / and has no query: /api=3000");
	buf_init(&clean, sizeof(route->prefix) - 1);
	rc = http_path_clean_prefix(text, &clean, why);
	if (rc == ERR_OK)
		memcpy(route->prefix, buf_span(&clean).p, clean.n);
	buf_fini(&clean);
	return rc;
}

static enum err route_read(struct span text, struct http_route *route, struct why *why)
{
	const uint8_t *sign = memchr(text.p, '=', text.n);
	struct why words = { "" };
	struct span path, upstream;
	enum err rc;

	if (sign == NULL)
		return err_set(why, ERR_SYNTAX,
			"a route is a path and an upstream, such as /api=3000");
	path = span_of(text.p, (size_t)(sign - text.p));
	upstream = span_of(sign + 1, text.n - path.n - 1);
	rc = read_prefix(path, route, why);
	if (rc != ERR_OK)
		return rc;
	rc = target_parse_upstream(upstream, &route->upstream, &words);
	if (rc != ERR_OK)
		err_set(why, rc, "the upstream: %s", err_text(rc, &words));
	return rc;
}

/* Before @b, if less than 0. */
static int route_compare(const struct http_route *a, const struct http_route *b)
{
	size_t an = strlen(a->prefix), bn = strlen(b->prefix);

	if (an != bn)
		return an > bn ? -1 : 1;
	return strcmp(a->prefix, b->prefix);
}

static enum err routes_insert(struct http_routes *routes, struct http_route *route,
	struct why *why)
{
	unsigned at = 0;

	while (at < routes->count && route_compare(routes->routes[at], route) < 0)
		at++;
	if (at < routes->count && route_compare(routes->routes[at], route) == 0)
		return err_set(why, ERR_EXISTS, "two routes have the path %.100s",
			route->prefix);
	memmove(&routes->routes[at + 1], &routes->routes[at],
		(routes->count - at) * sizeof(routes->routes[0]));
	routes->routes[at] = route;
	routes->count++;
	return ERR_OK;
}

enum err http_routes_add(struct http_routes *routes, struct span text, struct why *why)
{
	struct http_route *route;
	enum err rc;

	if (routes->count == HTTP_ROUTES_MAX)
		return err_set(why, ERR_LIMIT, "there are more than %d routes",
			HTTP_ROUTES_MAX);
	route = mem_new(route);
	if (route == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a route");
	rc = route_read(text, route, why);
	if (rc == ERR_OK)
		rc = routes_insert(routes, route, why);
	if (rc != ERR_OK)
		free(route);
	return rc;
}

void http_routes_fini(struct http_routes *routes)
{
	for (unsigned i = 0; i < routes->count; i++)
		free(routes->routes[i]);
	*routes = (struct http_routes){ .count = 0 };
}

const struct http_route *http_routes_find(const struct http_routes *routes,
	struct span path)
{
	for (unsigned i = 0; i < routes->count; i++) {
		if (http_path_is_under(path, span_str(routes->routes[i]->prefix)))
			return routes->routes[i];
	}
	return NULL;
}

static void put_query(const struct http_route *route, struct span query, struct buf *out)
{
	struct span own = span_str(route->upstream.query);

	if (own.n + query.n == 0)
		return;
	buf_put_str(out, "?");
	buf_put_span(out, own);
	if (own.n > 0 && query.n > 0)
		buf_put_str(out, "&");
	buf_put_span(out, query);
}

enum err http_route_put_target(const struct http_route *route, struct span path,
	struct span query, struct buf *out)
{
	size_t n = strcmp(route->prefix, "/") != 0 ? strlen(route->prefix) : 0;
	struct span rest = span_of(path.p + n, path.n - n);

	if (strcmp(route->upstream.path, "/") != 0)
		buf_put_str(out, route->upstream.path);
	buf_put_span(out, rest.n > 0 ? rest : span_str("/"));
	put_query(route, query, out);
	return out->failed;
}
