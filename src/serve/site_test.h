/*
 * For tests: a relay's data workers without threads, run by the test, which owns the
 * clock; and their peers on loopback: visitors, and clients with TLS.
 */
#ifndef SERVE_SITE_TEST_H
#define SERVE_SITE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

#include "base/str.h"
#include "crypto/certificate_test.h"
#include "loop/timer_test.h"
#include "net/socket.h"
#include "net/talker_test.h"
#include "serve/lease/keyless.h"
#include "serve/lease/lease_route.h"
#include "serve/lease/lease_service.h"
#include "serve/visitor.h"
#include "tunnel/portal/message.h"
#include "wire/marker.h"

#define SITE_WORKERS 2
#define SITE_ROOT "relay.example.com"
#define SITE_URL "https://relay.example.com"
#define SITE_T0_MS UINT64_C(1780315200500)
#define SITE_TTL_MS 120000
#define SITE_TURNS 20000 /* and a pause of 0.1 ms after each */

struct site {
	struct data_shared shared;
	struct lease_context leases;
	struct data_worker workers[SITE_WORKERS];
	struct lease_snapshot *settings;
	struct snapshot *snapshot; /* its base */
	struct log log;
	struct loop *loop; /* the clients' */
	struct tls_context *client;
	struct test_certificate certificate;
	uint8_t secret[K1_SECRET_BYTES];
	struct k1_public key;
	char address[ADDRESS_TEXT_SIZE];
	struct addr peer;      /* where visitors seem to come from */
	struct api_call *call; /* the last one, until it is answered */
	unsigned calls;
	int64_t registration; /* in tokens */
};

/* ---- its time ---- */

static inline void site_turn(struct site *s)
{
	time_turn(s->loop);
	for (unsigned i = 0; i < SITE_WORKERS; i++)
		loop_turn(s->workers[i].worker.loop);
}

/* Whatever can happen without time passing has happened. */
static inline void site_settle(struct site *s)
{
	for (int i = 0; i < 30; i++)
		site_turn(s);
}

static inline void site_pass(struct site *s, uint64_t ms)
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

/* ---- the beginning and the end ---- */

static inline void site_on_call(void *arg, struct api_call *call)
{
	struct site *s = arg;

	assert_null(s->call);
	s->call = call;
	s->calls++;
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

static inline void site_open_keyless(struct site *s)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	long n;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, s->certificate.pkey, NULL, NULL, 0,
				 NULL, NULL),
		1);
	n = BIO_get_mem_data(bio, &pem);
	assert_int_equal(keyless_new(span_of(pem, (size_t)n), &s->settings->keyless,
				 NULL),
		ERR_OK);
	BIO_free(bio);
}

static inline void site_open_snapshot(struct site *s)
{
	struct tls_client_options o = { .skip_verify = true };

	test_certificate_init(&s->certificate, "DNS:" SITE_ROOT ",DNS:*." SITE_ROOT);
	s->settings = lease_snapshot_new();
	assert_non_null(s->settings);
	s->snapshot = &s->settings->base;
	s->snapshot->tls = site_new_tls(&s->certificate);
	site_open_keyless(s);
	assert_int_equal(tls_context_new_client(&o, &s->client, NULL), ERR_OK);
}

/* The control worker's operations, of which a data worker knows the rows alone. */
static inline void site_never(void *context, struct api_call *call)
{
	(void)context;
	(void)call;
	fail();
}

static const struct api_operation site_rows[] = {
	{ "POST", "/sdk/register", &api_anyone, site_never,
		.request = &message_register_request_fields },
	{ "POST", "/sdk/renew", &api_anyone, site_never,
		.request = &message_renew_request_fields },
	{ .path = "/sdk/domain", .authority = &api_anyone, .fn = site_never },
	{ .path = "/healthz",
		.authority = &api_anyone,
		.fn = site_never,
		.is_any_host = true },
	{ .path = "/", .authority = &api_anyone, .fn = site_never },
	{ .path = "/app", .authority = &api_anyone, .fn = site_never },
	{ .path = "/app/**", .authority = &api_anyone, .fn = site_never },
	{ "POST", "/admin/settings/udp", &api_anyone, site_never,
		.request = &message_renew_request_fields, .body_max = 65536 },
	{ .path = "/admin/**", .authority = &api_anyone, .fn = site_never },
};

static const struct api_operation site_revival = { .path = "",
	.authority = &api_anyone,
	.fn = site_never };

static const struct api_table site_table = API_TABLE_OF(site_rows);

static const struct api_table *const site_tables[] = { &relay_connect_table,
	&signing_table, &site_table, NULL };

static inline void site_open(struct site *s)
{
	*s = (struct site){ .calls = 0 };
	time_begin(SITE_T0_MS);
	log_init(&s->log, NULL, "relay");
	site_open_snapshot(s);
	s->secret[31] = 7;
	assert_int_equal(k1_derive_public(s->secret, &s->key), ERR_OK);
	address_of_key(&s->key, s->address);
	assert_int_equal(addr_from_literal("203.0.113.9", 4444, &s->peer), ERR_OK);
	s->leases = (struct lease_context){
		.issuer = SITE_URL,
		.token_key = &s->key,
		.tables = site_tables,
		.revival = &site_revival,
		.take_call = site_on_call,
		.arg = s,
	};
	s->shared = (struct data_shared){
		.root = SITE_ROOT,
		.parts = { { .service = &lease_service,
			.context = &s->leases,
			.head_max = LEASE_HEAD_MAX,
			.bodies_max = LEASE_BODIES_MAX } },
		.parts_n = 1,
		.log = &s->log,
		.workers = s->workers,
		.count = SITE_WORKERS,
	};
	assert_int_equal(route_table_new(lease_route_alias, &s->shared.routes), ERR_OK);
	assert_int_equal(loop_new(&s->loop), ERR_OK);
	for (unsigned i = 0; i < SITE_WORKERS; i++)
		assert_int_equal(data_worker_init(&s->workers[i], &s->shared, i,
					 s->snapshot, NULL),
			ERR_OK);
}

static inline void site_close(struct site *s)
{
	site_settle(s);
	for (unsigned i = 0; i < SITE_WORKERS; i++)
		data_worker_close(&s->workers[i]);
	for (unsigned i = 0; i < SITE_WORKERS; i++) {
		assert_int_equal(s->workers[i].stats.sessions, 0);
		assert_int_equal(s->workers[i].stats.bridges, 0);
	}
	api_call_free(s->call);
	route_table_free(s->shared.routes);
	loop_turn(s->loop);
	loop_free(s->loop);
	snapshot_unref(s->snapshot);
	tls_context_free(s->client);
	test_certificate_fini(&s->certificate);
	assert_true(list_is_empty(&time_all));
}

/* ---- leases ---- */

/* A registration, found by its name from now on. The table has the one reference. */
static inline struct route *site_put_route(struct site *s, const char *name,
	unsigned worker)
{
	struct lease_route *made = lease_route_new();
	struct route *r = &made->route;

	assert_non_null(made);
	r->worker = worker;
	identity_key_print(name, s->address, r->owner);
	str_copy(r->name, sizeof(r->name), name);
	snprintf(r->public_host, sizeof(r->public_host), "%s." SITE_ROOT, name);
	str_copy(r->host, sizeof(r->host), r->public_host);
	atomic_init(&r->is_routable, true);
	atomic_init(&r->until_ms, clock_wall_ms() + SITE_TTL_MS);
	route_put(s->shared.routes, r);
	route_unref(r);
	return r;
}

/* Its worker has been told, too. */
static inline struct route *site_open_lease(struct site *s, const char *name,
	unsigned worker)
{
	struct route *r = site_put_route(s, name, worker);

	assert_true(data_worker_open_route(&s->workers[worker], r, -1, 0));
	site_settle(s);
	return r;
}

static inline void site_close_lease(struct site *s, struct route *r, bool cuts_bridges)
{
	route_ref(r);
	route_remove(s->shared.routes, r);
	assert_true(data_worker_close_route(&s->workers[r->worker], r, cuts_bridges));
	route_unref(r);
}

/* ---- clients with TLS ---- */

struct guest {
	struct site *site;
	struct stream *stream; /* NULL once it has closed it */
	struct buf in;
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

/* Both ends of a connection, neither of which blocks. */
static inline void site_pair(int ends[2])
{
	tcp_pair(ends);
	for (int i = 0; i < 2; i++)
		assert_int_equal(fcntl(ends[i], F_SETFL, O_NONBLOCK), 0);
}

/* @fd is the client's end; the handshake with the worker at the other is done. */
static inline void guest_open(struct guest *g, struct site *s, int fd)
{
	struct tls_options o = { .context = s->client,
		.loop = s->loop,
		.server_name = SITE_ROOT };
	enum err rc = ERR_AGAIN;

	*g = (struct guest){ .site = s };
	buf_init(&g->in, SIZE_MAX);
	assert_int_equal(socket_open_take(s->loop, fd, &o.below), ERR_OK);
	assert_int_equal(tls_open(&o, &g->stream, NULL), ERR_OK);
	site_until(s, (rc = tls_handshake(g->stream, NULL)) != ERR_AGAIN);
	assert_int_equal(rc, ERR_OK);
	stream_set_owner(g->stream, guest_on_ready, g);
	stream_want(g->stream, LOOP_READ);
}

/* At the API's port. */
static inline void guest_come(struct guest *g, struct site *s, unsigned worker)
{
	int ends[2];

	site_pair(ends);
	assert_true(data_worker_give_client(&s->workers[worker], ends[1], &s->peer));
	guest_open(g, s, ends[0]);
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

/* Waits for @bytes, which are taken: nothing else may have come before. */
static inline void guest_expect(struct guest *g, const void *bytes, size_t n)
{
	site_until(g->site, g->in.n >= n || g->rc != ERR_OK);
	assert_true(g->in.n >= n);
	assert_memory_equal(buf_span(&g->in).p, bytes, n);
	buf_consume(&g->in, n);
}

static inline void guest_expect_text(struct guest *g, const char *text)
{
	guest_expect(g, text, strlen(text));
}

/* An answer, which is taken: its head and body are in @g then. Gives its status. */
static inline unsigned guest_read_answer(struct guest *g)
{
	char *end = NULL, *length;
	unsigned status = 0;
	size_t n;

	for (int i = 0; i < SITE_TURNS && end == NULL && g->rc == ERR_OK; i++) {
		site_turn(g->site);
		n = g->in.n < sizeof(g->head) ? g->in.n : sizeof(g->head) - 1;
		if (n > 0)
			memcpy(g->head, buf_span(&g->in).p, n);
		g->head[n] = '\0';
		end = strstr(g->head, "\r\n\r\n");
		if (end == NULL)
			usleep(100);
	}
	assert_non_null(end);
	end[2] = '\0';
	buf_consume(&g->in, (size_t)(end - g->head) + 4);
	assert_int_equal(sscanf(g->head, "HTTP/1.1 %u", &status), 1);
	length = strstr(g->head, "Content-Length: ");
	n = length == NULL ? 0 : (size_t)strtoul(length + 16, NULL, 10);
	assert_true(n < sizeof(g->body));
	site_until(g->site, g->in.n >= n || g->rc != ERR_OK);
	assert_true(g->in.n >= n);
	if (n > 0)
		memcpy(g->body, buf_span(&g->in).p, n);
	g->body[n] = '\0';
	buf_consume(&g->in, n);
	return status;
}

static inline void guest_expect_end(struct guest *g, enum err rc)
{
	site_until(g->site, g->rc != ERR_OK);
	assert_int_equal(g->rc, rc);
	assert_int_equal(g->in.n, 0);
}

static inline void guest_close(struct guest *g)
{
	stream_close(g->stream);
	g->stream = NULL;
	buf_fini(&g->in);
}

/* The token of a lease; the caller has the buffer. */
static inline void site_put_token(struct site *s, const char *name, struct buf *out)
{
	struct access_token token = { .issuer = SITE_URL, .id = "tok_1" };

	str_copy(token.name, sizeof(token.name), name);
	str_copy(token.address, sizeof(token.address), s->address);
	token.registration = s->registration;
	token.issued_at_s = (int64_t)(clock_wall_ms() / 1000);
	token.expires_at_s = token.issued_at_s + SITE_TTL_MS / 1000;
	assert_int_equal(access_token_print(&token, s->secret, out), ERR_OK);
}

/* @first is the request line; @rest, headers and what follows them. */
static inline void guest_ask_as(struct guest *g, const char *first, const char *name,
	const char *rest)
{
	struct buf ask;

	buf_init(&ask, 65536);
	assert_int_equal(buf_put_str(&ask, first), ERR_OK);
	assert_int_equal(buf_put_str(&ask,
				 "\r\nHost: " SITE_ROOT "\r\nX-Portal-Access-Token: "),
		ERR_OK);
	site_put_token(g->site, name, &ask);
	assert_int_equal(buf_put_str(&ask, "\r\n"), ERR_OK);
	assert_int_equal(buf_put_str(&ask, rest), ERR_OK);
	guest_say(g, buf_span(&ask).p, ask.n);
	buf_fini(&ask);
}

static inline void guest_ask_session(struct guest *g, const char *name)
{
	guest_ask_as(g, "GET /sdk/connect HTTP/1.1", name, "\r\n");
}

/* A reverse session of @name's, through any worker: it is ready when this returns. */
static inline void guest_open_session(struct guest *g, struct site *s, unsigned worker,
	const char *name)
{
	guest_come(g, s, worker);
	guest_ask_session(g, name);
	assert_int_equal(guest_read_answer(g), 200);
	site_settle(s);
}

/* ---- visitors ---- */

/* A ClientHello for @host, or without a name, in one record. */
static inline void site_put_hello(struct buf *out, const char *host)
{
	static const uint8_t head[] = { 22, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3 };
	static const uint8_t offers[] = { 0, 0, 2, 0x13, 1, 1, 0, 0, 0 };
	uint8_t random[32] = { 9 }, name[9];
	size_t n = host == NULL ? 0 : strlen(host), start = out->n;
	uint8_t *p;

	assert_int_equal(buf_put(out, head, sizeof(head)), ERR_OK);
	assert_int_equal(buf_put(out, random, sizeof(random)), ERR_OK);
	assert_int_equal(buf_put(out, offers, sizeof(offers)), ERR_OK);
	if (host != NULL) {
		memcpy(name,
			(uint8_t[]){ 0, 0, 0, (uint8_t)(n + 5), 0, (uint8_t)(n + 3), 0, 0,
				(uint8_t)n },
			sizeof(name));
		assert_int_equal(buf_put(out, name, sizeof(name)), ERR_OK);
		assert_int_equal(buf_put(out, host, n), ERR_OK);
	}
	p = (uint8_t *)(uintptr_t)buf_span(out).p + start;
	n = out->n - start;
	p[4] = (uint8_t)(n - 5); /* none here is longer than 255 */
	p[8] = (uint8_t)(n - 9);
	p[sizeof(head) + 32 + 8] = (uint8_t)(n - sizeof(head) - 32 - sizeof(offers));
}

/* The session has been given to a visitor that sent @hello. */
static inline void guest_expect_hello(struct guest *g, const struct buf *hello)
{
	static const uint8_t marker = MARKER_TLS;

	guest_expect(g, &marker, 1);
	guest_expect(g, buf_span(hello).p, hello->n);
}

/* Or to a visitor that requested @host. */
static inline void guest_expect_visitor(struct guest *g, const char *host)
{
	struct buf hello;

	buf_init(&hello, 1024);
	site_put_hello(&hello, host);
	guest_expect_hello(g, &hello);
	buf_fini(&hello);
}

/* Connects to the SNI port. Returns the visitor's end. */
static inline int site_visit(struct site *s, unsigned worker)
{
	int ends[2];

	site_pair(ends);
	assert_true(data_worker_give_visitor(&s->workers[worker], ends[1], &s->peer));
	return ends[0];
}

static inline void visitor_say(int fd, const void *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

/* And asks for a host. */
static inline int site_visit_host(struct site *s, unsigned worker, const char *host)
{
	int fd = site_visit(s, worker);
	struct buf hello;

	buf_init(&hello, 1024);
	site_put_hello(&hello, host);
	visitor_say(fd, buf_span(&hello).p, hello.n);
	buf_fini(&hello);
	return fd;
}

static inline void visitor_expect(struct site *s, int fd, const void *bytes, size_t n)
{
	uint8_t got[4096];

	assert_in_range(n, 1, sizeof(got));
	site_until(s, recv(fd, got, n, MSG_PEEK) == (ssize_t)n);
	assert_int_equal(recv(fd, got, n, 0), n);
	assert_memory_equal(got, bytes, n);
}

/* Closed, in order or not, without another byte. */
static inline bool visitor_has_ended(int fd)
{
	uint8_t byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK);

	assert_true(n <= 0);
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

static inline void visitor_expect_end(struct site *s, int fd)
{
	site_until(s, visitor_has_ended(fd));
	close(fd);
}

/* ---- a site for each test ---- */

static inline int site_set_up(void **state)
{
	struct site *s = mem_new(s);

	assert_non_null(s);
	site_open(s);
	*state = s;
	return 0;
}

static inline int site_tear_down(void **state)
{
	site_close(*state);
	free(*state);
	return 0;
}

#endif
