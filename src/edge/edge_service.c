/* Visitors of tunnels: their connections, and what becomes of each request. */
#include "edge/edge_service.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "edge/edge_priv.h"
#include "http/head.h"
#include "net/socket.h"
#include "serve/forwarded.h"
#include "serve/own_host.h"
#include "serve/visitor.h"
#include "text/hex.h"

/* ---- connections ---- */

static void edge_visitor_free(struct edge_visitor *v)
{
	list_remove(&v->visit.in_owner);
	edge_limits_disconnect(v->limits, v->client);
	served_unref(v->served);
	free(v);
}

static void edge_on_closed(void *arg)
{
	edge_visitor_free(arg);
}

static void edge_on_cut(struct visit *visit)
{
	struct edge_visitor *v = mem_container(visit, struct edge_visitor, visit);

	list_remove(&visit->in_owner);
	if (v->connection != NULL)
		http_connection_cut(v->connection);
}

static void edge_on_moved(void *arg, bool is_read, size_t n)
{
	struct edge_visitor *v = arg;
	struct data_stats *stats = &v->edge->worker->stats;

	atomic_fetch_add_explicit(is_read ? &stats->bytes_up : &stats->bytes_down, n,
		memory_order_relaxed);
	atomic_fetch_add_explicit(&v->served->route->bytes, n, memory_order_relaxed);
}

static void edge_free_limits(void *extra)
{
	edge_limits_free(extra);
}

/* NULL: no memory. */
static struct edge_limits *edge_limits_of(struct owner *o)
{
	struct edge_limits *l;

	if (o->extra == NULL && edge_limits_new(&l) == ERR_OK) {
		o->extra = l;
		o->extra_free = edge_free_limits;
	}
	return o->extra;
}

/* A trusted proxy has the connections and requests of many clients. */
static struct tunnel_limits limits_for(const struct tunnel_route *t, bool is_proxy)
{
	struct tunnel_limits max = t->limits;

	if (is_proxy)
		max.client_connections = max.client_requests_per_s = 0;
	return max;
}

/* It is counted for its tunnel. NULL: it is refused, or there is no memory. */
static struct edge_visitor *edge_visitor_new(struct data_worker *d, struct served *s,
	const struct addr *peer)
{
	bool is_proxy = prefix_set_has(&d->snapshot->proxies, peer);
	struct tunnel_limits max = limits_for(tunnel_route_of(s->route), is_proxy);
	struct edge_visitor *v = mem_new(v);
	enum edge_admission admission = EDGE_REFUSED;

	if (v == NULL)
		return NULL;
	v->is_proxy = is_proxy;
	v->limits = edge_limits_of(s->owner);
	if (v->limits != NULL)
		admission = edge_limits_connect(v->limits, &max, peer, &v->client);
	if (admission == EDGE_REFUSED) {
		free(v);
		return NULL;
	}
	v->is_excess = admission == EDGE_EXCESS;
	v->edge = data_worker_state(d, &edge_service);
	v->served = served_ref(s);
	list_add(&s->owner->visitors, &v->visit.in_owner);
	v->visit.cut = edge_on_cut;
	return v;
}

/* TLS over the limit of the owner over the socket. Takes @fd. */
static enum err edge_open_stream(struct edge_visitor *v, struct tls_context *tls, int fd,
	struct stream **out)
{
	struct loop *loop = v->edge->worker->worker.loop;
	struct throttle_options throttle = {
		.bucket = v->served->owner->bucket,
		.on_moved = edge_on_moved,
		.arg = v,
	};
	struct tls_options o = { .context = tls, .loop = loop, .is_server = true };
	enum err rc = socket_open_take(loop, fd, &throttle.below);

	if (rc != ERR_OK) {
		close(fd);
		return rc;
	}
	rc = throttle_open(&throttle, &o.below);
	if (rc != ERR_OK) {
		stream_abort(throttle.below);
		return rc;
	}
	rc = tls_open(&o, out, NULL);
	if (rc != ERR_OK)
		stream_abort(o.below);
	return rc;
}

static void edge_visitor_serve_take(struct edge_visitor *v, struct tls_context *tls,
	int fd, const struct addr *peer)
{
	struct data_worker *d = v->edge->worker;
	struct http_server *http = data_worker_http(d, &edge_service);
	struct http_tag tag = { .arg = v, .on_closed = edge_on_closed };
	struct stream *stream;
	struct connection *c;

	if (edge_open_stream(v, tls, fd, &stream) != ERR_OK) {
		edge_visitor_free(v);
		return;
	}
	atomic_fetch_add_explicit(&d->stats.visitors, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&v->served->route->visitors, 1, memory_order_relaxed);
	c = http_server_serve_tagged_take(http, stream, peer, &tag);
	if (c != NULL)
		v->connection = c;
}

/* The route has been replaced by one on another worker. Takes @fd if it is true. */
static bool edge_pass_on(struct data_worker *d, const struct route *was, int fd,
	const struct addr *peer)
{
	struct route *r = route_find_by_owner(d->shared->routes, was->owner);
	bool is_elsewhere = r != NULL && r != was && r->worker != d->worker.index;

	if (is_elsewhere)
		data_worker_pass_visitor_take(d, r, fd, peer);
	route_unref(r);
	return is_elsewhere;
}

void edge_serve_take(struct data_worker *d, struct route *r, int fd,
	const struct addr *peer)
{
	struct tls_context *tls = tls_contexts_find(d->snapshot->contexts,
		r->public_host);
	struct served *s = served_get(d, r);
	struct edge_visitor *v;

	if (s == NULL) /* another route may have taken its place meanwhile */
		s = served_get_next(d, r);
	if (tls == NULL) {
		visitor_refuse_take(d, fd, peer);
		return;
	}
	if (s == NULL && edge_pass_on(d, r, fd, peer))
		return;
	v = s != NULL && tunnel_route_of(s->route) != NULL &&
			data_worker_http(d, &edge_service) != NULL ?
		edge_visitor_new(d, s, peer) :
		NULL;
	if (v == NULL) {
		atomic_fetch_add_explicit(&d->stats.unserved, 1, memory_order_relaxed);
		close(fd);
		return;
	}
	edge_visitor_serve_take(v, tls, fd, peer);
}

/* ---- requests ---- */

void edge_refuse(const struct edge_request *q, enum edge_page page, uint32_t retry_s)
{
	const struct tunnel_route *t = q->tunnel;
	struct edge_page_options o = {
		.page = page,
		.host = q->host,
		.id = q->id,
		.retry_s = retry_s,
		.body_max = t != NULL ? t->limits.body_max : 0,
		.closes = q->closes,
		.has_hsts = t != NULL && !t->has_no_hsts,
	};
	char ip[ADDR_TEXT_MAX];

	log_limited(LOG_INFO, &q->edge->log, "%s: %s: request %s from %s",
		*q->host != '\0' ? q->host : "-", edge_page_name(page), q->id,
		addr_print_ip(&q->client, ip));
	edge_page_reply(q->x, &o);
}

/* A number that tells nothing, and is not used twice. */
static void edge_make_id(struct edge *edge, char id[EDGE_REQUEST_ID_SIZE])
{
	uint64_t n = edge->requests++;

	n = siphash(&edge->id_key, span_of(&n, sizeof(n)));
	hex_encode(span_of(&n, sizeof(n)), id);
}

/* Reads its Host, which is the visitor's own tunnel in HTTP/1.0 without Host. False: it
 * is not the name of anything. */
static bool request_read_host(struct edge_request *q, const struct edge_visitor *v)
{
	const struct http1_head *head = http_request(q->x);
	const char *root = q->edge->worker->shared->root;

	if (http1_head_find(head, "Host") == NULL) {
		memcpy(q->host, v->served->route->public_host, sizeof(q->host));
		return true;
	}
	if (names_parse_host(http_host(head), q->host, NULL) != ERR_OK) {
		q->host[0] = '\0';
		return false;
	}
	if (root != NULL)
		own_host_unify(root, q->host);
	return true;
}

/* The route has been replaced: from now on the newest one counts. */
static void visitor_follow(struct edge_visitor *v, struct served *s)
{
	if (v->served == s)
		return;
	served_unref(v->served);
	v->served = served_ref(s);
}

static bool visitor_is_at(const struct edge_visitor *v, const char *host)
{
	return strcmp(v->served->route->public_host, host) == 0;
}

/*
 * Finds the route that q->host has now, for @v. ERR_OK: v->served is its.
 * ERR_NOENT: there is none.  ERR_PROTO: it is not this visitor's.  ERR_CLOSED: it is not
 * served any more.
 */
static enum err request_find_tunnel(struct edge_request *q, struct edge_visitor *v)
{
	struct data_worker *d = q->edge->worker;
	struct route *r = v->served->route;
	struct served *s;
	enum err rc = ERR_OK;

	if (v->served->carrier != NULL && !r->is_over && visitor_is_at(v, q->host) &&
		route_is_live(r, clock_wall_ms())) {
		q->tunnel = tunnel_route_of(r);
		return ERR_OK;
	}
	r = route_find_by_host(d->shared->routes, q->host);
	if (r == NULL && d->shared->root != NULL && own_host_is(d->shared->root, q->host))
		rc = ERR_PROTO;
	else if (r == NULL || !route_is_live(r, clock_wall_ms()))
		rc = ERR_NOENT;
	else if (strcmp(r->owner, v->served->route->owner) != 0 ||
		r->worker != d->worker.index || tunnel_route_of(r) == NULL)
		rc = ERR_PROTO;
	else if ((s = served_get(d, r)) == NULL)
		rc = ERR_CLOSED;
	if (rc == ERR_OK) {
		visitor_follow(v, s);
		q->tunnel = tunnel_route_of(r);
	}
	route_unref(r); /* v->served has another reference */
	return rc;
}

static enum edge_page page_of(enum err rc)
{
	if (rc == ERR_NOENT)
		return EDGE_PAGE_UNKNOWN;
	return rc == ERR_PROTO ? EDGE_PAGE_MISDIRECTED : EDGE_PAGE_BUSY;
}

/* The tunnel is there, and so is its carrier. */
static void request_admit(const struct edge_request *q, struct edge_visitor *v)
{
	const struct http1_head *head = http_request(q->x);
	const struct tunnel_limits max = limits_for(q->tunnel, v->is_proxy);
	uint32_t retry_s = edge_limits_request(v->limits, &max, v->client);

	if (retry_s > 0)
		edge_refuse(q, EDGE_PAGE_TOO_MANY, retry_s);
	else if (q->tunnel->is_paused)
		edge_refuse(q, EDGE_PAGE_PAUSED, 0);
	else if (q->tunnel->access != TUNNEL_PUBLIC)
		edge_refuse(q, EDGE_PAGE_NO_SIGN_IN, 0);
	else if (max.body_max > 0 && head->has_length && head->length > max.body_max)
		edge_refuse(q, EDGE_PAGE_TOO_LONG, 0);
	else
		edge_forward(q, v->served);
}

static void edge_on_request(void *state, struct http_exchange *x)
{
	struct edge_visitor *v = http_tag_of(x);
	struct edge_request q = { .edge = state,
		.x = x,
		.client = *http_peer(x),
		.is_proxied = v != NULL && v->is_proxy,
		.closes = v == NULL || v->is_excess };
	enum err rc = ERR_NOENT;

	edge_make_id(q.edge, q.id);
	if (q.is_proxied)
		forwarded_find_client(http_request(x), &q.edge->worker->snapshot->proxies,
			&q.client);
	if (v == NULL) /* it came by another way than a tunnel's name */
		rc = ERR_PROTO;
	else if (request_read_host(&q, v))
		rc = request_find_tunnel(&q, v);
	if (rc != ERR_OK)
		edge_refuse(&q, page_of(rc), 0);
	else if (v->is_excess)
		edge_refuse(&q, EDGE_PAGE_TOO_MANY, 1);
	else
		request_admit(&q, v);
}

/* ---- the service ---- */

static enum err edge_open(struct data_worker *d, void **state)
{
	struct edge *edge = mem_new(edge);

	if (edge == NULL)
		return ERR_NOMEM;
	edge->worker = d;
	siphash_key_make(&edge->id_key);
	log_init(&edge->log, d->shared->log, "edge");
	*state = edge;
	return ERR_OK;
}

static void edge_close(void *state)
{
	(void)state; /* visitors go with the HTTP server */
}

static void edge_free(void *state)
{
	free(state);
}

const struct data_service edge_service = {
	.open = edge_open,
	.on_request = edge_on_request,
	.close = edge_close,
	.free = edge_free,
};
