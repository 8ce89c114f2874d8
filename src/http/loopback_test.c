/* Server and proxy over real sockets and TLS:
 * a client, a front and an origin on one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/proxy.h"
#include "net/contexts_test.h"
#include "net/listener.h"
#include "net/socket.h"

#define BODY_BYTES (3 << 20)

/* A server behind a listener. */
struct site {
	struct fixture *fixture;
	struct listener *listener;
	struct http_server *server;
	struct tls_context *tls; /* NULL: plain */
};

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct tls_context *server_tls, *client_tls;
	struct site front, origin;
	struct http_upstream how;
	uint8_t *body;

	/* The client. */
	struct stream *stream;
	struct buf out, in;
	bool has_ended;
};

/* ---- the servers ---- */

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct site *site = arg;
	struct stream *stream;
	struct tls_options o = { .context = site->tls, .loop = site->fixture->loop };

	assert_int_equal(socket_open_take(o.loop, fd, &stream), ERR_OK);
	o.below = stream;
	o.is_server = true;
	if (site->tls != NULL)
		assert_int_equal(tls_open(&o, &stream, NULL), ERR_OK);
	http_server_serve_take(site->server, stream, peer);
}

static void on_front_request(void *arg, struct http_exchange *x)
{
	struct fixture *f = arg;

	http_proxy_pass(x, &f->how);
}

static void on_origin_request(void *arg, struct http_exchange *x)
{
	struct fixture *f = arg;

	http_reply(x, 200, NULL, span_of(f->body, BODY_BYTES));
}

static void site_open(struct site *site, struct fixture *f,
	void (*on_request)(void *arg, struct http_exchange *x), bool is_secure)
{
	struct http_server_options o = {
		.loop = f->loop,
		.pool = &f->pool,
		.on_request = on_request,
		.arg = f,
	};

	site->fixture = f;
	site->tls = is_secure ? f->server_tls : NULL;
	assert_int_equal(http_server_new(&o, &site->server), ERR_OK);
	assert_int_equal(listener_open(f->loop, "127.0.0.1", 0, on_accept, site,
				 &site->listener, NULL),
		ERR_OK);
}

static void site_close(struct site *site)
{
	listener_close(site->listener);
	http_server_free(site->server);
}

static uint16_t site_port(const struct site *site)
{
	struct addr at;

	listener_addr(site->listener, &at);
	return addr_port(&at);
}

/* ---- the client ---- */

static void client_on_ready(void *arg, unsigned ready)
{
	struct fixture *f = arg;
	uint8_t piece[4096];
	size_t n;
	enum err rc;

	(void)ready;
	while (f->out.n > 0) {
		rc = stream_put(f->stream, buf_span(&f->out).p, f->out.n, &n);
		if (rc == ERR_AGAIN)
			break;
		assert_int_equal(rc, ERR_OK);
		buf_consume(&f->out, n);
	}
	while ((rc = stream_read(f->stream, piece, sizeof(piece), &n)) == ERR_OK)
		buf_put(&f->in, piece, n);
	f->has_ended = rc != ERR_AGAIN;
	if (!f->has_ended)
		stream_want(f->stream, LOOP_READ | (f->out.n > 0 ? LOOP_WRITE : 0));
}

static void client_open(struct fixture *f)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000001),
		.sin_port = htons(site_port(&f->front)) };
	struct tls_options o = { .context = f->client_tls,
		.loop = f->loop,
		.server_name = "here" };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(socket_open_take(f->loop, fd, &f->stream), ERR_OK);
	o.below = f->stream;
	if (f->front.tls != NULL)
		assert_int_equal(tls_open(&o, &f->stream, NULL), ERR_OK);
	stream_set_owner(f->stream, client_on_ready, f);
	stream_want(f->stream, LOOP_READ | LOOP_WRITE);
}

/* ---- tests ---- */

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, 66560, 8);
	f->body = malloc(BODY_BYTES);
	for (size_t i = 0; i < BODY_BYTES; i++)
		f->body[i] = (uint8_t)(i * 7 + i / 251);
	buf_init(&f->out, 16 << 20);
	buf_init(&f->in, 16 << 20);
	test_contexts_make(&f->server_tls, &f->client_tls);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stream_close(f->stream);
	site_close(&f->front);
	site_close(&f->origin);
	tls_context_free(f->server_tls);
	tls_context_free(f->client_tls);
	buf_fini(&f->out);
	buf_fini(&f->in);
	free(f->body);
	loop_turn(f->loop);
	pool_fini(&f->pool);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void run(struct fixture *f)
{
	struct timespec us = { .tv_nsec = 50000 };

	for (int i = 0; i < 100000 && !f->has_ended; i++) {
		loop_turn(f->loop);
		nanosleep(&us, NULL);
	}
	assert_true(f->has_ended);
}

/* Takes one answer with the body from the front of what the client got. */
static void check_answer(struct fixture *f)
{
	struct http1_reader r;
	struct http1_event e;
	struct span in = buf_span(&f->in);
	size_t at = 0;

	http1_reader_init_response(&r, &http1_response_limits, span_str("POST"));
	do {
		assert_int_equal(http1_next(&r, &in, &e, NULL), ERR_OK);
		if (e.kind != HTTP1_DATA)
			continue;
		assert_true(at + e.data.n <= BODY_BYTES);
		assert_memory_equal(e.data.p, f->body + at, e.data.n);
		at += e.data.n;
	} while (e.kind != HTTP1_END);
	assert_int_equal(r.head.status, 200);
	assert_int_equal(at, BODY_BYTES);
	http1_reader_fini(&r);
	buf_consume(&f->in, f->in.n - in.n);
}

/* Two requests with large bodies on one connection, the second its last. */
static void check_transfer(struct fixture *f, bool front_is_secure, bool origin_is_secure)
{
	site_open(&f->front, f, on_front_request, front_is_secure);
	site_open(&f->origin, f, on_origin_request, origin_is_secure);
	f->how = (struct http_upstream){
		.host = "127.0.0.1",
		.port = site_port(&f->origin),
		.tls = origin_is_secure ? f->client_tls : NULL,
	};
	buf_printf(&f->out, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
		100000);
	buf_put(&f->out, f->body, 100000);
	buf_put_str(&f->out,
		"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
		"Transfer-Encoding: chunked\r\n\r\n186a0\r\n");
	buf_put(&f->out, f->body, 100000);
	buf_put_str(&f->out, "\r\n0\r\n\r\n");
	client_open(f);
	run(f);
	check_answer(f);
	check_answer(f);
	assert_int_equal(f->in.n, 0);
}

static void test_bodies_pass_in_the_clear(void **state)
{
	check_transfer(*state, false, false);
}

static void test_bodies_pass_from_a_secure_front(void **state)
{
	check_transfer(*state, true, false);
}

static void test_bodies_pass_to_a_secure_origin(void **state)
{
	check_transfer(*state, false, true);
}

static void test_bodies_pass_with_tls_on_both_sides(void **state)
{
	check_transfer(*state, true, true);
}

static void test_an_origin_that_is_not_secure_is_a_bad_gateway(void **state)
{
	struct fixture *f = *state;

	site_open(&f->front, f, on_front_request, false);
	site_open(&f->origin, f, on_origin_request, false);
	f->how = (struct http_upstream){
		.host = "127.0.0.1",
		.port = site_port(&f->origin),
		.tls = f->client_tls,
	};
	buf_put_str(&f->out, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	client_open(f);
	run(f);
	assert_memory_equal(buf_span(&f->in).p, "HTTP/1.1 502 ", 13);
}

/* A client that never finishes the handshake has the same timeout as a
 * head. */
static void test_a_slow_handshake_times_out(void **state)
{
	struct fixture *f = *state;
	struct http_server_options o = {
		.loop = f->loop,
		.pool = &f->pool,
		.on_request = on_origin_request,
		.arg = f,
		.head_ms = 30,
	};

	site_open(&f->front, f, on_origin_request, true);
	site_open(&f->origin, f, on_origin_request, false);
	http_server_free(f->front.server);
	assert_int_equal(http_server_new(&o, &f->front.server), ERR_OK);
	f->front.tls = NULL; /* for the client: it speaks plain */
	client_open(f);
	f->front.tls = f->server_tls;
	run(f);
	assert_int_equal(f->in.n, 0);
}

#define LOOPBACK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOPBACK_TEST(test_bodies_pass_in_the_clear),
		LOOPBACK_TEST(test_bodies_pass_from_a_secure_front),
		LOOPBACK_TEST(test_bodies_pass_to_a_secure_origin),
		LOOPBACK_TEST(test_bodies_pass_with_tls_on_both_sides),
		LOOPBACK_TEST(test_an_origin_that_is_not_secure_is_a_bad_gateway),
		LOOPBACK_TEST(test_a_slow_handshake_times_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
