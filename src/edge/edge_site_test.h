/*
 * For tests: data workers with the edge as their service, run by the test, which owns the
 * clock; an app behind a carrier that is written here; and visitors with TLS.
 */
#ifndef EDGE_EDGE_SITE_TEST_H
#define EDGE_EDGE_SITE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

#include "base/mem.h"
#include "base/str.h"
#include "crypto/certificate_test.h"
#include "edge/edge_service.h"
#include "edge/tunnel_route.h"
#include "loop/timer_test.h"
#include "net/socket.h"
#include "net/talker_test.h"
#include "serve/served.h"

#define SITE_WORKERS 2
#define SITE_ROOT "example.com"
#define SITE_T0_MS UINT64_C(1780315200500)
#define SITE_TURNS 20000 /* and a pause of 0.1 ms after each */

#define SITE_APPS 16
#define OK "HTTP/1.1 200 OK\r\n"

/* A connection of the app: the other end of a carrier's stream. */
struct app {
	struct stream *stream; /* NULL: closed */
	struct buf heard, says;
};

struct edge_site {
	struct data_shared shared;
	struct data_worker workers[SITE_WORKERS];
	struct snapshot snapshot;
	struct log log;
	struct loop *loop; /* the visitors' and the app's */
	struct tls_context *client;
	struct test_certificate certificate;
	struct addr peer;           /* where visitors seem to come from */
	struct app apps[SITE_APPS]; /* its connections so far */
	unsigned apps_n;
	struct app *app;   /* the newest */
	bool is_away;      /* no agent is connected */
	bool is_slow;      /* claims wait */
	enum err refusal;  /* of claims; ERR_OK: none */
	unsigned carriers; /* open ones */
	struct list waiting;
};

static struct edge_site *the_site; /* of the test that runs */

/* ---- its time ---- */

static inline void site_turn(struct edge_site *s)
{
	time_turn(s->loop);
	for (unsigned i = 0; i < SITE_WORKERS; i++)
		loop_turn(s->workers[i].worker.loop);
}

/* Whatever can happen without time passing has happened. */
static inline void site_settle(struct edge_site *s)
{
	for (int i = 0; i < 30; i++)
		site_turn(s);
}

static inline void site_pass(struct edge_site *s, uint64_t ms)
{
	uint64_t end = clock_now_ms() + ms;
	struct loop_timer *t;

	site_settle(s);
	while ((t = time_next(end)) != NULL) {
		if (t->due_ms > clock_now_ms())
			clock_advance(t->due_ms - clock_now_ms());
		site_settle(s);
	}
	if (end > clock_now_ms())
		clock_advance(end - clock_now_ms());
}

/* Turns until it is so; no time passes. */
#define site_until(s, condition) \
	do { \
		bool is_so_ = false; \
\
		for (int i_ = 0; i_ < SITE_TURNS && !(is_so_ = (condition)); i_++) { \
			site_turn(s); \
			usleep(100); \
		} \
		assert_true(is_so_); \
	} while (0)

/* ---- the app ---- */

static inline void app_close(struct app *a)
{
	stream_close(a->stream);
	a->stream = NULL;
}

static inline void app_run(struct app *a)
{
	uint8_t piece[16384];
	size_t n;
	enum err rc;

	while (a->says.n > 0 &&
		stream_put(a->stream, buf_span(&a->says).p, a->says.n, &n) == ERR_OK)
		buf_consume(&a->says, n);
	while ((rc = stream_read(a->stream, piece, sizeof(piece), &n)) == ERR_OK)
		assert_int_equal(buf_put(&a->heard, piece, n), ERR_OK);
	if (rc != ERR_AGAIN) {
		app_close(a);
		return;
	}
	stream_want(a->stream,
		(unsigned)LOOP_READ | (a->says.n > 0 ? (unsigned)LOOP_WRITE : 0U));
}

static inline void app_on_ready(void *arg, unsigned ready)
{
	(void)ready;
	app_run(arg);
}

static inline void app_say(struct app *a, const void *bytes, size_t n)
{
	assert_non_null(a->stream);
	assert_int_equal(buf_put(&a->says, bytes, n), ERR_OK);
	app_run(a);
}

static inline void app_say_text(struct app *a, const char *text)
{
	app_say(a, text, strlen(text));
}

static inline bool app_has(const struct app *a, const char *text)
{
	struct span heard = buf_span(&a->heard);

	return heard.n > 0 && memmem(heard.p, heard.n, text, strlen(text)) != NULL;
}

/* The newest has heard @text. */
#define app_expect(s, text) site_until(s, (s)->app != NULL && app_has((s)->app, text))

static inline void app_forget(struct app *a)
{
	buf_reset(&a->heard);
}

/* Bytes in which a gap is seen. */
static inline uint8_t *make_body(size_t n)
{
	uint8_t *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
	return p;
}

/* A new connection of the app. */
static inline void app_adopt(struct edge_site *s, struct stream *stream)
{
	struct app *a = &s->apps[s->apps_n++];

	assert_true(s->apps_n <= SITE_APPS);
	buf_init(&a->heard, SIZE_MAX);
	buf_init(&a->says, SIZE_MAX);
	a->stream = stream;
	stream_set_owner(stream, app_on_ready, a);
	stream_want(stream, LOOP_READ);
	s->app = a;
}

/* ---- the carriers ---- */

static inline void site_pair(int ends[2])
{
	tcp_pair(ends);
	for (int i = 0; i < 2; i++)
		assert_int_equal(fcntl(ends[i], F_SETFL, O_NONBLOCK), 0);
}

static inline void carrier_serve(struct claim *claim)
{
	struct edge_site *s = the_site;
	struct stream *stream;
	int ends[2];

	site_pair(ends);
	assert_int_equal(socket_open_take(s->loop, ends[1], &stream), ERR_OK);
	app_adopt(s, stream);
	assert_int_equal(socket_open_take(claim->loop, ends[0], &stream), ERR_OK);
	claim_end(claim, ERR_OK, stream);
}

static inline void carrier_on_claim(struct carrier *c, struct claim *claim)
{
	(void)c;
	assert_true(claim->is_raw);
	assert_int_equal(claim->first.n, 0);
	if (the_site->is_slow)
		list_add(&the_site->waiting, &claim->in_carrier);
	else if (the_site->refusal != ERR_OK)
		claim_end(claim, the_site->refusal, NULL);
	else
		carrier_serve(claim);
}

static inline void carrier_on_cancel(struct carrier *c, struct claim *claim)
{
	(void)c;
	list_remove(&claim->in_carrier);
}

static inline void carrier_on_drop(struct carrier *c, const struct prefix_set *banned)
{
	(void)c;
	(void)banned;
}

static inline void carrier_on_close(struct carrier *c)
{
	struct list *it, *tmp;

	list_each(it, tmp, &the_site->waiting) {
		struct claim *claim = list_object(it, struct claim, in_carrier);

		if (claim->carrier != c)
			continue;
		list_remove(&claim->in_carrier);
		claim_end(claim, ERR_CLOSED, NULL);
	}
	the_site->carriers--;
	free(c);
}

static const struct carrier_ops carrier_kind = {
	.claim = carrier_on_claim,
	.cancel = carrier_on_cancel,
	.drop = carrier_on_drop,
	.close = carrier_on_close,
};

static inline enum err carrier_on_open(struct route *r, struct loop *loop,
	atomic_uint_fast64_t *sessions, struct carrier **out)
{
	struct carrier *c = mem_new(c);

	(void)sessions;
	assert_non_null(c);
	*c = (struct carrier){ .ops = &carrier_kind,
		.loop = loop,
		.present = &r->present };
	if (!the_site->is_away)
		atomic_store(&r->present, 1);
	the_site->carriers++;
	*out = c;
	return ERR_OK;
}

static const struct route_ops tunnel_kind = {
	.open_carrier = carrier_on_open,
	.serve_take = edge_serve_take,
};

/* ---- the site ---- */

static inline bool site_alias(const char *host, char alias[ROUTE_ALIAS_SIZE])
{
	(void)host;
	(void)alias;
	return false;
}

static inline void site_free_snapshot(struct snapshot *s)
{
	(void)s;
}

static inline struct tls_context *site_new_tls(const struct test_certificate *c)
{
	struct tls_server_options o = { .cert_pem = buf_span(&c->pem),
		.is_key_instant = true,
		.alpn = "http/1.1" };
	struct tls_context *ctx = NULL;

	assert_int_equal(remote_key_new(o.cert_pem, test_certificate_on_order,
				 (void *)(uintptr_t)c, &o.key, NULL),
		ERR_OK);
	assert_int_equal(tls_context_new_server(&o, &ctx, NULL), ERR_OK);
	remote_key_unref(o.key);
	return ctx;
}

static inline void site_open_snapshot(struct edge_site *s)
{
	struct tls_client_options o = { .skip_verify = true };
	struct tls_context *tls;

	test_certificate_init(&s->certificate, "DNS:*." SITE_ROOT);
	tls = site_new_tls(&s->certificate);
	atomic_init(&s->snapshot.refs, 1);
	s->snapshot.free = site_free_snapshot;
	assert_int_equal(tls_contexts_new(NULL, &s->snapshot.contexts), ERR_OK);
	assert_int_equal(tls_contexts_put(s->snapshot.contexts, "*." SITE_ROOT, tls),
		ERR_OK);
	tls_context_free(tls);
	assert_int_equal(tls_context_new_client(&o, &s->client, NULL), ERR_OK);
}

static inline int site_set_up(void **state)
{
	struct edge_site *s = mem_new(s);

	assert_non_null(s);
	the_site = s;
	time_begin(SITE_T0_MS);
	log_init(&s->log, NULL, "relay");
	list_init(&s->waiting);
	site_open_snapshot(s);
	assert_int_equal(addr_from_literal("203.0.113.9", 4444, &s->peer), ERR_OK);
	s->shared = (struct data_shared){
		.root = SITE_ROOT,
		.parts = { { .service = &edge_service } },
		.parts_n = 1,
		.log = &s->log,
		.workers = s->workers,
		.count = SITE_WORKERS,
	};
	assert_int_equal(route_table_new(site_alias, &s->shared.routes), ERR_OK);
	assert_int_equal(loop_new(&s->loop), ERR_OK);
	for (unsigned i = 0; i < SITE_WORKERS; i++)
		assert_int_equal(data_worker_init(&s->workers[i], &s->shared, i,
					 &s->snapshot, NULL),
			ERR_OK);
	*state = s;
	return 0;
}

static inline int site_tear_down(void **state)
{
	struct edge_site *s = *state;

	site_settle(s);
	for (unsigned i = 0; i < SITE_WORKERS; i++)
		data_worker_close(&s->workers[i]);
	assert_int_equal(s->carriers, 0);
	assert_true(list_is_empty(&s->waiting));
	for (unsigned i = 0; i < s->apps_n; i++) {
		app_close(&s->apps[i]);
		buf_fini(&s->apps[i].heard);
		buf_fini(&s->apps[i].says);
	}
	route_table_free(s->shared.routes);
	loop_turn(s->loop);
	loop_free(s->loop);
	snapshot_unref(&s->snapshot);
	tls_context_free(s->client);
	test_certificate_fini(&s->certificate);
	assert_true(list_is_empty(&time_all));
	free(s);
	return 0;
}

/* ---- tunnels ---- */

/* One that is not in the table yet; the caller has the reference. */
static inline struct tunnel_route *site_new_tunnel(const char *name, unsigned worker)
{
	struct tunnel_route *t = tunnel_route_new(&tunnel_kind);
	struct route *r = &t->route;

	assert_non_null(t);
	r->worker = worker;
	snprintf(r->owner, sizeof(r->owner), "tunnel %s", name);
	str_copy(r->name, sizeof(r->name), name);
	snprintf(r->public_host, sizeof(r->public_host), "%s." SITE_ROOT, name);
	str_copy(r->host, sizeof(r->host), r->public_host);
	str_copy(t->target, sizeof(t->target), "localhost:3000");
	t->access = TUNNEL_PUBLIC;
	return t;
}

/* The table and the worker have it from now on, and the caller's reference. */
static inline struct route *site_publish(struct edge_site *s, struct tunnel_route *t)
{
	struct route *r = &t->route;

	route_put(s->shared.routes, r);
	assert_true(data_worker_open_route(&s->workers[r->worker], r, -1, 0));
	route_unref(r);
	site_settle(s);
	return r;
}

static inline struct route *site_open_tunnel(struct edge_site *s, const char *name)
{
	return site_publish(s, site_new_tunnel(name, 0));
}

static inline void site_close_tunnel(struct edge_site *s, struct route *r, bool cuts)
{
	route_ref(r);
	route_remove(s->shared.routes, r);
	assert_true(data_worker_close_route(&s->workers[r->worker], r, cuts));
	route_unref(r);
}

/* A change of the tunnel: @t is in the place of @was, without an interval. */
static inline struct route *site_replace(struct edge_site *s, struct route *was,
	struct tunnel_route *t)
{
	route_put(s->shared.routes, &t->route);
	assert_true(
		data_worker_open_route(&s->workers[t->route.worker], &t->route, -1, 0));
	site_close_tunnel(s, was, false);
	route_unref(&t->route);
	site_settle(s);
	return &t->route;
}

/* ---- visitors ---- */

struct guest {
	struct edge_site *site;
	struct stream *stream; /* NULL once it has closed it */
	struct buf in;
	bool reads_nothing;
	enum err rc;                 /* how it ended; ERR_OK: not yet */
	char head[4096], body[4096]; /* of the last answer */
};

static inline void guest_on_ready(void *arg, unsigned ready)
{
	struct guest *g = arg;
	uint8_t bytes[16384];
	size_t got;
	enum err rc;

	(void)ready;
	while ((rc = stream_read(g->stream, bytes, sizeof(bytes), &got)) == ERR_OK)
		assert_int_equal(buf_put(&g->in, bytes, got), ERR_OK);
	if (rc != ERR_AGAIN)
		g->rc = rc;
	stream_want(g->stream, rc == ERR_AGAIN ? LOOP_READ : 0);
}

/* Begins TLS for a tunnel's name on @fd. */
static inline void guest_begin(struct guest *g, struct edge_site *s, int fd,
	const char *name)
{
	char host[NAMES_HOST_MAX + 1];
	struct tls_options o = { .context = s->client,
		.loop = s->loop,
		.server_name = host };

	snprintf(host, sizeof(host), "%s." SITE_ROOT, name);
	*g = (struct guest){ .site = s };
	buf_init(&g->in, SIZE_MAX);
	assert_int_equal(socket_open_take(s->loop, fd, &o.below), ERR_OK);
	assert_int_equal(tls_open(&o, &g->stream, NULL), ERR_OK);
}

/* Connects to the SNI port of a worker, and begins TLS. */
static inline void guest_connect(struct guest *g, struct edge_site *s, unsigned worker,
	const char *name)
{
	int ends[2];

	site_pair(ends);
	assert_true(data_worker_give_visitor(&s->workers[worker], ends[1], &s->peer));
	guest_begin(g, s, ends[0], name);
}

/* Gives the result. */
static inline enum err guest_shake(struct guest *g)
{
	enum err rc = ERR_AGAIN;

	site_until(g->site, (rc = tls_handshake(g->stream, NULL)) != ERR_AGAIN);
	stream_set_owner(g->stream, guest_on_ready, g);
	stream_want(g->stream, LOOP_READ);
	return rc;
}

static inline void guest_come_by(struct guest *g, struct edge_site *s, unsigned worker,
	const char *name)
{
	guest_connect(g, s, worker, name);
	assert_int_equal(guest_shake(g), ERR_OK);
}

static inline void guest_come(struct guest *g, struct edge_site *s, const char *name)
{
	guest_come_by(g, s, 0, name);
}

static inline void guest_say(struct guest *g, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	size_t at = 0, put;
	enum err rc = ERR_OK;

	while (at < n) {
		site_until(g->site,
			(rc = stream_put(g->stream, p + at, n - at, &put)) != ERR_AGAIN);
		assert_int_equal(rc, ERR_OK);
		at += put;
	}
}

static inline void guest_say_text(struct guest *g, const char *text)
{
	guest_say(g, text, strlen(text));
}

/* "GET / HTTP/1.1" and so on, for the tunnel @name, with more lines. */
static inline void guest_ask(struct guest *g, const char *first, const char *name,
	const char *lines)
{
	char head[4096];

	snprintf(head, sizeof(head), "%s\r\nHost: %s." SITE_ROOT "\r\n%s\r\n", first,
		name, lines);
	guest_say_text(g, head);
}

/* Waits for @n bytes, which are taken; returns them, good for a while. */
static inline const uint8_t *guest_take(struct guest *g, size_t n)
{
	const uint8_t *p;

	site_until(g->site, g->in.n >= n || g->rc != ERR_OK);
	assert_true(g->in.n >= n);
	p = buf_span(&g->in).p;
	buf_consume(&g->in, n);
	return p;
}

static inline void guest_expect(struct guest *g, const char *text)
{
	assert_memory_equal(guest_take(g, strlen(text)), text, strlen(text));
}

/* The head of an answer, which is taken. Gives its status. */
static inline unsigned guest_read_head(struct guest *g)
{
	char *end = NULL;
	unsigned status = 0;
	size_t n;

	for (int i = 0; i < SITE_TURNS && end == NULL; i++) {
		n = g->in.n < sizeof(g->head) ? g->in.n : sizeof(g->head) - 1;
		if (n > 0)
			memcpy(g->head, buf_span(&g->in).p, n);
		g->head[n] = '\0';
		end = strstr(g->head, "\r\n\r\n");
		if (end != NULL || g->rc != ERR_OK)
			break;
		site_turn(g->site);
		usleep(100);
	}
	assert_non_null(end);
	end[2] = '\0';
	buf_consume(&g->in, (size_t)(end - g->head) + 4);
	assert_int_equal(sscanf(g->head, "HTTP/1.1 %u", &status), 1);
	return status;
}

/* And its body, which has a length. */
static inline unsigned guest_read_answer(struct guest *g)
{
	unsigned status = guest_read_head(g);
	char *length = strstr(g->head, "Content-Length: ");
	size_t n = length == NULL ? 0 : (size_t)strtoul(length + 16, NULL, 10);

	assert_true(n < sizeof(g->body));
	if (n > 0)
		memcpy(g->body, guest_take(g, n), n);
	g->body[n] = '\0';
	return status;
}

static inline bool guest_has_header(const struct guest *g, const char *line)
{
	return strstr(g->head, line) != NULL;
}

static inline enum err guest_wait_end(struct guest *g)
{
	site_until(g->site, g->rc != ERR_OK);
	return g->rc;
}

static inline void guest_close(struct guest *g)
{
	stream_close(g->stream);
	g->stream = NULL;
	buf_fini(&g->in);
}

/* One request without a body, and the app's answer. */
static inline void get(struct guest *g, const char *name, const char *body)
{
	struct edge_site *s = g->site;
	char answer[256];

	if (s->app != NULL)
		app_forget(s->app);
	guest_ask(g, "GET / HTTP/1.1", name, "");
	app_expect(s, "\r\n\r\n");
	snprintf(answer, sizeof(answer), OK "Content-Length: %zu\r\n\r\n%s", strlen(body),
		body);
	app_say_text(s->app, answer);
	assert_int_equal(guest_read_answer(g), 200);
	assert_string_equal(g->body, body);
}

#endif
