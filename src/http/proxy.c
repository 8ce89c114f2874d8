/*
 * A reverse proxy for one request: first a machine that reaches the upstream, then two
 * passages, the request's and the answer's.
 */
#include "http/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "http/connection.h"
#include "http/passage.h"
#include "http/proxy_head.h"
#include "net/bridge.h"
#include "net/reach.h"

#define CONNECT_MS 10000
#define HALF_CLOSED_MS 5000 /* without a byte, to a client that says no more */
#define MOVES_PER_TURN 4
#define CONTINUE_MS 1000 /* for the upstream to ask for the body; then we do */

enum proxy_state {
	PROXY_REACHING,
	PROXY_PASSING,
	PROXY_BRIDGED, /* both sides speak something else now */
};

/* What is known of the client once its request has been sent on. */
enum proxy_client {
	CLIENT_SILENT,
	CLIENT_AHEAD,    /* it has sent its next request already */
	CLIENT_FINISHED, /* it has ended its side */
};

struct proxy {
	enum proxy_state state;
	struct http_exchange *x; /* borrowed: ours to answer */
	struct loop *loop;       /* borrowed: the server's */
	struct pool *pool;       /* borrowed: the server's */
	const struct log *log;   /* borrowed: the owner's; may be NULL */
	struct tls_context *tls; /* borrowed: the owner's; NULL: plain */
	char *unix_path;         /* NULL: host and port */
	char *host;
	uint16_t port;
	uint32_t connect_ms;
	struct proxy_rewriting rewriting;
	const char *bad_gateway; /* borrowed: the owner's */

	struct idle_pool *idle; /* borrowed: the owner's; NULL: none */
	bool is_used;           /* the upstream's connection has been kept */
	bool is_deaf;           /* it did not take all of the request */
	struct buf again;       /* the request, while it may have to be asked once more */

	struct loop_timer *timer; /* of CONTINUE_MS, or later of HALF_CLOSED_MS */
	struct reach *reach;
	struct stream *client;   /* borrowed: the connection's */
	struct stream *upstream; /* NULL: not there yet, or the bridge's */
	struct bridge *bridge;

	struct passage sending, answering;
	struct incoming in; /* from the upstream */
	struct http1_reader answer;
	bool has_interim; /* there was a 1xx */
	bool has_begun;   /* the client has seen some of the answer */
	enum proxy_client client_is;
};

/* ---- life ---- */

/* What is needed only until a bridge takes over. */
static void proxy_drop_http(struct proxy *proxy)
{
	passage_fini(&proxy->sending);
	passage_fini(&proxy->answering);
	http1_reader_fini(&proxy->answer);
	incoming_fini(&proxy->in);
}

static void proxy_free(struct proxy *proxy)
{
	if (proxy == NULL)
		return;
	proxy_drop_http(proxy);
	reach_close(proxy->reach);
	buf_fini(&proxy->again);
	loop_timer_close(proxy->timer);
	bridge_close(proxy->bridge);
	stream_close(proxy->upstream);
	free(proxy->unix_path);
	free(proxy->host);
	free(proxy);
}

/* Names the upstream, unless @what does. */
static void proxy_log(const struct proxy *proxy, const char *what)
{
	char place[512];

	if (proxy->log == NULL)
		return;
	if (proxy->unix_path != NULL)
		snprintf(place, sizeof(place), "%s", proxy->unix_path);
	else
		snprintf(place, sizeof(place), "%s:%u", proxy->host, proxy->port);
	if (strstr(what, place) != NULL)
		log_limited(LOG_INFO, proxy->log, "proxy: %s", what);
	else
		log_limited(LOG_INFO, proxy->log, "proxy: %s: %s", place, what);
}

static void reply_bad_gateway(const struct proxy *proxy)
{
	const char *text = proxy->bad_gateway != NULL ? proxy->bad_gateway :
							"Bad Gateway\n";

	http_reply(proxy->x, 502, NULL, span_str(text));
}

/* The upstream's fault. */
static void proxy_fail(struct proxy *proxy, enum err rc, const struct why *why)
{
	proxy_log(proxy, err_text(rc, why));
	if (proxy->has_begun)
		exchange_cut(proxy->x);
	else
		reply_bad_gateway(proxy);
	proxy_free(proxy);
}

/* The client's fault. An upstream that takes no more of the request sees no orderly end
 * either. */
static void proxy_cut(struct proxy *proxy)
{
	if (proxy->upstream != NULL && proxy->sending.state != PASSAGE_ENDED) {
		stream_abort(proxy->upstream);
		proxy->upstream = NULL;
	}
	exchange_cut(proxy->x);
	proxy_free(proxy);
}

/* The upstream may be asked something else on this connection. */
static bool proxy_may_keep(const struct proxy *proxy)
{
	const struct http1_head *answer = &proxy->answer.head;

	return proxy->idle != NULL && proxy->sending.state == PASSAGE_ENDED &&
		!proxy->is_deaf && answer->keeps_alive &&
		answer->body != HTTP1_UNTIL_CLOSE && proxy->in.rest.n == 0;
}

/* If the answer came before the end of the request, the rest of that is not read. */
static void proxy_end(struct proxy *proxy)
{
	if (proxy->sending.state != PASSAGE_ENDED)
		proxy->x->is_last = true;
	if (proxy_may_keep(proxy) && idle_pool_put(proxy->idle, proxy->upstream, true))
		proxy->upstream = NULL;
	exchange_end(proxy->x);
	proxy_free(proxy);
}

/* The message that @reader reads is complete. */
static enum err passage_end(struct passage *p, const struct http1_reader *reader)
{
	struct buf trailers;
	enum err rc = ERR_OK;

	buf_init(&trailers, PROXY_HEAD_MAX);
	if (p->is_chunked)
		rc = proxy_put_trailers(&trailers, reader);
	if (rc == ERR_OK)
		rc = passage_finish(p, buf_span(&trailers));
	buf_fini(&trailers);
	return rc;
}

/* ---- the request ---- */

static enum err sending_read(struct proxy *proxy, struct why *why)
{
	struct mspan room;
	size_t got = 0;
	enum err rc = passage_lend(&proxy->sending, &room);

	(void)why; /* a client that cannot be read is cut without a word */
	if (rc != ERR_OK)
		return rc;
	rc = exchange_read_body(proxy->x, room, &got);
	passage_commit(&proxy->sending, got);
	return rc == ERR_EOF ? passage_end(&proxy->sending, &proxy->x->reader) : rc;
}

/* ---- the answer ---- */

/* A client of HTTP/1.0 knows no 1xx, and 100 is only for one that waits for it. */
static bool interim_is_for_client(const struct proxy *proxy)
{
	if (proxy->answer.head.status == 100)
		return proxy->x->owes_continue;
	return http_request(proxy->x)->minor == 1;
}

static enum err answering_pass_interim(struct proxy *proxy)
{
	const struct http1_head *request = http_request(proxy->x);
	struct proxy_framing none = { .is_last = false };
	enum err rc = ERR_OK;

	proxy->has_interim = true;
	if (interim_is_for_client(proxy)) {
		if (proxy->answer.head.status == 100)
			proxy->x->owes_continue = false;
		rc = proxy_put_answer(&proxy->answering.head, &proxy->answer.head,
			request, none, NULL);
		proxy->answering.state = PASSAGE_WRITING;
	}
	http1_reader_fini(&proxy->answer);
	http1_reader_init_response(&proxy->answer, &http1_response_limits,
		request->method);
	return rc;
}

static enum err answering_read_head(struct proxy *proxy, struct why *why)
{
	const struct http1_head *request = http_request(proxy->x), *answer;
	struct proxy_framing framing;
	enum err rc = incoming_read_head(&proxy->in, &proxy->answer, why);

	if (rc != ERR_OK)
		return rc;
	answer = &proxy->answer.head;
	if (answer->status == 101 && !proxy_upgrade_was_offered(answer, request))
		return err_set(why, ERR_PROTO,
			"the answer switches to a protocol that was not offered");
	if (answer->status / 100 == 1 && answer->status != 101)
		return answering_pass_interim(proxy);
	framing = proxy_frame_answer(answer, request);
	/* Without the body, which may still come or not, the connection cannot be used
	 * again. */
	framing.is_last = framing.is_last || proxy->x->owes_continue;
	rc = proxy_put_answer(&proxy->answering.head, answer, request, framing,
		&proxy->rewriting);
	if (rc != ERR_OK)
		return rc;
	proxy->x->is_last = framing.is_last;
	proxy->answering.is_chunked = framing.is_chunked;
	proxy->answering.state = answer->status == 101 ? PASSAGE_LAST_WRITING :
							 PASSAGE_WRITING;
	proxy->has_begun = true;
	return ERR_OK;
}

static enum err answering_read(struct proxy *proxy, struct why *why)
{
	struct mspan room;
	size_t got = 0;
	enum err rc;

	if (!proxy->has_begun)
		return answering_read_head(proxy, why);
	rc = passage_lend(&proxy->answering, &room);
	if (rc != ERR_OK)
		return rc;
	rc = incoming_read_body(&proxy->in, &proxy->answer, room, &got, why);
	passage_commit(&proxy->answering, got);
	return rc == ERR_EOF ? passage_end(&proxy->answering, &proxy->answer) : rc;
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
	rc = proxy->sending.state == PASSAGE_ENDED ? proxy_bridge(proxy, &early) :
						     ERR_PROTO;
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

/* ---- both passages ---- */

static bool proxy_has_more(const struct proxy *proxy, const struct passage *p)
{
	return p == &proxy->sending ? exchange_has_more(proxy->x) :
				      incoming_has_more(&proxy->in, &proxy->answer);
}

/*
 * Moves pieces until nothing can move, or the turn's share is used up. Then the stream
 * that is read calls again, for streams are level triggered. What makes no stream ready
 * is moved in this turn; it is little: what is left of one read, and the end of the
 * message.
 */
static enum err proxy_move(struct proxy *proxy, struct passage *p,
	enum err (*read)(struct proxy *proxy, struct why *why), struct why *why)
{
	enum err rc = ERR_OK;

	for (int moves = 0; rc == ERR_OK && p->state != PASSAGE_ENDED; moves++) {
		if (moves >= MOVES_PER_TURN && !proxy_has_more(proxy, p))
			break;
		if (passage_is_reading(p))
			rc = read(proxy, why);
		if (rc == ERR_OK && passage_is_writing(p))
			rc = passage_write(p);
	}
	return rc == ERR_AGAIN ? ERR_OK : rc;
}

/* While only the upstream is waited for, the client may go. */
static bool proxy_watches_client(const struct proxy *proxy)
{
	return proxy->sending.state == PASSAGE_ENDED && proxy->client_is == CLIENT_SILENT;
}

static void proxy_settle(struct proxy *proxy)
{
	unsigned client = 0, upstream = 0;

	if (passage_is_reading(&proxy->sending) || proxy_watches_client(proxy))
		client |= LOOP_READ;
	if (passage_is_writing(&proxy->sending))
		upstream |= LOOP_WRITE;
	if (passage_is_reading(&proxy->answering))
		upstream |= LOOP_READ;
	if (passage_is_writing(&proxy->answering))
		client |= LOOP_WRITE;
	if (client == 0)
		client =
			LOOP_HANGUP; /* while the upstream takes no more of the request */
	stream_want(proxy->client, client);
	stream_want(proxy->upstream, upstream);
}

static void proxy_reach(struct proxy *proxy);

/* The upstream has ended a kept connection before it saw the request:
 * once more, on a new one. */
static void proxy_ask_again(struct proxy *proxy)
{
	stream_want(proxy->client, 0);
	stream_close(proxy->upstream);
	proxy->upstream = NULL;
	proxy->is_used = proxy->is_deaf = false;
	passage_fini(&proxy->sending);
	passage_init(&proxy->sending, proxy->pool, PROXY_HEAD_MAX, PASSAGE_LAST_WRITING);
	proxy->sending.head = proxy->again;
	buf_init(&proxy->again, 0);
	incoming_fini(&proxy->in);
	http1_reader_fini(&proxy->answer);
	http1_reader_init_response(&proxy->answer, &http1_response_limits,
		http_request(proxy->x)->method);
	proxy_reach(proxy);
}

static void proxy_on_broken_answer(struct proxy *proxy, enum err rc,
	const struct why *why)
{
	bool is_unheard = !proxy->has_begun && http1_reader_is_fresh(&proxy->answer) &&
		!proxy->has_interim;

	if (proxy->is_used && is_unheard)
		proxy_ask_again(proxy);
	else
		proxy_fail(proxy, rc, why);
}

static void proxy_run(struct proxy *proxy)
{
	struct why why = { "" };
	enum err rc = proxy_move(proxy, &proxy->sending, sending_read, &why);

	if (rc != ERR_OK && passage_is_reading(&proxy->sending)) {
		proxy_cut(proxy);
		return;
	}
	/* An upstream that does not listen any more may still have answered. */
	if (rc != ERR_OK) {
		proxy->sending.state = PASSAGE_ENDED;
		proxy->is_deaf = true;
	}
	rc = proxy_move(proxy, &proxy->answering, answering_read, &why);
	if (rc != ERR_OK && passage_is_writing(&proxy->answering))
		proxy_cut(proxy);
	else if (rc != ERR_OK)
		proxy_on_broken_answer(proxy, rc, &why);
	else if (proxy->answering.state != PASSAGE_ENDED)
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
	if (proxy->client_is == CLIENT_FINISHED)
		loop_timer_set(proxy->timer, HALF_CLOSED_MS);
	proxy_run(proxy);
}

/* ERR_OK: it is still there, as far as is known. */
static enum err proxy_watch_client(struct proxy *proxy)
{
	enum err rc = exchange_watch(proxy->x);

	if (rc == ERR_OK) {
		proxy->client_is = CLIENT_AHEAD;
	} else if (rc == ERR_EOF) {
		proxy->client_is = CLIENT_FINISHED;
		return ERR_OK;
	}
	return rc == ERR_AGAIN ? ERR_OK : rc;
}

static void proxy_on_client_ready(void *arg, unsigned ready)
{
	struct proxy *proxy = arg;

	if (proxy->state != PROXY_PASSING)
		return;
	if (ready == LOOP_HANGUP)
		proxy_cut(proxy);
	else if ((ready & LOOP_READ) != 0 && proxy_watches_client(proxy) &&
		proxy_watch_client(proxy) != ERR_OK)
		proxy_cut(proxy);
	else
		proxy_on_ready(proxy, ready);
}

/* ---- reaching the upstream ---- */

static void proxy_begin(struct proxy *proxy)
{
	proxy->state = PROXY_PASSING;
	proxy->sending.to = proxy->upstream;
	proxy->answering.to = proxy->client;
	incoming_init(&proxy->in, proxy->upstream);
	stream_set_owner(proxy->upstream, proxy_on_ready, proxy);
	if (proxy->x->owes_continue)
		loop_timer_set(proxy->timer, CONTINUE_MS);
	proxy_on_ready(proxy, 0);
}

static void proxy_on_reached(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct proxy *proxy = arg;

	proxy->reach = NULL;
	proxy->upstream = stream;
	if (rc == ERR_OK)
		proxy_begin(proxy);
	else
		proxy_fail(proxy, rc, why);
}

static void proxy_reach(struct proxy *proxy)
{
	struct reach_options o = {
		.loop = proxy->loop,
		.unix_path = proxy->unix_path,
		.host = proxy->host,
		.port = proxy->port,
		.tls = proxy->tls,
		.timeout_ms = proxy->connect_ms,
		.fn = proxy_on_reached,
		.arg = proxy,
	};
	enum err rc = reach_open(&o, &proxy->reach);

	proxy->state = PROXY_REACHING;
	if (rc != ERR_OK)
		proxy_fail(proxy, rc, NULL);
}

/* A request that may be asked twice, and whose body, if it has one, is not used up by
 * that. */
static bool request_is_repeatable(const struct http1_head *request)
{
	return request->body == HTTP1_NO_BODY && !request->wants_upgrade &&
		(span_is(request->method, "GET") || span_is(request->method, "HEAD") ||
			span_is(request->method, "OPTIONS"));
}

/* True if there was one. */
static bool proxy_begin_with_kept(struct proxy *proxy)
{
	struct span head = buf_span(&proxy->sending.head);

	if (proxy->idle == NULL || !request_is_repeatable(http_request(proxy->x)))
		return false;
	buf_init(&proxy->again, PROXY_HEAD_MAX);
	if (buf_put_span(&proxy->again, head) != ERR_OK)
		return false;
	proxy->upstream = idle_pool_take(proxy->idle, NULL);
	if (proxy->upstream == NULL)
		return false;
	proxy->is_used = true;
	proxy_begin(proxy);
	return true;
}

/* ---- the start ---- */

/* The upstream does not ask for the body, perhaps because it does not know how to. */
static void proxy_ask_for_body(struct proxy *proxy)
{
	proxy->x->owes_continue = false;
	buf_put_str(&proxy->answering.head, "HTTP/1.1 100 Continue\r\n\r\n");
	if (passage_is_reading(&proxy->answering))
		proxy->answering.state = PASSAGE_WRITING;
	proxy_run(proxy);
}

static void proxy_on_late(void *arg)
{
	struct proxy *proxy = arg;

	if (proxy->client_is == CLIENT_FINISHED)
		proxy_cut(proxy);
	else if (proxy->x->owes_continue && !proxy->has_begun)
		proxy_ask_for_body(proxy);
}

static void proxy_on_gone(void *arg)
{
	proxy_free(arg);
}

static void passages_init(struct proxy *proxy)
{
	const struct http1_head *request = http_request(proxy->x);

	passage_init(&proxy->sending, proxy->pool, PROXY_HEAD_MAX,
		request->body == HTTP1_NO_BODY ? PASSAGE_LAST_WRITING : PASSAGE_WRITING);
	passage_init(&proxy->answering, proxy->pool, PROXY_HEAD_MAX, PASSAGE_READING);
	proxy->sending.is_chunked = request->body == HTTP1_CHUNKED;
	http1_reader_init_response(&proxy->answer, &http1_response_limits,
		request->method);
}

static bool proxy_copy_names(struct proxy *proxy, const struct http_upstream *up)
{
	if (up->unix_path != NULL)
		proxy->unix_path = strdup(up->unix_path);
	proxy->host = strdup(up->host != NULL ? up->host : "localhost");
	return proxy->host != NULL && (proxy->unix_path != NULL || up->unix_path == NULL);
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
	proxy->connect_ms = up->connect_ms != 0 ? up->connect_ms : CONNECT_MS;
	proxy->idle = up->idle;
	proxy->rewriting = (struct proxy_rewriting){ up->rewrite, up->rewrite_arg };
	proxy->bad_gateway = up->bad_gateway;
	passages_init(proxy);
	if (proxy_copy_names(proxy, up))
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

void http_proxy_pass(struct http_exchange *x, const struct http_upstream *up)
{
	struct borrower by = {
		.on_ready = proxy_on_client_ready,
		.on_gone = proxy_on_gone,
	};
	struct proxy *proxy;
	enum err rc;

	rc = proxy_new(x, up, &proxy);
	if (rc != ERR_OK) {
		http_reply(x, rc == ERR_LIMIT ? 400 : 503, NULL, span_of(NULL, 0));
		return;
	}
	by.arg = proxy;
	proxy->client = exchange_borrow(x, &by);
	if (!proxy_begin_with_kept(proxy))
		proxy_reach(proxy);
}
