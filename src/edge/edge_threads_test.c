/*
 * The edge on workers with threads of their own: visitors of many tunnels, while the
 * control worker, which is the test's thread, replaces tunnels and certificates. For
 * ThreadSanitizer, above all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/certificate_test.h"
#include "edge/edge_service.h"
#include "edge/tunnel_route.h"
#include "net/socket.h"
#include "net/talker_test.h"
#include "serve/served.h"

#define WORKERS 4
#define TUNNELS 8
#define GUESTS 24
#define REQUESTS 20 /* of each guest */
#define BODY 100000
#define ROOT "example.com"
#define TIMEOUT_MS 60000

/* ---- the app: a server on the worker of its carrier ---- */

struct served_app {
	struct carrier carrier;
	struct http_server *http;
	struct pool pool;
};

static uint8_t app_body[BODY];

static void app_on_request(void *arg, struct http_exchange *x)
{
	(void)arg;
	http_reply(x, 200, NULL, span_of(app_body, sizeof(app_body)));
}

static void app_on_claim(struct carrier *c, struct claim *claim)
{
	struct served_app *a = mem_container(c, struct served_app, carrier);
	struct stream *streams[2] = { NULL, NULL };
	struct addr peer = { 0 };
	int ends[2];

	unix_pair(ends);
	for (int i = 0; i < 2; i++) {
		(void)fcntl(ends[i], F_SETFL, O_NONBLOCK);
		if (socket_open_take(c->loop, ends[i], &streams[i]) != ERR_OK)
			abort();
	}
	http_server_serve_take(a->http, streams[1], &peer);
	claim_end(claim, ERR_OK, streams[0]);
}

static void app_on_cancel(struct carrier *c, struct claim *claim)
{
	(void)c;
	(void)claim;
}

static void app_on_drop(struct carrier *c, const struct prefix_set *banned)
{
	(void)c;
	(void)banned;
}

static void app_free(void *arg)
{
	struct served_app *a = arg;

	http_server_free(a->http);
	pool_fini(&a->pool);
	free(a);
}

/* Requests that are under way are answered. */
static void app_on_close(struct carrier *c)
{
	struct served_app *a = mem_container(c, struct served_app, carrier);

	if (http_server_end(a->http, app_free, a))
		app_free(a);
}

static enum err app_open_carrier(struct route *r, struct loop *loop,
	atomic_uint_fast64_t *sessions, struct carrier **out)
{
	static const struct carrier_ops ops = {
		.claim = app_on_claim,
		.cancel = app_on_cancel,
		.drop = app_on_drop,
		.close = app_on_close,
	};
	struct served_app *a = mem_new(a);
	struct http_server_options o = { .loop = loop, .on_request = app_on_request };

	(void)sessions;
	if (a == NULL)
		return ERR_NOMEM;
	pool_init(&a->pool, 66560, 8);
	o.pool = &a->pool;
	o.arg = a;
	a->carrier =
		(struct carrier){ .ops = &ops, .loop = loop, .present = &r->present };
	atomic_store(&r->present, 1);
	if (http_server_new(&o, &a->http) != ERR_OK)
		abort();
	*out = &a->carrier;
	return ERR_OK;
}

static const struct route_ops tunnel_kind = {
	.open_carrier = app_open_carrier,
	.serve_take = edge_serve_take,
};

/* ---- the server ---- */

struct server {
	struct data_shared shared;
	struct snapshot *snapshot;
	struct log log;
	struct loop *loop; /* the visitors' */
	struct tls_context *client;
	struct test_certificate certificate;
	struct route *routes[TUNNELS];
	unsigned done, replaced; /* guests; tunnels */
};

static bool no_alias(const char *host, char alias[ROUTE_ALIAS_SIZE])
{
	(void)host;
	(void)alias;
	return false;
}

static void snapshot_free(struct snapshot *s)
{
	free(s);
}

static struct snapshot *new_snapshot(const struct test_certificate *c,
	const struct tls_contexts *of)
{
	struct tls_server_options o = { .cert_pem = buf_span(&c->pem),
		.is_key_instant = true };
	struct snapshot *s = mem_new(s);
	struct tls_context *tls = NULL;

	assert_non_null(s);
	atomic_init(&s->refs, 1);
	s->free = snapshot_free;
	assert_int_equal(remote_key_new(o.cert_pem, test_certificate_on_order,
				 (void *)(uintptr_t)c, &o.key, NULL),
		ERR_OK);
	assert_int_equal(tls_context_new_server(&o, &tls, NULL), ERR_OK);
	remote_key_unref(o.key);
	assert_int_equal(tls_contexts_new(of, &s->contexts), ERR_OK);
	assert_int_equal(tls_contexts_put(s->contexts, "*." ROOT, tls), ERR_OK);
	tls_context_free(tls);
	return s;
}

static void put_tunnel(struct server *s, unsigned i)
{
	struct tunnel_route *t = tunnel_route_new(&tunnel_kind);
	struct route *r = &t->route, *was = s->routes[i];

	assert_non_null(t);
	r->worker = i % WORKERS;
	t->access = TUNNEL_PUBLIC;
	t->limits.client_requests_per_s = 0;
	snprintf(r->owner, sizeof(r->owner), "tunnel %u", i);
	snprintf(r->name, sizeof(r->name), "t%u", i);
	snprintf(r->public_host, sizeof(r->public_host), "t%u." ROOT, i);
	str_copy(r->host, sizeof(r->host), r->public_host);
	route_put(s->shared.routes, r);
	assert_true(
		data_worker_open_route(&s->shared.workers[r->worker], r, -1, 1 << 30));
	if (was != NULL) {
		route_remove(s->shared.routes, was);
		assert_true(data_worker_close_route(&s->shared.workers[was->worker], was,
			false));
		route_unref(was);
	}
	s->routes[i] = r;
}

static void server_open(struct server *s)
{
	struct tls_client_options o = { .skip_verify = true };

	for (size_t i = 0; i < sizeof(app_body); i++)
		app_body[i] = (uint8_t)(i * 7 + i / 251);
	log_init(&s->log, NULL, "relay");
	test_certificate_init(&s->certificate, "DNS:*." ROOT);
	s->snapshot = new_snapshot(&s->certificate, NULL);
	s->shared = (struct data_shared){
		.root = ROOT,
		.parts = { { .service = &edge_service } },
		.parts_n = 1,
		.log = &s->log,
		.count = WORKERS,
	};
	assert_int_equal(route_table_new(no_alias, &s->shared.routes), ERR_OK);
	assert_int_equal(loop_new(&s->loop), ERR_OK);
	assert_int_equal(tls_context_new_client(&o, &s->client, NULL), ERR_OK);
	assert_int_equal(data_workers_open(&s->shared, s->snapshot, NULL), ERR_OK);
	for (unsigned i = 0; i < TUNNELS; i++)
		put_tunnel(s, i);
}

static void server_close(struct server *s)
{
	for (unsigned i = 0; i < TUNNELS; i++) {
		route_remove(s->shared.routes, s->routes[i]);
		route_unref(s->routes[i]);
	}
	data_workers_end(&s->shared, 1000);
	data_workers_join(&s->shared);
	data_workers_close(&s->shared);
	route_table_free(s->shared.routes);
	loop_turn(s->loop);
	loop_free(s->loop);
	snapshot_unref(s->snapshot);
	tls_context_free(s->client);
	test_certificate_fini(&s->certificate);
}

/* The control worker's part: a tunnel and the certificates change. */
static void server_change(struct server *s)
{
	struct snapshot *next = new_snapshot(&s->certificate, s->snapshot->contexts);

	put_tunnel(s, s->replaced++ % TUNNELS);
	data_workers_set_snapshot(&s->shared, next);
	snapshot_unref(s->snapshot);
	s->snapshot = next;
}

/* ---- visitors ---- */

struct guest {
	struct server *server;
	unsigned tunnel, requests;
	struct stream *stream;
	struct buf in;
	bool has_failed;
};

static void guest_ask(struct guest *g)
{
	char head[128];
	size_t put;

	snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: t%u." ROOT "\r\n\r\n",
		g->tunnel);
	buf_reset(&g->in);
	g->has_failed |= stream_put(g->stream, head, strlen(head), &put) != ERR_OK ||
		put < strlen(head);
}

/* The whole answer is there. */
static bool guest_has_answer(const struct guest *g)
{
	struct span in = buf_span(&g->in);
	const uint8_t *end = in.n == 0 ? NULL : memmem(in.p, in.n, "\r\n\r\n", 4);

	return end != NULL && (size_t)(in.p + in.n - end) - 4 == BODY &&
		memcmp(in.p, "HTTP/1.1 200", 12) == 0 &&
		memcmp(end + 4, app_body, BODY) == 0;
}

static void guest_on_ready(void *arg, unsigned ready)
{
	struct guest *g = arg;
	uint8_t piece[16384];
	size_t n;
	enum err rc;

	(void)ready;
	while ((rc = stream_read(g->stream, piece, sizeof(piece), &n)) == ERR_OK)
		assert_int_equal(buf_put(&g->in, piece, n), ERR_OK);
	g->has_failed |= rc != ERR_AGAIN;
	if (!g->has_failed && guest_has_answer(g)) {
		if (g->requests == 0)
			assert_int_equal(tls_handshake(g->stream, NULL), ERR_OK);
		if (++g->requests < REQUESTS)
			guest_ask(g);
		else
			g->server->done++;
	}
	stream_want(g->stream, g->requests < REQUESTS && !g->has_failed ? LOOP_READ : 0);
}

static void guest_open(struct guest *g, struct server *s, unsigned i)
{
	char host[64];
	struct tls_options o = { .context = s->client,
		.loop = s->loop,
		.server_name = host };
	struct addr peer;
	int ends[2];

	*g = (struct guest){ .server = s, .tunnel = i % TUNNELS };
	snprintf(host, sizeof(host), "t%u." ROOT, g->tunnel);
	buf_init(&g->in, SIZE_MAX);
	tcp_pair(ends);
	for (int end = 0; end < 2; end++)
		assert_int_equal(fcntl(ends[end], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(addr_from_literal("203.0.113.9", 4444, &peer), ERR_OK);
	assert_true(
		data_worker_give_visitor(data_workers_next(&s->shared), ends[1], &peer));
	assert_int_equal(socket_open_take(s->loop, ends[0], &o.below), ERR_OK);
	assert_int_equal(tls_open(&o, &g->stream, NULL), ERR_OK);
	while (tls_handshake(g->stream, NULL) == ERR_AGAIN) {
		loop_turn(s->loop);
		usleep(200);
	}
	stream_set_owner(g->stream, guest_on_ready, g);
	guest_ask(g);
	stream_want(g->stream, LOOP_READ);
}

static void test_tunnels_change_while_their_visitors_are_served(void **state)
{
	static struct guest guests[GUESTS];
	struct server *s = mem_new(s);
	uint64_t end;

	(void)state;
	assert_non_null(s);
	server_open(s);
	for (unsigned i = 0; i < GUESTS; i++)
		guest_open(&guests[i], s, i);
	end = clock_now_ms() + TIMEOUT_MS;
	while (s->done < GUESTS && clock_now_ms() < end) {
		loop_turn(s->loop);
		usleep(100);
		if (s->replaced < 20 * TUNNELS)
			server_change(s);
		for (unsigned i = 0; i < GUESTS; i++)
			assert_false(guests[i].has_failed);
	}
	assert_int_equal(s->done, GUESTS);
	assert_true(s->replaced > TUNNELS);
	for (unsigned i = 0; i < GUESTS; i++) {
		stream_close(guests[i].stream);
		buf_fini(&guests[i].in);
	}
	server_close(s);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tunnels_change_while_their_visitors_are_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
