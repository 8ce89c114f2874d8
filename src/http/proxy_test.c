/* Behaviour of the proxy, between a client that trickles and an upstream on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "http/proxy.h"
#include "net/fake_test.h"

#define GET "GET /a?b HTTP/1.1\r\nHost: a\r\n"
#define GET_END "Connection: close\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define OK "HTTP/1.1 200 OK\r\n"
#define ANSWER OK "Content-Length: 2\r\n\r\nhi"
#define BAD_GATEWAY \
	"HTTP/1.1 502 Bad Gateway\r\n" \
	"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" \
	"Content-Type: text/plain; charset=utf-8\r\nContent-Length: " \
	"12\r\n\r\nBad Gateway\n"
#define DATE_MS 784111777000U

/* A server that waits for some bytes, says its piece, and closes if it is told to. */
struct upstream {
	int listener, fd;
	uint16_t port;
	struct buf heard;
	const char *waits_for;
	struct span script, says; /* for each connection, and what is left of it */
	size_t step;              /* bytes for each turn; 0: all there are */
	bool closes;
};

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct http_server_options options;
	struct http_server *server;
	struct fake client;
	struct addr peer;
	struct upstream up;
	struct http_upstream how;
};

static void on_request(void *arg, struct http_exchange *x)
{
	struct fixture *f = arg;

	http_proxy_pass(x, &f->how);
}

static void upstream_init(struct upstream *up)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t n = sizeof(at);

	up->fd = -1;
	up->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(up->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(up->listener, 8), 0);
	assert_int_equal(getsockname(up->listener, (struct sockaddr *)&at, &n), 0);
	up->port = ntohs(at.sin_port);
	buf_init(&up->heard, 8 << 20);
}

static void upstream_close(struct upstream *up)
{
	if (up->fd >= 0)
		close(up->fd);
	up->fd = -1;
}

static void upstream_hear(struct upstream *up)
{
	static uint8_t piece[65536];
	ssize_t n = recv(up->fd, piece, sizeof(piece), 0);

	if (n > 0)
		buf_put(&up->heard, piece, (size_t)n);
}

static bool upstream_has_heard(const struct upstream *up)
{
	size_t n = strlen(up->waits_for);

	return up->heard.n >= n &&
		memmem(buf_span(&up->heard).p, up->heard.n, up->waits_for, n);
}

static void upstream_say(struct upstream *up)
{
	size_t n = up->step != 0 && up->step < up->says.n ? up->step : up->says.n;
	ssize_t put = send(up->fd, up->says.p, n, MSG_NOSIGNAL);

	if (put > 0) {
		up->says.p += put;
		up->says.n -= (size_t)put;
	}
}

static bool upstream_accept(struct upstream *up)
{
	up->fd = accept4(up->listener, NULL, NULL, SOCK_NONBLOCK);
	if (up->fd < 0)
		return false;
	buf_reset(&up->heard);
	up->says = up->script;
	return true;
}

static void upstream_turn(struct upstream *up)
{
	if (up->fd < 0 && !upstream_accept(up))
		return;
	upstream_hear(up);
	if (!upstream_has_heard(up))
		return;
	if (up->says.n > 0)
		upstream_say(up);
	if (up->says.n == 0 && up->closes)
		upstream_close(up);
}

static void new_server(struct fixture *f)
{
	http_server_free(f->server);
	assert_int_equal(http_server_new(&f->options, &f->server), ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, 65536, 8);
	f->options = (struct http_server_options){
		.loop = f->loop,
		.pool = &f->pool,
		.on_request = on_request,
		.arg = f,
	};
	new_server(f);
	fake_init(&f->client, f->loop, 0);
	assert_int_equal(addr_from_literal("192.0.2.7", 7, &f->peer), ERR_OK);
	upstream_init(&f->up);
	f->how = (struct http_upstream){ .host = "127.0.0.1", .port = f->up.port };
	clock_freeze(DATE_MS);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_server_free(f->server);
	fake_fini(&f->client);
	upstream_close(&f->up);
	close(f->up.listener);
	buf_fini(&f->up.heard);
	pool_fini(&f->pool);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void prepare(struct fixture *f, const char *asks, const char *waits_for,
	const char *says)
{
	fake_fini(&f->client);
	fake_init(&f->client, f->loop, 0);
	f->client.in = span_str(asks);
	f->client.in_end = ERR_AGAIN;
	upstream_close(&f->up);
	buf_reset(&f->up.heard);
	f->up.waits_for = waits_for;
	f->up.script = span_str(says);
	f->up.closes = true;
}

static void turns(struct fixture *f, int n)
{
	for (int i = 0; i < n && !f->client.is_closed; i++) {
		loop_turn(f->loop);
		upstream_turn(&f->up);
	}
}

/* Until the client has @n bytes, or is closed; loopback may take its time. */
static void run(struct fixture *f, size_t n)
{
	struct timespec us = { .tv_nsec = 20000 };

	http_server_serve_take(f->server, &f->client.stream, &f->peer);
	for (int i = 0; i < 100000 && f->client.out_n < n && !f->client.is_closed; i++) {
		turns(f, 1);
		nanosleep(&us, NULL);
	}
	turns(f, 10);
}

static void check_is(struct span have, const char *expected)
{
	if (!span_is(have, expected))
		fail_msg("%.*s\n is not\n%s", (int)have.n, (const char *)have.p,
			expected);
}

/* One request: what the upstream hears, and what the client gets. */
static void check_passes(struct fixture *f, const char *asks, const char *heard,
	const char *says, const char *gets)
{
	static const size_t steps[] = { 0, 1, 7 };

	for (size_t i = 0; i < mem_count(steps); i++) {
		prepare(f, asks, heard, says);
		f->client.in_step = f->client.out_step = f->up.step = steps[i];
		run(f, strlen(gets));
		check_is(buf_span(&f->up.heard), heard);
		check_is(span_of(f->client.out, f->client.out_n), gets);
		new_server(f);
	}
}

static void test_a_request_and_its_answer_pass(void **state)
{
	struct fixture *f = *state;

	check_passes(f, GET "Accept: x\r\n\r\n", GET "Accept: x\r\n" GET_END, ANSWER,
		ANSWER);
	check_passes(f, GET "\r\n", GET GET_END,
		OK "A: b\r\nServer: x\r\nContent-Length: 0\r\n\r\n",
		OK "A: b\r\nServer: x\r\nContent-Length: 0\r\n\r\n");
	check_passes(f, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: a\r\n" GET_END, OK "Content-Length: 99\r\n\r\n",
		OK "Content-Length: 99\r\n\r\n");
	check_passes(f, GET "\r\n", GET GET_END, "HTTP/1.1 204 \r\n\r\n",
		"HTTP/1.1 204 \r\n\r\n");
	check_passes(f, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n" GET_END, ANSWER, ANSWER);
	check_passes(f, "GET http://a?b HTTP/1.1\r\nHost: b\r\n\r\n",
		"GET /?b HTTP/1.1\r\nHost: a\r\n" GET_END, ANSWER, ANSWER);
	check_passes(f, "BREW /\xc3\xa4\xff HTTP/1.1\r\nHost: a\r\n\r\n",
		"BREW /\xc3\xa4\xff HTTP/1.1\r\nHost: a\r\n" GET_END, ANSWER, ANSWER);
}

/* However sloppy the upstream is, the client gets one form of it. */
static void test_answers_are_normalised(void **state)
{
	struct fixture *f = *state;

	check_passes(f, GET "\r\n", GET GET_END,
		"\nHTTP/1.4  999\nA : b\n  c\nB: \x01\nSome Words: x\nContent-Length: 2\n"
		"content-length: 2\n\nhi",
		"HTTP/1.1 999 \r\nA: b c\r\nB: \r\nContent-Length: 2\r\n\r\nhi");
	check_passes(f, GET "\r\n", GET GET_END,
		OK "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n1\nh\n0\n\n",
		OK "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
		   "1\r\nh\r\n0\r\n\r\n");
	check_passes(f, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: a\r\n" GET_END,
		OK "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n", OK "\r\n");
}

static void test_a_long_answer_head_passes(void **state)
{
	struct fixture *f = *state;
	struct buf says;
	size_t n;

	buf_init(&says, 1 << 20);
	buf_put_str(&says, OK "Content-Length: 2\r\n");
	for (int i = 0; i < 999; i++)
		buf_printf(&says, "X-%03d: %0250d\r\n", i, i);
	buf_put_str(&says, "\r\nhi");
	n = says.n;
	buf_put_u8(&says, '\0');
	prepare(f, GET "\r\n", "\r\n\r\n", (const char *)buf_span(&says).p);
	run(f, n);
	assert_int_equal(f->client.out_n, n);
	buf_fini(&says);
}

static void test_bodies_pass_both_ways(void **state)
{
	struct fixture *f = *state;

	check_passes(f, POST "Content-Length: 5\r\n\r\nhello",
		POST "Content-Length: 5\r\n" GET_END "hello", ANSWER, ANSWER);
	check_passes(f, POST "Content-Length: 0\r\n\r\n",
		POST "Content-Length: 0\r\n" GET_END, ANSWER, ANSWER);
	check_passes(f, GET "\r\n", GET GET_END, OK "\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

/* The chunks are the proxy's own, so only their content is the same. */
static void test_chunks_are_reframed(void **state)
{
	struct fixture *f = *state;

	prepare(f,
		POST
		"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n2\r\n, \r\n0\r\nT: t\r\n\r\n",
		"\r\n0\r\nT: t\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n"
		   "1\r\na\r\n1;q=1\r\nb\r\n0\r\n\r\n");
	run(f, strlen(OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"));
	check_is(buf_span(&f->up.heard),
		POST "Transfer-Encoding: chunked\r\n" GET_END
		     "7\r\nhello, \r\n0\r\nT: t\r\n\r\n");
	check_is(span_of(f->client.out, f->client.out_n),
		OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
}

#define CHUNKED "Transfer-Encoding: chunked\r\n"

static void test_trailers_pass_both_ways(void **state)
{
	struct fixture *f = *state;

	check_passes(f,
		POST "TE: gzip;q=0.5, Trailers\r\nTrailer: T, Host, X-Hop\r\n"
		     "Connection: x-hop\r\n" CHUNKED "\r\n"
		     "0\r\nT: 1\r\nT: 2\r\nX-Hop: 3\r\nHost: evil\r\n"
		     "Content-Length: 5\r\nTransfer-Encoding: x\r\nAuthorization: x\r\n"
		     "Cookie: x\r\nIf-Match: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n",
		POST CHUNKED "Trailer: T\r\nTE: trailers\r\nConnection: close, TE\r\n"
			     "X-Forwarded-For: 192.0.2.7\r\n\r\n"
			     "0\r\nT: 1\r\nT: 2\r\n\r\n",
		OK CHUNKED
		"Trailer: Digest, Set-Cookie\r\nTrailer: Server-Timing\r\n\r\n"
		"0\nDigest : x\n  y\nSet-Cookie: z\nLocation: /\nServer-Timing: t\n\n",
		OK CHUNKED "Trailer: Digest, Server-Timing\r\n\r\n"
			   "0\r\nDigest: x y\r\nServer-Timing: t\r\n\r\n");
}

/* A client of HTTP/1.0 has no chunks, and a body until the end of the connection no
 * trailers. */
static void test_trailers_go_only_behind_chunks(void **state)
{
	struct fixture *f = *state;

	check_passes(f, "GET / HTTP/1.0\r\nTE: trailers\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: \r\n" GET_END,
		OK CHUNKED "Trailer: T\r\n\r\n2\r\nhi\r\n0\r\nT: t\r\n\r\n",
		OK "Connection: close\r\n\r\nhi");
	check_passes(f, GET "\r\n", GET GET_END, OK "Trailer: T\r\n\r\n",
		OK CHUNKED "\r\n0\r\n\r\n");
	check_passes(f, GET "\r\n", GET GET_END,
		OK "Trailer: T\r\nContent-Length: 2\r\n\r\nhi", ANSWER);
}

static void test_an_old_client_gets_what_it_understands(void **state)
{
	struct fixture *f = *state;
	const char *asks = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
	const char *heard = "GET / HTTP/1.1\r\nHost: \r\n" GET_END;

	check_passes(f, asks, heard, ANSWER,
		OK "Content-Length: 2\r\nConnection: keep-alive\r\n\r\nhi");
	check_passes(f, asks, heard,
		"HTTP/1.1 103 Early\r\n\r\n" OK
		"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		OK "Connection: close\r\n\r\nhi");
	assert_true(f->client.is_finished);
}

static void test_headers_of_one_hop_stay_there(void **state)
{
	check_passes(*state,
		GET
		"Connection: keep-alive, X-Secret, content-length\r\nX-Secret: 1\r\nTE: trailers\r\n"
		"Keep-Alive: 5\r\nProxy-Authorization: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
		"Expect: 100-continue\r\nCookie: c\r\nContent-Length: 0\r\n\r\n",
		GET "Cookie: c\r\nContent-Length: 0\r\nTE: trailers\r\n"
		    "Connection: close, TE\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n",
		OK
		"Connection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nSet-Cookie: a\r\n"
		"Set-Cookie: b\r\nContent-Length: 2\r\n\r\nhi",
		OK "Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nhi");
}

static void test_addresses_are_appended(void **state)
{
	check_passes(*state,
		GET "X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\n\r\n",
		GET
		"Connection: close\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.7\r\n\r\n",
		ANSWER, ANSWER);
}

static void test_an_edge_drops_forwarding_headers(void **state)
{
	struct fixture *f = *state;

	f->how.is_edge = true;
	f->how.headers = "X-Forwarded-Proto: https\r\n";
	check_passes(f,
		GET
		"X-Forwarded-For: 1.1.1.1\r\nForwarded: for=x\r\nx-forwarded-proto: http\r\n"
		"X-Forwarded-Host: evil\r\nX-Forwarded-Prefix: /evil\r\nX-Forward: 1\r\n"
		"X_Forwarded_For: 1.1.1.1\r\nx_forwarded-PROTO: x\r\nX-Forwarded_Anything: x\r\n"
		"X-Real-IP: 1.1.1.1\r\nx_real_ip: 1.1.1.1\r\nX-Real_Ip: x\r\nX-Real-IPs: 2\r\n\r\n",
		GET "X-Forward: 1\r\nX-Real-IPs: 2\r\nConnection: close\r\n"
		    "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n",
		ANSWER, ANSWER);
	f->how.is_edge = false; /* others are believed */
	f->how.headers = NULL;
	check_passes(f, GET "X-Real-IP: 1.1.1.1\r\nX_Forwarded_Proto: x\r\n\r\n",
		GET "X-Real-IP: 1.1.1.1\r\nX_Forwarded_Proto: x\r\n" GET_END, ANSWER,
		ANSWER);
}

static bool rewrite(void *arg, const struct http1_head *request,
	const struct http1_header *h, struct buf *value)
{
	assert_true(span_is(request->method, "GET"));
	if (span_is(h->name, "A"))
		buf_put_str(value, arg);
	return span_is(h->name, "A");
}

static void test_an_upstream_hook_rewrites_answers(void **state)
{
	struct fixture *f = *state;
	const char *says = OK "A: b\r\nB: c\r\nA: d\r\nContent-Length: 2\r\n\r\nhi";
	char other[] = "other", lines[] = "two\r\nlines";

	f->how.rewrite = rewrite;
	f->how.rewrite_arg = other;
	check_passes(f, GET "\r\n", GET GET_END, says,
		OK "A: other\r\nB: c\r\nA: other\r\nContent-Length: 2\r\n\r\nhi");
	f->how.rewrite_arg = lines; /* is not believed */
	check_passes(f, GET "\r\n", GET GET_END, says, says);
}

static void test_the_upstream_options_rewrite_the_request(void **state)
{
	struct fixture *f = *state;

	f->how.host_header = "b:80";
	f->how.target = "/other";
	f->how.headers = "X-User: me\r\n";
	check_passes(f, GET "x-user: root\r\nX-Users: 2\r\n\r\n",
		"GET /other HTTP/1.1\r\nHost: b:80\r\nX-Users: 2\r\nConnection: close\r\n"
		"X-Forwarded-For: 192.0.2.7\r\nX-User: me\r\n\r\n",
		ANSWER, ANSWER);
}

static void test_a_body_is_asked_for(void **state)
{
	struct fixture *f = *state;

	prepare(f, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", "\r\n\r\nhi",
		ANSWER);
	run(f, strlen("HTTP/1.1 100 Continue\r\n\r\n"));
	check_is(span_of(f->client.out, f->client.out_n),
		"HTTP/1.1 100 Continue\r\n\r\n");
	f->client.in = span_str("hi");
	stream_want(&f->client.stream, f->client.wants);
	turns(f, 100);
	check_is(span_of(f->client.out, f->client.out_n),
		"HTTP/1.1 100 Continue\r\n\r\n" ANSWER);
}

static void test_interim_answers_pass(void **state)
{
	struct fixture *f = *state;
	struct buf says;

	check_passes(f, GET "\r\n", GET GET_END,
		"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" ANSWER,
		"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" ANSWER);
	buf_init(&says, 4096);
	for (int i = 0; i < 8; i++)
		buf_put_str(&says, "HTTP/1.1 100 Go\r\n\r\n");
	buf_put(&says, ANSWER, sizeof(ANSWER));
	check_passes(f, GET "\r\n", GET GET_END, (const char *)buf_span(&says).p, ANSWER);
	buf_fini(&says);
}

static void test_the_next_request_is_served(void **state)
{
	struct fixture *f = *state;

	prepare(f, GET "\r\n" GET "Connection: close\r\n\r\n", "\r\n\r\n", ANSWER);
	run(f, strlen(ANSWER));
	for (int i = 0; i < 10000 && !f->client.is_finished; i++)
		turns(f, 1);
	check_is(span_of(f->client.out, f->client.out_n),
		ANSWER OK "Content-Length: 2\r\nConnection: close\r\n\r\nhi");
}

static void test_an_upstream_that_fails_first_is_a_bad_gateway(void **state)
{
	static const char *const says[] = {
		"",
		"HTTP/1.1 200 OK\r\nA: b",
		"HTTP/1.1 200 OK\r\nA\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 101 Up\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
		OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
		"SSH-2.0-x\r\n\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(says); i++)
		check_passes(f, GET "\r\n", GET GET_END, says[i], BAD_GATEWAY);
	close(f->up.listener);
	f->up.listener = -1;
	prepare(f, GET "\r\n", "", "");
	run(f, strlen(BAD_GATEWAY));
	check_is(span_of(f->client.out, f->client.out_n), BAD_GATEWAY);
}

static void test_an_upstream_that_fails_later_cuts_the_client(void **state)
{
	static const char *const says[] = {
		OK "Content-Length: 5\r\n\r\nhi",
		OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nx\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(says); i++) {
		prepare(f, GET "\r\n", "\r\n\r\n", says[i]);
		run(f, 1 << 20);
		assert_true(f->client.is_aborted);
		assert_memory_equal(f->client.out, OK, strlen(OK));
	}
}

static void test_an_early_answer_reaches_the_client(void **state)
{
	struct fixture *f = *state;

	prepare(f, POST "Content-Length: 99999\r\n\r\nhello", "hello",
		"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
	run(f, 1);
	for (int i = 0; i < 10000 && !f->client.is_finished; i++)
		turns(f, 1);
	check_is(span_of(f->client.out, f->client.out_n),
		"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
	assert_true(f->client.is_finished);
}

static void test_a_broken_client_ends_its_exchange(void **state)
{
	struct fixture *f = *state;

	for (unsigned at = 1; at < 25; at++) {
		prepare(f, POST "Content-Length: 50\r\n\r\nhello", "hello", ANSWER);
		f->client.in_step = 20;
		f->client.out_step = 4;
		f->client.fails_at = at;
		http_server_serve_take(f->server, &f->client.stream, &f->peer);
		turns(f, 200);
		new_server(f);
	}
}

#define WS_HEADERS "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define WS_GET "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\n"
#define WS_HEARD WS_GET WS_HEADERS "X-Forwarded-For: 192.0.2.7\r\n\r\n"
#define WS_ANSWER "HTTP/1.1 101 Up\r\nSec-WebSocket-Accept: z\r\n" WS_HEADERS "\r\n"

static void upgrade(struct fixture *f)
{
	prepare(f, WS_GET WS_HEADERS "\r\n", "\r\n\r\n", WS_ANSWER "first");
	f->up.closes = false;
	run(f, strlen(WS_ANSWER "first"));
	check_is(buf_span(&f->up.heard), WS_HEARD);
	check_is(span_of(f->client.out, f->client.out_n), WS_ANSWER "first");
}

static void test_an_upgrade_becomes_a_bridge(void **state)
{
	struct fixture *f = *state;

	upgrade(f);
	f->client.in = span_str("ping");
	stream_want(&f->client.stream, f->client.wants);
	turns(f, 50);
	check_is(buf_span(&f->up.heard), WS_HEARD "ping");
	f->up.says = span_str("pong");
	turns(f, 50);
	check_is(span_of(f->client.out, f->client.out_n), WS_ANSWER "firstpong");
	upstream_close(&f->up);
	f->client.in_end = ERR_EOF;
	stream_want(&f->client.stream, f->client.wants);
	turns(f, 50);
	assert_true(f->client.is_closed);
}

static void test_a_bridge_ends_with_its_server(void **state)
{
	struct fixture *f = *state;

	upgrade(f);
	new_server(f);
	assert_true(f->client.is_closed);
}

/* Of several protocols the upstream chooses one, but none that was not offered, nor
 * HTTP/2. */
static void test_an_upgrade_is_to_what_was_offered(void **state)
{
	struct fixture *f = *state;
	const char *asks = WS_GET
		"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\nUpgrade: x\r\n\r\n";
	const char *heard = WS_GET
		"Connection: Upgrade\r\nUpgrade: websocket, x\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
	const char *up = "HTTP/1.1 101 Up\r\nConnection: Upgrade\r\nUpgrade: X\r\n\r\n";

	prepare(f, asks, heard, up);
	f->up.closes = false;
	run(f, strlen(up));
	check_is(buf_span(&f->up.heard), heard);
	check_is(span_of(f->client.out, f->client.out_n), up);
	new_server(f);
	check_passes(f, asks, heard,
		"HTTP/1.1 101 Up\r\nConnection: Upgrade\r\nUpgrade: y\r\n\r\n",
		BAD_GATEWAY);
	check_passes(f, asks, heard,
		"HTTP/1.1 101 Up\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		BAD_GATEWAY);
}

static void test_an_upgrade_may_be_declined(void **state)
{
	check_passes(*state, WS_GET WS_HEADERS "\r\n", WS_HEARD, ANSWER, ANSWER);
}

static void test_a_server_may_be_freed_at_any_time(void **state)
{
	struct fixture *f = *state;

	for (int n = 0; n < 60; n++) {
		prepare(f, POST "Content-Length: 5\r\n\r\nhello", "hello", ANSWER);
		f->client.in_step = f->client.out_step = f->up.step = 9;
		http_server_serve_take(f->server, &f->client.stream, &f->peer);
		turns(f, n);
		new_server(f);
		assert_true(f->client.is_closed);
	}
}

static void test_connect_is_refused(void **state)
{
	struct fixture *f = *state;

	prepare(f, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "", "");
	run(f, 1);
	assert_memory_equal(f->client.out, "HTTP/1.1 405 ", 13);
}

/* Megabytes, and a client that takes them slowly: memory stays where it is. */
static void test_a_slow_client_slows_its_upstream(void **state)
{
	struct fixture *f = *state;
	size_t n = 16 << 20, head = strlen(OK "Content-Length: 16777216\r\n\r\n");
	char *says = malloc(n + head + 1);

	memcpy(says, OK "Content-Length: 16777216\r\n\r\n", head);
	for (size_t i = 0; i < n; i++)
		says[head + i] = (char)('a' + i % 23);
	says[head + n] = '\0';
	prepare(f, GET "\r\n", "\r\n\r\n", says);
	f->client.is_stuck = true;
	http_server_serve_take(f->server, &f->client.stream, &f->peer);
	turns(f, 2000);
	assert_true(f->up.says.n > 1 << 20);
	f->client.is_stuck = false;
	stream_want(&f->client.stream, f->client.wants);
	for (int i = 0; i < 100000 && f->client.out_n < n + head; i++)
		turns(f, 1);
	assert_int_equal(f->client.out_n, n + head);
	assert_memory_equal(f->client.out, says, n + head);
	free(says);
}

#define PROXY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROXY_TEST(test_a_request_and_its_answer_pass),
		PROXY_TEST(test_answers_are_normalised),
		PROXY_TEST(test_a_long_answer_head_passes),
		PROXY_TEST(test_bodies_pass_both_ways),
		PROXY_TEST(test_chunks_are_reframed),
		PROXY_TEST(test_trailers_pass_both_ways),
		PROXY_TEST(test_trailers_go_only_behind_chunks),
		PROXY_TEST(test_an_old_client_gets_what_it_understands),
		PROXY_TEST(test_headers_of_one_hop_stay_there),
		PROXY_TEST(test_addresses_are_appended),
		PROXY_TEST(test_an_edge_drops_forwarding_headers),
		PROXY_TEST(test_an_upstream_hook_rewrites_answers),
		PROXY_TEST(test_the_upstream_options_rewrite_the_request),
		PROXY_TEST(test_a_body_is_asked_for),
		PROXY_TEST(test_interim_answers_pass),
		PROXY_TEST(test_the_next_request_is_served),
		PROXY_TEST(test_an_upstream_that_fails_first_is_a_bad_gateway),
		PROXY_TEST(test_an_upstream_that_fails_later_cuts_the_client),
		PROXY_TEST(test_an_early_answer_reaches_the_client),
		PROXY_TEST(test_a_broken_client_ends_its_exchange),
		PROXY_TEST(test_an_upgrade_becomes_a_bridge),
		PROXY_TEST(test_a_bridge_ends_with_its_server),
		PROXY_TEST(test_an_upgrade_is_to_what_was_offered),
		PROXY_TEST(test_an_upgrade_may_be_declined),
		PROXY_TEST(test_a_server_may_be_freed_at_any_time),
		PROXY_TEST(test_connect_is_refused),
		PROXY_TEST(test_a_slow_client_slows_its_upstream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
