/*
 * Routes, with what a visitor asks and what an upstream answers: a path in form stays in
 * form, what is forwarded lies under the upstream's path, and nothing that is mapped back
 * leads to another host or breaks its line.
 */
#include <stdlib.h>

#include "agent/http_path.h"
#include "agent/http_routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX 65536

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

/* Takes a line off the input. */
static struct span line_next(struct span *in)
{
	const uint8_t *end = in->n > 0 ? memchr(in->p, '\n', in->n) : NULL;
	struct span line;

	(void)span_cut(in, end != NULL ? (size_t)(end - in->p) : in->n, &line);
	if (end != NULL) {
		in->p++;
		in->n--;
	}
	return line;
}

/* Whatever an upstream may make of it: no segment is a way up. */
static void check_is_level(struct span path)
{
	check(path.n > 0 && path.p[0] == '/');
	check(path.n == 1 || path.p[1] != '/');
	check(memmem(path.p, path.n, "/../", 4) == NULL);
	check(memmem(path.p, path.n, "//", 2) == NULL);
	check(path.n < 3 || memcmp(path.p + path.n - 3, "/..", 3) != 0);
	check(memchr(path.p, '\\', path.n) == NULL);
}

static void check_is_inside(const struct http_route *route, struct span target)
{
	const uint8_t *query = memchr(target.p, '?', target.n);

	if (query != NULL && route->at.query[0] != '\0')
		target.n = (size_t)(query - target.p);
	check(http_path_is_under(target, span_str(route->at.path)));
}

static void try_path(const struct http_routes *routes, struct span raw)
{
	const struct http_route *route;
	struct buf path, again, target;

	buf_init(&path, OUT_MAX);
	buf_init(&again, OUT_MAX);
	buf_init(&target, OUT_MAX);
	if (http_path_clean(raw, &path, NULL) == ERR_OK) {
		check_is_level(buf_span(&path));
		check(http_path_clean(buf_span(&path), &again, NULL) == ERR_OK);
		check(span_eq(buf_span(&path), buf_span(&again)));
		route = http_routes_find(routes, buf_span(&path));
		if (route != NULL) {
			check(http_route_put_target(route, buf_span(&path),
				      span_of(NULL, 0), &target) == ERR_OK);
			check(buf_span(&target).p[0] == '/');
			check_is_inside(route, buf_span(&target));
		}
	}
	buf_fini(&path);
	buf_fini(&again);
	buf_fini(&target);
}

static void try_answer(const struct http_routes *routes, struct span value)
{
	struct span host = span_str("pub.example");
	const char *public_url = "https://pub.example";
	struct buf out;

	for (unsigned i = 0; i < routes->count; i++) {
		buf_init(&out, OUT_MAX);
		if (http_route_map_location(routes->routes[i], "https", host, value,
			    &out)) {
			struct span s = buf_span(&out);

			if (s.p[0] != '/') {
				check(s.n > strlen(public_url));
				check(memcmp(s.p, public_url, strlen(public_url)) == 0);
				s.p += strlen(public_url);
				s.n -= strlen(public_url);
			}
			check(http_path_is_safe(s));
		}
		buf_fini(&out);
		buf_init(&out, OUT_MAX);
		if (http_route_map_cookie(routes->routes[i], host, value, &out))
			check(out.n > 0);
		buf_fini(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_routes routes = { .count = 0 };
	struct span in = span_of(data, size);
	struct span line;

	while ((line = line_next(&in)).n > 0)
		(void)http_routes_add(&routes, line, NULL);
	while (in.n > 0) {
		line = line_next(&in);
		try_path(&routes, line);
		try_answer(&routes, line);
	}
	http_routes_fini(&routes);
	return 0;
}
