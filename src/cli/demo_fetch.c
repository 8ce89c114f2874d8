/* A fetch: GET after GET over one connection, for as long as the server keeps it. */
#include "cli/demo_fetch.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/dialer.h"
#include "net/socket.h"
#include "wire/http1.h"

#define FETCH_REQUEST_MAX 1024
#define FETCH_PIECE_BYTES 16384

struct demo_fetch {
	struct demo_fetch_options o;
	struct loop_timer *patience;
	struct dial *dial;     /* NULL unless connecting */
	struct stream *stream; /* NULL until connected, and between connections */
	struct buf request;    /* what is still to be sent */
	struct http1_reader reader;
	struct demo_answer answer;
	uint64_t asked_us;
	unsigned answered;
};

static void fetch_ask(struct demo_fetch *f);

/* The last thing that is done: the owner may close us in it. */
static void fetch_end(struct demo_fetch *f, enum err rc, const struct why *why)
{
	loop_timer_stop(f->patience);
	f->o.on_end(f->o.arg, rc, why);
}

static void fetch_drop_stream(struct demo_fetch *f)
{
	stream_close(f->stream);
	f->stream = NULL;
}

static void fetch_on_patience_end(void *arg)
{
	struct demo_fetch *f = arg;
	struct why why;

	err_set(&why, ERR_TIMEOUT, "no whole answer came within %u s",
		f->o.timeout_ms / 1000);
	dial_close(f->dial);
	f->dial = NULL;
	fetch_drop_stream(f);
	fetch_end(f, ERR_TIMEOUT, &why);
}

/* ---- reading ---- */

static void fetch_note_head(struct demo_fetch *f)
{
	const struct http1_head *head = &f->reader.head;

	f->answer.status = head->status;
	str_quote(f->answer.reason, sizeof(f->answer.reason), head->reason);
	str_quote(f->answer.type, sizeof(f->answer.type),
		http1_head_value(head, "Content-Type"));
}

/* Without memory less is kept; the bytes are counted all the same. */
static void fetch_note_data(struct demo_fetch *f, struct span data)
{
	size_t room = DEMO_BODY_MAX - f->answer.body.n;

	f->answer.bytes += data.n;
	(void)buf_put(&f->answer.body, data.p, data.n < room ? data.n : room);
}

static void fetch_reset_reader(struct demo_fetch *f)
{
	http1_reader_fini(&f->reader);
	http1_reader_init_response(&f->reader, span_str("GET"));
}

/* An answer is complete. ERR_EOF: it was the last one. */
static enum err fetch_take_answer(struct demo_fetch *f, bool has_more)
{
	bool is_kept = f->reader.head.keeps_alive && !has_more;

	f->o.on_answer(f->o.arg, &f->answer);
	f->answered++;
	if (!is_kept)
		fetch_drop_stream(f);
	if (f->answered == f->o.count)
		return ERR_EOF;
	fetch_ask(f);
	return ERR_OK;
}

/* ERR_AGAIN: more bytes are needed.  ERR_OK: an answer ended. */
static enum err fetch_parse(struct demo_fetch *f, struct span *in, struct why *why)
{
	struct http1_event e;
	enum err rc;

	while ((rc = http1_next(&f->reader, in, &e, why)) == ERR_OK) {
		if (e.kind == HTTP1_HEAD)
			fetch_note_head(f);
		else if (e.kind == HTTP1_DATA)
			fetch_note_data(f, e.data);
		else if (f->answer.status >= 200)
			return ERR_OK;
		else
			fetch_reset_reader(
				f); /* it was only the news that one will come */
	}
	return rc;
}

/* The server closed. On a kept connection that may cross with our question: ask again. */
static enum err fetch_take_eof(struct demo_fetch *f, struct why *why)
{
	enum err rc = http1_finish(&f->reader, why);

	if (rc == ERR_OK)
		return fetch_take_answer(f, true);
	if (rc == ERR_EOF && f->answer.is_reused) {
		fetch_drop_stream(f);
		fetch_ask(f);
		return ERR_OK;
	}
	if (rc == ERR_EOF)
		return err_set(why, ERR_RESET,
			"the connection was closed without an answer");
	return rc;
}

/* ERR_EOF: all is done. */
static enum err fetch_read(struct demo_fetch *f, struct why *why)
{
	uint8_t piece[FETCH_PIECE_BYTES];
	struct span in;
	size_t n;
	enum err rc = stream_read(f->stream, piece, sizeof(piece), &n);

	if (rc == ERR_EOF || (rc == ERR_RESET && http1_reader_is_fresh(&f->reader)))
		return fetch_take_eof(f, why);
	if (rc != ERR_OK)
		return rc;
	if (f->answer.first_us == 0)
		f->answer.first_us = clock_now_us() - f->asked_us;
	in = span_of(piece, n);
	rc = fetch_parse(f, &in, why);
	return rc == ERR_OK ? fetch_take_answer(f, in.n > 0) : rc;
}

/* ---- asking ---- */

static enum err fetch_write(struct demo_fetch *f)
{
	struct span rest = buf_span(&f->request);
	size_t n;
	enum err rc;

	if (rest.n == 0)
		return ERR_OK;
	rc = stream_put(f->stream, rest.p, rest.n, &n);
	if (rc == ERR_OK)
		buf_consume(&f->request, n);
	return rc;
}

static void fetch_want(struct demo_fetch *f)
{
	if (f->stream != NULL)
		stream_want(f->stream, LOOP_READ | (f->request.n > 0 ? LOOP_WRITE : 0u));
}

/* A write that fails is explained by what can be read. */
static void fetch_on_ready(void *arg, unsigned ready)
{
	struct demo_fetch *f = arg;
	struct why why = { "" };
	enum err rc = ERR_AGAIN;

	if ((ready & LOOP_WRITE) != 0 && fetch_write(f) != ERR_OK)
		ready |= LOOP_READ;
	if ((ready & LOOP_READ) != 0)
		rc = fetch_read(f, &why);
	if (rc == ERR_OK || rc == ERR_AGAIN)
		fetch_want(f);
	else
		fetch_end(f, rc == ERR_EOF ? ERR_OK : rc, &why);
}

static void fetch_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct demo_fetch *f = arg;

	(void)errnum;
	f->dial = NULL;
	if (rc == ERR_OK) {
		rc = socket_open_take(f->o.loop, fd, &f->stream);
		if (rc != ERR_OK)
			close(fd);
	}
	if (rc != ERR_OK) {
		fetch_end(f, rc, why);
		return;
	}
	stream_set_owner(f->stream, fetch_on_ready, f);
	fetch_want(f);
}

static enum err fetch_dial(struct demo_fetch *f)
{
	struct dial_options o = {
		.loop = f->o.loop,
		.host = f->o.host,
		.port = f->o.port,
		.timeout_ms = f->o.timeout_ms,
		.fn = fetch_on_dialled,
		.arg = f,
	};

	return dial_open(&o, &f->dial);
}

/* What goes wrong here shows as a timeout: there is only memory to run out of. */
static void fetch_ask(struct demo_fetch *f)
{
	fetch_reset_reader(f);
	buf_reset(&f->answer.body);
	f->answer = (struct demo_answer){ .is_reused = f->stream != NULL };
	buf_init(&f->answer.body, DEMO_BODY_MAX);
	buf_reset(&f->request);
	buf_printf(&f->request,
		"GET / HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: adit/" ADIT_VERSION
		"\r\nAccept: */*\r\n\r\n",
		f->o.host, f->o.port);
	f->asked_us = clock_now_us();
	if (f->stream != NULL)
		fetch_want(f);
	else if (fetch_dial(f) != ERR_OK)
		loop_timer_set(f->patience, 0);
}

enum err demo_fetch_open(const struct demo_fetch_options *o, struct demo_fetch **out)
{
	struct demo_fetch *f = mem_new(f);
	enum err rc;

	if (f == NULL)
		return ERR_NOMEM;
	f->o = *o;
	http1_reader_init_response(&f->reader, span_str("GET"));
	buf_init(&f->request, FETCH_REQUEST_MAX);
	buf_init(&f->answer.body, DEMO_BODY_MAX);
	rc = loop_timer_open(o->loop, fetch_on_patience_end, f, &f->patience);
	if (rc != ERR_OK) {
		demo_fetch_close(f);
		return rc;
	}
	loop_timer_set(f->patience, o->timeout_ms);
	fetch_ask(f);
	*out = f;
	return ERR_OK;
}

void demo_fetch_close(struct demo_fetch *f)
{
	if (f == NULL)
		return;
	loop_timer_close(f->patience);
	dial_close(f->dial);
	stream_close(f->stream);
	http1_reader_fini(&f->reader);
	buf_fini(&f->request);
	buf_fini(&f->answer.body);
	free(f);
}
