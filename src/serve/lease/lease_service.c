/*
 * The service of leases: moves reverse sessions to the worker of their route, and returns
 * answers of the control worker to their requests.
 */
#include "serve/lease/lease_service.h"

#include <stdlib.h>

#include "serve/lease/keyless.h"
#include "serve/lease/lease_route.h"
#include "serve/lease/reverse_pool.h"
#include "serve/served.h"

#define UNSIGNED_MAX 1024 /* waiting requests for signatures */

/* ---- settings ---- */

static void lease_snapshot_free(struct snapshot *snapshot)
{
	struct lease_snapshot *s = lease_snapshot_of(snapshot);

	keyless_unref(s->keyless);
	free(s);
}

struct lease_snapshot *lease_snapshot_new(void)
{
	struct lease_snapshot *s = mem_new(s);

	if (s == NULL)
		return NULL;
	atomic_init(&s->base.refs, 1);
	s->base.free = lease_snapshot_free;
	return s;
}

/* ---- reverse sessions ---- */

/* A session that moves to the worker of its lease. */
struct moving_session {
	struct loop_deferred leave;
	struct data_worker *from; /* borrowed: until it has left */
	struct stream *session;   /* owned */
	struct route *route;      /* a reference */
	struct addr client;       /* the agent's address */
};

static void session_arrive(struct data_worker *d, struct moving_session *m)
{
	struct served *s = NULL;
	char text[ADDR_TEXT_MAX];

	/* The client may have been banned meanwhile. */
	if (d->state == DATA_SERVING && !prefix_set_has(&d->snapshot->banned, &m->client))
		s = served_get(d, m->route);

	if (s != NULL) {
		atomic_store(&lease_route_of(m->route)->has_served, true);
		log_debug(d->shared->log, "lease %s: session from %s", m->route->name,
			addr_print_ip(&m->client, text));
		reverse_pool_add_take(reverse_pool_of(s->carrier), m->session,
			&m->client);
	} else {
		stream_close(m->session);
	}
	route_unref(m->route);
}

static void on_session(struct worker *w, void *body)
{
	struct data_worker *d = data_worker_of(w);
	struct moving_session *m = body;

	if (d->state != DATA_SERVING ||
		stream_enter(m->session, d->worker.loop) != ERR_OK) {
		stream_close(m->session);
		route_unref(m->route);
		return;
	}
	session_arrive(d, m);
}

/* Called at the end of the turn: the stream may be in a callback to its previous
 * owner. */
static void session_on_leave(void *arg)
{
	struct moving_session *m = arg;
	struct data_worker *d = m->from;
	unsigned to = m->route->worker;

	if (to == d->worker.index) {
		session_arrive(d, m);
	} else if (d->state != DATA_SERVING || to >= d->shared->count ||
		stream_leave(m->session) != ERR_OK ||
		!worker_send(&d->shared->workers[to].worker, on_session, m, sizeof(*m))) {
		stream_close(m->session);
		route_unref(m->route);
	}
	free(m);
}

void lease_service_pass_session_take(struct data_worker *d, struct route *r,
	struct stream *session, const struct addr *client)
{
	struct moving_session *m = mem_new(m);

	if (m == NULL) {
		stream_close(session);
		return;
	}
	m->from = d;
	m->session = session;
	m->client = *client;
	m->route = route_ref(r);
	stream_want(session, 0);
	loop_deferred_init(&m->leave, session_on_leave, m);
	loop_defer(d->worker.loop, &m->leave);
}

/* ---- answers ---- */

/* The server owns the exchanges: without it there is no request to answer. */
static void on_answer(void *receiver, struct mail *mail)
{
	struct data_worker *d = data_worker_of(receiver);
	struct api_call *call = mem_container(mail, struct api_call, mail);

	if (data_worker_http(d, &lease_service) != NULL)
		lease_api_on_answer(lease_service_of(d), call);
	api_call_free(call);
}

void lease_service_answer(struct data_worker *w, struct api_call *call)
{
	call->mail.fn = on_answer;
	if (!mailbox_post(w->worker.mailbox, &call->mail))
		api_call_free(call);
}

/* ---- open and close ---- */

static void service_on_request(void *state, struct http_exchange *x)
{
	struct lease_service *s = state;

	api_on_request(&s->api, x);
}

static void service_close(void *state)
{
	struct lease_service *s = state;

	signing_close(s);
	loop_timer_close(s->sign_timer);
	s->sign_timer = NULL;
}

static void service_free(void *state)
{
	struct lease_service *s = state;

	access_cache_fini(&s->tokens);
	free(s);
}

static enum err service_open(struct data_worker *d, void **state)
{
	struct lease_service *s = mem_new(s);
	enum err rc;

	if (s == NULL)
		return ERR_NOMEM;
	s->worker = d;
	s->context = data_worker_context(d, &lease_service);
	fair_queue_init(&s->unsigned_items, UNSIGNED_MAX);
	loop_deferred_init(&s->sign_turn, signing_on_turn, s);
	rc = lease_api_open(s);
	if (rc == ERR_OK)
		rc = loop_timer_open(d->worker.loop, signing_on_turn, s, &s->sign_timer);
	if (rc == ERR_OK)
		*state = s;
	else
		service_free(s);
	return rc;
}

const struct data_service lease_service = {
	.open = service_open,
	.on_request = service_on_request,
	.close = service_close,
	.free = service_free,
};
