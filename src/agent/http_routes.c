/* HTTP routes: parsing, lookup, and rewriting between public and upstream paths. */
#include "agent/http_routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "agent/http_path.h"
#include "base/mem.h"
#include "net/addr.h"

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
	struct why words = { "" };
	struct span path;
	enum err rc;

	if (!span_split(&text, '=', &path))
		return err_set(why, ERR_SYNTAX,
			"a route is a path and an upstream, such as /api=3000");
	rc = read_prefix(path, route, why);
	if (rc != ERR_OK)
		return rc;
	rc = target_parse_upstream(text, &route->upstream, &route->at, &words);
	if (rc != ERR_OK)
		err_set(why, rc, "the upstream: %s", err_text(rc, &words));
	return rc;
}

/* Less than 0: @a comes before @b. */
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
	struct http_route **all;
	unsigned at = 0;

	while (at < routes->count && route_compare(routes->routes[at], route) < 0)
		at++;
	if (at < routes->count && route_compare(routes->routes[at], route) == 0)
		return err_set(why, ERR_EXISTS, "two routes have the path %.100s",
			route->prefix);
	all = realloc(routes->routes, (routes->count + 1) * sizeof(*all));
	if (all == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a route");
	routes->routes = all;
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

enum err http_routes_copy(const struct http_routes *from, struct http_routes *to)
{
	to->routes = calloc(from->count, sizeof(*to->routes));
	if (to->routes == NULL && from->count > 0)
		return ERR_NOMEM;
	for (unsigned i = 0; i < from->count; i++) {
		struct http_route *route = mem_new(route);

		if (route == NULL) {
			http_routes_fini(to);
			return ERR_NOMEM;
		}
		*route = *from->routes[i];
		to->routes[to->count++] = route;
	}
	return ERR_OK;
}

void http_routes_fini(struct http_routes *routes)
{
	for (unsigned i = 0; i < routes->count; i++)
		free(routes->routes[i]);
	free(routes->routes);
	*routes = (struct http_routes){ .routes = NULL };
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
	struct span own = span_str(route->at.query);

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

	if (strcmp(route->at.path, "/") != 0)
		buf_put_str(out, route->at.path);
	buf_put_span(out, rest.n > 0 ? rest : span_str("/"));
	put_query(route, query, out);
	return out->failed;
}

/* ---- rewriting what upstreams send ---- */

static bool is_root(const char *path)
{
	return strcmp(path, "/") == 0;
}

/* The public path of the upstream's @path. False: it stays as it is. */
static bool map_path(const struct http_route *route, struct span path, struct buf *out)
{
	struct span prefix = span_str(route->prefix);
	struct span own = span_str(route->at.path);

	if (!http_path_is_safe(path))
		return false;
	if (!is_root(route->prefix) && http_path_is_under(path, prefix))
		return buf_put_span(out, path) == ERR_OK;
	if (!is_root(route->at.path) && http_path_is_under(path, own))
		path = span_of(path.p + own.n, path.n - own.n);
	if (!is_root(route->prefix))
		buf_put_span(out, prefix);
	if (out->n == 0 && path.n == 0)
		buf_put_str(out, "/");
	buf_put_span(out, path);
	return out->failed == ERR_OK && http_path_is_safe(buf_span(out));
}

/* ---- hosts ---- */

/* "host" or "host:port", or "[ip6]:port", without the port. */
static struct span without_port(struct span authority)
{
	const uint8_t *end = memchr(authority.p, ']', authority.n);
	struct span rest = authority;

	if (end != NULL)
		rest = span_of(end, authority.n - (size_t)(end - authority.p));
	end = memchr(rest.p, ':', rest.n);
	if (end != NULL)
		authority.n = (size_t)(end - authority.p);
	return authority;
}

static struct span without_brackets(struct span host)
{
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		return span_of(host.p + 1, host.n - 2);
	return host;
}

static bool is_local(struct span host)
{
	char text[URL_HOST_MAX];

	if (host.n >= sizeof(text) || host.n == 0 || memchr(host.p, '\0', host.n) != NULL)
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	return target_host_is_local(text);
}

/* This machine has many names; the server may use another one than the route. */
static bool is_upstream_host(const struct http_route *route, struct span host)
{
	host = without_brackets(host);
	return span_is_nocase(host, route->upstream.host) ||
		(target_host_is_local(route->upstream.host) && is_local(host));
}

static bool is_upstream_port(const struct http_route *route, struct span authority)
{
	size_t n = without_port(authority).n;
	char digits[8];
	int len = snprintf(digits, sizeof(digits), ":%u", route->upstream.port);
	struct span port = span_of(authority.p + n, authority.n - n);

	if (port.n == 0)
		return route->upstream.port == (route->upstream.is_tls ? 443 : 80);
	return span_eq(port, span_of(digits, (size_t)len));
}

/* ---- Location ---- */

/* Removes "http://upstream". False: it is the URL of another server. */
static bool cut_upstream(const struct http_route *route, struct span *location)
{
	const char *scheme = route->upstream.is_tls ? "https://" : "http://";
	struct span head, authority = { 0 };
	size_t n = 0;

	if (!span_cut(location, strlen(scheme), &head) || !span_is_nocase(head, scheme))
		return false;
	while (n < location->n && memchr("/?#\\", location->p[n], 4) == NULL)
		n++;
	(void)span_cut(location, n, &authority);
	return is_upstream_host(route, without_port(authority)) &&
		is_upstream_port(route, authority);
}

/* Takes the path, and leaves a query and a fragment. */
static struct span cut_path(struct span *location)
{
	struct span path = { 0 };
	size_t n = 0;

	while (n < location->n && location->p[n] != '?' && location->p[n] != '#')
		n++;
	(void)span_cut(location, n, &path);
	return path;
}

bool http_route_map_location(const struct http_route *route, const char *scheme,
	struct span public_host, struct span location, struct buf *out)
{
	bool is_absolute = location.n > 0 && location.p[0] != '/';
	struct span path;
	struct buf mapped;
	bool is_mapped;

	if (location.n == 0)
		return false;
	if (is_absolute && (public_host.n == 0 || !cut_upstream(route, &location)))
		return false;
	path = cut_path(&location);
	buf_init(&mapped, URL_PATH_MAX + path.n);
	is_mapped = map_path(route, path.n > 0 ? path : span_str("/"), &mapped);
	if (is_mapped && is_absolute) {
		buf_put_str(out, scheme);
		buf_put_str(out, "://");
		buf_put_span(out, public_host);
	}
	if (is_mapped) {
		buf_put_span(out, buf_span(&mapped));
		buf_put_span(out, location);
	}
	buf_fini(&mapped);
	return is_mapped && out->failed == ERR_OK;
}

/* ---- Set-Cookie ---- */

struct attribute {
	struct span whole; /* the text between two semicolons */
	struct span name, value;
};

static bool attribute_next(struct span *cookie, struct attribute *out)
{
	struct span value;

	if (cookie->n == 0)
		return false;
	(void)span_split(cookie, ';', &out->whole);
	value = out->whole;
	(void)span_split(&value, '=', &out->name);
	out->name = span_trim(out->name);
	out->value = span_trim(value);
	return true;
}

static bool domain_is_internal(const struct http_route *route, struct span public_host,
	struct span domain)
{
	char name[URL_HOST_MAX];

	if (domain.n > 0 && domain.p[0] == '.')
		domain = span_of(domain.p + 1, domain.n - 1);
	public_host = without_brackets(without_port(public_host));
	if (domain.n == 0 || domain.n >= sizeof(name) || public_host.n >= sizeof(name))
		return false;
	memcpy(name, public_host.p, public_host.n);
	name[public_host.n] = '\0';
	if (span_is_nocase(domain, name))
		return false;
	return is_upstream_host(route, domain) || is_local(without_brackets(domain));
}

/* A cookie for "/" is for the whole route, including the path that is the prefix
 * itself. */
static bool put_cookie_path(const struct http_route *route, struct span path,
	struct buf *out)
{
	struct span prefix = span_str(route->prefix);
	struct buf mapped;
	bool is_mapped;

	buf_init(&mapped, URL_PATH_MAX + path.n);
	is_mapped = map_path(route, path, &mapped);
	if (is_mapped && !is_root(route->prefix) && mapped.n == prefix.n + 1 &&
		!http_path_is_under(path, prefix))
		mapped.n--;
	if (is_mapped) {
		buf_put_str(out, "; Path=");
		buf_put_span(out, buf_span(&mapped));
	}
	buf_fini(&mapped);
	return is_mapped;
}

bool http_route_map_cookie(const struct http_route *route, struct span public_host,
	struct span cookie, struct buf *out)
{
	struct attribute a;
	bool has_changed = false;

	if (!attribute_next(&cookie, &a) || a.name.n == 0 ||
		memchr(a.whole.p, '=', a.whole.n) == NULL)
		return false;
	buf_put_span(out, a.whole);
	while (attribute_next(&cookie, &a)) {
		if (span_is_nocase(a.name, "Domain") &&
			domain_is_internal(route, public_host, a.value)) {
			has_changed = true;
		} else if (span_is_nocase(a.name, "Path") &&
			put_cookie_path(route, a.value, out)) {
			has_changed = true;
		} else {
			buf_put_str(out, ";");
			buf_put_span(out, a.whole);
		}
	}
	return has_changed && out->failed == ERR_OK;
}
