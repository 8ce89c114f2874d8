/* A forward, and each of its visitors as a state machine. */
#include "agent/forward.h"

#include <stdlib.h>

#include "agent/forward_http.h"
#include "base/mem.h"
#include "net/bridge.h"
#include "net/connector.h"
#include "net/meter.h"
#include "net/pushback.h"

#define TARGET_MS 5000
#define FIRST_MS 3000        /* for a visitor's first bytes while the target is down */
#define HALF_CLOSED_MS 60000 /* idle timeout of a visitor after the target has closed */

enum visit_state {
	VISIT_CONNECTING, /* to the target */
	VISIT_BRIDGED,
	VISIT_PEEKING,   /* the target is down: does the visitor speak HTTP? */
	VISIT_ANSWERING, /* the HTTP server has its stream */
	VISIT_ENDED,     /* on_closed is called at the end of the turn */
};

struct forward_visit {
	struct forward *forward; /* borrowed: it frees us */
	struct list in_forward;
	enum visit_state state;
	struct forward_visitor v; /* its stream: until bridge or server takes it */
	struct addr peer;
	struct connector *connector; /* VISIT_CONNECTING */
	struct bridge *bridge;       /* VISIT_BRIDGED */
	struct meter *meter;         /* borrowed: VISIT_ANSWERING, the server's */
	struct loop_timer *timer;    /* VISIT_PEEKING */
	struct buf first;            /* the bytes that were read in it */
	struct loop_deferred turn;
	struct forward_end end;
};

/* ---- ends ---- */

void forward_visit_close(struct forward_visit *visit)
{
	if (visit == NULL)
		return;
	list_remove(&visit->in_forward);
	connector_close(visit->connector);
	bridge_close(visit->bridge);
	if (visit->meter != NULL)
		meter_cut(visit->meter);
	stream_abort(visit->v.stream);
	loop_timer_close(visit->timer);
	buf_fini(&visit->first);
	loop_undefer(&visit->turn);
	free(visit);
}

struct forward_end forward_visit_progress(const struct forward_visit *visit)
{
	struct forward_end end = visit->end;
	struct bridge_end bridge;
	struct meter_end meter;

	if (visit->bridge != NULL) {
		bridge = bridge_progress(visit->bridge);
		end.from_visitor_bytes = bridge.a_to_b_bytes;
		end.to_visitor_bytes = bridge.b_to_a_bytes;
	} else if (visit->meter != NULL) {
		meter = meter_progress(visit->meter);
		end.from_visitor_bytes += meter.read_bytes;
		end.to_visitor_bytes += meter.written_bytes;
	}
	return end;
}

static void visit_enter(struct forward_visit *visit, enum visit_state state)
{
	visit->state = state;
	loop_timer_close(visit->timer); /* of the previous state */
	visit->timer = NULL;
}

/* The first failure is reported. */
static void visit_end(struct forward_visit *visit, enum err rc, const struct why *why)
{
	if (visit->end.rc == ERR_OK && rc != ERR_OK) {
		visit->end.rc = rc;
		err_set(&visit->end.why, rc, "%s", err_text(rc, why));
	}
	visit_enter(visit, VISIT_ENDED);
	if (visit->v.stream != NULL)
		stream_want(visit->v.stream, 0);
	loop_defer(visit->forward->worker->loop, &visit->turn);
}

static void visit_on_turn(void *arg)
{
	struct forward_visit *visit = arg;
	struct forward_visitor v = visit->v;
	struct forward_end end = visit->end;

	forward_visit_close(visit);
	v.on_closed(v.arg, &end);
}

/* ---- the HTTP server answers ---- */

static void visit_on_answered(void *arg, const struct meter_end *end)
{
	struct forward_visit *visit = arg;

	visit->meter = NULL;
	visit->end.from_visitor_bytes += end->read_bytes;
	visit->end.to_visitor_bytes += end->written_bytes;
	visit_end(visit, end->rc, NULL);
}

/* Gives the visitor to the HTTP server; the end of its meter is the end of the visit. */
static void visit_answer(struct forward_visit *visit)
{
	struct meter_options o = {
		.loop = visit->forward->worker->loop,
		.below = visit->v.stream,
		.on_closed = visit_on_answered,
		.arg = visit,
	};
	enum err rc = meter_open(&o, &visit->meter);

	if (rc != ERR_OK) {
		visit_end(visit, rc, NULL);
		return;
	}
	visit->v.stream = NULL;
	visit_enter(visit, VISIT_ANSWERING);
	http_server_serve_take(visit->forward->servers[visit->v.is_raw].http,
		meter_stream(visit->meter), &visit->peer);
}

/* ---- the target is down ---- */

/* The bytes that were read are put back for the server, and counted there. */
static void visit_explain(struct forward_visit *visit)
{
	struct stream *stream;
	enum err rc = pushback_open(visit->forward->worker->loop, visit->v.stream,
		buf_span(&visit->first), &stream);

	if (rc != ERR_OK) {
		visit_end(visit, rc, NULL);
		return;
	}
	visit->end.from_visitor_bytes = 0;
	visit->v.stream = stream;
	visit_answer(visit);
}

static void visit_on_first_bytes(void *arg, unsigned ready)
{
	struct forward_visit *visit = arg;
	uint8_t piece[PUSHBACK_MAX];
	size_t got = 0;
	enum err rc = stream_read(visit->v.stream, piece, sizeof(piece) - visit->first.n,
		&got);

	(void)ready;
	if (rc == ERR_AGAIN)
		return;
	if (rc == ERR_OK)
		rc = buf_put(&visit->first, piece, got);
	visit->end.from_visitor_bytes += got;
	if (rc != ERR_OK) {
		visit_end(visit, rc == ERR_EOF ? ERR_OK : rc, NULL);
		return;
	}
	switch (forward_looks_like_http(buf_span(&visit->first))) {
	case HTTP_YES:
		visit_explain(visit);
		break;
	case HTTP_NO:
		visit_end(visit, ERR_OK, NULL);
		break;
	case HTTP_MAYBE:
		break;
	}
}

static void visit_on_timer(void *arg)
{
	visit_end(arg, ERR_OK, NULL);
}

static void visit_peek(struct forward_visit *visit)
{
	enum err rc;

	visit_enter(visit, VISIT_PEEKING);
	rc = loop_timer_open(visit->forward->worker->loop, visit_on_timer, visit,
		&visit->timer);
	if (rc != ERR_OK) {
		visit_end(visit, rc, NULL);
		return;
	}
	loop_timer_set(visit->timer, FIRST_MS);
	stream_set_owner(visit->v.stream, visit_on_first_bytes, visit);
	stream_want(visit->v.stream, LOOP_READ);
}

/* The failure is recorded now, although the visitor may still get a page. */
static void visit_on_down(struct forward_visit *visit, enum err rc, const struct why *why)
{
	visit->end.rc = rc;
	visit->end.is_unserved = true;
	err_set(&visit->end.why, rc, "%s%s", err_text(rc, why),
		rc == ERR_CRYPTO ? "; https+insecure:// accepts any certificate" : "");
	if (visit->v.is_raw)
		visit_end(visit, rc, why);
	else
		visit_peek(visit);
}

/* ---- the target is reached ---- */

static void visit_on_bridge_closed(void *arg, const struct bridge_end *end)
{
	struct forward_visit *visit = arg;

	visit->bridge = NULL;
	visit->end.from_visitor_bytes = end->a_to_b_bytes;
	visit->end.to_visitor_bytes = end->b_to_a_bytes;
	visit_end(visit, end->rc, NULL);
}

static void visit_bridge(struct forward_visit *visit, struct stream *target)
{
	struct bridge_options o = {
		.loop = visit->forward->worker->loop,
		.pool = &visit->forward->worker->blocks,
		.a = visit->v.stream,
		.b = target,
		.half_closed_ms = HALF_CLOSED_MS,
		.on_closed = visit_on_bridge_closed,
		.arg = visit,
	};
	enum err rc = bridge_open(&o, &visit->bridge);

	if (rc != ERR_OK) {
		stream_abort(target);
		visit_end(visit, rc, NULL);
		return;
	}
	visit->v.stream = NULL;
	visit_enter(visit, VISIT_BRIDGED);
}

static void visit_on_reached(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct forward_visit *visit = arg;

	visit->connector = NULL;
	if (rc == ERR_OK)
		visit_bridge(visit, stream);
	else
		visit_on_down(visit, rc, why);
}

static enum err visit_connect(struct forward_visit *visit)
{
	const struct target *t = &visit->forward->target;
	struct connector_options o = {
		.loop = visit->forward->worker->loop,
		.unix_path = t->unix_path[0] != '\0' ? t->unix_path : NULL,
		.host = t->host,
		.port = t->port,
		.memory = visit->forward->memory,
		.tls = forward_tls(visit->forward, t),
		.timeout_ms = TARGET_MS,
		.fn = visit_on_reached,
		.arg = visit,
	};

	visit_enter(visit, VISIT_CONNECTING);
	return connector_open(&o, &visit->connector);
}

/* ---- the start ---- */

enum err forward_visit_take(struct forward *forward, const struct forward_visitor *v,
	struct forward_visit **out)
{
	struct forward_visit *visit = mem_new(visit);
	enum err rc = ERR_OK;

	if (visit == NULL) {
		stream_abort(v->stream);
		return ERR_NOMEM;
	}
	visit->forward = forward;
	visit->v = *v;
	visit->v.peer = NULL; /* borrowed for the call only */
	if (v->peer != NULL)
		visit->peer = *v->peer;
	else
		(void)!addr_from_literal("127.0.0.1", 0, &visit->peer);
	buf_init(&visit->first, PUSHBACK_MAX);
	loop_deferred_init(&visit->turn, visit_on_turn, visit);
	list_add(&forward->visits, &visit->in_forward);
	if (forward->routes != NULL)
		visit_answer(visit);
	else
		rc = visit_connect(visit);
	if (rc != ERR_OK) {
		forward_visit_close(visit);
		return rc;
	}
	*out = visit;
	return ERR_OK;
}

/* ---- life ---- */

/* Loading the system's roots is slow, so it is done only if they are needed. */
static enum err forward_prepare_tls(struct forward *f, const struct target *t,
	struct why *why)
{
	struct tls_context **context = t->skip_verify ? &f->tls_unverified :
							&f->tls_verified;
	struct tls_client_options o = {
		.skip_verify = t->skip_verify,
		.alpn = "http/1.1",
	};

	if (!t->is_tls || *context != NULL)
		return ERR_OK;
	return tls_context_new_client(&o, context, why);
}

enum err forward_new(const struct forward_options *o, struct forward **out,
	struct why *why)
{
	bool has_routes = o->routes != NULL && o->routes->count > 0;
	struct forward *f;
	enum err rc;

	if (has_routes == (o->target != NULL))
		return err_set(why, ERR_USAGE, "a tunnel has one target, or HTTP routes");
	f = mem_new(f);
	if (f == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a tunnel");
	f->worker = o->worker;
	f->log = o->log;
	f->routes = has_routes ? o->routes : NULL;
	f->preserves_host = o->preserves_host;
	f->access = o->access;
	f->logs_requests = o->logs_requests;
	f->head_max = o->head_max;
	if (!has_routes)
		f->target = *o->target;
	list_init(&f->visits);
	list_init(&f->hosts);
	f->memory = dial_memory_new(); /* may be NULL */
	rc = has_routes ? ERR_OK : forward_prepare_tls(f, &f->target, why);
	for (unsigned i = 0; rc == ERR_OK && has_routes && i < f->routes->count; i++)
		rc = forward_prepare_tls(f, &f->routes->routes[i]->upstream, why);
	if (rc == ERR_OK)
		rc = forward_http_open(f);
	if (rc == ERR_OK)
		*out = f;
	else
		forward_free(f);
	return rc;
}

static void forward_drop_host(struct forward *forward)
{
	struct forward_host *h = list_object(forward->hosts.next, struct forward_host,
		in_forward);

	list_remove(&h->in_forward);
	free(h);
	forward->hosts_n--;
}

void forward_add_host(struct forward *forward, const char *host, bool is_for_raw)
{
	size_t n = strlen(host) + 1;
	struct forward_host *h;
	struct list *it, *tmp;

	list_each(it, tmp, &forward->hosts) {
		h = list_object(it, struct forward_host, in_forward);
		if (h->is_for_raw == is_for_raw && strcmp(h->name, host) == 0)
			return;
	}
	h = n > 1 ? malloc(sizeof(*h) + n) : NULL;
	if (h == NULL)
		return;
	if (forward->hosts_n == FORWARD_HOSTS_MAX)
		forward_drop_host(forward);
	h->is_for_raw = is_for_raw;
	memcpy(h->name, host, n);
	list_init(&h->in_forward);
	list_add(&forward->hosts, &h->in_forward);
	forward->hosts_n++;
}

void forward_free(struct forward *forward)
{
	struct list *it, *tmp;

	if (forward == NULL)
		return;
	list_each(it, tmp, &forward->visits)
		forward_visit_close(list_object(it, struct forward_visit, in_forward));
	forward_http_close(forward);
	while (!list_is_empty(&forward->hosts))
		forward_drop_host(forward);
	dial_memory_unref(forward->memory);
	tls_context_free(forward->tls_verified);
	tls_context_free(forward->tls_unverified);
	free(forward);
}
