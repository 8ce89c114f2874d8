/* Reads the whole body of a request into memory. */
#include "base/mem.h"
#include "http/connection.h"

#define BODY_MS 60000

struct collect {
	struct http_exchange *x; /* borrowed: ours to give back or to answer */
	struct loop *loop;       /* borrowed: the server's */
	struct stream *client;   /* borrowed: the connection's */
	http_collect_fn *fn;
	void *arg;
	struct buf body;
	struct loop_timer *timer;
	struct loop_deferred start;
};

static void collect_free(struct collect *c)
{
	if (c == NULL)
		return;
	loop_undefer(&c->start);
	loop_timer_close(c->timer);
	buf_fini(&c->body);
	free(c);
}

/* After an error the rest of the body cannot be told from the next request. */
static void collect_end(struct collect *c, enum err rc)
{
	struct http_exchange *x = c->x;

	loop_timer_stop(c->timer);
	x->is_last = x->is_last || rc != ERR_OK;
	exchange_return(x);
	c->fn(c->arg, x, rc, rc == ERR_OK ? buf_span(&c->body) : span_of(NULL, 0));
	collect_free(c);
}

static void collect_refuse(struct collect *c, unsigned status)
{
	struct http_exchange *x = c->x;

	collect_free(c);
	exchange_return(x);
	x->is_last = true;
	http_reply(x, status, NULL, span_of(NULL, 0));
}

static void collect_cut(struct collect *c)
{
	struct http_exchange *x = c->x;

	collect_free(c);
	exchange_cut(x);
}

/* ERR_EOF: all is there. ERR_NOMEM also when the server has no room for it. */
static enum err collect_read(struct collect *c)
{
	uint8_t piece[INCOMING_PIECE];
	struct mspan to = { .p = piece, .n = sizeof(piece) };
	size_t got = 0;
	enum err rc = exchange_continue(c->x);

	if (rc == ERR_OK)
		rc = exchange_read_body(c->x, to, &got);
	if (rc == ERR_OK)
		rc = buf_put(&c->body, piece, got);
	if (rc == ERR_OK && !exchange_hold(c->x, c->body.cap))
		return ERR_NOMEM;
	return rc;
}

/* One piece for each turn, and everything that makes no stream ready. */
static void collect_run(struct collect *c)
{
	enum err rc;

	do {
		rc = collect_read(c);
	} while (rc == ERR_OK && exchange_has_more(c->x));
	if (rc == ERR_OK || rc == ERR_AGAIN)
		stream_want(c->client, LOOP_READ);
	else if (rc == ERR_EOF)
		collect_end(c, ERR_OK);
	else if (rc == ERR_LIMIT || rc == ERR_NOMEM)
		collect_end(c, rc);
	else if (rc == ERR_SYNTAX)
		collect_refuse(c, 400);
	else
		collect_cut(c);
}

static void collect_on_ready(void *arg, unsigned ready)
{
	(void)ready;
	collect_run(arg);
}

static void collect_on_gone(void *arg)
{
	collect_free(arg);
}

static void collect_on_late(void *arg)
{
	collect_refuse(arg, 408);
}

static void collect_on_start(void *arg)
{
	struct collect *c = arg;
	const struct http1_head *head = http_request(c->x);

	if (head->body == HTTP1_LENGTH && head->length > c->body.max)
		collect_end(c, ERR_LIMIT);
	else
		collect_run(c);
}

static struct collect *collect_new(struct http_exchange *x, size_t max)
{
	struct collect *c = mem_new(c);

	if (c == NULL)
		return NULL;
	c->x = x;
	c->loop = exchange_server(x)->o.loop;
	buf_init(&c->body, max);
	loop_deferred_init(&c->start, collect_on_start, c);
	if (loop_timer_open(c->loop, collect_on_late, c, &c->timer) == ERR_OK)
		return c;
	collect_free(c);
	return NULL;
}

void http_collect(struct http_exchange *x, size_t max, http_collect_fn *fn, void *arg)
{
	struct collect *c = collect_new(x, max);
	struct borrower by = {
		.on_ready = collect_on_ready,
		.on_gone = collect_on_gone,
		.arg = c,
	};

	if (c == NULL) {
		http_reply(x, 503, NULL, span_of(NULL, 0));
		return;
	}
	c->fn = fn;
	c->arg = arg;
	c->client = exchange_borrow(x, &by);
	x->is_collected = true;
	loop_timer_set(c->timer, BODY_MS);
	loop_defer(c->loop, &c->start);
}
