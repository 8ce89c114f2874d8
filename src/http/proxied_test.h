/*
 * For tests: a client and an upstream over real sockets, on one loop with the proxy
 * between them. Time is the test's, and nothing waits for it: if a few turns in a row
 * move no byte, the exchange hangs. For tests in http/ only; includes what cmocka needs.
 */
#ifndef HTTP_PROXIED_TEST_H
#define HTTP_PROXIED_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/proxy.h"
#include "loop/timer_test.h"
#include "net/contexts_test.h"
#include "net/socket.h"

#define BLOCK_BYTES 66560 /* of a worker */
#define BODY_MAX (600 * 1024)
#define TEXT_MAX (BODY_MAX * 8)
#define IDLE_TURNS_MAX 50

/* One end, which says what it has to say and hears everything. */
struct party {
	struct stream *stream; /* NULL: not there yet, or closed */
	struct buf says, heard;
	size_t may_say; /* so many bytes of it for now */
	bool closes;    /* when it has said everything */
	bool stays;     /* when the other side has ended */
};

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct http_server *server;
	struct idle_pool *idle;
	struct tls_context *server_tls, *client_tls;
	struct addr peer;
	struct http_upstream how;
	char path[64];
	int listener, socket_bytes; /* 0: as they come */
	bool front_is_secure, origin_is_secure;
	struct party client, origin;
	uint8_t *body;
	char what[160]; /* is being tried */
};

/* ---- parties ---- */

static inline void party_close(struct party *p)
{
	stream_close(p->stream);
	p->stream = NULL;
}

static inline void party_speak(struct party *p)
{
	size_t put;

	while (p->says.n > 0 && p->may_say > 0) {
		struct span s = buf_span(&p->says);

		if (stream_put(p->stream, s.p, s.n < p->may_say ? s.n : p->may_say,
			    &put) != ERR_OK)
			break;
		buf_consume(&p->says, put);
		p->may_say -= put;
	}
}

static inline void party_run(struct party *p)
{
	static uint8_t piece[65536];
	size_t n;
	enum err rc;

	party_speak(p);
	while ((rc = stream_read(p->stream, piece, sizeof(piece), &n)) == ERR_OK)
		assert_int_equal(buf_put(&p->heard, piece, n), ERR_OK);
	if ((rc != ERR_AGAIN && !(rc == ERR_EOF && p->stays)) ||
		(p->closes && p->says.n == 0 && stream_finish(p->stream) == ERR_OK)) {
		party_close(p);
		return;
	}
	stream_want(p->stream,
		(rc == ERR_EOF ? 0U : (unsigned)LOOP_READ) |
			(p->says.n > 0 && p->may_say > 0 ? LOOP_WRITE : 0U));
}

static inline void party_on_ready(void *arg, unsigned ready)
{
	(void)ready;
	party_run(arg);
}

static inline void party_start(struct party *p)
{
	if (p->stream != NULL)
		party_run(p);
}

static inline void party_open(struct fixture *f, struct party *p, int fd,
	struct tls_context *tls, bool is_server)
{
	struct tls_options o = { .context = tls,
		.loop = f->loop,
		.is_server = is_server,
		.server_name = "here" };

	if (f->socket_bytes != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &f->socket_bytes,
			sizeof(f->socket_bytes));
	assert_int_equal(socket_open_take(f->loop, fd, &p->stream), ERR_OK);
	o.below = p->stream;
	if (tls != NULL)
		assert_int_equal(tls_open(&o, &p->stream, NULL), ERR_OK);
	stream_set_owner(p->stream, party_on_ready, p);
	stream_want(p->stream, LOOP_READ | LOOP_WRITE);
}

static inline void client_open(struct fixture *f)
{
	struct tls_options o = { .context = f->server_tls,
		.loop = f->loop,
		.is_server = true };
	int fds[2];

	party_close(&f->client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if (f->socket_bytes != 0)
		(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &f->socket_bytes,
			sizeof(f->socket_bytes));
	assert_int_equal(socket_open_take(f->loop, fds[1], &o.below), ERR_OK);
	if (f->front_is_secure)
		assert_int_equal(tls_open(&o, &o.below, NULL), ERR_OK);
	http_server_serve_take(f->server, o.below, &f->peer);
	party_open(f, &f->client, fds[0], f->front_is_secure ? f->client_tls : NULL,
		false);
}

static inline void origin_accept(struct fixture *f)
{
	int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	party_close(&f->origin);
	buf_reset(&f->origin.heard);
	party_open(f, &f->origin, fd, f->origin_is_secure ? f->server_tls : NULL, true);
}

/* ---- the fixture ---- */

static inline void on_request(void *arg, struct http_exchange *x)
{
	struct fixture *f = arg;

	http_proxy_pass(x, &f->how);
}

static inline void listen_here(struct fixture *f)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(f->path, sizeof(f->path), "/tmp/adit-turns-%d", getpid());
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->path);
	unlink(f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(f->listener, 8), 0);
}

static inline int setup(void **state)
{
	struct fixture *f = mem_new(f);

	time_begin(1000);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	assert_int_equal(addr_from_literal("192.0.2.7", 7, &f->peer), ERR_OK);
	assert_int_equal(idle_pool_new(f->loop, 1, 60000, &f->idle), ERR_OK);
	test_contexts_make(&f->server_tls, &f->client_tls);
	listen_here(f);
	f->body = malloc(BODY_MAX);
	for (size_t i = 0; i < BODY_MAX; i++)
		f->body[i] = (uint8_t)(i * 7 + i / 251);
	buf_init(&f->client.says, TEXT_MAX);
	buf_init(&f->client.heard, TEXT_MAX);
	buf_init(&f->origin.says, TEXT_MAX);
	buf_init(&f->origin.heard, TEXT_MAX);
	*state = f;
	return 0;
}

/* As many bytes at once as @block_bytes has room for. */
static inline void begin(struct fixture *f, size_t block_bytes)
{
	struct http_server_options o = { .loop = f->loop,
		.pool = &f->pool,
		.on_request = on_request,
		.arg = f };

	pool_init(&f->pool, block_bytes, 8);
	buf_reset(&f->client.says);
	buf_reset(&f->client.heard);
	buf_reset(&f->origin.says);
	buf_reset(&f->origin.heard);
	f->how = (struct http_upstream){
		.unix_path = f->path,
		.host = "here",
		.tls = f->origin_is_secure ? f->client_tls : NULL,
	};
	assert_int_equal(http_server_new(&o, &f->server), ERR_OK);
	client_open(f);
}

static inline void end(struct fixture *f)
{
	party_close(&f->client);
	party_close(&f->origin);
	http_server_free(f->server);
	f->server = NULL;
	loop_turn(f->loop);
	pool_fini(&f->pool);
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	idle_pool_free(f->idle);
	close(f->listener);
	unlink(f->path);
	buf_fini(&f->client.says);
	buf_fini(&f->client.heard);
	buf_fini(&f->origin.says);
	buf_fini(&f->origin.heard);
	free(f->body);
	tls_context_free(f->server_tls);
	tls_context_free(f->client_tls);
	loop_turn(f->loop);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* ---- turns ---- */

static inline void settle(struct fixture *f)
{
	for (int i = 0; i < 4; i++) {
		time_turn(f->loop);
		origin_accept(f);
	}
}

/* Grows with every byte that moves. */
static inline size_t progress(const struct fixture *f)
{
	return 2 * TEXT_MAX - f->client.says.n - f->origin.says.n + f->client.heard.n +
		f->origin.heard.n + (f->origin.stream != NULL);
}

#endif
