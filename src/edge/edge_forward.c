/*
 * Requests on their way to the app: over a kept connection of the route, or over a new
 * stream of its carrier. Kept connections go when the route is replaced, or its carrier
 * closes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "edge/edge_head.h"
#include "edge/edge_priv.h"
#include "http/proxy.h"

#define KEPT_MAX 32 /* for each route */
#define KEPT_MS 60000
#define RECENT_MS 1000 /* apps keep an idle connection longer than that */
#define HEADERS_MAX ((size_t)4 * HTTP_HEAD_MAX)

/* ---- the kept connections of a route ---- */

struct edge_route {
	unsigned refs; /* the served route's, and its requests' */
	struct idle_pool *pool;
};

static void edge_route_unref(struct edge_route *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	idle_pool_free(r->pool);
	free(r);
}

static void edge_route_end(void *extra)
{
	struct edge_route *r = extra;

	idle_pool_end(r->pool);
	edge_route_unref(r);
}

/* A reference; NULL: no memory. */
static struct edge_route *edge_route_get(struct served *s)
{
	struct edge_route *r = s->extra;

	if (r == NULL) {
		r = mem_new(r);
		if (r == NULL)
			return NULL;
		if (idle_pool_new(s->worker->worker.loop, KEPT_MAX, KEPT_MS, &r->pool) !=
			ERR_OK) {
			free(r);
			return NULL;
		}
		r->refs = 1;
		s->extra = r;
		s->extra_end = edge_route_end;
	}
	r->refs++;
	return r;
}

/* ---- one request ---- */

struct forwarding {
	struct edge_request q; /* its tunnel is that of @served */
	struct served *served; /* a reference */
	struct edge_route *route;
	struct claim claim;
	http_opened_fn *fn; /* while it claims */
	void *arg;
	char answer_headers[128];
};

static void forwarding_free(struct forwarding *f)
{
	claim_cancel(&f->claim);
	edge_route_unref(f->route);
	served_unref(f->served);
	free(f);
}

static void forwarding_on_end(void *arg)
{
	forwarding_free(arg);
}

/* ---- streams ---- */

/*
 * If its route has been replaced, the newest one serves it, provided that the tunnel is
 * still one for this visitor. False: there is no newer route, or not for this visitor.
 */
static bool forwarding_follow(struct forwarding *f)
{
	struct served *s = served_get_next(f->served->worker, f->served->route);
	struct tunnel_route *t = s != NULL ? tunnel_route_of(s->route) : NULL;

	if (t == NULL || t->is_paused || t->access != TUNNEL_PUBLIC)
		return false;
	served_unref(f->served);
	f->served = served_ref(s);
	f->q.tunnel = t;
	return true;
}

static void forwarding_on_claimed(void *arg, enum err rc, struct stream *stream);

static enum err forwarding_claim(struct forwarding *f)
{
	struct carrier *c = f->served->carrier;

	if (c == NULL)
		return ERR_CLOSED;
	if (atomic_load(c->present) == 0)
		return ERR_NOENT;
	f->claim = (struct claim){ .is_raw = true,
		.on_end = forwarding_on_claimed,
		.arg = f };
	claim_open(c, &f->claim);
	return ERR_OK;
}

static void forwarding_on_claimed(void *arg, enum err rc, struct stream *stream)
{
	struct forwarding *f = arg;

	/* Also after a refusal: an agent that was told of the new target refuses the old
	 * one. */
	if (rc != ERR_OK && forwarding_follow(f)) {
		rc = forwarding_claim(f);
		if (rc == ERR_OK)
			return;
	}
	f->fn(f->arg, rc, stream, NULL);
}

static enum err forwarding_open(void *arg, http_opened_fn *fn, void *fn_arg)
{
	struct forwarding *f = arg;

	if (f->served->carrier == NULL && !forwarding_follow(f))
		return ERR_CLOSED;
	f->fn = fn;
	f->arg = fn_arg;
	return forwarding_claim(f);
}

static void forwarding_cancel(void *arg)
{
	struct forwarding *f = arg;

	claim_cancel(&f->claim);
}

static const struct http_opener forwarding_opener = {
	.open = forwarding_open,
	.cancel = forwarding_cancel,
};

/* ---- failures ---- */

static bool agent_is_there(const struct served *s)
{
	return s->carrier != NULL && atomic_load(s->carrier->present) > 0;
}

static enum edge_page page_of(const struct forwarding *f, enum http_failure what,
	enum err rc)
{
	if (what == HTTP_BODY_TOO_LONG)
		return EDGE_PAGE_TOO_LONG;
	if (what == HTTP_UNREACHABLE && (rc == ERR_LIMIT || rc == ERR_NOMEM))
		return EDGE_PAGE_BUSY;
	if (!agent_is_there(f->served) ||
		(what == HTTP_UNREACHABLE && (rc == ERR_TIMEOUT || rc == ERR_CLOSED)))
		return EDGE_PAGE_OFFLINE;
	return what == HTTP_TIMED_OUT ? EDGE_PAGE_TIMED_OUT : EDGE_PAGE_NO_ANSWER;
}

static void forwarding_on_failure(void *arg, struct http_exchange *x,
	enum http_failure what, enum err rc)
{
	const struct forwarding *f = arg;
	enum edge_page page = page_of(f, what, rc);

	if (x != NULL)
		edge_refuse(&f->q, page, 0);
	else
		log_limited(LOG_INFO, &f->q.edge->log,
			"%s: %s during an answer: %s: request %s", f->q.host,
			edge_page_name(page), err_name(rc), f->q.id);
}

/* ---- the start ---- */

static struct forwarding *forwarding_new(const struct edge_request *q, struct served *s)
{
	struct forwarding *f = mem_new(f);

	if (f == NULL)
		return NULL;
	f->q = *q;
	f->served = served_ref(s);
	f->route = edge_route_get(s);
	if (f->route == NULL) {
		forwarding_free(f);
		return NULL;
	}
	snprintf(f->answer_headers, sizeof(f->answer_headers), "X-Request-Id: %s\r\n%s",
		q->id, q->tunnel->has_no_hsts ? "" : EDGE_HSTS);
	return f;
}

void edge_forward(const struct edge_request *q, struct served *s)
{
	const struct http1_head *head = http_request(q->x);
	struct forwarding *f = forwarding_new(q, s);
	struct edge_about about = { .peer = &q->client, .host = q->host, .id = q->id };
	struct buf headers;

	if (f == NULL) {
		edge_refuse(q, EDGE_PAGE_BUSY, 0);
		return;
	}
	buf_init(&headers, HEADERS_MAX);
	edge_put_headers(&headers, head, &about);
	buf_put_u8(&headers, '\0');
	if (headers.failed == ERR_OK) {
		struct http_upstream up = {
			.opener = &forwarding_opener,
			.opener_arg = f,
			.host_header = http1_head_find(head, "Host") == NULL ? q->host :
									       NULL,
			.headers = (const char *)buf_front(&headers),
			.is_edge = !q->is_proxied,
			.idle = f->route->pool,
			.recent_ms = RECENT_MS,
			.drops = edge_sign_in_headers,
			.answer_headers = f->answer_headers,
			.body_max = q->tunnel->limits.body_max,
			.idle_ms = q->tunnel->limits.idle_ms,
			.on_failure = forwarding_on_failure,
			.failure_arg = f,
			.on_end = forwarding_on_end,
			.end_arg = f,
		};

		http_proxy_pass(q->x, &up);
	} else {
		forwarding_free(f);
		edge_refuse(q, EDGE_PAGE_BUSY, 0);
	}
	buf_fini(&headers);
}
