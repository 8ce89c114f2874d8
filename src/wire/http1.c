/* HTTP/1 messages: the lines of a head, and the pieces of a body. */
#include "wire/http1.h"

#include <llhttp.h>
#include <stdlib.h>

#include "base/mem.h"
#include "wire/http1_head.h"

static void reader_init(struct http1_reader *r, bool is_request)
{
	memset(r, 0, sizeof(*r));
	r->head.is_request = is_request;
	buf_init(&r->bytes, HTTP1_HEAD_MAX);
}

void http1_reader_init_request(struct http1_reader *r)
{
	reader_init(r, true);
}

void http1_reader_init_response(struct http1_reader *r, struct span method)
{
	reader_init(r, false);
	r->is_without_body = span_is(method, "HEAD") || span_is(method, "CONNECT");
}

void http1_reader_fini(struct http1_reader *r)
{
	buf_fini(&r->bytes);
	free(r->chunks);
	r->chunks = NULL;
}

bool http1_reader_is_fresh(const struct http1_reader *r)
{
	return r->state == HTTP1_IN_HEAD && r->bytes.n == 0;
}

/* ---- lines ---- */

/*
 * Looks at the next byte of a head, or of the lines around chunks. ERR_OK: it ends a line,
 * of @line_n bytes. ERR_AGAIN: it does not.
 */
static enum err line_take(struct http1_reader *r, uint8_t c, struct why *why)
{
	if (r->is_after_cr) {
		r->is_after_cr = false;
		return c == '\n' ? ERR_OK : err_set(why, ERR_SYNTAX, "a CR without LF");
	}
	if (c == '\r') {
		r->is_after_cr = true;
		return ERR_AGAIN;
	}
	if (c == '\n')
		return err_set(why, ERR_SYNTAX, "a LF without CR");
	if ((c < ' ' && c != '\t') || c == 0x7f)
		return err_set(why, ERR_SYNTAX, "a control character in a line");
	if (r->line_n++ == 0 && (c == ' ' || c == '\t'))
		return err_set(why, ERR_SYNTAX, "a line that begins with white space");
	return ERR_AGAIN;
}

/* Finds the end of the head in @in: *@n is how many bytes belong to it. */
static enum err head_scan(struct http1_reader *r, struct span in, size_t *n,
	struct why *why)
{
	enum err rc;

	for (*n = 0; *n < in.n;) {
		if (r->bytes.n + *n == HTTP1_HEAD_MAX)
			return err_set(why, ERR_LIMIT, "the head is too long");
		rc = line_take(r, in.p[(*n)++], why);
		if (rc == ERR_AGAIN)
			continue;
		if (rc != ERR_OK)
			return rc;
		if (r->line_n == 0 && r->bytes.n + *n == 2)
			return err_set(why, ERR_SYNTAX, "an empty line in front");
		if (r->line_n == 0)
			return ERR_OK;
		r->line_n = 0;
	}
	return ERR_AGAIN;
}

static void span_skip(struct span *in, size_t n)
{
	in->p += n;
	in->n -= n;
}

static enum err head_next(struct http1_reader *r, struct span *in,
	struct http1_event *out, struct why *why)
{
	size_t n;
	enum err scanned = head_scan(r, *in, &n, why);
	enum err rc;

	if (scanned != ERR_OK && scanned != ERR_AGAIN)
		return scanned;
	rc = buf_put(&r->bytes, in->p, n);
	if (rc != ERR_OK)
		return err_set(why, rc, "no room for a head");
	span_skip(in, n);
	if (scanned == ERR_AGAIN)
		return ERR_AGAIN;
	rc = http1_head_read(&r->head, buf_span(&r->bytes), r->is_without_body, why);
	if (rc != ERR_OK)
		return rc;
	r->left = r->head.length;
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

/* A body of known length, or one that lasts until the peer closes. */
static enum err plain_next(struct http1_reader *r, struct span *in,
	struct http1_event *out)
{
	size_t n = in->n;

	if (r->head.body == HTTP1_LENGTH && r->left == 0)
		return body_end(r, out);
	if (n == 0)
		return ERR_AGAIN;
	if (r->head.body == HTTP1_LENGTH && n > r->left)
		n = (size_t)r->left;
	*out = (struct http1_event){ .kind = HTTP1_DATA, .data = span_of(in->p, n) };
	span_skip(in, n);
	r->left -= r->head.body == HTTP1_LENGTH ? n : 0;
	return ERR_OK;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
	struct http1_reader *r = parser->data;

	r->piece = span_of(at, n);
	return HPE_OK;
}

/* Here the parser tells a chunk's length. */
static int on_chunk_header(llhttp_t *parser)
{
	struct http1_reader *r = parser->data;

	r->is_last_chunk = parser->content_length == 0;
	return HPE_OK;
}

/*
 * A pause after each chunk, so that one call finds one piece at most; not after the last,
 * where the end of the message follows without another byte.
 */
static int on_chunk_complete(llhttp_t *parser)
{
	struct http1_reader *r = parser->data;

	return r->is_last_chunk ? HPE_OK : HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
	struct http1_reader *r = parser->data;

	r->is_body_whole = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t chunk_settings = {
	.on_body = on_body,
	.on_chunk_header = on_chunk_header,
	.on_chunk_complete = on_chunk_complete,
	.on_message_complete = on_message_complete,
};

/* A parser of its own for a chunked body, brought to where the chunks begin. */
static enum err chunks_open(struct http1_reader *r, struct why *why)
{
	static const char head[] =
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

	r->chunks = mem_new(r->chunks);
	if (r->chunks == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a body");
	llhttp_init(r->chunks, HTTP_REQUEST, &chunk_settings);
	r->chunks->data = r;
	if (llhttp_execute(r->chunks, head, sizeof(head) - 1) != HPE_OK)
		return err_set(why, ERR_SYNTAX, "no parser for a body");
	return ERR_OK;
}

/* The parser's own idea of a line is laxer than ours in some of its builds. */
static enum err framing_check(struct http1_reader *r, const uint8_t *p,
	const uint8_t *end, struct why *why)
{
	enum err rc;

	for (; p < end; p++) {
		if (++r->framing_n > HTTP1_FRAMING_MAX)
			return err_set(why, ERR_LIMIT,
				"the lines around a chunk are too long");
		rc = line_take(r, *p, why);
		if (rc == ERR_OK)
			r->line_n = 0;
		else if (rc != ERR_AGAIN)
			return rc;
	}
	return ERR_OK;
}

/* Lets the parser go on in @in, up to the end of a chunk or of the body. */
static enum err chunks_run(struct http1_reader *r, struct span *in, struct why *why)
{
	const uint8_t *end = in->p + in->n;
	const uint8_t *body, *body_end;
	llhttp_errno_t parsed;
	enum err rc;

	r->piece = span_of(NULL, 0);
	parsed = llhttp_execute(r->chunks, (const char *)in->p, in->n);
	if (parsed == HPE_PAUSED) {
		end = (const uint8_t *)llhttp_get_error_pos(r->chunks);
		llhttp_resume(r->chunks);
	} else if (parsed != HPE_OK) {
		return err_set(why, ERR_SYNTAX, "a chunk is malformed: %s",
			llhttp_get_error_reason(r->chunks));
	}
	body = r->piece.n > 0 ? r->piece.p : end;
	body_end = body + r->piece.n;
	rc = framing_check(r, in->p, body, why);
	if (rc == ERR_OK && r->piece.n > 0) {
		r->framing_n = 0;
		rc = framing_check(r, body_end, end, why);
	}
	span_skip(in, (size_t)(end - in->p));
	return rc;
}

static enum err chunked_next(struct http1_reader *r, struct span *in,
	struct http1_event *out, struct why *why)
{
	enum err rc = r->chunks == NULL ? chunks_open(r, why) : ERR_OK;

	while (rc == ERR_OK && !r->is_body_whole) {
		if (in->n == 0)
			return ERR_AGAIN;
		rc = chunks_run(r, in, why);
		if (rc == ERR_OK && r->piece.n > 0) {
			*out = (struct http1_event){ .kind = HTTP1_DATA,
				.data = r->piece };
			return ERR_OK;
		}
	}
	return rc == ERR_OK ? body_end(r, out) : rc;
}

enum err http1_next(struct http1_reader *r, struct span *in, struct http1_event *out,
	struct why *why)
{
	if (r->state == HTTP1_IN_HEAD)
		return head_next(r, in, out, why);
	if (r->state == HTTP1_ENDED)
		return err_set(why, ERR_USAGE, "the message is over");
	if (r->head.body == HTTP1_NO_BODY)
		return body_end(r, out);
	if (r->head.body == HTTP1_CHUNKED)
		return chunked_next(r, in, out, why);
	return plain_next(r, in, out);
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
	return err_set(why, ERR_SYNTAX, "the message was cut short");
}
