/*
 * A reverse proxy for one request: first a machine that reaches the upstream, then two flows,
 * the request's and the answer's, each of which reads a piece, writes it, and reads again.
 */
#include "http/proxy.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/connection.h"
#include "http/proxy_head.h"
#include "net/bridge.h"
#include "net/dialer.h"
#include "net/socket.h"

#define CONNECT_MS 10000
#define QUIET_MS 300000
#define MOVES_PER_TURN 4
#define INTERIM_MAX 8    /* answers of 1xx before the real one */
#define CHUNK_HEAD_MAX 8 /* "12345\r\n" */
#define CHUNK_TAIL "\r\n"
#define LAST_CHUNK "0\r\n\r\n"

struct proxy;

enum flow_state {
	FLOW_READING,
	FLOW_WRITING,
	FLOW_LAST_WRITING, /* nothing comes after this */
	FLOW_ENDED,
};

/* One direction. A piece of body lies in the block, framed in place. */
struct flow {
	enum flow_state state;
	enum err (*read)(struct proxy *proxy); /* what FLOW_READING does */
	struct stream *to;                     /* borrowed: the proxy's */
	struct buf head;                       /* goes before the block */
	uint8_t *block; /* of the pool: only while bytes wait in it */
	size_t at, n;
	bool is_chunked;
};

enum proxy_state {
	PROXY_DIALING,
	PROXY_SECURING, /* the TLS handshake with the upstream */
	PROXY_PASSING,
	PROXY_BRIDGED, /* both sides speak something else now */
};

struct proxy {
	enum proxy_state state;
	struct http_exchange *x; /* borrowed: ours to answer */
	struct loop *loop;       /* borrowed: the server's */
	struct pool *pool;       /* borrowed: the server's */
	const struct log *log;   /* borrowed: the owner's; may be NULL */
	struct tls_context *tls; /* borrowed: the owner's; NULL: plain */
	char *host;
	uint16_t port;
	uint32_t quiet_ms;

	struct loop_timer *timer;
	struct dial *dial;
	struct stream *client;   /* borrowed: the connection's */
	struct stream *upstream; /* NULL: not there yet, or the bridge's */
	struct bridge *bridge;

	struct flow sending, answering;
	struct incoming in; /* from the upstream */
	struct http1_reader answer;
	unsigned interims;
	bool has_begun; /* the client has seen some of the answer */
};

/* ---- life ---- */

static void flow_fini(struct flow *f, struct pool *pool)
{
	pool_give(pool, f->block);
	f->block = NULL;
	buf_fini(&f->head);
}

/* What is needed only until a bridge takes over. */
static void proxy_drop_http(struct proxy *proxy)
{
	flow_fini(&proxy->sending, proxy->pool);
	flow_fini(&proxy->answering, proxy->pool);
	http1_reader_fini(&proxy->answer);
	incoming_fini(&proxy->in);
}

static void proxy_free(struct proxy *proxy)
{
	if (proxy == NULL)
		return;
	proxy_drop_http(proxy);
	dial_close(proxy->dial);
	loop_timer_close(proxy->timer);
	bridge_close(proxy->bridge);
	stream_close(proxy->upstream);
	free(proxy->host);
	free(proxy);
}

static void proxy_log(const struct proxy *proxy, const char *what)
{
	if (proxy->log != NULL)
		log_info(proxy->log, "proxy: %s:%u: %s", proxy->host, proxy->port, what);
}

static void reply_bad_gateway(struct http_exchange *x)
{
	http_reply(x, 502, NULL, span_str("Bad Gateway\n"));
}

/* The upstream's fault. */
static void proxy_fail(struct proxy *proxy, enum err rc, const struct why *why)
{
	proxy_log(proxy, err_text(rc, why));
	if (proxy->has_begun)
		exchange_cut(proxy->x);
	else
		reply_bad_gateway(proxy->x);
	proxy_free(proxy);
}

/* The client's fault. */
static void proxy_cut(struct proxy *proxy)
{
	exchange_cut(proxy->x);
	proxy_free(proxy);
}

/* An answer that overtook its request leaves bytes behind that nobody wants. */
static void proxy_end(struct proxy *proxy)
{
	if (proxy->sending.state != FLOW_ENDED)
		proxy->x->is_last = true;
	exchange_end(proxy->x);
	proxy_free(proxy);
}

/* ---- flows ---- */

/* Lends room in a block for a piece of a body. */
static bool flow_take_block(struct flow *f, struct pool *pool, struct mspan *out)
{
	if (f->block == NULL)
		f->block = pool_take(pool);
	if (f->block == NULL)
		return false;
	out->p = f->block + CHUNK_HEAD_MAX;
	out->n = pool->block_bytes - CHUNK_HEAD_MAX - strlen(CHUNK_TAIL);
	return true;
}

static void flow_frame(struct flow *f, size_t got)
{
	char head[CHUNK_HEAD_MAX + 1];
	int n;

	f->state = FLOW_WRITING;
	f->at = CHUNK_HEAD_MAX;
	f->n = got;
	if (!f->is_chunked)
		return;
	n = snprintf(head, sizeof(head), "%zx\r\n", got);
	f->at -= (size_t)n;
	memcpy(f->block + f->at, head, (size_t)n);
	memcpy(f->block + CHUNK_HEAD_MAX + got, CHUNK_TAIL, strlen(CHUNK_TAIL));
	f->n += (size_t)n + strlen(CHUNK_TAIL);
}

static enum err flow_finish(struct flow *f)
{
	if (!f->is_chunked) {
		f->state = FLOW_ENDED;
		return ERR_OK;
	}
	f->state = FLOW_LAST_WRITING;
	return buf_put_str(&f->head, LAST_CHUNK);
}

static enum err flow_write(struct flow *f)
{
	size_t put;
	enum err rc;

	while (f->head.n > 0) {
		rc = stream_put(f->to, buf_span(&f->head).p, f->head.n, &put);
		if (rc != ERR_OK)
			return rc;
		buf_consume(&f->head, put);
	}
	while (f->n > 0) {
		rc = stream_put(f->to, f->block + f->at, f->n, &put);
		if (rc != ERR_OK)
			return rc;
		f->at += put;
		f->n -= put;
	}
	f->state = f->state == FLOW_WRITING ? FLOW_READING : FLOW_ENDED;
	return ERR_OK;
}

/* Bytes that were read already make no stream ready: they are used up in this turn. */
static bool flow_has_rest(const struct flow *f, const struct proxy *proxy)
{
	return f == &proxy->sending ? exchange_has_early(proxy->x) : proxy->in.rest.n > 0;
}

static enum err flow_run(struct flow *f, struct proxy *proxy)
{
	enum err rc = ERR_OK;

	for (int moves = 0; f->state != FLOW_ENDED; moves++) {
		if (moves >= MOVES_PER_TURN && !flow_has_rest(f, proxy))
			break;
		rc = f->state == FLOW_READING ? f->read(proxy) : ERR_OK;
		if (rc == ERR_OK &&
			(f->state == FLOW_WRITING || f->state == FLOW_LAST_WRITING))
			rc = flow_write(f);
		if (rc != ERR_OK)
			break;
	}
	if (f->n == 0) {
		pool_give(proxy->pool, f->block);
		f->block = NULL;
	}
	return rc == ERR_AGAIN ? ERR_OK : rc;
}

static bool flow_is_reading(const struct flow *f)
{
	return f->state == FLOW_READING;
}

static bool flow_is_writing(const struct flow *f)
{
	return f->state == FLOW_WRITING || f->state == FLOW_LAST_WRITING;
}

/* ---- the request ---- */

static enum err sending_read(struct proxy *proxy)
{
	struct mspan room;
	size_t got;
	enum err rc;

	if (!flow_take_block(&proxy->sending, proxy->pool, &room))
		return ERR_NOMEM;
	rc = exchange_read_body(proxy->x, room, &got);
	if (rc == ERR_EOF)
		return flow_finish(&proxy->sending);
	if (rc == ERR_OK)
		flow_frame(&proxy->sending, got);
	return rc;
}

/* ---- the answer ---- */

/* A client of HTTP/1.0 knows no 1xx, and 100 was our own business. */
static enum err answering_pass_interim(struct proxy *proxy)
{
	const struct http1_head *request = http_request(proxy->x);
	struct proxy_framing none = { .is_last = false };
	enum err rc = ERR_OK;

	if (++proxy->interims > INTERIM_MAX)
		return ERR_LIMIT;
	if (proxy->answer.head.status != 100 && request->minor == 1) {
		rc = proxy_put_answer(&proxy->answering.head, &proxy->answer.head,
			request, none);
		proxy->answering.state = FLOW_WRITING;
	}
	http1_reader_fini(&proxy->answer);
	http1_reader_init_response(&proxy->answer, request->method);
	return rc;
}

static enum err answering_read_head(struct proxy *proxy)
{
	const struct http1_head *request = http_request(proxy->x), *answer;
	struct proxy_framing framing;
	enum err rc = incoming_read_head(&proxy->in, &proxy->answer, NULL);

	if (rc != ERR_OK)
		return rc;
	answer = &proxy->answer.head;
	if (answer->status == 101 && (!answer->wants_upgrade || !request->wants_upgrade))
		return ERR_PROTO;
	if (answer->status / 100 == 1 && answer->status != 101)
		return answering_pass_interim(proxy);
	framing = proxy_frame_answer(answer, request);
	rc = proxy_put_answer(&proxy->answering.head, answer, request, framing);
	if (rc != ERR_OK)
		return rc;
	proxy->x->is_last = framing.is_last;
	proxy->answering.is_chunked = framing.is_chunked;
	proxy->answering.state = answer->status == 101 ? FLOW_LAST_WRITING : FLOW_WRITING;
	proxy->has_begun = true;
	return ERR_OK;
}

static enum err answering_read(struct proxy *proxy)
{
	struct mspan room;
	size_t got;
	enum err rc;

	if (!proxy->has_begun)
		return answering_read_head(proxy);
	if (!flow_take_block(&proxy->answering, proxy->pool, &room))
		return ERR_NOMEM;
	rc = incoming_read_body(&proxy->in, &proxy->answer, room, &got, NULL);
	if (rc == ERR_EOF)
		return flow_finish(&proxy->answering);
	if (rc == ERR_OK)
		flow_frame(&proxy->answering, got);
	return rc;
}

/* ---- an upgrade ---- */

static void proxy_on_bridge_closed(void *arg, const struct bridge_end *end)
{
	struct proxy *proxy = arg;

	(void)end;
	proxy->bridge = NULL; /* goes by itself */
	exchange_end(proxy->x);
	proxy_free(proxy);
}

/* What the client sent too early, at once or not at all. */
static enum err proxy_send_early(struct proxy *proxy, struct span early)
{
	size_t put = 0;
	enum err rc = ERR_OK;

	if (early.n > 0)
		rc = stream_put(proxy->upstream, early.p, early.n, &put);
	return rc == ERR_OK && put < early.n ? ERR_LIMIT : rc;
}

static enum err proxy_bridge(struct proxy *proxy, struct buf *early)
{
	struct bridge_options o = {
		.loop = proxy->loop,
		.pool = proxy->pool,
		.a = proxy->upstream,
		.a_first = buf_span(&proxy->in.rest),
		.on_closed = proxy_on_bridge_closed,
		.arg = proxy,
	};
	enum err rc;

	o.b = exchange_detach(proxy->x, early);
	rc = early->failed;
	if (rc == ERR_OK)
		rc = proxy_send_early(proxy, buf_span(early));
	if (rc == ERR_OK)
		rc = bridge_open(&o, &proxy->bridge);
	if (rc != ERR_OK)
		stream_abort(o.b);
	return rc;
}

static void proxy_upgrade(struct proxy *proxy)
{
	struct buf early;
	enum err rc;

	buf_init(&early, INCOMING_PIECE);
	rc = proxy_bridge(proxy, &early);
	buf_fini(&early);
	if (rc != ERR_OK) {
		proxy_cut(proxy);
		return;
	}
	proxy->upstream = NULL;
	proxy->state = PROXY_BRIDGED;
	loop_timer_stop(proxy->timer);
	proxy_drop_http(proxy);
}

/* ---- both flows ---- */

static void proxy_settle(struct proxy *proxy)
{
	unsigned client = 0, upstream = 0;

	if (flow_is_reading(&proxy->sending))
		client |= LOOP_READ;
	if (flow_is_writing(&proxy->sending))
		upstream |= LOOP_WRITE;
	if (flow_is_reading(&proxy->answering))
		upstream |= LOOP_READ;
	if (flow_is_writing(&proxy->answering))
		client |= LOOP_WRITE;
	stream_want(proxy->client, client);
	stream_want(proxy->upstream, upstream);
}

static void proxy_run(struct proxy *proxy)
{
	enum err rc = flow_run(&proxy->sending, proxy);

	if (rc != ERR_OK && flow_is_reading(&proxy->sending)) {
		proxy_cut(proxy);
		return;
	}
	/* An upstream that does not listen any more may still have answered. */
	if (rc != ERR_OK)
		proxy->sending.state = FLOW_ENDED;
	rc = flow_run(&proxy->answering, proxy);
	if (rc != ERR_OK && flow_is_writing(&proxy->answering))
		proxy_cut(proxy);
	else if (rc != ERR_OK)
		proxy_fail(proxy, rc, NULL);
	else if (proxy->answering.state != FLOW_ENDED)
		proxy_settle(proxy);
	else if (proxy->answer.head.status == 101)
		proxy_upgrade(proxy);
	else
		proxy_end(proxy);
}

static void proxy_on_ready(void *arg, unsigned ready)
{
	struct proxy *proxy = arg;

	(void)ready;
	loop_timer_set(proxy->timer, proxy->quiet_ms);
	proxy_run(proxy);
}

/* ---- reaching the upstream ---- */

static void proxy_begin(struct proxy *proxy)
{
	proxy->state = PROXY_PASSING;
	proxy->sending.to = proxy->upstream;
	proxy->answering.to = proxy->client;
	incoming_init(&proxy->in, proxy->upstream);
	stream_set_owner(proxy->upstream, proxy_on_ready, proxy);
	proxy_on_ready(proxy, 0);
}

static void proxy_on_secured(void *arg, unsigned ready)
{
	struct proxy *proxy = arg;
	struct why why = { "" };
	enum err rc = tls_handshake(proxy->upstream, &why);

	(void)ready;
	if (rc == ERR_AGAIN)
		stream_want(proxy->upstream, tls_wants(proxy->upstream));
	else if (rc == ERR_OK)
		proxy_begin(proxy);
	else
		proxy_fail(proxy, rc, &why);
}

static void proxy_secure(struct proxy *proxy)
{
	struct tls_options o = {
		.context = proxy->tls,
		.loop = proxy->loop,
		.below = proxy->upstream,
		.server_name = proxy->host,
	};
	struct why why = { "" };
	enum err rc = tls_open(&o, &proxy->upstream, &why);

	if (rc != ERR_OK) {
		proxy_fail(proxy, rc, &why);
		return;
	}
	proxy->state = PROXY_SECURING;
	stream_set_owner(proxy->upstream, proxy_on_secured, proxy);
	proxy_on_secured(proxy, 0);
}

static void proxy_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct proxy *proxy = arg;

	(void)errnum;
	proxy->dial = NULL;
	if (rc == ERR_OK)
		rc = socket_open_take(proxy->loop, fd, &proxy->upstream);
	if (rc != ERR_OK)
		proxy_fail(proxy, rc, why);
	else if (proxy->tls != NULL)
		proxy_secure(proxy);
	else
		proxy_begin(proxy);
}

/* ---- the start ---- */

static void proxy_on_late(void *arg)
{
	proxy_fail(arg, ERR_TIMEOUT, NULL);
}

static void proxy_on_client_ready(void *arg, unsigned ready)
{
	struct proxy *proxy = arg;

	if (proxy->state == PROXY_PASSING)
		proxy_on_ready(proxy, ready);
}

static void proxy_on_gone(void *arg)
{
	proxy_free(arg);
}

static void flows_init(struct proxy *proxy)
{
	const struct http1_head *request = http_request(proxy->x);

	proxy->sending.read = sending_read;
	proxy->sending.is_chunked = request->body == HTTP1_CHUNKED;
	proxy->sending.state = request->body == HTTP1_NO_BODY ? FLOW_LAST_WRITING :
								FLOW_WRITING;
	proxy->answering.read = answering_read;
	proxy->answering.state = FLOW_READING;
	buf_init(&proxy->sending.head, PROXY_HEAD_MAX);
	buf_init(&proxy->answering.head, PROXY_HEAD_MAX);
	http1_reader_init_response(&proxy->answer, request->method);
}

static enum err proxy_new(struct http_exchange *x, const struct http_upstream *up,
	struct proxy **out)
{
	struct http_server *server = exchange_server(x);
	struct proxy *proxy = mem_new(proxy);
	enum err rc = ERR_NOMEM;

	if (proxy == NULL)
		return rc;
	proxy->x = x;
	proxy->loop = server->o.loop;
	proxy->pool = server->o.pool;
	proxy->log = up->log;
	proxy->tls = up->tls;
	proxy->port = up->port;
	proxy->quiet_ms = up->quiet_ms != 0 ? up->quiet_ms : QUIET_MS;
	flows_init(proxy);
	proxy->host = strdup(up->host);
	if (proxy->host != NULL)
		rc = loop_timer_open(proxy->loop, proxy_on_late, proxy, &proxy->timer);
	if (rc == ERR_OK)
		rc = proxy_put_request(&proxy->sending.head, http_request(x), up,
			http_peer(x));
	if (rc == ERR_OK)
		*out = proxy;
	else
		proxy_free(proxy);
	return rc;
}

static enum err proxy_dial(struct proxy *proxy, uint32_t connect_ms)
{
	struct dial_options o = {
		.loop = proxy->loop,
		.host = proxy->host,
		.port = proxy->port,
		.timeout_ms = connect_ms,
		.fn = proxy_on_dialled,
		.arg = proxy,
	};

	loop_timer_set(proxy->timer, connect_ms);
	return dial_open(&o, &proxy->dial);
}

void http_proxy_pass(struct http_exchange *x, const struct http_upstream *up)
{
	struct borrower by = {
		.on_ready = proxy_on_client_ready,
		.on_gone = proxy_on_gone,
	};
	struct proxy *proxy;
	enum err rc;

	if (span_is(http_request(x)->method, "CONNECT")) {
		http_reply(x, 405, NULL, span_str("Method Not Allowed\n"));
		return;
	}
	rc = proxy_new(x, up, &proxy);
	if (rc != ERR_OK) {
		http_reply(x, rc == ERR_LIMIT ? 400 : 503, NULL, span_of(NULL, 0));
		return;
	}
	by.arg = proxy;
	proxy->client = exchange_borrow(x, &by);
	rc = proxy_dial(proxy, up->connect_ms != 0 ? up->connect_ms : CONNECT_MS);
	if (rc != ERR_OK)
		proxy_fail(proxy, rc, NULL);
}
