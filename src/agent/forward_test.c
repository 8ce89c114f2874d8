/* What a forward does with visitors, between a fake visitor and local services. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>
#include <unistd.h>

#include "agent/forward_http.h"
#include "base/mem.h"
#include "net/fake_test.h"
#include "net/listener.h"
#include "net/socket.h"

#define GET "GET / HTTP/1.1\r\nHost: pub.example\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define BAD "HTTP/1.1 400 Bad Request\r\n"
#define PEERS_MAX 8

/* One connection of a local service. */
struct peer {
	struct fixture *f;
	struct stream *stream;
	struct buf heard;
};

struct fixture {
	struct worker worker;
	struct listener *listener;
	uint16_t port;
	const char *waits_for, *says; /* for each connection, and what it waits for */
	bool closes;
	struct peer peers[PEERS_MAX];
	unsigned accepted;

	struct target target;
	struct http_routes routes;
	bool preserves_host;
	struct forward *forward;
	struct fake visitor;
	struct forward_visit *visit;
	unsigned ends;
	struct forward_end end;
};

static void peer_end(struct peer *p)
{
	stream_close(p->stream);
	p->stream = NULL;
}

static void peer_on_ready(void *arg, unsigned ready)
{
	struct peer *p = arg;
	uint8_t piece[65536];
	size_t got = 0, put;
	enum err rc = stream_read(p->stream, piece, sizeof(piece), &got);
	struct span all;

	(void)ready;
	if (rc == ERR_AGAIN)
		return;
	if (rc != ERR_OK) {
		peer_end(p);
		return;
	}
	buf_put(&p->heard, piece, got);
	all = buf_span(&p->heard);
	if (memmem(all.p, all.n, p->f->waits_for, strlen(p->f->waits_for)) == NULL)
		return;
	rc = stream_put(p->stream, p->f->says, strlen(p->f->says), &put);
	if (rc != ERR_OK || p->f->closes) /* the peer may have closed */
		peer_end(p);
}

static void on_accept(void *arg, int fd, const struct addr *addr)
{
	struct fixture *f = arg;
	struct peer *p = &f->peers[f->accepted++];

	(void)addr;
	assert_true(f->accepted <= PEERS_MAX);
	p->f = f;
	buf_init(&p->heard, 1 << 20);
	assert_int_equal(socket_open_take(f->worker.loop, fd, &p->stream), ERR_OK);
	stream_set_owner(p->stream, peer_on_ready, p);
	stream_want(p->stream, LOOP_READ);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct addr at;

	assert_int_equal(worker_init(&f->worker, 0), ERR_OK);
	assert_int_equal(listener_open(f->worker.loop, "127.0.0.1", 0, on_accept, f,
				 &f->listener, NULL),
		ERR_OK);
	listener_addr(f->listener, &at);
	f->port = addr_port(&at);
	f->waits_for = "\r\n\r\n";
	f->says = OK;
	fake_init(&f->visitor, f->worker.loop, 0);
	f->visitor.is_closed = true;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	forward_free(f->forward);
	assert_true(f->visitor.is_closed);
	fake_fini(&f->visitor);
	http_routes_fini(&f->routes);
	listener_close(f->listener);
	for (unsigned i = 0; i < f->accepted; i++) {
		stream_close(f->peers[i].stream);
		buf_fini(&f->peers[i].heard);
	}
	worker_fini(&f->worker);
	free(f);
	return 0;
}

static void nobody_listens(struct fixture *f)
{
	listener_close(f->listener);
	f->listener = NULL;
}

/* "%u" in @text is the port of the service. */
static void forward_to(struct fixture *f, const char *text)
{
	struct forward_options o = { .worker = &f->worker, .target = &f->target };
	struct why why = { "" };

	if (text == NULL)
		snprintf(f->target.host, sizeof(f->target.host), "127.0.0.1");
	else if (target_parse(span_str(text), &f->target, &why) != ERR_OK)
		fail_msg("%s", why.text);
	if (text == NULL)
		f->target.port = f->port;
	assert_int_equal(forward_new(&o, &f->forward, &why), ERR_OK);
}

static void route_to(struct fixture *f, const char *prefix, const char *base)
{
	struct forward_options o = {
		.worker = &f->worker,
		.routes = &f->routes,
		.preserves_host = f->preserves_host,
	};
	char text[200];
	struct why why = { "" };

	snprintf(text, sizeof(text), "%s=http://127.0.0.1:%u%s", prefix, f->port, base);
	if (http_routes_add(&f->routes, span_str(text), &why) != ERR_OK)
		fail_msg("%s", why.text);
	forward_free(f->forward);
	assert_int_equal(forward_new(&o, &f->forward, &why), ERR_OK);
	forward_add_host(f->forward, "pub.example", false);
	forward_add_host(f->forward, "relay.example", true);
}

static void on_closed(void *arg, const struct forward_end *end)
{
	struct fixture *f = arg;

	f->ends++;
	f->end = *end;
	f->visit = NULL;
}

static void visit(struct fixture *f, const char *says, bool is_raw)
{
	struct addr peer;
	struct forward_visitor v = {
		.stream = &f->visitor.stream,
		.peer = &peer,
		.is_raw = is_raw,
		.on_closed = on_closed,
		.arg = f,
	};

	fake_fini(&f->visitor);
	fake_init(&f->visitor, f->worker.loop, 0);
	f->visitor.in = span_str(says);
	f->visitor.in_end = ERR_AGAIN;
	f->ends = 0;
	assert_int_equal(addr_from_literal("192.0.2.7", 7, &peer), ERR_OK);
	assert_int_equal(forward_visit_take(f->forward, &v, &f->visit), ERR_OK);
	assert_int_equal(f->ends, 0);
}

static void turn(struct fixture *f)
{
	struct timespec us = { .tv_nsec = 100000 };

	loop_turn(f->worker.loop);
	nanosleep(&us, NULL);
}

static void hear(struct fixture *f, const char *text)
{
	for (int i = 0; i < 50000; i++) {
		if (f->visitor.out_n > 0 &&
			memmem(f->visitor.out, f->visitor.out_n, text, strlen(text)) !=
				NULL)
			return;
		turn(f);
	}
	fail_msg("%.*s\n has no\n%s", (int)f->visitor.out_n, (const char *)f->visitor.out,
		text);
}

/* The visitor says no more. */
static void leave(struct fixture *f)
{
	f->visitor.in_end = ERR_EOF;
	if (!f->visitor.is_closed)
		stream_want(&f->visitor.stream, f->visitor.wants);
	for (int i = 0; i < 50000 && f->ends == 0; i++)
		turn(f);
	assert_int_equal(f->ends, 1);
	assert_true(f->visitor.is_closed);
}

static bool upstream_heard(const struct fixture *f, unsigned i, const char *text)
{
	struct span all = buf_span(&f->peers[i].heard);

	return all.n > 0 && memmem(all.p, all.n, text, strlen(text)) != NULL;
}

/* ---- without routes ---- */

static void test_a_visitor_is_joined_with_the_target(void **state)
{
	struct fixture *f = *state;

	forward_to(f, NULL);
	f->waits_for = "ping";
	f->says = "pong";
	for (int is_raw = 0; is_raw < 2; is_raw++) {
		visit(f, "ping", is_raw != 0);
		hear(f, "pong");
		leave(f);
		assert_int_equal(f->end.rc, ERR_OK);
		assert_int_equal(f->end.from_visitor_bytes, 4);
		assert_int_equal(f->end.to_visitor_bytes, 4);
	}
}

static void test_http_visitors_get_a_page_if_the_target_is_down(void **state)
{
	struct fixture *f = *state;
	char length[40];
	const char *body;

	nobody_listens(f);
	forward_to(f, NULL);
	visit(f, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", false);
	f->visitor.in_step = 1;
	hear(f, "</html>\n");
	assert_memory_equal(f->visitor.out, "HTTP/1.1 503 Service Unavailable\r\n", 34);
	hear(f, "Content-Type: text/html; charset=utf-8\r\n");
	hear(f, "Connection: close\r\n");
	hear(f, "<title>Service Unavailable</title>");
	body = memmem(f->visitor.out, f->visitor.out_n, "\r\n\r\n", 4);
	snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
		f->visitor.out_n - (size_t)(body + 4 - (const char *)f->visitor.out));
	hear(f, length);
	leave(f);
	assert_int_equal(f->visitor.in.n, 0); /* all was read: nothing resets the page */
	assert_true(f->visitor.is_finished);
	assert_true(f->end.is_unserved);
	assert_int_equal(f->end.rc, ERR_SYS);
	assert_non_null(strstr(f->end.why.text, "127.0.0.1"));
}

static void test_other_visitors_are_closed_if_the_target_is_down(void **state)
{
	struct fixture *f = *state;

	nobody_listens(f);
	forward_to(f, NULL);
	visit(f, GET "\r\n", true); /* a raw visitor, whatever it says */
	leave(f);
	assert_int_equal(f->visitor.out_n, 0);
	assert_true(f->end.is_unserved);
	assert_int_equal(f->end.rc, ERR_SYS);
	visit(f, "EHLO example\r\n", false);
	leave(f);
	assert_int_equal(f->visitor.out_n, 0);
	visit(f, "", false); /* it sends nothing, and closes */
	leave(f);
	assert_int_equal(f->visitor.out_n, 0);
	visit(f, "PO", false);
	leave(f);
	assert_int_equal(f->visitor.out_n, 0);
}

static void test_a_target_without_tls_is_down_if_tls_is_required(void **state)
{
	struct fixture *f = *state;
	char text[60];

	snprintf(text, sizeof(text), "https://127.0.0.1:%u", f->port);
	f->waits_for = "";
	f->says = "HTTP/1.0 400 Not TLS\r\n\r\n";
	f->closes = true;
	forward_to(f, text);
	visit(f, GET "\r\n", false);
	hear(f, "HTTP/1.1 503 ");
	leave(f);
}

static void test_an_unclear_tunnel_is_refused(void **state)
{
	struct fixture *f = *state;
	struct forward_options o = { .worker = &f->worker };
	struct why why = { "" };

	assert_int_equal(forward_new(&o, &f->forward, &why), ERR_USAGE);
	assert_true(why.text[0] != '\0');
}

/* ---- with routes ---- */

static void test_a_request_finds_its_upstream(void **state)
{
	struct fixture *f = *state;
	char host[60];

	route_to(f, "/api", "/base?k=v");
	visit(f,
		"GET /api/x/?q HTTP/1.1\r\nHost: pub.example\r\nX-Forwarded-For: 1.1.1.1\r\n"
		"Forwarded: for=x\r\nX-Forwarded-Proto: http\r\n\r\n",
		false);
	hear(f, OK);
	snprintf(host, sizeof(host), "Host: 127.0.0.1:%u\r\n", f->port);
	assert_true(upstream_heard(f, 0, "GET /base/x/?k=v&q HTTP/1.1\r\n"));
	assert_true(upstream_heard(f, 0, host));
	assert_true(upstream_heard(f, 0, "X-Forwarded-For: 192.0.2.7\r\n"));
	assert_true(upstream_heard(f, 0, "X-Forwarded-Host: pub.example\r\n"));
	assert_true(upstream_heard(f, 0, "X-Forwarded-Proto: https\r\n"));
	assert_true(upstream_heard(f, 0, "X-Forwarded-Prefix: /api\r\n"));
	assert_false(upstream_heard(f, 0, "1.1.1.1"));
	assert_false(upstream_heard(f, 0, "\r\nForwarded:"));
	leave(f);
	assert_int_equal(f->end.rc, ERR_OK);
	assert_false(f->end.is_unserved);
	assert_true(f->end.from_visitor_bytes > 100);
	assert_int_equal(f->end.to_visitor_bytes, strlen(OK));
}

static void test_the_public_host_may_be_kept(void **state)
{
	struct fixture *f = *state;
	char host[60];

	f->preserves_host = true;
	route_to(f, "/", "");
	visit(f, "GET http://PUB.example:7000/ HTTP/1.1\r\nHost: evil\r\n\r\n", false);
	hear(f, OK);
	assert_true(upstream_heard(f, 0, "\r\nHost: PUB.example:7000\r\n"));
	assert_true(upstream_heard(f, 0, "X-Forwarded-Host: PUB.example:7000\r\n"));
	assert_false(upstream_heard(f, 0, "evil"));
	leave(f);
	visit(f, "GET / HTTP/1.0\r\n\r\n", false); /* there is none to keep */
	hear(f, "HTTP/1.1 200 OK\r\n");
	snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", f->port);
	assert_true(upstream_heard(f, 0, host));
	leave(f);
}

static void test_visitors_of_a_tcp_port_have_no_tls(void **state)
{
	struct fixture *f = *state;

	route_to(f, "/api", "");
	visit(f, "GET /api/x HTTP/1.1\r\nHost: pub.example:7000\r\n\r\n", true);
	hear(f, OK);
	assert_true(upstream_heard(f, 0, "X-Forwarded-Host: pub.example:7000\r\n"));
	assert_true(upstream_heard(f, 0, "X-Forwarded-Proto: http\r\n"));
	leave(f);
}

static void test_answers_are_mapped_back(void **state)
{
	struct fixture *f = *state;
	char says[300];

	route_to(f, "/api", "");
	snprintf(says, sizeof(says),
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/login\r\n"
		"Set-Cookie: a=b; Path=/; Domain=127.0.0.1\r\nSet-Cookie: c=d; Path=/x\r\n"
		"Content-Length: 0\r\n\r\n",
		f->port);
	f->says = says;
	visit(f, "GET /api HTTP/1.1\r\nHost: pub.example:444\r\n\r\n", false);
	hear(f,
		"Location: https://pub.example:444/api/login\r\n"
		"Set-Cookie: a=b; Path=/api\r\nSet-Cookie: c=d; Path=/api/x\r\n");
	leave(f);
}

static void test_many_requests_share_connections(void **state)
{
	struct fixture *f = *state;

	route_to(f, "/", "");
	f->says = OK;
	for (int i = 0; i < 3; i++) {
		f->peers[0].heard.n = 0;
		visit(f, GET "\r\n" GET "\r\n", false);
		hear(f, OK OK);
		leave(f);
	}
	assert_int_equal(f->accepted, 1);
	assert_false(upstream_heard(f, 0, "X-Forwarded-Prefix"));
}

static void test_paths_lead_where_they_say_or_nowhere(void **state)
{
	static const struct {
		const char *target, *answer;
	} rows[] = {
		{ "/", "HTTP/1.1 404 Not Found\r\n" },
		{ "/apix", "HTTP/1.1 404 Not Found\r\n" },
		{ "/api/../x", "HTTP/1.1 404 Not Found\r\n" },
		{ "/api%2fx", "HTTP/1.1 404 Not Found\r\n" },
		{ "/api/..%2fx", BAD },
		{ "/api/..;/x", BAD },
		{ "/api/\\..\\x", BAD },
		{ "/api/%zz", BAD },
	};
	struct fixture *f = *state;
	char text[200];

	route_to(f, "/api", "");
	for (size_t i = 0; i < mem_count(rows); i++) {
		snprintf(text, sizeof(text),
			"GET %s HTTP/1.1\r\nHost: pub.example\r\n\r\n", rows[i].target);
		visit(f, text, false);
		hear(f, rows[i].answer);
		leave(f);
	}
	assert_int_equal(f->accepted, 0);
}

static void test_smuggling_is_refused(void **state)
{
	static const char *const rows[] = {
		GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		GET "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		GET "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		GET "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
		GET "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		GET "Content-Length: +5\r\n\r\nhello",
		GET "X: a\n b\r\n\r\n",
		GET "X: a\r\n b\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n",
		GET "X: a\nContent-Length: 5\r\n\r\n",
		GET "X: a\rb\r\n\r\n",
		GET "Host: b\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	};
	struct fixture *f = *state;

	route_to(f, "/", "");
	for (size_t i = 0; i < mem_count(rows); i++) {
		visit(f, rows[i], false);
		hear(f, "Connection: close\r\n");
		if (memcmp(f->visitor.out, BAD, strlen(BAD)) != 0)
			fail_msg("%zu: %.*s", i, (int)f->visitor.out_n,
				(const char *)f->visitor.out);
		leave(f);
	}
	assert_int_equal(f->accepted, 0);
}

static void test_a_host_must_be_the_tunnel_s(void **state)
{
	static const struct {
		const char *says;
		bool is_for_all, is_for_raw;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: pub.example\r\n\r\n", true, true },
		{ "GET / HTTP/1.1\r\nHost: PUB.example.:8443\r\n\r\n", true, true },
		{ "GET http://pub.example/ HTTP/1.1\r\nHost: evil\r\n\r\n", true, true },
		{ "GET / HTTP/1.0\r\n\r\n", true, true },
		{ "GET / HTTP/1.1\r\nHost: relay.example:4000\r\n\r\n", false, true },
		{ "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", false, false },
		{ "GET / HTTP/1.1\r\nHost: pub.example.evil\r\n\r\n", false, false },
		{ "GET / HTTP/1.1\r\nHost: x.pub.example\r\n\r\n", false, false },
		{ "GET / HTTP/1.1\r\nHost: pub.example..\r\n\r\n", false, false },
		{ "GET / HTTP/1.1\r\nHost: pub.example:80.evil\r\n\r\n", false, false },
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", false, false },
		{ "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", false, false },
		{ "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", false, false },
		{ "GET http://evil/ HTTP/1.1\r\nHost: pub.example\r\n\r\n", false,
			false },
	};
	struct fixture *f = *state;

	route_to(f, "/", "");
	for (size_t i = 0; i < 2 * mem_count(rows); i++) {
		bool is_raw = i % 2 != 0;
		bool is_good = is_raw ? rows[i / 2].is_for_raw : rows[i / 2].is_for_all;

		visit(f, rows[i / 2].says, is_raw);
		hear(f,
			is_good ? "HTTP/1.1 200 OK\r\n" :
				  "HTTP/1.1 421 Misdirected Request\r\n");
		leave(f);
	}
}

/* Names that a relay gives for ever are forgotten, the oldest first. */
static void test_hosts_have_a_bound(void **state)
{
	struct fixture *f = *state;
	char name[40];

	route_to(f, "/", "");
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		forward_add_host(f->forward, name, false);
		forward_add_host(f->forward, name, false);
	}
	assert_false(forward_has_host(f->forward, span_str("n43.example"), false));
	assert_true(forward_has_host(f->forward, span_str("n44.example"), false));
	assert_true(forward_has_host(f->forward, span_str("n299.example"), false));
}

static void test_an_offer_of_http2_is_left_out(void **state)
{
	static const char *const rows[] = {
		GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
		    "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
		GET "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: H2\r\n\r\n",
		GET "HTTP2-Settings: x\r\n\r\n",
	};
	struct fixture *f = *state;

	route_to(f, "/", "");
	for (size_t i = 0; i < mem_count(rows); i++) {
		visit(f, rows[i], false);
		hear(f, OK);
		leave(f);
		assert_false(upstream_heard(f, 0, "Upgrade"));
		assert_false(upstream_heard(f, 0, "HTTP2-Settings"));
	}
}

static void test_an_upstream_that_is_down_is_a_bad_gateway(void **state)
{
	struct fixture *f = *state;

	nobody_listens(f);
	route_to(f, "/", "");
	visit(f, GET "\r\n", false);
	hear(f, "HTTP/1.1 502 Bad Gateway\r\n");
	hear(f, "\r\n\r\nbad gateway\n");
	leave(f);
	visit(f, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", false);
	hear(f, "HTTP/1.1 405 ");
	leave(f);
}

static void test_a_websocket_passes(void **state)
{
	struct fixture *f = *state;

	route_to(f, "/ws", "");
	f->says = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		  "Upgrade: websocket\r\n\r\nframe";
	visit(f,
		"GET /ws/chat HTTP/1.1\r\nHost: pub.example\r\nConnection: Upgrade\r\n"
		"Upgrade: websocket\r\n\r\n",
		false);
	hear(f, "\r\n\r\nframe");
	assert_true(upstream_heard(f, 0, "GET /chat HTTP/1.1\r\n"));
	leave(f);
	assert_int_equal(f->end.to_visitor_bytes, f->visitor.out_n);
}

static void test_events_are_not_held_back(void **state)
{
	struct fixture *f = *state;
	size_t put;

	route_to(f, "/", "");
	f->says = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n";
	visit(f, GET "\r\n", false);
	hear(f, "data: 1\n\n");
	assert_int_equal(stream_put(f->peers[0].stream, "data: 2\n\n", 9, &put), ERR_OK);
	hear(f, "data: 2\n\n");
	peer_end(&f->peers[0]);
	hear(f, "0\r\n\r\n");
	leave(f);
}

/* ---- ends ---- */

static void test_a_visit_may_be_cut_at_any_time(void **state)
{
	struct fixture *f = *state;

	for (int has_routes = 0; has_routes < 2; has_routes++) {
		if (has_routes)
			route_to(f, "/", "");
		else
			forward_to(f, NULL);
		for (int n = 0; n < 30 && f->accepted < PEERS_MAX - 2; n += 1 + n / 2) {
			visit(f, GET "\r\n", false);
			for (int i = 0; i < n && f->ends == 0; i++)
				loop_turn(f->worker.loop);
			forward_visit_close(f->visit);
			assert_int_equal(f->ends, 0);
			assert_true(f->visitor.is_aborted);
			for (int i = 0; i < 5; i++)
				loop_turn(f->worker.loop);
		}
	}
}

static void test_a_forward_may_go_at_any_time(void **state)
{
	struct fixture *f = *state;

	for (int n = 0; n < 5; n++) {
		if (n % 2 == 0)
			forward_to(f, NULL);
		else if (f->routes.count == 0)
			route_to(f, "/", "");
		if (f->forward == NULL)
			continue;
		visit(f, GET "\r\n", false);
		for (int i = 0; i < n; i++)
			loop_turn(f->worker.loop);
		forward_free(f->forward);
		f->forward = NULL;
		assert_int_equal(f->ends, 0);
		assert_true(f->visitor.is_closed);
	}
}

#define FORWARD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FORWARD_TEST(test_a_visitor_is_joined_with_the_target),
		FORWARD_TEST(test_http_visitors_get_a_page_if_the_target_is_down),
		FORWARD_TEST(test_other_visitors_are_closed_if_the_target_is_down),
		FORWARD_TEST(test_a_target_without_tls_is_down_if_tls_is_required),
		FORWARD_TEST(test_an_unclear_tunnel_is_refused),
		FORWARD_TEST(test_a_request_finds_its_upstream),
		FORWARD_TEST(test_the_public_host_may_be_kept),
		FORWARD_TEST(test_visitors_of_a_tcp_port_have_no_tls),
		FORWARD_TEST(test_answers_are_mapped_back),
		FORWARD_TEST(test_many_requests_share_connections),
		FORWARD_TEST(test_paths_lead_where_they_say_or_nowhere),
		FORWARD_TEST(test_smuggling_is_refused),
		FORWARD_TEST(test_a_host_must_be_the_tunnel_s),
		FORWARD_TEST(test_hosts_have_a_bound),
		FORWARD_TEST(test_an_offer_of_http2_is_left_out),
		FORWARD_TEST(test_an_upstream_that_is_down_is_a_bad_gateway),
		FORWARD_TEST(test_a_websocket_passes),
		FORWARD_TEST(test_events_are_not_held_back),
		FORWARD_TEST(test_a_visit_may_be_cut_at_any_time),
		FORWARD_TEST(test_a_forward_may_go_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
