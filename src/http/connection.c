/*
 * A connection of a server, as one state machine. Its steps read heads, write answers and
 * drop what remains of a body; in between, on_request or a borrower has the exchange.
 */
#include "http/connection.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/head.h"

#define HEAD_MS 10000
#define BODY_MS 60000
#define IDLE_MS 60000
#define FINISH_MS 2000
#define LINGER_MS 5000      /* without a byte from a client that does not close */
#define LINGER_MAX_MS 30000 /* in all */
#define DRAIN_MS 1000       /* for a request, once the server is ending */
#define ANSWER_HEAD_MAX 8192
#define HOLD_FREE 8192 /* so short a body is always taken: connections are counted, too */
#define DROP_MAX (256 * 1024) /* of an unread body; beyond that, closing is cheaper */

enum connection_state {
	CONNECTION_NEW,       /* no byte has come */
	CONNECTION_IDLE,      /* between requests */
	CONNECTION_READING,   /* a head */
	CONNECTION_SERVING,   /* on_request's turn */
	CONNECTION_RECEIVING, /* the body, for http_read_body() */
	CONNECTION_LENT,      /* a borrower's turn */
	CONNECTION_ANSWERING, /* our answer is being written */
	CONNECTION_DROPPING,  /* what is left of the request's body */
	CONNECTION_FINISHING, /* the last answer is sent; the stream's end follows */
	/* until the client closes: a reset would overtake the answer */
	CONNECTION_LINGERING,
	CONNECTION_CLOSED, /* goes at the end of the turn */
};

struct connection {
	struct http_server *server; /* borrowed: outlives us */
	struct list in_server;
	struct stream *stream; /* NULL: closed, or handed over */
	struct addr peer;
	enum connection_state state;
	struct incoming in;
	struct buf out;
	struct http_shared shared; /* what is left of it follows @out; nothing: zeroes */
	struct http_exchange *x;   /* NULL between requests */
	struct borrower by;        /* CONNECTION_LENT */
	struct loop_timer *timer;
	uint64_t lingers_until_ms; /* CONNECTION_LINGERING */
	struct loop_deferred turn;
	struct http_tag tag;
};

static enum err step_reading(struct connection *c);
static enum err step_receiving(struct connection *c);
static enum err step_answering(struct connection *c);
static enum err step_dropping(struct connection *c);
static enum err step_finishing(struct connection *c);
static enum err step_lingering(struct connection *c);

/* A step says ERR_OK (a state was entered: go on), ERR_AGAIN, or why it is over. */
static const struct connection_rule {
	unsigned wants;
	uint32_t timeout_ms; /* 0 is for ever, but see connection_timeout() */
	enum err (*step)(struct connection *c);
} rules[] = {
	[CONNECTION_NEW] = { LOOP_READ, 0, step_reading },
	[CONNECTION_IDLE] = { LOOP_READ, 0, step_reading },
	[CONNECTION_READING] = { LOOP_READ, 0, step_reading },
	[CONNECTION_SERVING] = { 0, 0, NULL },
	[CONNECTION_RECEIVING] = { LOOP_READ, BODY_MS, step_receiving },
	[CONNECTION_LENT] = { 0, 0, NULL },
	[CONNECTION_ANSWERING] = { LOOP_WRITE, IDLE_MS, step_answering },
	[CONNECTION_DROPPING] = { LOOP_READ, HEAD_MS, step_dropping },
	[CONNECTION_FINISHING] = { LOOP_WRITE, FINISH_MS, step_finishing },
	[CONNECTION_LINGERING] = { LOOP_READ, LINGER_MS, step_lingering },
	[CONNECTION_CLOSED] = { 0, 0, NULL },
};

static uint32_t connection_timeout(const struct connection *c,
	enum connection_state state)
{
	const struct http_server_options *o = &c->server->o;

	if (c->server->on_empty != NULL &&
		(rules[state].step == step_reading || state == CONNECTION_LINGERING))
		return DRAIN_MS;
	if (state == CONNECTION_IDLE)
		return o->idle_ms != 0 ? o->idle_ms : IDLE_MS;
	if (state == CONNECTION_NEW && o->first_ms != 0)
		return o->first_ms;
	if (state == CONNECTION_NEW || state == CONNECTION_READING)
		return o->head_ms != 0 ? o->head_ms : HEAD_MS;
	return rules[state].timeout_ms;
}

static void connection_enter(struct connection *c, enum connection_state state)
{
	uint32_t ms = connection_timeout(c, state);

	c->state = state;
	if (ms != 0)
		loop_timer_set(c->timer, ms);
	else
		loop_timer_stop(c->timer);
}

/*
 * The body of @x takes @bytes of memory from now on, until @x is answered. False: the
 * server has no room for that; it is counted all the same.
 */
static bool exchange_hold(struct http_exchange *x, size_t bytes)
{
	struct http_server *server = x->server;
	size_t counted = bytes > HOLD_FREE ? bytes : 0;

	server->held = server->held - x->held + counted;
	x->held = counted;
	return counted == 0 || server->o.bodies_max == 0 ||
		server->held <= server->o.bodies_max;
}

static void exchange_free(struct http_exchange *x)
{
	if (x == NULL)
		return;
	(void)exchange_hold(x, 0);
	buf_fini(&x->body);
	http1_reader_fini(&x->reader);
	free(x);
}

static void connection_drop_exchange(struct connection *c)
{
	exchange_free(c->x);
	c->x = NULL;
}

static void connection_drop_shared(struct connection *c)
{
	if (c->shared.release != NULL)
		c->shared.release(c->shared.arg);
	c->shared = (struct http_shared){ .release = NULL };
}

/* The memory is freed at the end of the turn: callers further up may still use it. */
static void connection_close(struct connection *c, bool is_abort)
{
	if (c->stream != NULL)
		c->stream->ops->close(c->stream, is_abort);
	c->stream = NULL;
	connection_drop_shared(c);
	connection_enter(c, CONNECTION_CLOSED);
	loop_defer(c->server->o.loop, &c->turn);
}

static void connection_run(struct connection *c)
{
	enum err rc = ERR_OK;

	while (rc == ERR_OK && rules[c->state].step != NULL)
		rc = rules[c->state].step(c);
	if (rc != ERR_OK && rc != ERR_AGAIN)
		connection_close(c, rc != ERR_EOF);
	if (c->stream != NULL && c->state != CONNECTION_LENT)
		stream_want(c->stream, rules[c->state].wants);
}

/* ---- answers of our own ---- */

static void put_connection(struct buf *out, const struct http_exchange *x)
{
	if (x->is_last)
		buf_put_str(out, "Connection: close\r\n");
	else if (x->reader.head.minor == 0)
		buf_put_str(out, "Connection: keep-alive\r\n");
}

static bool status_has_body(unsigned status)
{
	return status / 100 != 1 && status != 204 && status != 304;
}

static void put_answer_head(struct connection *c, unsigned status, const char *headers,
	size_t length)
{
	bool has_body = status_has_body(status);

	buf_printf(&c->out, "HTTP/1.1 %u %s\r\n", status, http_status_name(status));
	http_put_date(&c->out);
	if (has_body && !http_lines_have(headers, span_str("Content-Type")))
		buf_put_str(&c->out, "Content-Type: text/plain; charset=utf-8\r\n");
	if (has_body)
		buf_printf(&c->out, "Content-Length: %zu\r\n", length);
	if (!http_lines_have(headers, span_str("Connection")))
		put_connection(&c->out, c->x);
	buf_put_str(&c->out, headers != NULL ? headers : "");
	buf_put_str(&c->out, "\r\n");
}

/* What has a release() is written from where it is; else @body is copied. */
static void connection_answer(struct connection *c, unsigned status, const char *headers,
	const struct http_shared *body)
{
	struct http_exchange *x = c->x;
	size_t copied = body->release == NULL ? body->bytes.n : 0;

	/* A client that waits for 100 Continue may send the body or not; nothing tells
	 * which. */
	if (!x->reader.head.keeps_alive || x->expects_continue ||
		c->server->on_empty != NULL ||
		http_lines_have(headers, span_str("Connection")))
		x->is_last = true;
	(void)exchange_hold(x, 0);
	buf_fini(&c->out);
	buf_init(&c->out,
		ANSWER_HEAD_MAX + (headers != NULL ? strlen(headers) : 0) + copied);
	put_answer_head(c, status, headers, body->bytes.n);
	connection_drop_shared(c);
	c->shared = *body;
	if (!status_has_body(status) || span_is(x->reader.head.method, "HEAD"))
		c->shared.bytes.n = 0;
	if (body->release == NULL) {
		buf_put_span(&c->out, c->shared.bytes);
		c->shared.bytes.n = 0;
	}
	if (c->out.failed == ERR_OK)
		connection_enter(c, CONNECTION_ANSWERING);
	else
		connection_close(c, true);
}

/* Refuses a request; nothing more can be read on this connection. */
static void connection_refuse(struct connection *c, unsigned status)
{
	char body[64];

	snprintf(body, sizeof(body), "%u %s\n", status, http_status_name(status));
	c->x->is_last = true;
	c->x->reader.head.method = span_of(NULL, 0);
	connection_answer(c, status, NULL,
		&(struct http_shared){ .bytes = span_str(body) });
}

static void connection_refuse_body(struct connection *c, unsigned status)
{
	c->x->is_last = true;
	connection_answer(c, status, NULL,
		&(struct http_shared){ .bytes = span_of(NULL, 0) });
}

/* ---- steps ---- */

static unsigned status_of(enum err rc)
{
	if (rc == ERR_SYNTAX)
		return 400;
	if (rc == ERR_LIMIT)
		return 431;
	return rc == ERR_NOMEM ? 503 : 0;
}

static enum err exchange_new(struct connection *c)
{
	struct http1_limits limits = http1_request_limits;
	struct http_exchange *x = mem_new(x);

	if (x == NULL)
		return ERR_NOMEM;
	limits.head_bytes_max = c->server->o.head_max;
	x->connection = c;
	x->server = c->server;
	x->in = &c->in;
	buf_init(&x->body, 0);
	http1_reader_init_request(&x->reader, &limits);
	c->x = x;
	return ERR_OK;
}

/* The head is there. ERR_OK: it has been refused here. */
static enum err connection_serve(struct connection *c)
{
	struct http_exchange *x = c->x;
	struct span expect = http1_head_value(&x->reader.head, "Expect");

	/* No server here opens tunnels, and what follows may be bytes for one. */
	if (span_is(x->reader.head.method, "CONNECT")) {
		connection_refuse(c, 405);
		return ERR_OK;
	}
	if (expect.n > 0 && !span_is_nocase(expect, "100-continue")) {
		connection_refuse(c, 417);
		return ERR_OK;
	}
	x->expects_continue = expect.n > 0 && x->reader.head.minor == 1 &&
		x->reader.head.body != HTTP1_NO_BODY && c->in.rest.n == 0;
	connection_enter(c, CONNECTION_SERVING);
	c->server->o.on_request(c->server->o.arg, x);
	return ERR_AGAIN;
}

/* An exchange is kept only if a byte of a request has come. */
static enum err step_reading(struct connection *c)
{
	enum err rc = c->x == NULL ? exchange_new(c) : ERR_OK;

	if (rc != ERR_OK)
		return rc;
	rc = incoming_read_head(&c->in, &c->x->reader, NULL);
	if (rc == ERR_OK)
		return connection_serve(c);
	if (rc == ERR_AGAIN && http1_reader_is_fresh(&c->x->reader))
		connection_drop_exchange(c);
	else if (rc == ERR_AGAIN && c->state != CONNECTION_READING)
		connection_enter(c, CONNECTION_READING);
	if (status_of(rc) == 0)
		return rc;
	connection_refuse(c, status_of(rc));
	return ERR_OK;
}

/* All or nothing: there is no place to keep the rest of a head. */
static enum err put_whole(struct stream *s, const struct buf *out)
{
	size_t put;
	enum err rc;

	if (out->failed != ERR_OK)
		return out->failed;
	rc = stream_put(s, buf_span(out).p, out->n, &put);
	if (rc == ERR_AGAIN || (rc == ERR_OK && put < out->n))
		return ERR_LIMIT;
	return rc;
}

/* Sends 100 Continue if the client waits for it. */
static enum err exchange_continue(struct http_exchange *x)
{
	struct buf head;
	enum err rc;

	if (!x->expects_continue)
		return ERR_OK;
	x->expects_continue = false;
	buf_init(&head, ANSWER_HEAD_MAX);
	buf_printf(&head, "HTTP/1.1 100 %s\r\n\r\n", http_status_name(100));
	rc = put_whole(x->connection->stream, &head);
	buf_fini(&head);
	return rc;
}

/* One piece for each turn, and all that is here already: no stream is ready for that. */
static enum err step_receiving(struct connection *c)
{
	struct http_exchange *x = c->x;
	const struct http1_head *head = &x->reader.head;
	uint8_t piece[INCOMING_PIECE];
	size_t got = 0;
	enum err rc = ERR_OK;

	if (head->body == HTTP1_LENGTH && head->length > x->body.max)
		rc = ERR_LIMIT;
	if (rc == ERR_OK)
		rc = exchange_continue(x);
	if (rc == ERR_OK)
		rc = incoming_read_body(x->in, &x->reader,
			(struct mspan){ .p = piece, .n = sizeof(piece) }, &got, NULL);
	if (rc == ERR_OK)
		rc = buf_put(&x->body, piece, got);
	if (rc == ERR_OK && !exchange_hold(x, x->body.cap))
		rc = ERR_NOMEM;
	if (rc == ERR_OK)
		return incoming_has_more(x->in, &x->reader) ? ERR_OK : ERR_AGAIN;
	if (rc == ERR_SYNTAX) {
		connection_refuse_body(c, 400);
		return ERR_OK;
	}
	if (rc != ERR_EOF && rc != ERR_LIMIT && rc != ERR_NOMEM)
		return rc;
	/* After an error the rest of the body cannot be told from the next request. */
	x->is_last = x->is_last || rc != ERR_EOF;
	connection_enter(c, CONNECTION_SERVING);
	if (rc == ERR_EOF)
		x->on_body(x->arg, x, ERR_OK, buf_span(&x->body));
	else
		x->on_body(x->arg, x, rc, span_of(NULL, 0));
	buf_fini(&x->body);
	return ERR_AGAIN;
}

static enum err step_answering(struct connection *c)
{
	struct span *rest = &c->shared.bytes;
	size_t put;
	enum err rc = ERR_OK;

	while (c->out.n > 0 && rc == ERR_OK) {
		rc = stream_put(c->stream, buf_span(&c->out).p, c->out.n, &put);
		if (rc == ERR_OK)
			buf_consume(&c->out, put);
	}
	while (rest->n > 0 && rc == ERR_OK) {
		rc = stream_put(c->stream, rest->p, rest->n, &put);
		if (rc == ERR_OK)
			*rest = span_of(rest->p + put, rest->n - put);
	}
	if (rc != ERR_OK)
		return rc;
	buf_fini(&c->out);
	connection_drop_shared(c);
	connection_enter(c, c->x->is_last ? CONNECTION_FINISHING : CONNECTION_DROPPING);
	return ERR_OK;
}

/* The timeout of this state is for the whole body, not for each piece of it. */
static enum err step_dropping(struct connection *c)
{
	uint8_t piece[INCOMING_PIECE];
	size_t got;
	enum err rc = incoming_read_body(&c->in, &c->x->reader,
		(struct mspan){ .p = piece, .n = sizeof(piece) }, &got, NULL);

	if (rc == ERR_EOF) {
		connection_drop_exchange(c);
		connection_enter(c, CONNECTION_IDLE);
		return ERR_OK;
	}
	if (rc != ERR_OK)
		return rc;
	c->x->drop_bytes += got;
	if (c->x->drop_bytes > DROP_MAX)
		connection_enter(c, CONNECTION_FINISHING);
	return ERR_OK;
}

static enum err step_finishing(struct connection *c)
{
	enum err rc = stream_finish(c->stream);

	if (rc != ERR_OK)
		return rc;
	c->lingers_until_ms = clock_now_ms() + LINGER_MAX_MS;
	connection_enter(c, CONNECTION_LINGERING);
	return ERR_OK;
}

/* One piece for each turn, so that a client that sends on and on slows no other one. */
static enum err step_lingering(struct connection *c)
{
	uint8_t piece[INCOMING_PIECE];
	size_t got;
	enum err rc = stream_read(c->stream, piece, sizeof(piece), &got);

	if (rc != ERR_OK)
		return rc;
	if (clock_now_ms() >= c->lingers_until_ms)
		return ERR_EOF;
	connection_enter(c, CONNECTION_LINGERING); /* the timeout starts again */
	return ERR_AGAIN;
}

/* ---- life ---- */

static void connection_on_ready(void *arg, unsigned ready)
{
	struct connection *c = arg;

	if (c->state == CONNECTION_LENT)
		c->by.on_ready(c->by.arg, ready);
	else
		connection_run(c);
}

static void connection_on_late(void *arg)
{
	struct connection *c = arg;

	if (c->state == CONNECTION_RECEIVING)
		connection_refuse_body(c, 408);
	else if (c->state == CONNECTION_READING && c->x != NULL)
		connection_refuse(c, 408);
	else
		connection_close(c, c->state == CONNECTION_ANSWERING);
	connection_run(c);
}

/* The end of a turn in which a request was answered, or the connection closed. */
static void connection_on_turn(void *arg)
{
	struct connection *c = arg;
	struct http_server *server = c->server;

	if (c->state != CONNECTION_CLOSED) {
		connection_run(c);
		if (server->on_empty != NULL && c->state == CONNECTION_IDLE) {
			connection_enter(c, CONNECTION_FINISHING);
			connection_run(c);
		}
		return;
	}
	connection_free(c);
	if (server->count == 0 && server->on_empty != NULL)
		server->on_empty(server->empty_arg);
}

struct connection *connection_open_take(struct http_server *server, struct stream *stream,
	const struct addr *peer, const struct http_tag *tag)
{
	struct connection *c = mem_new(c);
	enum err rc = ERR_NOMEM;

	if (c != NULL)
		rc = loop_timer_open(server->o.loop, connection_on_late, c, &c->timer);
	if (rc != ERR_OK) {
		free(c);
		stream_abort(stream);
		return NULL;
	}
	c->server = server;
	c->tag = *tag;
	c->stream = stream;
	c->peer = *peer;
	incoming_init(&c->in, stream);
	buf_init(&c->out, 0);
	loop_deferred_init(&c->turn, connection_on_turn, c);
	list_add(&server->connections, &c->in_server);
	server->count++;
	stream_set_owner(stream, connection_on_ready, c);
	connection_enter(c, CONNECTION_NEW);
	stream_want(stream, LOOP_READ);
	return c;
}

/* Bytes that have just come on an idle connection are read first. */
void connection_drain(struct connection *c)
{
	if (rules[c->state].step != step_reading && c->state != CONNECTION_LINGERING)
		return;
	connection_enter(c, c->state);
	loop_defer(c->server->o.loop, &c->turn);
}

bool connection_is_idle(const struct connection *c)
{
	return rules[c->state].step == step_reading || c->state == CONNECTION_RECEIVING ||
		c->state == CONNECTION_LINGERING;
}

struct connection *connection_of(struct list *in_server)
{
	return list_object(in_server, struct connection, in_server);
}

void connection_free(struct connection *c)
{
	if (c->state == CONNECTION_LENT)
		c->by.on_gone(c->by.arg);
	stream_abort(c->stream);
	connection_drop_shared(c);
	connection_drop_exchange(c);
	incoming_fini(&c->in);
	buf_fini(&c->out);
	loop_timer_close(c->timer);
	loop_undefer(&c->turn);
	list_remove(&c->in_server);
	c->server->count--;
	if (c->tag.on_closed != NULL)
		c->tag.on_closed(c->tag.arg);
	free(c);
}

void http_connection_cut(struct connection *c)
{
	if (c->state == CONNECTION_LENT)
		c->by.on_gone(c->by.arg);
	connection_close(c, true);
}

/* ---- the exchange, for its owner ---- */

const struct http1_head *http_request(const struct http_exchange *x)
{
	return &x->reader.head;
}

const struct addr *http_peer(const struct http_exchange *x)
{
	return &x->connection->peer;
}

void *http_tag_of(const struct http_exchange *x)
{
	return x->connection->tag.arg;
}

/* Not at once, so that the next request does not come from inside the answer to this
 * one. */
void http_reply_shared(struct http_exchange *x, unsigned status, const char *headers,
	const struct http_shared *body)
{
	struct connection *c = x->connection;

	connection_answer(c, status, headers, body);
	loop_defer(c->server->o.loop, &c->turn);
}

void http_reply(struct http_exchange *x, unsigned status, const char *headers,
	struct span body)
{
	http_reply_shared(x, status, headers, &(struct http_shared){ .bytes = body });
}

void http_read_body(struct http_exchange *x, size_t max, http_body_fn *fn, void *arg)
{
	struct connection *c = x->connection;

	buf_init(&x->body, max);
	x->on_body = fn;
	x->arg = arg;
	connection_enter(c, CONNECTION_RECEIVING);
	loop_defer(c->server->o.loop, &c->turn);
}

/* ERR_OK: no byte has come after the request, which has no body. */
static enum err connection_check_silence(struct connection *c)
{
	uint8_t byte;
	size_t got;
	enum err rc = ERR_OK;

	if (c->in.rest.n == 0 && incoming_is_over(&c->x->reader))
		rc = stream_read(c->stream, &byte, 1, &got);
	if (rc == ERR_OK)
		return ERR_PROTO;
	return rc == ERR_AGAIN ? ERR_OK : rc;
}

enum err http_detach(struct http_exchange *x, unsigned status, const char *headers,
	struct stream **out)
{
	struct connection *c = x->connection;
	struct buf head;
	enum err rc = connection_check_silence(c);

	buf_init(&head, ANSWER_HEAD_MAX);
	buf_printf(&head, "HTTP/1.1 %u %s\r\n%s\r\n", status, http_status_name(status),
		headers);
	if (rc == ERR_OK)
		rc = put_whole(c->stream, &head);
	buf_fini(&head);
	if (rc == ERR_OK) {
		stream_want(c->stream, 0);
		*out = c->stream;
		c->stream = NULL;
	}
	connection_close(c, true);
	return rc;
}

struct stream *exchange_borrow(struct http_exchange *x, const struct borrower *by)
{
	struct connection *c = x->connection;

	c->by = *by;
	connection_enter(c, CONNECTION_LENT);
	return c->stream;
}

struct stream *exchange_detach(struct http_exchange *x)
{
	struct connection *c = x->connection;
	struct stream *stream = c->stream;

	http1_reader_fini(&x->reader);
	incoming_fini(&c->in);
	c->stream = NULL;
	return stream;
}

void exchange_end(struct http_exchange *x)
{
	struct connection *c = x->connection;

	if (c->stream == NULL) {
		connection_close(c, false);
		return;
	}
	connection_enter(c,
		x->is_last || x->expects_continue ? CONNECTION_FINISHING :
						    CONNECTION_DROPPING);
	loop_defer(c->server->o.loop, &c->turn);
}

void exchange_cut(struct http_exchange *x)
{
	connection_close(x->connection, true);
}
