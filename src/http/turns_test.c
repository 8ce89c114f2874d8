/*
 * Wherever in a turn of the loop a message ends, it ends for the receiver, too, and the
 * next one is served: every size around every boundary, every framing, both directions.
 */
#include "http/proxied_test.h"

#define SMALL_BLOCK_BYTES 100
#define LAST_CHUNK "0\r\n\r\n"
#define LAST_CHUNK_AND_TRAILERS "0\r\nT: t\r\n\r\n"

enum framing {
	FRAMED_BY_LENGTH,
	FRAMED_BY_CHUNKS,
	FRAMED_BY_CLOSE,
};

static const char *const framing_names[] = { "length", "chunks", "close" };

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
		f->how.idle != NULL ? ", kept" : "", (ssize_t)request_at,
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
	for (size_t at = unit; at <= 2 * unit && at + 4 < BODY_MAX; at += unit)
		sweep(f, s, at - 4, at + 4, 1);
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

/* Blocks so small that a few turns' worth of bytes has every residue of every
 * boundary. */
static void check_small(struct fixture *f, size_t step)
{
	for (size_t i = 0; i < mem_count(small_sweeps); i++) {
		begin(f, SMALL_BLOCK_BYTES);
		f->how.idle = i % 2 == 0 ? f->idle : NULL;
		sweep(f, &small_sweeps[i], 0, 2 * 4 * SMALL_BLOCK_BYTES, step);
		end(f);
	}
}

static void test_bodies_end_at_every_boundary_of_small_blocks(void **state)
{
	check_small(*state, 1);
}

static void test_bodies_end_at_every_boundary_in_tls(void **state)
{
	struct fixture *f = *state;

	f->front_is_secure = true;
	check_small(f, 3);
}

static void test_bodies_end_at_every_boundary_from_tls(void **state)
{
	struct fixture *f = *state;

	f->origin_is_secure = true;
	check_small(f, 17);
	f->front_is_secure = true;
	check_small(f, 31);
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

static void check_large(struct fixture *f, size_t step)
{
	for (size_t i = 0; i < mem_count(large_sweeps); i++) {
		begin(f, BLOCK_BYTES);
		sweep(f, &large_sweeps[i], 0, BODY_MAX, step);
		sweep_around(f, &large_sweeps[i], 4 * (BLOCK_BYTES - 12));
		sweep_around(f, &large_sweeps[i], (size_t)8 * 16384);
		end(f);
	}
}

static void test_bodies_up_to_600_kilobytes_pass(void **state)
{
	check_large(*state, 19973);
}

static void test_bodies_up_to_600_kilobytes_pass_in_tls(void **state)
{
	struct fixture *f = *state;

	f->front_is_secure = true;
	check_large(f, 59999);
}

static void test_bodies_up_to_600_kilobytes_pass_through_small_sockets(void **state)
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
		for (size_t at = 0; at < 130; at++) {
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
			for (size_t n = 0; n < 800; n += 7) {
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
		TURNS_TEST(test_bodies_end_at_every_boundary_of_small_blocks),
		TURNS_TEST(test_bodies_end_at_every_boundary_in_tls),
		TURNS_TEST(test_bodies_end_at_every_boundary_from_tls),
		TURNS_TEST(test_bodies_up_to_600_kilobytes_pass),
		TURNS_TEST(test_bodies_up_to_600_kilobytes_pass_in_tls),
		TURNS_TEST(test_bodies_up_to_600_kilobytes_pass_through_small_sockets),
		TURNS_TEST(test_messages_may_be_split_anywhere),
		TURNS_TEST(test_requests_may_come_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
