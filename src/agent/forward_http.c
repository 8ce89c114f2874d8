/* The HTTP servers of a forward. */
#include "agent/forward_http.h"

#include <ctype.h>
#include <stdio.h>

#include "agent/http_path.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/page.h"
#include "http/proxy.h"
#include "text/names.h"

#define REACH_MS 5000
#define IDLE_MAX 16
#define IDLE_MS 15000
#define METHOD_MAX 16

/* ---- the target is down ---- */

static void on_request_while_down(void *arg, struct http_exchange *x)
{
	static const char headers[] = "Content-Type: text/html; charset=utf-8\r\n"
				      "Cache-Control: no-store\r\n"
				      "Connection: close\r\n";

	(void)arg;
	http_reply(x, 503, headers, web_down_html);
}

enum http_likeness forward_looks_like_http(struct span first)
{
	size_t n = 0;

	while (n < first.n && n <= METHOD_MAX && first.p[n] >= 'A' && first.p[n] <= 'Z')
		n++;
	if (n > METHOD_MAX)
		return HTTP_NO;
	if (n == first.n)
		return HTTP_MAYBE;
	if (n < 3 || first.p[n] != ' ')
		return HTTP_NO;
	if (n + 1 == first.n)
		return HTTP_MAYBE;
	return memchr("/*hH", first.p[n + 1], 4) != NULL ? HTTP_YES : HTTP_NO;
}

/* ---- routes ---- */

struct tls_context *forward_tls(const struct forward *forward, const struct target *t)
{
	if (!t->is_tls)
		return NULL;
	return t->skip_verify ? forward->tls_unverified : forward->tls_verified;
}

static struct span query_of(const struct http1_head *head)
{
	struct span query = head->target, path;

	(void)span_split(&query, '?', &path);
	return query;
}

static const char *scheme_of(bool is_raw)
{
	return is_raw ? "http" : "https";
}

/* The client's address is the relay's: only the relay knows the visitors' addresses. */
static void put_forwarded(struct buf *out, struct http_exchange *x,
	const struct http_route *route, bool is_raw)
{
	struct span host = http1_head_value(http_request(x), "Host");
	char ip[ADDR_TEXT_MAX];

	buf_printf(out, "X-Real-IP: %s\r\n", addr_print_ip(http_peer(x), ip));
	buf_printf(out, "X-Forwarded-Proto: %s\r\n", scheme_of(is_raw));
	if (host.n > 0)
		buf_printf(out, "X-Forwarded-Host: %.*s\r\n", (int)host.n,
			(const char *)host.p);
	if (strcmp(route->prefix, "/") != 0)
		buf_printf(out, "X-Forwarded-Prefix: %s\r\n", route->prefix);
}

/* Without the query, which may have secrets. */
static void log_request(void *arg, const struct http1_head *request, unsigned status)
{
	const struct forward *f = arg;
	char method[24], path[200];

	if (f->log != NULL)
		log_limited(LOG_INFO, f->log, "%s %s %u",
			str_quote(method, sizeof(method), request->method),
			str_quote(path, sizeof(path), http1_path(request)), status);
}

/* Answers a request that is not forwarded. */
static void refuse(const struct forward_server *s, struct http_exchange *x,
	unsigned status, const char *headers, const char *text)
{
	if (s->forward->logs_requests)
		log_request(s->forward, http_request(x), status);
	http_reply(x, status, headers, span_str(text));
}

static bool rewrite(const struct http_route *route, const char *scheme,
	const struct http1_head *request, const struct http1_header *h, struct buf *value)
{
	struct span host = http1_head_value(request, "Host");

	if (span_is_nocase(h->name, "Location"))
		return http_route_map_location(route, scheme, host, h->value, value);
	if (span_is_nocase(h->name, "Set-Cookie"))
		return http_route_map_cookie(route, host, h->value, value);
	return false;
}

static bool rewrite_for_tls(void *arg, const struct http1_head *request,
	const struct http1_header *h, struct buf *value)
{
	return rewrite(arg, scheme_of(false), request, h, value);
}

static bool rewrite_for_raw(void *arg, const struct http1_head *request,
	const struct http1_header *h, struct buf *value)
{
	return rewrite(arg, scheme_of(true), request, h, value);
}

static void pass(const struct forward_server *s, struct http_exchange *x, unsigned index,
	struct span path)
{
	struct forward *f = s->forward;
	const struct http1_head *head = http_request(x);
	struct http_route *route = f->routes->routes[index];
	const struct target *t = &route->upstream;
	static const char *const credentials[] = { "Authorization", NULL };
	char host[URL_TEXT_MAX];
	struct http_upstream up = {
		.unix_path = t->unix_path[0] != '\0' ? t->unix_path : NULL,
		.host = t->host,
		.port = t->port,
		.tls = forward_tls(f, t),
		.log = f->log,
		.host_header = target_print_authority(t, host),
		.is_edge = true,
		.idle = f->idle_pools[index],
		.rewrite = s->is_raw ? rewrite_for_raw : rewrite_for_tls,
		.rewrite_arg = route,
		.bad_gateway = "bad gateway\n",
		.connect_ms = REACH_MS,
		.on_status = f->logs_requests ? log_request : NULL,
		.status_arg = f,
		.drops = f->access != NULL ? credentials : NULL,
	};
	struct buf target, headers;
	enum err rc;

	if (f->preserves_host && http1_head_find(head, "Host") != NULL)
		up.host_header = NULL;
	buf_init(&target, 2 * HTTP_HEAD_MAX);
	buf_init(&headers, 2 * HTTP_HEAD_MAX);
	rc = http_route_put_target(route, path, query_of(head), &target);
	buf_put_u8(&target, '\0');
	put_forwarded(&headers, x, route, s->is_raw);
	buf_put_u8(&headers, '\0');
	up.target = (const char *)buf_span(&target).p;
	up.headers = (const char *)buf_span(&headers).p;
	if (rc == ERR_OK && target.failed == ERR_OK && headers.failed == ERR_OK)
		http_proxy_pass(x, &up);
	else
		refuse(s, x, 414, NULL, "URI too long\n");
	buf_fini(&target);
	buf_fini(&headers);
}

static void route_request(const struct forward_server *s, struct http_exchange *x,
	struct span path)
{
	const struct forward *f = s->forward;
	const struct http_route *route = http_routes_find(f->routes, path);

	for (unsigned i = 0; i < f->routes->count; i++) {
		if (f->routes->routes[i] == route) {
			pass(s, x, i, path);
			return;
		}
	}
	refuse(s, x, 404, NULL, "not found\n");
}

/* The name in "name.:443"; nothing if the port is not a number. */
static struct span host_without_port(struct span host)
{
	struct span name;

	(void)span_split(&host, ':', &name);
	for (size_t i = 0; i < host.n; i++)
		if (!isdigit(host.p[i]))
			return span_of(NULL, 0);
	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	return name;
}

bool forward_has_host(const struct forward *forward, struct span host, bool is_raw)
{
	struct span name = host_without_port(host);
	struct list *it, *tmp;

	list_each(it, tmp, &forward->hosts) {
		const struct forward_host *h = list_object(it, struct forward_host,
			in_forward);

		if ((is_raw || !h->is_for_raw) && span_is_nocase(name, h->name))
			return true;
	}
	return false;
}

/* Without a credential, or with a wrong one. */
static void refuse_stranger(const struct forward_server *s, struct http_exchange *x,
	struct span host)
{
	struct span name = host_without_port(host);
	char realm[NAMES_HOST_MAX + 1];
	struct buf headers;

	snprintf(realm, sizeof(realm), "%.*s", (int)name.n, (const char *)name.p);
	buf_init(&headers, 4 * NAMES_HOST_MAX);
	access_put_challenge(s->forward->access, realm, &headers);
	buf_put_str(&headers, "Cache-Control: no-store\r\n");
	buf_put_u8(&headers, '\0');
	if (headers.failed == ERR_OK)
		refuse(s, x, 401, (const char *)buf_front(&headers),
			"a password or token is needed\n");
	else
		refuse(s, x, 401, NULL, "a password or token is needed\n");
	buf_fini(&headers);
}

static void on_request(void *arg, struct http_exchange *x)
{
	const struct forward_server *s = arg;
	const struct http1_head *head = http_request(x);
	const struct http1_header *host = http1_head_find(head, "Host");
	struct buf path;

	buf_init(&path, HTTP_HEAD_MAX);
	/*
	 * Upstreams put X-Forwarded-Host into links, so it must be a host of the tunnel.
	 * A request of HTTP/1.0 may have no Host.
	 */
	if (host != NULL && !forward_has_host(s->forward, host->value, s->is_raw))
		refuse(s, x, 421, NULL,
			"this host is not served here: use the tunnel's public name\n");
	else if (s->forward->access != NULL &&
		!access_admits(s->forward->access,
			http1_head_value(head, "Authorization")))
		refuse_stranger(s, x, host != NULL ? host->value : span_str(""));
	else if (span_is(head->target, "*"))
		refuse(s, x, 404, NULL, "not found\n");
	else if (http_path_clean(http1_path(head), &path, NULL) != ERR_OK)
		refuse(s, x, 400, NULL, "bad request\n");
	else
		route_request(s, x, buf_span(&path));
	buf_fini(&path);
}

/* ---- life ---- */

static enum err server_open(struct forward *forward, bool is_raw)
{
	struct forward_server *s = &forward->servers[is_raw];
	struct http_server_options o = {
		.loop = forward->worker->loop,
		.pool = &forward->worker->blocks,
		.head_max = forward->head_max,
		.on_request = forward->routes != NULL ? on_request :
							on_request_while_down,
		.arg = s,
	};

	s->forward = forward;
	s->is_raw = is_raw;
	return http_server_new(&o, &s->http);
}

enum err forward_http_open(struct forward *forward)
{
	unsigned count = forward->routes != NULL ? forward->routes->count : 0;
	enum err rc = ERR_OK;

	for (unsigned i = 0; rc == ERR_OK && i < count; i++)
		rc = idle_pool_new(forward->worker->loop, IDLE_MAX, IDLE_MS,
			&forward->idle_pools[i]);
	if (rc == ERR_OK)
		rc = server_open(forward, false);
	return rc == ERR_OK ? server_open(forward, true) : rc;
}

void forward_http_close(struct forward *forward)
{
	for (unsigned i = 0; i < mem_count(forward->servers); i++)
		http_server_free(forward->servers[i].http);
	for (unsigned i = 0; i < mem_count(forward->idle_pools); i++)
		idle_pool_free(forward->idle_pools[i]);
}
