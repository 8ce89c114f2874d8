/*
 * HTTP/1 messages from a stranger. The first byte says what is read and in which steps; a
 * message must mean the same in one piece as in many, and what a proxy forwards of it
 * must mean the same to the strictest reader.
 */
#include <ctype.h>
#include <stdlib.h>

#include "http/proxy_head.h"
#include "wire/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX (8 << 20)

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

/* What was read. */
struct message {
	struct http1_reader reader;
	struct buf body;
	enum err rc;
	size_t taken;
};

static bool is_request(uint8_t kind)
{
	return (kind & 1) != 0;
}

static void message_init(struct message *m, uint8_t kind)
{
	buf_init(&m->body, TEXT_MAX);
	m->rc = ERR_AGAIN;
	m->taken = 0;
	if (is_request(kind))
		http1_reader_init_request(&m->reader, &http1_request_limits);
	else
		http1_reader_init_response(&m->reader, &http1_response_limits,
			span_str(kind & 2 ? "HEAD" : "GET"));
}

static void message_fini(struct message *m)
{
	http1_reader_fini(&m->reader);
	buf_fini(&m->body);
}

static void check_fields(const struct http1_header *fields, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct span v = fields[i].value;

		check(http1_is_token(fields[i].name));
		for (size_t at = 0; at < v.n; at++)
			check((v.p[at] >= ' ' && v.p[at] != 0x7f) || v.p[at] == '\t');
		check(v.n == 0 || (v.p[0] != ' ' && v.p[v.n - 1] != ' '));
	}
}

static void check_head(const struct http1_head *head)
{
	check_fields(head->headers, head->headers_n);
	check(!head->is_request || head->body != HTTP1_UNTIL_CLOSE);
	check(!head->is_request || !head->is_ambiguous);
	check(!head->is_ambiguous || !head->keeps_alive);
	if (head->is_request && !span_is(head->method, "CONNECT"))
		check(head->target.p[0] == '/' || span_is(head->target, "*"));
	check(http1_path(head).n <= head->target.n);
}

/* Gives one piece to the reader, up to what it does not want. */
static void message_feed(struct message *m, struct span in)
{
	struct http1_event e = { .kind = HTTP1_HEAD };
	size_t n = in.n;

	while (e.kind != HTTP1_END &&
		(m->rc = http1_next(&m->reader, &in, &e, NULL)) == ERR_OK) {
		if (e.kind == HTTP1_HEAD)
			check_head(&m->reader.head);
		if (e.kind == HTTP1_DATA) {
			check(e.data.n > 0);
			check(buf_put_span(&m->body, e.data) == ERR_OK);
		}
		if (e.kind == HTTP1_END)
			check_fields(m->reader.trailers, m->reader.trailers_n);
	}
	check(m->rc != ERR_AGAIN || in.n == 0);
	m->taken += n - in.n;
}

/* ERR_OK: whole. ERR_AGAIN: not yet. */
static void message_read(struct message *m, struct span in, uint8_t kind, size_t step)
{
	struct span piece;

	message_init(m, kind);
	while (m->rc == ERR_AGAIN && span_cut(&in, step < in.n ? step : in.n, &piece) &&
		piece.n > 0)
		message_feed(m, piece);
	if (m->rc == ERR_AGAIN && http1_finish(&m->reader, NULL) == ERR_OK)
		m->rc = ERR_OK;
}

static bool fields_are_equal(const struct http1_header *a, unsigned an,
	const struct http1_header *b, unsigned bn)
{
	if (an != bn)
		return false;
	for (unsigned i = 0; i < an; i++) {
		if (!span_eq(a[i].name, b[i].name) || !span_eq(a[i].value, b[i].value))
			return false;
	}
	return true;
}

static void check_same(const struct message *a, const struct message *b)
{
	const struct http1_head *x = &a->reader.head, *y = &b->reader.head;

	check((a->rc == ERR_OK) == (b->rc == ERR_OK));
	check((a->rc == ERR_AGAIN) == (b->rc == ERR_AGAIN));
	if (a->rc != ERR_OK)
		return;
	check(a->taken == b->taken && x->status == y->status && x->body == y->body &&
		x->length == y->length && x->keeps_alive == y->keeps_alive);
	check(span_eq(x->method, y->method) && span_eq(x->target, y->target) &&
		span_eq(x->reason, y->reason));
	check(fields_are_equal(x->headers, x->headers_n, y->headers, y->headers_n));
	check(fields_are_equal(a->reader.trailers, a->reader.trailers_n,
		b->reader.trailers, b->reader.trailers_n));
	check(span_eq(buf_span(&a->body), buf_span(&b->body)));
}

/* ---- what is forwarded ---- */

/* Lines that no reader takes for anything else, up to the empty one;
 * returns what follows. */
static struct span check_lines(struct span text, unsigned *framings)
{
	const uint8_t *end, *colon;
	struct span line;

	for (;;) {
		end = memmem(text.p, text.n, "\r\n", 2);
		check(end != NULL);
		check(span_cut(&text, (size_t)(end - text.p), &line));
		check(span_cut(&text, 2, &(struct span){ 0 }));
		if (line.n == 0)
			return text;
		for (size_t i = 0; i < line.n; i++)
			check((line.p[i] >= ' ' && line.p[i] != 0x7f) ||
				line.p[i] == '\t');
		colon = memchr(line.p, ':', line.n);
		check(colon != NULL);
		line.n = (size_t)(colon - line.p);
		check(http1_is_token(line));
		*framings += span_is_nocase(line, "Content-Length") ||
			span_is_nocase(line, "Transfer-Encoding");
	}
}

static void put_body(struct buf *out, const struct message *m, bool is_chunked)
{
	struct span body = buf_span(&m->body);

	if (!is_chunked) {
		buf_put_span(out, body);
		return;
	}
	if (body.n > 0) {
		buf_printf(out, "%zx\r\n", body.n);
		buf_put_span(out, body);
		buf_put_str(out, "\r\n");
	}
	buf_put_str(out, "0\r\n");
	check(proxy_put_trailers(out, &m->reader) == ERR_OK);
	buf_put_str(out, "\r\n");
}

static struct span check_forwarded_head(struct span text)
{
	const uint8_t *end = memmem(text.p, text.n, "\r\n", 2);
	unsigned framings = 0;
	struct span rest;

	check(end != NULL);
	rest = check_lines(span_of(end + 2, text.n - (size_t)(end + 2 - text.p)),
		&framings);
	check(framings <= 1);
	return rest;
}

/* A trailer that is left is not one that could change the message. */
static void check_trailers(const struct http1_reader *r)
{
	static const char *const forbidden[] = { "Content-Length", "Transfer-Encoding",
		"Host", "Authorization", "Set-Cookie", "Connection" };

	for (unsigned i = 0; i < r->trailers_n; i++) {
		for (size_t n = 0; n < sizeof(forbidden) / sizeof(forbidden[0]); n++)
			check(!span_is_nocase(r->trailers[i].name, forbidden[n]));
	}
}

static void try_request(const struct message *m, uint8_t kind)
{
	struct http_upstream up = { .is_edge = (kind & 2) != 0 };
	struct addr peer;
	struct message again;
	struct buf out;

	check(addr_from_literal("192.0.2.7", 7, &peer) == ERR_OK);
	buf_init(&out, TEXT_MAX);
	if (!span_is(m->reader.head.method, "CONNECT") &&
		proxy_put_request(&out, &m->reader.head, &up, &peer) == ERR_OK) {
		(void)check_forwarded_head(buf_span(&out));
		put_body(&out, m, m->reader.head.body == HTTP1_CHUNKED);
		message_read(&again, buf_span(&out), 1, out.n);
		check(again.rc == ERR_OK && again.taken == out.n);
		check(span_eq(again.reader.head.method, m->reader.head.method));
		check(span_eq(again.reader.head.target, m->reader.head.target));
		check(span_eq(http1_head_value(&again.reader.head, "Host"),
			http1_head_value(&m->reader.head, "Host")));
		check(span_eq(buf_span(&again.body), buf_span(&m->body)));
		check_trailers(&again.reader);
		message_fini(&again);
	}
	buf_fini(&out);
}

static void try_answer(const struct message *m, uint8_t kind)
{
	struct http1_head request = { .is_request = true,
		.minor = (kind & 4) != 0 ? 0 : 1,
		.keeps_alive = true,
		.wants_upgrade = true,
		.method = span_str(kind & 2 ? "HEAD" : "GET") };
	const struct http1_head *head = &m->reader.head;
	struct proxy_framing framing = proxy_frame_answer(head, &request);
	struct message again;
	struct buf out;

	check(framing.is_last || !head->is_ambiguous);
	buf_init(&out, TEXT_MAX);
	if (proxy_put_answer(&out, head, &request, framing, NULL) == ERR_OK) {
		(void)check_forwarded_head(buf_span(&out));
		put_body(&out, m, framing.is_chunked);
		message_read(&again, buf_span(&out), kind, out.n);
		check(again.rc == ERR_OK && again.taken == out.n);
		check(again.reader.head.status == head->status);
		check(!again.reader.head.is_ambiguous);
		check(span_eq(buf_span(&again.body), buf_span(&m->body)));
		check_trailers(&again.reader);
		message_fini(&again);
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message whole, split;
	struct span in;
	uint8_t kind;

	if (size < 2)
		return 0;
	kind = data[0];
	in = span_of(data + 1, size - 1);
	message_read(&whole, in, kind, in.n);
	message_read(&split, in, kind, (size_t)(kind >> 2) + 1);
	check_same(&whole, &split);
	if (whole.rc == ERR_OK && is_request(kind))
		try_request(&whole, kind);
	else if (whole.rc == ERR_OK)
		try_answer(&whole, kind);
	message_fini(&whole);
	message_fini(&split);
	return 0;
}
