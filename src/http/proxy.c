/*
 * A reverse proxy for one request: a connection to the upstream, then two pumps, for the
 * request and for the response.
 */
#include "http/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/connection.h"
#include "http/proxy_head.h"
#include "http/pump.h"
#include "net/bridge.h"
#include "net/connector.h"

#define CONNECT_MS 10000
#define HALF_CLOSED_MS 5000 /* without a byte, after the client's end of stream */
#define MOVES_PER_TURN 4
#define CONTINUE_MS 1000 /* for the upstream to ask for the body; then we do */

/* What is known of the client once its request has been sent on. */
enum proxy_client {
	CLIENT_SILENT,
	CLIENT_AHEAD,    /* it has sent its next request already */
	CLIENT_FINISHED, /* it has ended its side */
};

struct proxy {
	struct http_exchange *x; /* borrowed: ours to answer */
	struct http_upstream up; /* its unix_path and host are ours, below */
	char *unix_path, *host;

	bool is_used; /* the upstream's connection was kept; @again can be asked again */
	bool is_write_closed; /* it did not take all of the request */
	struct buf again;     /* the request, while it may have to be asked once more */

	/* of connect_ms, CONTINUE_MS, idle_ms or HALF_CLOSED_MS */
	struct loop_timer *timer;
	uint64_t moved_ms;      /* when a stream was ready last */
	uint64_t bridged_bytes; /* when the timer looked last */
	struct connector *connector;
	bool is_opening;         /* the opener is */
	struct stream *client;   /* borrowed: the connection's */
	struct stream *upstream; /* NULL: not there yet, or the bridge's */
	struct bridge *bridge;

	struct pump sending, answering;
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
	pump_fini(&proxy->sending);
	pump_fini(&proxy->answering);
	http1_reader_fini(&proxy->answer);
	incoming_fini(&proxy->in);
}

static void proxy_free(struct proxy *proxy)
{
	if (proxy == NULL)
		return;
	proxy_drop_http(proxy);
	connector_close(proxy->connector);
	if (proxy->is_opening)
		proxy->up.opener->cancel(proxy->up.opener_arg);
	buf_fini(&proxy->again);
	loop_timer_close(proxy->timer);
	bridge_close(proxy->bridge);
	stream_close(proxy->upstream);
	if (proxy->up.on_end != NULL)
		proxy->up.on_end(proxy->up.end_arg);
	free(proxy->unix_path);
	free(proxy->host);
	free(proxy);
}

/* Names the upstream, unless @what does. */
static void proxy_log(const struct proxy *proxy, const char *what)
{
	char place[512];

	if (proxy->up.log == NULL)
		return;
	if (proxy->unix_path != NULL)
		snprintf(place, sizeof(place), "%s", proxy->unix_path);
	else
		snprintf(place, sizeof(place), "%s:%u", proxy->host, proxy->up.port);
	if (strstr(what, place) != NULL)
		log_limited(LOG_INFO, proxy->up.log, "proxy: %s", what);
	else
		log_limited(LOG_INFO, proxy->up.log, "proxy: %s: %s", place, what);
}

static void proxy_tell_status(const struct proxy *proxy, unsigned status)
{
	if (proxy->up.on_status != NULL)
		proxy->up.on_status(proxy->up.status_arg, http_request(proxy->x), status);
}

/* An upstream that has not got all of the request sees no orderly end. */
static void proxy_drop_upstream(struct proxy *proxy)
{
	if (proxy->upstream != NULL && proxy->sending.state != PUMP_ENDED) {
		stream_abort(proxy->upstream);
		proxy->upstream = NULL;
	}
}

static void proxy_reply_failure(struct proxy *proxy, enum http_failure what)
{
	static const struct {
		unsigned status;
		const char *text;
	} answers[] = {
		[HTTP_UNREACHABLE] = { 502, "Bad Gateway\n" },
		[HTTP_UNANSWERED] = { 502, "Bad Gateway\n" },
		[HTTP_TIMED_OUT] = { 504, "Gateway Timeout\n" },
		[HTTP_BODY_TOO_LONG] = { 413, "Content Too Large\n" },
	};
	const char *text = answers[what].text;

	if (answers[what].status == 502 && proxy->up.bad_gateway != NULL)
		text = proxy->up.bad_gateway;
	proxy_tell_status(proxy, answers[what].status);
	http_reply(proxy->x, answers[what].status, NULL, span_str(text));
}

/* The upstream's fault, or a limit. */
static void proxy_fail(struct proxy *proxy, enum http_failure what, enum err rc,
	const struct why *why)
{
	if (what != HTTP_BODY_TOO_LONG)
		proxy_log(proxy, err_text(rc, why));
	proxy_drop_upstream(proxy);
	if (proxy->has_begun)
		exchange_cut(proxy->x);
	if (proxy->up.on_failure != NULL)
		proxy->up.on_failure(proxy->up.failure_arg,
			proxy->has_begun ? NULL : proxy->x, what, rc);
	else if (!proxy->has_begun)
		proxy_reply_failure(proxy, what);
	proxy_free(proxy);
}

/* The client's fault. */
static void proxy_cut(struct proxy *proxy)
{
	proxy_drop_upstream(proxy);
	exchange_cut(proxy->x);
	proxy_free(proxy);
}

/* The upstream may be asked something else on this connection. */
static bool proxy_may_keep(const struct proxy *proxy)
{
	const struct http1_head *answer = &proxy->answer.head;

	return proxy->up.idle != NULL && proxy->sending.state == PUMP_ENDED &&
		!proxy->is_write_closed && answer->keeps_alive &&
		answer->body != HTTP1_UNTIL_CLOSE && proxy->in.rest.n == 0;
}

/* If the answer came before the end of the request, the rest of that is not read. */
static void proxy_end(struct proxy *proxy)
{
	if (proxy->sending.state != PUMP_ENDED)
		proxy->x->is_last = true;
	if (proxy_may_keep(proxy) && idle_pool_put(proxy->up.idle, proxy->upstream, true))
		proxy->upstream = NULL;
	exchange_end(proxy->x);
	proxy_free(proxy);
}

/* ---- the answer ---- */

/* The upstream's next response may begin. */
static void proxy_expect(struct proxy *proxy)
{
	http1_reader_fini(&proxy->answer);
	http1_reader_init_response(&proxy->answer, &http1_response_limits,
		http_request(proxy->x)->method);
}

/* A client of HTTP/1.0 knows no 1xx, and 100 is only for one that waits for it. */
static bool interim_is_for_client(const struct proxy *proxy)
{
	if (proxy->answer.head.status == 100)
		return proxy->x->expects_continue;
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
			proxy->x->expects_continue = false;
		rc = proxy_put_answer(&proxy->answering.head, &proxy->answer.head,
			request, none, NULL);
		proxy->answering.state = PUMP_WRITING;
	}
	proxy_expect(proxy);
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
	framing.is_last = framing.is_last || proxy->x->expects_continue;
	rc = proxy_put_answer(&proxy->answering.head, answer, request, framing,
		&proxy->up);
	if (rc != ERR_OK)
		return rc;
	proxy->x->is_last = framing.is_last;
	proxy->answering.is_chunked = framing.is_chunked;
	proxy->answering.state = answer->status == 101 ? PUMP_LAST_WRITING : PUMP_WRITING;
	proxy->has_begun = true;
	proxy_tell_status(proxy, answer->status);
	return ERR_OK;
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

static enum err proxy_bridge(struct proxy *proxy)
{
	struct bridge_options o = {
		.loop = proxy->x->server->o.loop,
		.pool = proxy->x->server->o.pool,
		.a = proxy->upstream,
		.a_first = buf_span(&proxy->in.rest),
		.on_closed = proxy_on_bridge_closed,
		.arg = proxy,
	};
	struct span early = buf_span(&proxy->x->in->rest);
	size_t put = 0;
	enum err rc = ERR_OK;

	/* What the client has sent too early, at once or not at all. */
	if (early.n > 0)
		rc = stream_put(proxy->upstream, early.p, early.n, &put);
	if (rc != ERR_OK || put < early.n)
		return rc != ERR_OK ? rc : ERR_LIMIT;
	o.b = exchange_detach(proxy->x);
	rc = bridge_open(&o, &proxy->bridge);
	if (rc != ERR_OK)
		stream_abort(o.b);
	return rc;
}

static void proxy_upgrade(struct proxy *proxy)
{
	if (proxy->sending.state != PUMP_ENDED || proxy_bridge(proxy) != ERR_OK) {
		proxy_cut(proxy);
		return;
	}
	proxy->upstream = NULL;
	proxy_drop_http(proxy);
	loop_timer_stop(proxy->timer);
	if (proxy->up.idle_ms != 0)
		loop_timer_set(proxy->timer, proxy->up.idle_ms);
}

/* ---- both pumps ---- */

/*
 * Moves pieces until nothing can move, or the turn's share is used up. Then the stream
 * that is read calls again, for streams are level triggered. What makes no stream ready
 * is moved in this turn; it is little: what is left of one read, and the end of the
 * message.
 */
static enum err proxy_move(struct proxy *proxy, struct pump *p, struct why *why)
{
	enum err rc = ERR_OK;

	for (int moves = 0; rc == ERR_OK && p->state != PUMP_ENDED; moves++) {
		if (moves >= MOVES_PER_TURN && !incoming_has_more(p->in, p->reader))
			break;
		if (p == &proxy->answering && !proxy->has_begun && pump_is_reading(p))
			rc = answering_read_head(proxy, why);
		else if (pump_is_reading(p))
			rc = pump_read(p, why);
		/* A client that sends its body does not wait for 100 Continue. */
		if (p == &proxy->sending && p->state == PUMP_WRITING && p->n > 0)
			proxy->x->expects_continue = false;
		if (rc == ERR_OK && pump_is_writing(p))
			rc = pump_write(p);
	}
	return rc == ERR_AGAIN ? ERR_OK : rc;
}

/* While only the response is awaited, the client's connection is watched for its end. */
static bool proxy_watches_client(const struct proxy *proxy)
{
	return proxy->sending.state == PUMP_ENDED && proxy->client_is == CLIENT_SILENT;
}

static void proxy_settle(struct proxy *proxy)
{
	unsigned client = 0, upstream = 0;

	if (pump_is_reading(&proxy->sending) || proxy_watches_client(proxy))
		client |= LOOP_READ;
	if (pump_is_writing(&proxy->sending))
		upstream |= LOOP_WRITE;
	if (pump_is_reading(&proxy->answering))
		upstream |= LOOP_READ;
	if (pump_is_writing(&proxy->answering))
		client |= LOOP_WRITE;
	if (client == 0)
		client =
			LOOP_HANGUP; /* while the upstream takes no more of the request */
	stream_want(proxy->client, client);
	stream_want(proxy->upstream, upstream);
}

static void proxy_connect(struct proxy *proxy);

/* The upstream has ended a used connection before it saw the request: sends it once
 * more, on a new one. */
static void proxy_retry(struct proxy *proxy)
{
	stream_want(proxy->client, 0);
	stream_close(proxy->upstream);
	proxy->upstream = NULL;
	proxy->is_used = proxy->is_write_closed = false;
	if (proxy->client_is != CLIENT_FINISHED)
		loop_timer_stop(proxy->timer);
	pump_fini(&proxy->sending);
	proxy->sending.state = PUMP_LAST_WRITING;
	proxy->sending.head = proxy->again;
	buf_init(&proxy->again, 0);
	incoming_fini(&proxy->in);
	proxy_expect(proxy);
	proxy_connect(proxy);
}

static void proxy_on_broken_answer(struct proxy *proxy, enum err rc,
	const struct why *why)
{
	bool is_unheard = !proxy->has_begun && http1_reader_is_fresh(&proxy->answer) &&
		!proxy->has_interim;

	if (proxy->is_used && is_unheard)
		proxy_retry(proxy);
	else
		proxy_fail(proxy, HTTP_UNANSWERED, rc, why);
}

static void proxy_run(struct proxy *proxy)
{
	struct why why = { "" };
	enum err rc = proxy_move(proxy, &proxy->sending, &why);

	if (rc != ERR_OK && pump_is_reading(&proxy->sending)) {
		if (proxy->sending.is_too_long)
			proxy_fail(proxy, HTTP_BODY_TOO_LONG, rc, NULL);
		else
			proxy_cut(proxy);
		return;
	}
	/* An upstream that takes no more of the request may still have answered. */
	if (rc != ERR_OK) {
		proxy->sending.state = PUMP_ENDED;
		proxy->is_write_closed = true;
	}
	rc = proxy_move(proxy, &proxy->answering, &why);
	if (rc != ERR_OK && pump_is_writing(&proxy->answering))
		proxy_cut(proxy);
	else if (rc != ERR_OK)
		proxy_on_broken_answer(proxy, rc, &why);
	else if (proxy->answering.state != PUMP_ENDED)
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
	if (proxy->up.idle_ms != 0)
		proxy->moved_ms = clock_now_ms();
	if (proxy->client_is == CLIENT_FINISHED)
		loop_timer_set(proxy->timer, HALF_CLOSED_MS);
	proxy_run(proxy);
}

/*
 * While the connection is being opened: a piece of what the client sends is kept, the
 * rest can wait. That it is gone cannot.
 */
static void proxy_on_early_client(struct proxy *proxy, unsigned ready)
{
	bool has_body = http_request(proxy->x)->body != HTTP1_NO_BODY;
	enum err rc = ERR_AGAIN;

	if ((ready & LOOP_READ) != 0)
		rc = incoming_fill(proxy->x->in);
	if (rc == ERR_OK && !has_body)
		proxy->client_is = CLIENT_AHEAD;
	if (rc == ERR_EOF && !has_body)
		proxy->client_is = CLIENT_FINISHED;
	if (ready == LOOP_HANGUP || (rc != ERR_OK && rc != ERR_AGAIN && rc != ERR_EOF))
		proxy_cut(proxy);
	else
		stream_want(proxy->client, rc == ERR_AGAIN ? LOOP_READ : LOOP_HANGUP);
}

static void proxy_on_client_ready(void *arg, unsigned ready)
{
	struct proxy *proxy = arg;
	enum err rc = ERR_AGAIN;

	if (proxy->upstream == NULL) {
		proxy_on_early_client(proxy, ready);
		return;
	}
	if ((ready & LOOP_READ) != 0 && proxy_watches_client(proxy))
		rc = incoming_fill(proxy->x->in); /* of its next request */
	if (rc == ERR_OK)
		proxy->client_is = CLIENT_AHEAD;
	if (rc == ERR_EOF)
		proxy->client_is = CLIENT_FINISHED;
	if (ready == LOOP_HANGUP || (rc != ERR_OK && rc != ERR_AGAIN && rc != ERR_EOF))
		proxy_cut(proxy);
	else
		proxy_on_ready(proxy, ready);
}

/* ---- connecting to the upstream ---- */

static void proxy_begin(struct proxy *proxy)
{
	proxy->sending.to = proxy->upstream;
	proxy->answering.to = proxy->client;
	incoming_init(&proxy->in, proxy->upstream);
	stream_set_owner(proxy->upstream, proxy_on_ready, proxy);
	loop_timer_stop(proxy->timer);
	if (proxy->x->expects_continue)
		loop_timer_set(proxy->timer, CONTINUE_MS);
	else if (proxy->up.idle_ms != 0)
		loop_timer_set(proxy->timer, proxy->up.idle_ms);
	proxy_on_ready(proxy, 0);
}

static void proxy_on_connected(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct proxy *proxy = arg;

	proxy->connector = NULL;
	proxy->is_opening = false;
	proxy->upstream = stream;
	if (rc == ERR_OK)
		proxy_begin(proxy);
	else
		proxy_fail(proxy, HTTP_UNREACHABLE, rc, why);
}

static enum err proxy_dial(struct proxy *proxy)
{
	struct connector_options o = {
		.loop = proxy->x->server->o.loop,
		.unix_path = proxy->unix_path,
		.host = proxy->host,
		.port = proxy->up.port,
		.tls = proxy->up.tls,
		.timeout_ms = proxy->up.connect_ms,
		.fn = proxy_on_connected,
		.arg = proxy,
	};

	return connector_open(&o, &proxy->connector);
}

static enum err proxy_open(struct proxy *proxy)
{
	enum err rc = proxy->up.opener->open(proxy->up.opener_arg, proxy_on_connected,
		proxy);

	proxy->is_opening = rc == ERR_OK;
	if (rc == ERR_OK)
		loop_timer_set(proxy->timer, proxy->up.connect_ms);
	return rc;
}

static void proxy_connect(struct proxy *proxy)
{
	enum err rc = proxy->up.opener != NULL ? proxy_open(proxy) : proxy_dial(proxy);

	if (rc != ERR_OK)
		proxy_fail(proxy, HTTP_UNREACHABLE, rc, NULL);
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
static bool proxy_begin_with_pooled(struct proxy *proxy)
{
	struct span head = buf_span(&proxy->sending.head);
	bool is_repeatable = request_is_repeatable(http_request(proxy->x));

	if (proxy->up.idle == NULL)
		return false;
	if (is_repeatable) {
		buf_init(&proxy->again, PROXY_HEAD_MAX);
		if (buf_put_span(&proxy->again, head) != ERR_OK)
			return false;
		proxy->upstream = idle_pool_take(proxy->up.idle, NULL);
	} else {
		proxy->upstream = idle_pool_take_recent(proxy->up.idle,
			proxy->up.recent_ms);
	}
	if (proxy->upstream == NULL)
		return false;
	proxy->is_used = is_repeatable;
	proxy_begin(proxy);
	return true;
}

/* ---- the start ---- */

/* The upstream does not ask for the body, perhaps because it does not know how to. */
static void proxy_ask_for_body(struct proxy *proxy)
{
	proxy->x->expects_continue = false;
	buf_put_str(&proxy->answering.head, "HTTP/1.1 100 Continue\r\n\r\n");
	if (pump_is_reading(&proxy->answering))
		proxy->answering.state = PUMP_WRITING;
	proxy_run(proxy);
}

/* Each of them looks at what has moved since the timer was set. */
static void proxy_on_idle_bridge(struct proxy *proxy)
{
	struct bridge_end now = bridge_progress(proxy->bridge);
	uint64_t bytes = now.a_to_b_bytes + now.b_to_a_bytes;

	if (bytes == proxy->bridged_bytes) {
		proxy_cut(proxy);
		return;
	}
	proxy->bridged_bytes = bytes;
	loop_timer_set(proxy->timer, proxy->up.idle_ms);
}

static void proxy_on_idle(struct proxy *proxy)
{
	uint64_t quiet_ms = clock_now_ms() - proxy->moved_ms;

	if (proxy->up.idle_ms == 0)
		return;
	if (quiet_ms >= proxy->up.idle_ms)
		proxy_fail(proxy, HTTP_TIMED_OUT, ERR_TIMEOUT, NULL);
	else
		loop_timer_set(proxy->timer, proxy->up.idle_ms - quiet_ms);
}

static void proxy_on_late(void *arg)
{
	struct proxy *proxy = arg;

	if (proxy->bridge != NULL) {
		proxy_on_idle_bridge(proxy);
	} else if (proxy->upstream == NULL) {
		proxy_fail(proxy, HTTP_UNREACHABLE, ERR_TIMEOUT, NULL);
	} else if (proxy->client_is == CLIENT_FINISHED) {
		proxy_cut(proxy);
	} else if (proxy->x->expects_continue && !proxy->has_begun) {
		if (proxy->up.idle_ms != 0)
			loop_timer_set(proxy->timer, proxy->up.idle_ms);
		proxy_ask_for_body(proxy);
	} else {
		proxy_on_idle(proxy);
	}
}

static void proxy_on_gone(void *arg)
{
	proxy_free(arg);
}

static void pumps_init(struct proxy *proxy)
{
	const struct http1_head *request = http_request(proxy->x);

	proxy->sending = (struct pump){
		.state = request->body == HTTP1_NO_BODY ? PUMP_LAST_WRITING :
							  PUMP_WRITING,
		.pool = proxy->x->server->o.pool,
		.in = proxy->x->in,
		.reader = &proxy->x->reader,
		.is_chunked = request->body == HTTP1_CHUNKED,
		.body_max = proxy->up.body_max,
	};
	proxy->answering = (struct pump){
		.state = PUMP_READING,
		.pool = proxy->x->server->o.pool,
		.in = &proxy->in,
		.reader = &proxy->answer,
	};
	buf_init(&proxy->sending.head, PROXY_HEAD_MAX);
	buf_init(&proxy->answering.head, PROXY_HEAD_MAX);
	proxy_expect(proxy);
}

void http_proxy_pass(struct http_exchange *x, const struct http_upstream *up)
{
	struct proxy *proxy = mem_new(proxy);
	struct borrower by = {
		.on_ready = proxy_on_client_ready,
		.on_gone = proxy_on_gone,
		.arg = proxy,
	};
	enum err rc = ERR_NOMEM;

	if (proxy != NULL) {
		proxy->x = x;
		proxy->up = *up;
		if (up->connect_ms == 0)
			proxy->up.connect_ms = CONNECT_MS;
		if (up->unix_path != NULL)
			proxy->unix_path = strdup(up->unix_path);
		proxy->host = strdup(up->host != NULL ? up->host : "localhost");
		pumps_init(proxy);
		if (proxy->host != NULL &&
			(proxy->unix_path != NULL || up->unix_path == NULL))
			rc = loop_timer_open(x->server->o.loop, proxy_on_late, proxy,
				&proxy->timer);
		if (rc == ERR_OK)
			rc = proxy_put_request(&proxy->sending.head, http_request(x), up,
				http_peer(x));
	}
	if (rc != ERR_OK) {
		if (proxy == NULL && up->on_end != NULL)
			up->on_end(up->end_arg);
		proxy_free(proxy);
		http_reply(x, rc == ERR_LIMIT ? 400 : 503, NULL, span_of(NULL, 0));
		return;
	}
	proxy->client = exchange_borrow(x, &by);
	if (!proxy_begin_with_pooled(proxy))
		proxy_connect(proxy);
}
