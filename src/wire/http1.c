/* HTTP/1 messages: the lines of a head and of trailers, and the pieces of a body. */
#include "wire/http1.h"

#include <stdlib.h>
#include <string.h>

#include "wire/http1_priv.h"

#define PROTOCOL "HTTP/" /* what a response begins with */

const struct http1_limits http1_request_limits = {
	.head_bytes_max = HTTP1_REQUEST_HEAD_MAX,
	.fields_max = HTTP1_FIELDS_MAX,
};

const struct http1_limits http1_response_limits = {
	.head_bytes_max = HTTP1_RESPONSE_HEAD_MAX,
	.fields_max = HTTP1_FIELDS_MAX,
};

static void reader_init(struct http1_reader *r, const struct http1_limits *limits)
{
	memset(r, 0, sizeof(*r));
	r->limits = *limits;
	buf_init(&r->bytes, limits->head_bytes_max);
	buf_init(&r->trailing, limits->head_bytes_max);
}

void http1_reader_init_request(struct http1_reader *r, const struct http1_limits *limits)
{
	reader_init(r, limits);
	r->head.is_request = true;
}

void http1_reader_init_response(struct http1_reader *r, const struct http1_limits *limits,
	struct span method)
{
	reader_init(r, limits);
	r->is_without_body = span_is(method, "HEAD") || span_is(method, "CONNECT");
}

void http1_reader_fini(struct http1_reader *r)
{
	buf_fini(&r->bytes);
	buf_fini(&r->trailing);
	free(r->head.headers);
	free(r->trailers);
	r->head.headers = r->trailers = NULL;
	r->head.headers_n = r->trailers_n = 0;
}

bool http1_reader_is_fresh(const struct http1_reader *r)
{
	return r->state == HTTP1_IN_HEAD && r->bytes.n == 0;
}

static void span_skip(struct span *in, size_t n)
{
	in->p += n;
	in->n -= n;
}

/* ---- lines ---- */

/* Refuses what only a response may have in a line. */
static enum err line_check(const struct http1_reader *r, uint8_t c, bool was_cr,
	struct why *why)
{
	if (was_cr && c != '\n')
		return err_set(why, ERR_SYNTAX, "a CR without LF");
	if (!was_cr && c == '\n')
		return err_set(why, ERR_SYNTAX, "a LF without CR");
	if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
		return err_set(why, ERR_SYNTAX, "a control character in a line");
	if (r->line_n == 0 && (c == ' ' || c == '\t'))
		return err_set(why, ERR_SYNTAX, "a line that begins with white space");
	return ERR_OK;
}

/* Takes the next byte of a line. ERR_OK: it ends one, of @line_n bytes. ERR_AGAIN:
 * it does not. */
static enum err line_take(struct http1_reader *r, uint8_t c, struct why *why)
{
	bool was_cr = r->is_after_cr;
	enum err rc = ERR_OK;

	if (r->head.is_request)
		rc = line_check(r, c, was_cr, why);
	if (rc != ERR_OK)
		return rc;
	r->is_after_cr = c == '\r';
	if (c == '\n')
		return ERR_OK;
	r->line_n += (was_cr ? 1U : 0U) + (c == '\r' ? 0U : 1U);
	return ERR_AGAIN;
}

static struct span line_without_end(struct span line)
{
	line.n--;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static enum err lines_keep(struct span *in, size_t *n, struct buf *to, struct why *why)
{
	enum err rc = buf_put(to, in->p, *n);

	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for a header");
	span_skip(in, *n);
	*n = 0;
	return ERR_OK;
}

/* A line of @to has ended, with the byte before @in + *@n. ERR_OK:
 * it was the last, and empty. */
static enum err lines_on_line(struct http1_reader *r, struct span *in, size_t *n,
	struct buf *to, struct why *why)
{
	bool is_head = to == &r->bytes, is_empty = r->line_n == 0;
	enum err rc;

	r->line_n = 0;
	if (is_empty && r->lines_n == 0) {
		/* RFC 9112 2.2: empty lines in front of a message are passed over. */
		r->blank_n += is_head ? to->n + *n : 0;
		buf_reset(to);
		span_skip(in, *n);
		*n = 0;
		return is_head ? ERR_AGAIN : ERR_OK;
	}
	if (is_empty)
		return ERR_OK;
	if (++r->lines_n > r->limits.fields_max + is_head)
		return err_set(why, ERR_LIMIT, "more than %u header fields",
			r->limits.fields_max);
	if (!is_head || r->lines_n > 1)
		return ERR_AGAIN;
	/* A peer that speaks another protocol is refused here: an end of the
	 * header might never come. */
	rc = lines_keep(in, n, to, why);
	if (rc == ERR_OK)
		rc = http1_check_first_line(r->head.is_request,
			line_without_end(buf_span(to)), why);
	return rc == ERR_OK ? ERR_AGAIN : rc;
}

/* Moves lines from @in to @to, up to an empty one. ERR_OK: that is there, too. */
static enum err lines_gather(struct http1_reader *r, struct span *in, struct buf *to,
	struct why *why)
{
	enum err rc = ERR_AGAIN, kept;
	size_t n = 0;

	while (rc == ERR_AGAIN && n < in->n) {
		if (to->n + n + r->blank_n == r->limits.head_bytes_max)
			return err_set(why, ERR_LIMIT, "more than %zu bytes of header",
				r->limits.head_bytes_max);
		rc = line_take(r, in->p[n++], why);
		if (rc == ERR_OK)
			rc = lines_on_line(r, in, &n, to, why);
	}
	if (rc != ERR_OK && rc != ERR_AGAIN)
		return rc;
	kept = lines_keep(in, &n, to, why);
	return kept == ERR_OK ? rc : kept;
}

/* ---- the head ---- */

/* Bytes that do not begin like a response are refused at once. */
static enum err head_check_start(const struct http1_reader *r, struct why *why)
{
	size_t n = r->bytes.n < strlen(PROTOCOL) ? r->bytes.n : strlen(PROTOCOL);

	if (r->head.is_request || n == 0 || buf_span(&r->bytes).p[0] == '\r' ||
		memcmp(buf_span(&r->bytes).p, PROTOCOL, n) == 0)
		return ERR_OK;
	return err_set(why, ERR_SYNTAX, "the server does not speak HTTP/1");
}

static enum err head_next(struct http1_reader *r, struct span *in,
	struct http1_event *out, struct why *why)
{
	enum err rc = lines_gather(r, in, &r->bytes, why);

	if (rc == ERR_AGAIN && r->lines_n == 0 && head_check_start(r, why) != ERR_OK)
		return ERR_SYNTAX;
	if (rc != ERR_OK)
		return rc;
	/* One for each line but the first, and one for a Host that only the target
	 * has. */
	r->head.headers = calloc(r->lines_n, sizeof(r->head.headers[0]));
	if (r->head.headers == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a header");
	rc = http1_head_read(&r->head, buf_mspan(&r->bytes), r->is_without_body, why);
	if (rc != ERR_OK)
		return rc;
	r->left = r->head.body == HTTP1_LENGTH ? r->head.length : 0;
	r->lines_n = 0;
	r->state = HTTP1_IN_BODY;
	*out = (struct http1_event){ .kind = HTTP1_HEAD };
	return ERR_OK;
}

/* ---- bodies ---- */

static enum err body_end(struct http1_reader *r, struct http1_event *out)
{
	r->state = HTTP1_ENDED;
	*out = (struct http1_event){ .kind = HTTP1_END };
	return ERR_OK;
}

/* Takes up to @left bytes of data. */
static enum err data_take(struct http1_reader *r, struct span *in,
	struct http1_event *out)
{
	size_t n = in->n < r->left ? in->n : (size_t)r->left;

	if (n == 0)
		return ERR_AGAIN;
	*out = (struct http1_event){ .kind = HTTP1_DATA, .data = span_of(in->p, n) };
	span_skip(in, n);
	r->left -= n;
	return ERR_OK;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A byte of "size [BWS] [;extension]" that does not end the line. */
static enum err chunk_take(struct http1_reader *r, uint8_t c, struct why *why)
{
	int digit = hex_digit(c);

	if (c == '\r' || r->chunk == HTTP1_CHUNK_EXTENSION)
		return ERR_AGAIN;
	if (r->chunk == HTTP1_CHUNK_SIZE && digit >= 0) {
		if (r->digits_n++ == 16)
			return err_set(why, ERR_SYNTAX, "the chunk size is too large");
		r->left = r->left << 4 | (uint64_t)digit;
		return ERR_AGAIN;
	}
	if (r->digits_n == 0 || (c != ';' && c != ' ' && c != '\t'))
		return err_set(why, ERR_SYNTAX, "the chunk size is malformed");
	r->chunk = c == ';' ? HTTP1_CHUNK_EXTENSION : HTTP1_CHUNK_BLANK;
	return ERR_AGAIN;
}

/* Reads the line before a chunk. */
static enum err chunk_read_line(struct http1_reader *r, struct span *in, struct why *why)
{
	enum err rc = ERR_AGAIN;

	while (rc == ERR_AGAIN && in->n > 0) {
		uint8_t c = in->p[0];

		if (++r->chunk_line_n > HTTP1_CHUNK_LINE_MAX)
			return err_set(why, ERR_LIMIT,
				"the line of a chunk size is too long");
		span_skip(in, 1);
		rc = line_take(r, c, why);
		if (rc == ERR_AGAIN)
			rc = chunk_take(r, c, why);
	}
	if (rc != ERR_OK)
		return rc;
	if (r->digits_n == 0 || (r->chunk == HTTP1_CHUNK_BLANK && r->head.is_request))
		return err_set(why, ERR_SYNTAX, "the chunk size is malformed");
	r->line_n = 0;
	r->chunk = r->left > 0 ? HTTP1_CHUNK_DATA : HTTP1_CHUNK_TRAILERS;
	return ERR_OK;
}

/* Nothing but the end of a line follows a chunk's data. */
static enum err chunk_read_end(struct http1_reader *r, struct span *in, struct why *why)
{
	enum err rc = ERR_AGAIN;

	while (rc == ERR_AGAIN && in->n > 0) {
		rc = line_take(r, in->p[0], why);
		span_skip(in, 1);
		if (r->line_n > 0)
			return err_set(why, ERR_SYNTAX,
				"a chunk is longer than its size");
	}
	if (rc != ERR_OK)
		return rc;
	r->chunk = HTTP1_CHUNK_SIZE;
	r->digits_n = 0;
	r->chunk_line_n = 0;
	return ERR_OK;
}

static enum err trailers_next(struct http1_reader *r, struct span *in,
	struct http1_event *out, struct why *why)
{
	enum err rc = lines_gather(r, in, &r->trailing, why);

	if (rc != ERR_OK)
		return rc;
	if (r->lines_n == 0)
		return body_end(r, out);
	r->trailers = calloc(r->lines_n, sizeof(r->trailers[0]));
	if (r->trailers == NULL)
		return err_set(why, ERR_NOMEM, "no memory for trailers");
	rc = http1_fields_read(buf_mspan(&r->trailing), r->head.is_request, r->trailers,
		&r->trailers_n, why);
	return rc == ERR_OK ? body_end(r, out) : rc;
}

static enum err chunked_next(struct http1_reader *r, struct span *in,
	struct http1_event *out, struct why *why)
{
	enum err rc = ERR_OK;

	while (rc == ERR_OK) {
		switch (r->chunk) {
		case HTTP1_CHUNK_DATA:
			rc = data_take(r, in, out);
			if (r->left == 0)
				r->chunk = HTTP1_CHUNK_DATA_END;
			return rc;
		case HTTP1_CHUNK_DATA_END:
			rc = chunk_read_end(r, in, why);
			break;
		case HTTP1_CHUNK_TRAILERS:
			return trailers_next(r, in, out, why);
		default:
			rc = chunk_read_line(r, in, why);
			break;
		}
	}
	return rc;
}

enum err http1_next(struct http1_reader *r, struct span *in, struct http1_event *out,
	struct why *why)
{
	if (r->state == HTTP1_IN_HEAD)
		return head_next(r, in, out, why);
	if (r->state == HTTP1_ENDED)
		return err_set(why, ERR_USAGE, "the message is already complete");
	switch (r->head.body) {
	case HTTP1_LENGTH:
		return r->left > 0 ? data_take(r, in, out) : body_end(r, out);
	case HTTP1_CHUNKED:
		return chunked_next(r, in, out, why);
	case HTTP1_UNTIL_CLOSE:
		r->left = UINT64_MAX;
		return data_take(r, in, out);
	default:
		return body_end(r, out);
	}
}

enum err http1_finish(struct http1_reader *r, struct why *why)
{
	if (http1_reader_is_fresh(r))
		return ERR_EOF;
	if (r->state == HTTP1_ENDED)
		return ERR_OK;
	if (r->state == HTTP1_IN_BODY && r->head.body == HTTP1_UNTIL_CLOSE) {
		r->state = HTTP1_ENDED;
		return ERR_OK;
	}
	return err_set(why, ERR_SYNTAX,
		"the connection ended in the middle of a message");
}
