/* Routes: what is read, what is found, what is asked, and what is said to the visitor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/http_path.h"
#include "agent/http_routes.h"
#include "base/mem.h"

#define OUT_MAX 4096

static struct http_routes routes_of(const char *const *texts)
{
	struct http_routes routes = { .count = 0 };
	struct why why = { "" };

	for (; *texts != NULL; texts++) {
		if (http_routes_add(&routes, span_str(*texts), &why) != ERR_OK)
			fail_msg("%s: %s", *texts, why.text);
	}
	return routes;
}

/* ---- paths ---- */

static void test_paths_are_made_canonical(void **state)
{
	static const char *const rows[][2] = {
		{ "", "/" },
		{ "/", "/" },
		{ "/a", "/a" },
		{ "/a/", "/a/" },
		{ "//a", "/a" },
		{ "///", "/" },
		{ "/a//b///c", "/a/b/c" },
		{ "/./a/./", "/a/" },
		{ "/a/.", "/a/" },
		{ "/a/..", "/" },
		{ "/a/b/..", "/a/" },
		{ "/a/../b", "/b" },
		{ "/../..", "/" },
		{ "/..//../x", "/x" },
		{ "/a/%2e%2E/b", "/b" },
		{ "/a/.%2e/b", "/b" },
		{ "/%2e/b", "/b" },
		{ "/%61pi/%7Ex", "/api/~x" },
		{ "/a%2Fb", "/a%2Fb" },
		{ "/a%2fb/%5cc", "/a%2fb/%5cc" },
		{ "/a%252e%252e/b", "/a%252e%252e/b" },
		{ "/...", "/..." },
		{ "/..a/b..", "/..a/b.." },
		{ "/a;b=c/d", "/a;b=c/d" },
		{ "/%C3%a9", "/%C3%a9" },
		{ "/a%20b", "/a%20b" },
		{ "/:@!$&'()*+,=", "/:@!$&'()*+,=" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct buf out;
		struct why why = { "" };

		buf_init(&out, OUT_MAX);
		if (http_path_clean(span_str(rows[i][0]), &out, &why) != ERR_OK)
			fail_msg("%s: %s", rows[i][0], why.text);
		if (!span_is(buf_span(&out), rows[i][1]))
			fail_msg("%s is %.*s", rows[i][0], (int)out.n, out.p);
		buf_fini(&out);
	}
}

static void test_ambiguous_paths_are_refused(void **state)
{
	static const char *const rows[] = { "a", "*", "/\\evil", "/a\\..\\b", "/..%2fa",
		"/a%2f..", "/a%2F%2e%2e%2Fb", "/a%5c..%5Cb", "/..%5ca", "/a/..;/b",
		"/..;x=y", "/..%3bx/a", "/%", "/%2", "/%zz", "/a%2", "/a b", "/\x7f",
		"/%2%66" };

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct buf out;
		struct why why = { "" };

		buf_init(&out, OUT_MAX);
		if (http_path_clean(span_str(rows[i]), &out, &why) != ERR_SYNTAX)
			fail_msg("%s is %.*s", rows[i], (int)out.n, out.p);
		assert_true(why.text[0] != '\0');
		buf_fini(&out);
	}
}

/* ---- reading ---- */

static void test_routes_are_read_and_ordered(void **state)
{
	static const char *const texts[] = { "/=3000", "/b=3001", "/api/=3002",
		"/api/v1=http://x/base?k=v", "/a=unix:/run/a", "//c/./d/..=localhost:1",
		NULL };
	static const char *const order[] = { "/api/v1", "/api", "/a", "/b", "/c", "/" };
	struct http_routes routes = routes_of(texts);

	(void)state;
	assert_int_equal(routes.count, mem_count(order));
	for (unsigned i = 0; i < routes.count; i++)
		assert_string_equal(routes.routes[i]->prefix, order[i]);
	assert_string_equal(routes.routes[0]->at.path, "/base");
	assert_string_equal(routes.routes[0]->at.query, "k=v");
	assert_int_equal(routes.routes[1]->upstream.port, 3002);
	http_routes_fini(&routes);
}

static void test_malformed_routes_are_refused_with_a_reason(void **state)
{
	static const char *const rows[] = { "", "=", "/", "/a", "a=3000", "/a=", "/a=x:y",
		"/a?b=3000", "/a#b=3000", "/\\a=3000", "/%=3000", "/a=ftp://x",
		"/a=http://" };
	struct http_routes routes = { .count = 0 };
	struct why why = { "" };

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		if (http_routes_add(&routes, span_str(rows[i]), &why) != ERR_SYNTAX)
			fail_msg("%s is a route", rows[i]);
	}
	assert_int_equal(routes.count, 0);
	assert_int_equal(http_routes_add(&routes, span_str("/a=1"), &why), ERR_OK);
	assert_int_equal(http_routes_add(&routes, span_str("//a/=2"), &why), ERR_EXISTS);
	assert_non_null(strstr(why.text, "/a"));
	http_routes_fini(&routes);
}

/* ---- the way there ---- */

static void test_the_longest_prefix_gets_the_request(void **state)
{
	static const char *const with_root[] = { "/=1", "/api=2",
		"/api/v1=http://x:3/base", "/q=http://x:4/?k=v", NULL };
	static const struct {
		const char *path, *query;
		uint16_t port;
		const char *target;
	} rows[] = {
		{ "/", "", 1, "/" },
		{ "/x/y/", "a=b?c", 1, "/x/y/?a=b?c" },
		{ "/apix", "", 1, "/apix" },
		{ "/API/x", "", 1, "/API/x" },
		{ "/api%2fx", "", 1, "/api%2fx" },
		{ "/api", "", 2, "/" },
		{ "/api/", "", 2, "/" },
		{ "/api/x", "q", 2, "/x?q" },
		{ "/api/x/", "", 2, "/x/" },
		{ "/api/v1", "", 3, "/base/" },
		{ "/api/v1/x%2Fy", "", 3, "/base/x%2Fy" },
		{ "/q", "", 4, "/?k=v" },
		{ "/q/r", "a=b", 4, "/r?k=v&a=b" },
		{ "/api/../x", "", 1, "/x" },
		{ "/x/%2e%2e/%61pi//y", "", 2, "/y" },
	};
	struct http_routes routes = routes_of(with_root);

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct buf path, out;
		const struct http_route *route;

		buf_init(&path, OUT_MAX);
		buf_init(&out, OUT_MAX);
		assert_int_equal(http_path_clean(span_str(rows[i].path), &path, NULL),
			ERR_OK);
		route = http_routes_find(&routes, buf_span(&path));
		assert_non_null(route);
		assert_int_equal(route->upstream.port, rows[i].port);
		assert_int_equal(http_route_put_target(route, buf_span(&path),
					 span_str(rows[i].query), &out),
			ERR_OK);
		if (!span_is(buf_span(&out), rows[i].target))
			fail_msg("%s is %.*s", rows[i].path, (int)out.n, out.p);
		buf_fini(&path);
		buf_fini(&out);
	}
	http_routes_fini(&routes);
}

static void test_a_path_may_lead_nowhere(void **state)
{
	static const char *const texts[] = { "/api=2", NULL };
	struct http_routes routes = routes_of(texts);

	(void)state;
	assert_null(http_routes_find(&routes, span_str("/")));
	assert_null(http_routes_find(&routes, span_str("/apix")));
	assert_null(http_routes_find(&routes, span_str("/api%2f")));
	assert_non_null(http_routes_find(&routes, span_str("/api")));
	http_routes_fini(&routes);
}

/* ---- the way back ---- */

typedef bool map_fn(const struct http_route *route, struct span public_host,
	struct span value, struct buf *out);

struct map_row {
	const char *route, *value, *expected; /* NULL: as it is */
};

static void check_maps(map_fn *map, const struct map_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *const texts[] = { rows[i].route, NULL };
		struct http_routes routes = routes_of(texts);
		struct buf out;
		bool is_mapped;

		buf_init(&out, OUT_MAX);
		is_mapped = map(routes.routes[0], span_str("pub.example:8443"),
			span_str(rows[i].value), &out);
		if (is_mapped != (rows[i].expected != NULL) ||
			(is_mapped && !span_is(buf_span(&out), rows[i].expected)))
			fail_msg("%s, %s: %d %.*s", rows[i].route, rows[i].value,
				is_mapped, (int)out.n, out.p);
		buf_fini(&out);
		http_routes_fini(&routes);
	}
}

#define PUB "https://pub.example:8443"

static bool map_location(const struct http_route *route, struct span public_host,
	struct span location, struct buf *out)
{
	return http_route_map_location(route, "https", public_host, location, out);
}

static void test_locations_are_mapped_back(void **state)
{
	static const struct map_row rows[] = {
		{ "/api=3000", "/x?q#f", "/api/x?q#f" },
		{ "/api=3000", "/", "/api/" },
		{ "/api=3000", "/api", "/api" },
		{ "/api=3000", "/api/x", "/api/x" },
		{ "/api=3000", "/apix", "/api/apix" },
		{ "/api=3000", "http://127.0.0.1:3000/x", PUB "/api/x" },
		{ "/api=3000", "HTTP://127.0.0.1:3000", PUB "/api/" },
		{ "/api=3000", "http://127.0.0.1:3000?q", PUB "/api/?q" },
		{ "/api=3000", "http://localhost:3000/x", PUB "/api/x" },
		{ "/api=3000", "http://[::1]:3000/x", PUB "/api/x" },
		{ "/api=3000", "https://127.0.0.1:3000/x", NULL },
		{ "/api=3000", "http://127.0.0.1:3001/x", NULL },
		{ "/api=3000", "http://127.0.0.1/x", NULL },
		{ "/api=3000", "http://127.0.0.1:3000@evil/x", NULL },
		{ "/api=3000", "http://127.0.0.1:3000\\@evil/x", NULL },
		{ "/api=3000", "http://evil/x", NULL },
		{ "/api=3000", "//evil/x", NULL },
		{ "/api=3000", "/\\evil", NULL },
		{ "/api=3000", "x", NULL },
		{ "/api=3000", "?q", NULL },
		{ "/api=3000", "", NULL },
		{ "/api=3000", "http://127.0.0.1:3000//evil", NULL },
		{ "/=3000", "/x", "/x" },
		{ "/=3000", "http://127.0.0.1:3000/x", PUB "/x" },
		{ "/=http://up/base", "/base", "/" },
		{ "/=http://up/base", "/base/x", "/x" },
		{ "/=http://up/base", "/base//evil", NULL },
		{ "/=http://up/base", "/base/\\evil", NULL },
		{ "/=http://up/base", "/basex", "/basex" },
		{ "/api=http://up/base", "http://UP/base/x", PUB "/api/x" },
		{ "/api=http://up/base", "http://up:80/base", PUB "/api" },
		{ "/api=http://up/base", "http://localhost/base", NULL },
		{ "/api=https://up", "https://up:443/x", PUB "/api/x" },
		{ "/api=unix:/x", "http://localhost/x", PUB "/api/x" },
	};

	(void)state;
	check_maps(map_location, rows, mem_count(rows));
}

static void test_a_location_has_the_visitor_s_scheme(void **state)
{
	struct http_routes routes = { .count = 0 };
	struct buf out;

	(void)state;
	assert_int_equal(http_routes_add(&routes, span_str("/api=3000"), NULL), ERR_OK);
	buf_init(&out, 1000);
	assert_true(http_route_map_location(routes.routes[0], "http",
		span_str("pub:7000"), span_str("http://127.0.0.1:3000/x"), &out));
	assert_true(span_is(buf_span(&out), "http://pub:7000/api/x"));
	buf_fini(&out);
	http_routes_fini(&routes);
}

static void test_cookies_are_mapped_back(void **state)
{
	static const struct map_row rows[] = {
		{ "/api=3000", "a=b; Path=/", "a=b; Path=/api" },
		{ "/api=3000", "a=b; path=/x ;Secure", "a=b; Path=/api/x;Secure" },
		{ "/api=3000", "a=b; Path=/api/x", "a=b; Path=/api/x" },
		{ "/api=3000", "a=b; Path=/api/", "a=b; Path=/api/" },
		{ "/api=http://up/base", "a=b; Path=/base/x", "a=b; Path=/api/x" },
		{ "/api=http://up/base", "a=b; Path=/base", "a=b; Path=/api" },
		{ "/api=3000", "a=b; Path=//evil", NULL },
		{ "/api=3000", "a=b; Path=x", NULL },
		{ "/api=3000", "a=b; Path", NULL },
		{ "/api=3000", "a=b", NULL },
		{ "/api=3000", "a=b; HttpOnly; SameSite=Lax", NULL },
		{ "/api=3000", "a=\"x;y\"; Domain=localhost; HttpOnly",
			"a=\"x;y\"; HttpOnly" },
		{ "/api=3000", "a=b; Domain=127.0.0.1; Path=/", "a=b; Path=/api" },
		{ "/api=3000", "a=b; Domain=.localhost", "a=b" },
		{ "/api=3000", "a=b; Domain=pub.example", NULL },
		{ "/api=3000", "a=b; Domain=.PUB.example", NULL },
		{ "/api=3000", "a=b; Domain=example", NULL },
		{ "/api=http://up.example", "a=b; Domain=Up.Example", "a=b" },
		{ "/api=3000", "a; Path=/", NULL },
		{ "/api=3000", "=b; Path=/", NULL },
		{ "/api=3000", "; Path=/", NULL },
		{ "/api=3000", "", NULL },
		{ "/api=3000", "a=; Path=/", "a=; Path=/api" },
		{ "/=3000", "a=b; Path=/x", "a=b; Path=/x" },
	};

	(void)state;
	check_maps(http_route_map_cookie, rows, mem_count(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_are_made_canonical),
		cmocka_unit_test(test_ambiguous_paths_are_refused),
		cmocka_unit_test(test_routes_are_read_and_ordered),
		cmocka_unit_test(test_malformed_routes_are_refused_with_a_reason),
		cmocka_unit_test(test_the_longest_prefix_gets_the_request),
		cmocka_unit_test(test_a_path_may_lead_nowhere),
		cmocka_unit_test(test_locations_are_mapped_back),
		cmocka_unit_test(test_a_location_has_the_visitor_s_scheme),
		cmocka_unit_test(test_cookies_are_mapped_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
