/*
 * HTTP/1 messages from a stranger. The first byte says what is read and in which steps; a
 * message must mean the same in one piece as in many.
 */
#include <stdlib.h>

#include "wire/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read, in short. */
struct digest {
	enum err rc;
	uint64_t body;
	size_t taken;
};

static void add(struct digest *d, struct span s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		d->body = (d->body ^ s.p[i]) * 1099511628211U;
}

static void add_head(struct digest *d, const struct http1_head *head)
{
	unsigned i;

	add(d, head->is_request ? head->method : head->reason);
	add(d, head->target);
	add(d, http1_path(head));
	for (i = 0; i < head->headers_n; i++) {
		add(d, head->headers[i].name);
		add(d, head->headers[i].value);
		if (!http1_is_token(head->headers[i].name))
			abort();
	}
	if (head->is_request && head->body == HTTP1_UNTIL_CLOSE)
		abort();
	if (head->wants_upgrade &&
		span_is_nocase(http1_head_value(head, "upgrade"), "h2c") &&
		http1_head_next(head, http1_head_find(head, "upgrade")) == NULL)
		abort();
	d->body += head->length + head->body + head->keeps_alive;
}

/* Gives one piece to the reader, up to what it does not want. */
static void feed(struct http1_reader *r, struct span in, struct digest *d)
{
	struct http1_event e = { .kind = HTTP1_HEAD };
	size_t n = in.n;

	while (e.kind != HTTP1_END && (d->rc = http1_next(r, &in, &e, NULL)) == ERR_OK) {
		if (e.kind == HTTP1_HEAD)
			add_head(d, &r->head);
		if (e.kind == HTTP1_DATA)
			add(d, e.data);
		if (e.kind == HTTP1_DATA && e.data.n == 0)
			abort();
	}
	if (d->rc == ERR_AGAIN && in.n > 0)
		abort();
	d->taken += n - in.n;
}

static struct digest read_in_steps(struct span in, uint8_t kind, size_t step)
{
	struct digest d = { .rc = ERR_AGAIN };
	struct http1_reader r;
	struct span piece;

	if (kind & 1)
		http1_reader_init_request(&r, &http1_request_limits);
	else
		http1_reader_init_response(&r, &http1_response_limits,
			span_str(kind & 2 ? "HEAD" : "GET"));
	while (d.rc == ERR_AGAIN && span_cut(&in, step < in.n ? step : in.n, &piece) &&
		piece.n > 0)
		feed(&r, piece, &d);
	if (d.rc == ERR_AGAIN)
		d.rc = http1_finish(&r, NULL) == ERR_OK ? ERR_OK : ERR_AGAIN;
	http1_reader_fini(&r);
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest whole, split;
	struct span in;

	if (size < 2)
		return 0;
	in = span_of(data + 1, size - 1);
	whole = read_in_steps(in, data[0], in.n);
	split = read_in_steps(in, data[0], (size_t)(data[0] >> 2) + 1);
	if ((whole.rc == ERR_OK) != (split.rc == ERR_OK) ||
		(whole.rc == ERR_AGAIN) != (split.rc == ERR_AGAIN))
		abort();
	if (whole.rc == ERR_OK &&
		(whole.body != split.body || whole.taken != split.taken))
		abort();
	return 0;
}
