/*
 * Wherever in a turn of the loop a message ends, it ends for the receiver, too, and the next one
 * is served: every size around every boundary, every framing, both directions.
 *
 * A client and an upstream over real sockets, on one loop with the proxy between them. Nothing
 * waits for time: if a few turns in a row move no byte, the exchange hangs.
 */
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
#define SMALL_BLOCK_BYTES 100
#define BODY_MAX (600 * 1024)
#define TEXT_MAX (BODY_MAX * 8)
#define IDLE_TURNS_MAX 50
#define LAST_CHUNK "0\r\n\r\n"
#define LAST_CHUNK_AND_TRAILERS "0\r\nT: t\r\n\r\n"

enum framing {
	FRAMED_BY_LENGTH,
	FRAMED_BY_CHUNKS,
	FRAMED_BY_CLOSE,
};

static const char *const framing_names[] = { "length", "chunks", "close" };

/* One end, which says what it has to say and hears everything. */
struct party {
	struct stream *stream; /* NULL: not there yet, or closed */
	struct buf says, heard;
	size_t may_say; /* so many bytes of it for now */
	bool closes;    /* when it has said everything */
};

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct http_server *server;
	struct http_keep *keep;
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

static void party_close(struct party *p)
{
	stream_close(p->stream);
	p->stream = NULL;
}

static void party_speak(struct party *p)
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

static void party_run(struct party *p)
{
	static uint8_t piece[65536];
	size_t n;
	enum err rc;

	party_speak(p);
	while ((rc = stream_read(p->stream, piece, sizeof(piece), &n)) == ERR_OK)
		assert_int_equal(buf_put(&p->heard, piece, n), ERR_OK);
	if (rc != ERR_AGAIN ||
		(p->closes && p->says.n == 0 && stream_finish(p->stream) == ERR_OK)) {
		party_close(p);
		return;
	}
	stream_want(p->stream,
		LOOP_READ | (p->says.n > 0 && p->may_say > 0 ? LOOP_WRITE : 0U));
}

static void party_on_ready(void *arg, unsigned ready)
{
	(void)ready;
	party_run(arg);
}

static void party_start(struct party *p)
{
	if (p->stream != NULL)
		party_run(p);
}

static void party_open(struct fixture *f, struct party *p, int fd,
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

static void client_open(struct fixture *f)
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

static void origin_accept(struct fixture *f)
{
	int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	party_close(&f->origin);
	buf_reset(&f->origin.heard);
	party_open(f, &f->origin, fd, f->origin_is_secure ? f->server_tls : NULL, true);
}

/* ---- the fixture ---- */

static void on_request(void *arg, struct http_exchange *x)
{
	struct fixture *f = arg;

	http_proxy_pass(x, &f->how);
}

static void listen_here(struct fixture *f)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(f->path, sizeof(f->path), "/tmp/adit-turns-%d", getpid());
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->path);
	unlink(f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(f->listener, 8), 0);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	time_begin(1000);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	assert_int_equal(addr_from_literal("192.0.2.7", 7, &f->peer), ERR_OK);
	assert_int_equal(http_keep_new(f->loop, 1, 60000, &f->keep), ERR_OK);
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
static void begin(struct fixture *f, size_t block_bytes)
{
	struct http_server_options o = { .loop = f->loop,
		.pool = &f->pool,
		.on_request = on_request,
		.arg = f };

	pool_init(&f->pool, block_bytes, 8);
	f->how = (struct http_upstream){
		.unix_path = f->path,
		.host = "here",
		.tls = f->origin_is_secure ? f->client_tls : NULL,
	};
	assert_int_equal(http_server_new(&o, &f->server), ERR_OK);
	client_open(f);
}

static void end(struct fixture *f)
{
	party_close(&f->client);
	party_close(&f->origin);
	http_server_free(f->server);
	f->server = NULL;
	loop_turn(f->loop);
	pool_fini(&f->pool);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_keep_free(f->keep);
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

/* ---- messages ---- */

static void put_body(struct fixture *f, struct buf *out, enum framing framing, size_t n,
	size_t chunk)
{
	size_t at, here;

	if (framing == FRAMED_BY_LENGTH)
		buf_printf(out, "Content-Length: %zu\r\n\r\n", n);
	else if (framing == FRAMED_BY_CHUNKS)
		buf_put_str(out, "Transfer-Encoding: chunked\r\n\r\n");
	else
		buf_put_str(out, "\r\n");
	if (framing != FRAMED_BY_CHUNKS) {
		buf_put(out, f->body, n);
		return;
	}
	for (at = 0; at < n; at += here) {
		here = n - at < chunk ? n - at : chunk;
		buf_printf(out, "%zx\r\n", here);
		buf_put(out, f->body + at, here);
		buf_put_str(out, "\r\n");
	}
	buf_put_str(out, LAST_CHUNK_AND_TRAILERS);
}

/* The bytes behind the head; false: it is not there yet. */
static bool find_body(struct span in, struct span *out)
{
	const uint8_t *end = in.n > 0 ? memmem(in.p, in.n, "\r\n\r\n", 4) : NULL;

	if (end == NULL)
		return false;
	*out = span_of(end + 4, in.n - (size_t)(end + 4 - in.p));
	return true;
}

/* Compares what is in chunks with the body. */
static bool chunks_are_body(const struct fixture *f, struct span in, size_t n)
{
	size_t at = 0, size;
	char *after;

	while ((size = strtoul((const char *)in.p, &after, 16)) > 0) {
		size_t line = (size_t)(after - (char *)in.p) + 2;

		if (at + size > n || in.n < line + size + 2 ||
			memcmp(in.p + line, f->body + at, size) != 0)
			return false;
		at += size;
		in = span_of(in.p + line + size + 2, in.n - line - size - 2);
	}
	return at == n &&
		(span_is(in, LAST_CHUNK) || span_is(in, LAST_CHUNK_AND_TRAILERS));
}

static bool ends_with(struct span in, const char *text)
{
	size_t n = strlen(text);

	return in.n >= n && memcmp(in.p + in.n - n, text, n) == 0;
}

/* Has the whole message been heard, with @n bytes of the body? */
static bool has_heard(const struct fixture *f, const struct party *p, size_t n)
{
	struct span in = buf_span(&p->heard), body;

	if (!find_body(in, &body) || body.n < n)
		return false;
	if (memmem(in.p, in.n - body.n, "chunked", 7) == NULL)
		return body.n == n && (n == 0 || memcmp(body.p, f->body, n) == 0);
	return (ends_with(body, LAST_CHUNK) ||
		       ends_with(body, LAST_CHUNK_AND_TRAILERS)) &&
		chunks_are_body(f, body, n);
}

/* ---- exchanges ---- */

static size_t progress(const struct fixture *f)
{
	return 2 * TEXT_MAX - f->client.says.n - f->origin.says.n + f->client.heard.n +
		f->origin.heard.n + (f->origin.stream != NULL);
}

/* Turns of the loop until @p has heard the message, or nothing moves any more. */
static void hear(struct fixture *f, const struct party *p, size_t n)
{
	size_t before = 0, now;
	unsigned idle = 0;

	while (!has_heard(f, p, n)) {
		time_turn(f->loop);
		origin_accept(f);
		now = progress(f);
		idle = now == before ? idle + 1 : 0;
		before = now;
		if (idle > IDLE_TURNS_MAX)
			fail_msg("%s: the %s has only %zu bytes", f->what,
				p == &f->client ? "client" : "upstream", p->heard.n);
	}
}

static void settle(struct fixture *f)
{
	for (int i = 0; i < 4; i++) {
		time_turn(f->loop);
		origin_accept(f);
	}
}

/* Exchanges whose request or answer has a body of one framing. */
struct sweep {
	bool is_upload;
	enum framing framing;
	size_t chunk;
};

static void ask(struct fixture *f, const struct sweep *s, size_t n)
{
	struct buf *out = &f->client.says;

	buf_put_str(out, s->is_upload ? "POST / HTTP/1.1\r\n" : "GET / HTTP/1.1\r\n");
	buf_put_str(out, "Host: a\r\n");
	if (s->is_upload)
		put_body(f, out, s->framing, n, s->chunk);
	else
		buf_put_str(out, "\r\n");
}

static void answer(struct fixture *f, const struct sweep *s, size_t n)
{
	struct buf *out = &f->origin.says;

	buf_put_str(out, "HTTP/1.1 200 OK\r\n");
	if (s->is_upload)
		put_body(f, out, FRAMED_BY_LENGTH, 0, 0);
	else
		put_body(f, out, s->framing, n, s->chunk);
	f->origin.closes = s->framing == FRAMED_BY_CLOSE && !s->is_upload;
}

/* Says the first @at bytes, lets everything move that can, and says the rest. */
static void say(struct fixture *f, struct party *p, size_t at)
{
	if (at < p->says.n) {
		p->may_say = at;
		party_start(p);
		settle(f);
	}
	p->may_say = SIZE_MAX;
	party_start(p);
}

/* One request and its answer, each in one piece or split after so many bytes. */
static void exchange_split(struct fixture *f, const struct sweep *s, size_t n,
	size_t request_at, size_t answer_at)
{
	snprintf(f->what, sizeof(f->what), "%s of %zu bytes by %s (%zu)%s%s%s, %zd, %zd",
		s->is_upload ? "upload" : "answer", n, framing_names[s->framing],
		s->chunk, f->front_is_secure ? ", client in TLS" : "",
		f->origin_is_secure ? ", upstream in TLS" : "",
		f->how.keep != NULL ? ", kept" : "", (ssize_t)request_at,
		(ssize_t)answer_at);
	buf_reset(&f->client.heard);
	buf_reset(&f->origin.heard);
	f->origin.may_say = 0;
	ask(f, s, n);
	answer(f, s, n);
	say(f, &f->client, request_at);
	hear(f, &f->origin, s->is_upload ? n : 0);
	say(f, &f->origin, answer_at);
	hear(f, &f->client, s->is_upload ? 0 : n);
}

static void exchange(struct fixture *f, const struct sweep *s, size_t n)
{
	exchange_split(f, s, n, SIZE_MAX, SIZE_MAX);
}

/* Each pair of requests goes over the client's one connection. */
static void sweep(struct fixture *f, const struct sweep *s, size_t from, size_t to,
	size_t step)
{
	for (size_t n = from; n <= to; n += step)
		exchange(f, s, n);
}

/* Around each multiple of @unit, as far as bodies go. */
static void sweep_around(struct fixture *f, const struct sweep *s, size_t unit)
{
	for (size_t at = unit; at <= 4 * unit && at + 8 < BODY_MAX; at += unit)
		sweep(f, s, at - 8, at + 8, 1);
}

static const struct sweep small_sweeps[] = {
	{ false, FRAMED_BY_LENGTH, 0 },
	{ false, FRAMED_BY_CLOSE, 0 },
	{ false, FRAMED_BY_CHUNKS, 1 },
	{ false, FRAMED_BY_CHUNKS, 7 },
	{ false, FRAMED_BY_CHUNKS, 83 },
	{ false, FRAMED_BY_CHUNKS, 65536 },
	{ true, FRAMED_BY_LENGTH, 0 },
	{ true, FRAMED_BY_CHUNKS, 1 },
	{ true, FRAMED_BY_CHUNKS, 7 },
	{ true, FRAMED_BY_CHUNKS, 83 },
	{ true, FRAMED_BY_CHUNKS, 65536 },
};

/* Blocks so small that a few turns' worth of bytes has every residue of every boundary. */
static void check_small(struct fixture *f, size_t step)
{
	for (size_t i = 0; i < mem_count(small_sweeps); i++) {
		begin(f, SMALL_BLOCK_BYTES);
		sweep(f, &small_sweeps[i], 0, 3 * 4 * SMALL_BLOCK_BYTES, step);
		end(f);
		begin(f, SMALL_BLOCK_BYTES);
		f->how.keep = f->keep;
		sweep(f, &small_sweeps[i], 0, 5 * SMALL_BLOCK_BYTES, step);
		end(f);
	}
}

static void test_every_boundary_of_small_blocks(void **state)
{
	check_small(*state, 1);
}

static void test_every_boundary_of_small_blocks_in_tls(void **state)
{
	struct fixture *f = *state;

	f->front_is_secure = true;
	check_small(f, 1);
}

static void test_every_boundary_of_small_blocks_from_tls(void **state)
{
	struct fixture *f = *state;

	f->origin_is_secure = true;
	check_small(f, 13);
	f->front_is_secure = true;
	check_small(f, 17);
}

static const struct sweep large_sweeps[] = {
	{ false, FRAMED_BY_LENGTH, 0 },
	{ false, FRAMED_BY_CLOSE, 0 },
	{ false, FRAMED_BY_CHUNKS, 100 },
	{ false, FRAMED_BY_CHUNKS, 4093 },
	{ false, FRAMED_BY_CHUNKS, 65536 },
	{ true, FRAMED_BY_LENGTH, 0 },
	{ true, FRAMED_BY_CHUNKS, 100 },
	{ true, FRAMED_BY_CHUNKS, 4093 },
	{ true, FRAMED_BY_CHUNKS, 65536 },
};

static void check_large(struct fixture *f)
{
	for (size_t i = 0; i < mem_count(large_sweeps); i++) {
		begin(f, BLOCK_BYTES);
		sweep(f, &large_sweeps[i], 0, BODY_MAX, 9973);
		sweep_around(f, &large_sweeps[i], 4 * (BLOCK_BYTES - 12));
		sweep_around(f, &large_sweeps[i], (size_t)4 * 16384);
		end(f);
	}
}

static void test_sizes_up_to_600_kilobytes(void **state)
{
	check_large(*state);
}

static void test_sizes_up_to_600_kilobytes_in_tls(void **state)
{
	struct fixture *f = *state;

	f->front_is_secure = true;
	check_large(f);
}

static void test_sizes_up_to_600_kilobytes_through_small_sockets(void **state)
{
	struct fixture *f = *state;

	f->socket_bytes = 4096;
	for (size_t i = 0; i < mem_count(large_sweeps); i++) {
		begin(f, BLOCK_BYTES);
		sweep(f, &large_sweeps[i], 0, BODY_MAX, 49999);
		end(f);
	}
}

static void check_splits(struct fixture *f, size_t block_bytes)
{
	for (size_t i = 0; i < mem_count(small_sweeps); i++) {
		const struct sweep *s = &small_sweeps[i];

		begin(f, block_bytes);
		for (size_t at = 0; at < 150; at++) {
			exchange_split(f, s, 20, at, SIZE_MAX);
			exchange_split(f, s, 20, SIZE_MAX, at);
		}
		end(f);
	}
}

static void test_messages_may_be_split_anywhere(void **state)
{
	struct fixture *f = *state;

	check_splits(f, BLOCK_BYTES);
	f->front_is_secure = true;
	check_splits(f, 40);
}

/* Both requests are there before the first is answered. */
static void test_requests_may_come_together(void **state)
{
	struct fixture *f = *state;

	for (int secure = 0; secure < 2; secure++) {
		f->front_is_secure = secure != 0;
		for (size_t i = 0; i < mem_count(small_sweeps); i++) {
			begin(f, SMALL_BLOCK_BYTES);
			for (size_t n = 0; n < 1300; n += 7) {
				ask(f, &small_sweeps[i], n);
				exchange(f, &small_sweeps[i], n);
				buf_reset(&f->client.heard);
				buf_reset(&f->origin.heard);
				answer(f, &small_sweeps[i], n);
				hear(f, &f->origin, small_sweeps[i].is_upload ? n : 0);
				party_start(&f->origin);
				hear(f, &f->client, small_sweeps[i].is_upload ? 0 : n);
			}
			end(f);
		}
	}
}

#define TURNS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TURNS_TEST(test_every_boundary_of_small_blocks),
		TURNS_TEST(test_every_boundary_of_small_blocks_in_tls),
		TURNS_TEST(test_every_boundary_of_small_blocks_from_tls),
		TURNS_TEST(test_sizes_up_to_600_kilobytes),
		TURNS_TEST(test_sizes_up_to_600_kilobytes_in_tls),
		TURNS_TEST(test_sizes_up_to_600_kilobytes_through_small_sockets),
		TURNS_TEST(test_messages_may_be_split_anywhere),
		TURNS_TEST(test_requests_may_come_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
