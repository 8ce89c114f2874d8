/* A data worker of a link server: HTTP, and the sessions that come of it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "http/status.h"
#include "http/websocket.h"
#include "net/socket.h"
#include "serve/forwarded.h"
#include "serve/link/link_priv.h"
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

static void link_upgrade(struct link_worker *w, struct http_exchange *x)
{
	const struct http1_head *head = http_request(x);
	unsigned status = websocket_check_request(head);
	struct addr client = *http_peer(x);
	char answer[WEBSOCKET_ANSWER_MAX], headers[WEBSOCKET_ANSWER_MAX + 64];
	struct stream *stream;

	if (status != 101) {
		link_refuse_upgrade(x, status);
		return;
	}
	/* Strangers by the thousand must not keep others out. */
	if (w->pending >= LINK_PENDING_MAX)
		link_sessions_drop_stranger(w);
	/* Stock clients do not look for the protocol; ours knows us by it. */
	snprintf(headers, sizeof(headers), "%sSec-WebSocket-Protocol: %s\r\n",
		websocket_print_answer(head, answer), CHISEL_PROTOCOL);
	forwarded_find_client(head, &w->server->proxies, &client);
	if (http_upgrade(x, headers, &stream) != ERR_OK)
		return;
	/* Not earlier: a visitor of the backend may pause for as long as it likes. */
	socket_tune_carrier(stream_socket(stream), LINK_DEAD_MS);
	link_session_open_take(w, stream, &client);
}

static void link_pass_on(struct link_worker *w, struct http_exchange *x)
{
	struct link_server *s = w->server;
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
static bool link_wants_tunnel(const struct link_worker *w, const struct http1_head *head)
{
	struct span protocol;
	char text[80];

	if (!span_is_nocase(http1_head_value(head, "Upgrade"), "websocket"))
		return false;
	protocol = http1_head_value(head, "Sec-WebSocket-Protocol");
	if (span_is(protocol, CHISEL_PROTOCOL))
		return true;
	log_limited(LOG_INFO, &w->server->log,
		"ignored client connection using protocol '%s', expected '" CHISEL_PROTOCOL
		"'",
		str_quote(text, sizeof(text), protocol));
	return false;
}

static void link_on_request(void *arg, struct http_exchange *x)
{
	struct link_worker *w = arg;
	const struct http1_head *head = http_request(x);
	struct span path = http1_path(head);

	if (link_wants_tunnel(w, head))
		link_upgrade(w, x);
	else if (w->server->o->backend != NULL)
		link_pass_on(w, x);
	else if (span_is(path, "/health"))
		http_reply(x, 200, NULL, span_str("OK\n"));
	else if (span_is(path, "/version"))
		http_reply(x, 200, NULL, span_str(ADIT_VERSION));
	else
		http_reply(x, 404, NULL, span_str("Not found"));
}

/* ---- mail from the control worker ---- */

struct connection_mail {
	int fd;
	struct addr peer;
};

static enum err link_secure(struct link_worker *w, struct stream **stream)
{
	struct tls_options o = {
		.context = w->tls,
		.loop = w->worker.loop,
		.below = *stream,
		.is_server = true,
	};

	return o.context == NULL ? ERR_OK : tls_open(&o, stream, NULL);
}

static void link_on_connection(struct worker *worker, void *body)
{
	struct link_worker *w = mem_container(worker, struct link_worker, worker);
	struct connection_mail *m = body;
	struct stream *stream = NULL;

	if (w->is_closing || socket_open_take(worker->loop, m->fd, &stream) != ERR_OK)
		close(m->fd);
	else if (link_secure(w, &stream) == ERR_OK)
		http_server_serve_take(w->http, stream, &m->peer);
	else
		stream_abort(stream);
}

bool link_worker_give(struct link_worker *w, int fd, const struct addr *peer)
{
	struct connection_mail m = { .fd = fd, .peer = *peer };

	return worker_send(&w->worker, link_on_connection, &m, sizeof(m));
}

static void link_on_users(struct worker *worker, void *body)
{
	struct link_worker *w = mem_container(worker, struct link_worker, worker);

	users_unref(w->users);
	w->users = *(struct users **)body;
	link_sessions_check_users(w);
}

bool link_worker_set_users(struct link_worker *w, struct users *users)
{
	users_ref(users);
	if (worker_send(&w->worker, link_on_users, &users, sizeof(users)))
		return true;
	users_unref(users);
	return false;
}

/* Connections that are open keep the context they have. */
static void link_on_tls(struct worker *worker, void *body)
{
	struct link_worker *w = mem_container(worker, struct link_worker, worker);

	tls_context_free(w->tls);
	w->tls = *(struct tls_context **)body;
}

bool link_worker_set_tls(struct link_worker *w, struct tls_context *tls)
{
	tls_context_ref(tls);
	if (worker_send(&w->worker, link_on_tls, &tls, sizeof(tls)))
		return true;
	tls_context_free(tls);
	return false;
}

static void link_on_end(struct worker *worker, void *body)
{
	struct link_worker *w = mem_container(worker, struct link_worker, worker);

	(void)body;
	w->is_closing = true;
	http_server_free(w->http);
	w->http = NULL;
	link_sessions_close(w);
	worker_stop(worker); /* by mail: after the sessions' last turn */
}

void link_worker_end(struct link_worker *w)
{
	if (!worker_send(&w->worker, link_on_end, NULL, 0))
		worker_stop(&w->worker);
}

/* ---- beginning and end ---- */

enum err link_worker_open(struct link_worker *w, struct link_server *server,
	unsigned index, struct why *why)
{
	struct http_server_options o = {
		.head_max = server->o->head_max,
		.on_request = link_on_request,
		.arg = w,
	};
	enum err rc;

	list_init(&w->sessions);
	w->server = server;
	rc = worker_init(&w->worker, index);
	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for worker %u", index);
	o.loop = w->worker.loop;
	o.pool = &w->worker.blocks;
	rc = http_server_new(&o, &w->http);
	if (rc == ERR_OK && server->o->metrics != NULL)
		rc = loop_timer_open(o.loop, link_sessions_count, w, &w->count);
	if (rc == ERR_OK && w->count != NULL)
		loop_timer_set(w->count, LINK_COUNT_MS);
	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for worker %u", index);
	if (server->users != NULL)
		w->users = users_ref(server->users);
	if (server->tls != NULL)
		w->tls = tls_context_ref(server->tls);
	return worker_start(&w->worker, why);
}

void link_worker_close(struct link_worker *w)
{
	if (w->worker.loop == NULL)
		return;
	http_server_free(w->http);
	w->http = NULL; /* a letter that ends us may still be in the mailbox */
	loop_timer_close(w->count);
	loop_turn(w->worker.loop);
	worker_fini(&w->worker);
	users_unref(w->users);
	tls_context_free(w->tls);
}
