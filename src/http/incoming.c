/* The receiving half of a connection that carries HTTP/1 messages. */
#include "http/incoming.h"

void incoming_init(struct incoming *in, struct stream *stream)
{
	in->stream = stream;
	buf_init(&in->rest, INCOMING_PIECE);
}

void incoming_fini(struct incoming *in)
{
	buf_fini(&in->rest);
}

/* The peer ended. ERR_EOF: at a good moment. */
static enum err incoming_end(struct http1_reader *r, struct why *why)
{
	enum err rc = http1_finish(r, why);

	return rc == ERR_OK ? ERR_EOF : rc;
}

enum err incoming_fill(struct incoming *in)
{
	uint8_t piece[INCOMING_PIECE];
	size_t got;
	enum err rc;

	if (in->rest.n > 0)
		return ERR_OK;
	rc = stream_read(in->stream, piece, sizeof(piece), &got);
	return rc == ERR_OK ? buf_put(&in->rest, piece, got) : rc;
}

/* An idle connection keeps no memory for what it may read one day. */
static void incoming_consume(struct incoming *in, size_t n)
{
	buf_consume(&in->rest, n);
	if (in->rest.n == 0)
		buf_reset(&in->rest);
}

enum err incoming_read_head(struct incoming *in, struct http1_reader *r, struct why *why)
{
	struct http1_event e;
	struct span rest;
	enum err rc;

	do {
		rc = incoming_fill(in);
		if (rc == ERR_EOF)
			return incoming_end(r, why);
		if (rc != ERR_OK)
			return rc;
		rest = buf_span(&in->rest);
		rc = http1_next(r, &rest, &e, why);
		incoming_consume(in, in->rest.n - rest.n);
	} while (rc == ERR_AGAIN);
	return rc;
}

/* Gathers the data in @raw at @to, which may be the same place:
 * framing only makes it less. */
static enum err incoming_decode(struct http1_reader *r, struct span *raw, uint8_t *to,
	size_t *got, struct why *why)
{
	struct http1_event e;
	enum err rc;

	*got = 0;
	while ((rc = http1_next(r, raw, &e, why)) == ERR_OK) {
		if (e.kind == HTTP1_END)
			return ERR_EOF;
		if (e.data.p != to + *got)
			memmove(to + *got, e.data.p, e.data.n);
		*got += e.data.n;
	}
	return rc;
}

static enum err incoming_decode_rest(struct incoming *in, struct http1_reader *r,
	struct mspan to, size_t *got, struct why *why)
{
	struct span raw = buf_span(&in->rest);
	size_t n;
	enum err rc;

	if (raw.n > to.n)
		raw.n = to.n;
	n = raw.n;
	rc = incoming_decode(r, &raw, to.p, got, why);
	incoming_consume(in, n - raw.n);
	return rc;
}

/* How much may be read into the room for a body, so that what is behind it fits the
 * rest. */
static size_t incoming_room(const struct http1_reader *r, size_t room)
{
	if (r->head.body == HTTP1_LENGTH)
		return room < r->left ? room : (size_t)r->left;
	if (r->head.body != HTTP1_CHUNKED)
		return room;
	if (r->chunk == HTTP1_CHUNK_DATA && r->left >= room)
		return room;
	return room < INCOMING_PIECE ? room : INCOMING_PIECE;
}

static enum err incoming_decode_stream(struct incoming *in, struct http1_reader *r,
	struct mspan to, size_t *got, struct why *why)
{
	struct span raw;
	size_t n = 0;
	enum err rc, kept;

	to.n = incoming_room(r, to.n);
	rc = stream_read(in->stream, to.p, to.n, &n);
	if (rc == ERR_EOF)
		return incoming_end(r, why);
	if (rc != ERR_OK)
		return rc;
	raw = span_of(to.p, n);
	rc = incoming_decode(r, &raw, to.p, got, why);
	kept = buf_put_span(&in->rest, raw);
	return kept == ERR_OK ? rc : kept;
}

bool incoming_is_over(const struct http1_reader *r)
{
	if (r->state != HTTP1_IN_BODY)
		return r->state == HTTP1_ENDED;
	return r->head.body == HTTP1_NO_BODY ||
		(r->head.body == HTTP1_LENGTH && r->left == 0);
}

bool incoming_has_more(const struct incoming *in, const struct http1_reader *r)
{
	return in->rest.n > 0 || incoming_is_over(r);
}

enum err incoming_read_body(struct incoming *in, struct http1_reader *r, struct mspan to,
	size_t *got, struct why *why)
{
	size_t n = 0;
	enum err rc;

	do {
		if (incoming_is_over(r))
			return ERR_EOF;
		if (in->rest.n > 0)
			rc = incoming_decode_rest(in, r, to, &n, why);
		else
			rc = incoming_decode_stream(in, r, to, &n, why);
		if (n > 0 && (rc == ERR_AGAIN || rc == ERR_EOF)) {
			*got = n;
			return ERR_OK;
		}
	} while (rc == ERR_AGAIN && in->rest.n > 0);
	return rc;
}

bool incoming_is_silent(struct stream *stream)
{
	uint8_t byte;
	size_t got;

	return stream_read(stream, &byte, 1, &got) == ERR_AGAIN;
}
