/* Links on a data worker: HTTP requests, and the sessions that come of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "http/head.h"
#include "http/websocket.h"
#include "net/socket.h"
#include "serve/forwarded.h"
#include "serve/link/link_agents.h"
#include "serve/link/link_session.h"

#define LINK_DEAD_MS 8000     /* a peer that acknowledges nothing so long */
#define LINK_PENDING_MAX 1024 /* sessions of one worker that have not authenticated */

/* ---- requests ---- */

static void link_refuse_upgrade(struct http_exchange *x, unsigned status)
{
	char body[64];

	snprintf(body, sizeof(body), "%s\n", http_status_name(status));
	http_reply(x, status, WEBSOCKET_REFUSAL_HEADERS, span_str(body));
}

/* ---- the worker of an agent's link ---- */

/* A connection that moves to the worker of its agent. */
struct moving_link {
	struct loop_deferred leave;
	struct link_service *from; /* borrowed: until it has left */
	struct stream *stream;     /* owned */
	struct addr client;
	unsigned to;
};

static void link_on_arrival(struct worker *worker, void *body)
{
	struct link_service *ls = link_service_of(worker);
	struct moving_link *m = body;

	if (ls->worker->state != DATA_SERVING ||
		stream_enter(m->stream, worker->loop) != ERR_OK)
		stream_close(m->stream);
	else
		link_session_open_take(ls, m->stream, &m->client);
}

/* At the end of the turn: the stream may be in a callback to its previous owner. */
static void link_on_leave(void *arg)
{
	struct moving_link *m = arg;
	struct data_worker *d = m->from->worker;

	if (d->state != DATA_SERVING || stream_leave(m->stream) != ERR_OK ||
		!worker_send(&d->shared->workers[m->to].worker, link_on_arrival, m,
			sizeof(*m)))
		stream_close(m->stream);
	free(m);
}

static void link_begin_take(struct link_service *ls, unsigned home, struct stream *stream,
	const struct addr *client)
{
	struct moving_link *m;

	if (home == ls->worker->worker.index) {
		link_session_open_take(ls, stream, client);
		return;
	}
	m = mem_new(m);
	if (m == NULL) {
		stream_close(stream);
		return;
	}
	m->from = ls;
	m->stream = stream;
	m->client = *client;
	m->to = home;
	stream_want(stream, 0);
	loop_deferred_init(&m->leave, link_on_leave, m);
	loop_defer(ls->worker->worker.loop, &m->leave);
}

static unsigned link_home_of(const struct link_service *ls, const struct http1_head *head)
{
	struct span label = http1_head_value(head, MANAGED_HEADER);
	char text[MANAGED_LABEL_MAX];

	if (ls->server->o->agents == NULL || label.n == 0 || label.n >= sizeof(text))
		return ls->worker->worker.index;
	memcpy(text, label.p, label.n);
	text[label.n] = '\0';
	return link_agents_worker(ls->server->o->agents, text);
}

/* ---- requests ---- */

static void link_upgrade(struct link_service *ls, struct http_exchange *x)
{
	const struct http1_head *head = http_request(x);
	unsigned status = websocket_check_request(head);
	struct addr client = *http_peer(x);
	char answer[WEBSOCKET_ANSWER_MAX], headers[WEBSOCKET_ANSWER_MAX + 64];
	unsigned home = link_home_of(ls, head);
	struct stream *stream;

	if (status != 101) {
		link_refuse_upgrade(x, status);
		return;
	}
	/* Strangers by the thousand must not keep others out. */
	if (ls->pending >= LINK_PENDING_MAX)
		link_sessions_drop_oldest(ls);
	/* Stock clients do not look for the protocol; ours knows us by it. */
	snprintf(headers, sizeof(headers), "%sSec-WebSocket-Protocol: %s\r\n",
		websocket_print_answer(head, answer), CHISEL_PROTOCOL);
	forwarded_find_client(head, &ls->worker->snapshot->proxies, &client);
	if (http_upgrade(x, headers, &stream) != ERR_OK)
		return;
	/* Not earlier: a visitor of the backend may pause for as long as it likes. */
	socket_tune_carrier(stream_socket(stream), LINK_DEAD_MS);
	link_begin_take(ls, home, stream, &client);
}

static void link_pass_on(struct link_service *ls, struct http_exchange *x)
{
	struct link_server *s = ls->server;
	struct http_upstream up = {
		.host = s->backend.host,
		.port = s->backend.port,
		.tls = s->backend_tls,
		.log = &s->log,
		.host_header = s->backend_host,
	};

	http_proxy_pass(x, &up);
}

/* chisel-protocol 1.2: is it for the tunnel? */
static bool link_wants_tunnel(const struct link_service *ls,
	const struct http1_head *head)
{
	struct span protocol;
	char text[80];

	if (!span_is_nocase(http1_head_value(head, "Upgrade"), "websocket"))
		return false;
	protocol = http1_head_value(head, "Sec-WebSocket-Protocol");
	if (span_is(protocol, CHISEL_PROTOCOL))
		return true;
	log_limited(LOG_INFO, &ls->server->log,
		"ignored client connection using protocol '%s', expected '" CHISEL_PROTOCOL
		"'",
		str_quote(text, sizeof(text), protocol));
	return false;
}

static void link_on_request(void *arg, struct http_exchange *x)
{
	struct link_service *ls = arg;
	const struct http1_head *head = http_request(x);
	struct span path = http1_path(head);

	if (link_wants_tunnel(ls, head))
		link_upgrade(ls, x);
	else if (ls->server->o->on_other != NULL &&
		ls->server->o->on_other(ls->server->o->other_arg, ls->worker, x))
		return;
	else if (ls->server->o->backend != NULL)
		link_pass_on(ls, x);
	else if (span_is(path, "/health"))
		http_reply(x, 200, NULL, span_str("OK\n"));
	else if (span_is(path, "/version"))
		http_reply(x, 200, NULL, span_str(ADIT_VERSION));
	else
		http_reply(x, 404, NULL, span_str("Not found"));
}

/* ---- the service ---- */

static void link_service_free(void *state)
{
	struct link_service *ls = state;

	users_unref(ls->users);
	map_fini(&ls->agents);
	free(ls);
}

static enum err link_service_open(struct data_worker *d, void **state)
{
	struct link_service *ls = mem_new(ls);
	enum err rc = ERR_OK;

	if (ls == NULL)
		return ERR_NOMEM;
	list_init(&ls->sessions);
	map_init(&ls->agents);
	ls->worker = d;
	ls->server = data_worker_context(d, &link_data_service);
	if (link_users_of(ls) != NULL)
		ls->users = users_ref(link_users_of(ls));
	if (ls->server->o->metrics != NULL || ls->server->o->agents != NULL)
		rc = loop_timer_open(d->worker.loop, link_sessions_count, ls, &ls->count);
	if (rc != ERR_OK) {
		link_service_free(ls);
		return rc;
	}
	if (ls->count != NULL)
		loop_timer_set(ls->count, LINK_COUNT_MS);
	*state = ls;
	return ERR_OK;
}

/* Other settings than users do not concern sessions. */
static void link_service_on_snapshot(void *state)
{
	struct link_service *ls = state;
	struct users *users = link_users_of(ls);

	if (users == ls->users)
		return;
	users_unref(ls->users);
	ls->users = users != NULL ? users_ref(users) : NULL;
	link_sessions_check_users(ls);
}

static void link_service_end(void *state)
{
	link_sessions_close(state);
}

static void link_service_close(void *state)
{
	struct link_service *ls = state;

	link_sessions_close(ls);
	loop_timer_close(ls->count);
}

const struct data_service link_data_service = {
	.open = link_service_open,
	.on_request = link_on_request,
	.on_snapshot = link_service_on_snapshot,
	.end = link_service_end,
	.close = link_service_close,
	.free = link_service_free,
};
