/* An HTTP client: which question goes out on which connection, and when. */
#include "http/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/client_call.h"
#include "http/lines.h"

#define CONNECTIONS_MAX 8
#define IDLE_MS 60000
#define CONNECT_MS 10000
#define ANSWER_MAX 65536
#define TIMEOUT_MS 30000
#define REQUEST_HEAD_MAX 16384
#define WARM_CLOSED_MS 100  /* until a kept connection that ended is replaced */
#define WARM_FAILED_MS 3000 /* or tried again */

/* ---- questions ---- */

static void ask_free(struct http_ask *ask)
{
	if (ask == NULL)
		return;
	list_remove(&ask->in_waiting);
	loop_timer_close(ask->timer);
	buf_wipe(&ask->request); /* a token may be in either */
	buf_wipe(&ask->body);
	http1_reader_fini(&ask->answer);
	free(ask);
}

void ask_end(struct http_ask *ask, enum err rc, const struct http_answer *a,
	const struct why *why)
{
	list_remove(&ask->in_waiting);
	loop_timer_stop(ask->timer);
	ask->fn(ask->arg, rc, a, why);
	ask_free(ask);
}

void http_ask_close(struct http_ask *ask)
{
	if (ask == NULL)
		return;
	if (ask->call != NULL)
		call_cancel(ask->call);
	ask_free(ask);
}

static void ask_on_late(void *arg)
{
	struct http_ask *ask = arg;
	struct why why;

	err_set(&why, ERR_TIMEOUT, "%s",
		ask->call != NULL ? "the server did not answer in time" :
				    "no connection to the server in time");
	if (ask->call != NULL)
		call_cancel(ask->call);
	ask_end(ask, ERR_TIMEOUT, NULL, &why);
}

/* Without a body only some methods say that there is none (RFC 9110 8.6). */
static bool ask_tells_length(const struct http_question *q)
{
	return q->body.n > 0 || strcmp(q->method, "POST") == 0 ||
		strcmp(q->method, "PUT") == 0 || strcmp(q->method, "PATCH") == 0;
}

static enum err ask_write(struct http_ask *ask, const struct http_question *q)
{
	struct buf *out = &ask->request;

	buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", q->method, q->target,
		ask->client->host_header);
	if (!lines_have(q->headers, span_str("User-Agent")))
		buf_put_str(out, "User-Agent: adit/" ADIT_VERSION "\r\n");
	buf_put_str(out, q->headers != NULL ? q->headers : "");
	if (ask_tells_length(q))
		buf_printf(out, "Content-Length: %zu\r\n", q->body.n);
	buf_put_str(out, "\r\n");
	buf_put_span(out, q->body);
	return out->failed;
}

static void ask_init(struct http_ask *ask, struct http_client *client,
	const struct http_question *q)
{
	ask->client = client;
	ask->asked_us = clock_now_us();
	ask->fn = q->fn;
	ask->arg = q->arg;
	ask->answer_max = q->answer_max != 0 ? q->answer_max : ANSWER_MAX;
	list_init(&ask->in_waiting);
	buf_init(&ask->request, REQUEST_HEAD_MAX + q->body.n);
	buf_init(&ask->body, ask->answer_max);
	http1_reader_init_response(&ask->answer, &http1_response_limits,
		span_str(q->method));
}

enum err http_client_ask(struct http_client *client, const struct http_question *q,
	struct http_ask **out)
{
	struct http_ask *ask = mem_new(ask);
	enum err rc;

	if (ask == NULL)
		return ERR_NOMEM;
	ask_init(ask, client, q);
	rc = str_copy(ask->method, sizeof(ask->method), q->method) ? ERR_OK : ERR_USAGE;
	if (rc == ERR_OK)
		rc = ask_write(ask, q);
	if (rc == ERR_OK)
		rc = loop_timer_open(client->o.loop, ask_on_late, ask, &ask->timer);
	if (rc != ERR_OK) {
		ask_free(ask);
		return rc;
	}
	loop_timer_set(ask->timer, q->timeout_ms != 0 ? q->timeout_ms : TIMEOUT_MS);
	list_add(&client->waiting, &ask->in_waiting);
	loop_defer(client->o.loop, &client->turn);
	if (out != NULL)
		*out = ask;
	return ERR_OK;
}

/* ---- which connection ---- */

static struct call *call_of(struct list *in_client)
{
	return list_object(in_client, struct call, in_client);
}

/* The idle one used last, so that the others may grow old. */
static struct call *client_find_idle(struct http_client *client)
{
	struct list *it;

	for (it = client->calls.prev; it != &client->calls; it = it->prev) {
		if (call_of(it)->state == CALL_IDLE)
			return call_of(it);
	}
	return NULL;
}

static unsigned client_count(const struct http_client *client, enum call_state state)
{
	struct list *it, *tmp;
	unsigned n = 0;

	list_each(it, tmp, &client->calls)
		n += call_of(it)->state == state;
	return n;
}

static enum err client_connect(struct http_client *client)
{
	struct reach_options how = {
		.loop = client->o.loop,
		.unix_path = client->unix_path,
		.host = client->host,
		.port = client->o.port,
		.tls = client->o.tls,
		.server_name = client->server_name,
		.timeout_ms = client->o.connect_ms,
	};
	struct call *call;
	enum err rc = call_open(client, &how, &call);

	if (rc != ERR_OK)
		return rc;
	list_add_front(&client->calls, &call->in_client);
	client->calls_n++;
	return ERR_OK;
}

/* What waits now will not be answered; they hear of it one by one. */
static void client_doom(struct http_client *client, enum err rc, const struct why *why)
{
	if (list_is_empty(&client->waiting))
		return;
	list_move_all(&client->doomed, &client->waiting);
	client->doomed_rc = rc;
	err_set(&client->doomed_why, rc, "%s", err_text(rc, why));
	loop_defer(client->o.loop, &client->turn);
}

static void client_hand_out(struct http_client *client)
{
	struct http_ask *ask;
	struct call *call;

	while ((ask = list_first(&client->waiting, struct http_ask, in_waiting)) !=
			NULL &&
		(call = client_find_idle(client)) != NULL) {
		if (call_carry(call, ask))
			list_remove(&ask->in_waiting);
	}
}

static unsigned client_count_waiting(const struct http_client *client)
{
	struct list *it, *tmp;
	unsigned n = 0;

	list_each(it, tmp, &client->waiting)
		n++;
	return n;
}

static void client_connect_more(struct http_client *client)
{
	unsigned waiting = client_count_waiting(client);
	unsigned coming = client_count(client, CALL_CONNECTING);
	enum err rc = ERR_OK;

	while (rc == ERR_OK && client->calls_n < client->o.connections_max &&
		(coming < waiting ||
			(client->calls_n < client->warm_n &&
				!loop_timer_is_set(client->warm)))) {
		rc = client_connect(client);
		coming++;
	}
	if (rc == ERR_OK)
		return;
	loop_timer_set(client->warm, WARM_FAILED_MS);
	if (client->calls_n == 0)
		client_doom(client, rc, NULL);
}

/* The owner may free us when he hears of the end of a question: that is done last. */
static void client_on_turn(void *arg)
{
	struct http_client *client = arg;
	struct http_ask *ask;
	struct why why;

	client_hand_out(client);
	client_connect_more(client);
	ask = list_first(&client->doomed, struct http_ask, in_waiting);
	if (ask == NULL)
		return;
	why = client->doomed_why;
	loop_defer(client->o.loop, &client->turn);
	ask_end(ask, client->doomed_rc, NULL, &why);
}

static void client_on_warm(void *arg)
{
	struct http_client *client = arg;

	loop_defer(client->o.loop, &client->turn);
}

/* ---- what calls tell ---- */

void client_on_call_ready(struct http_client *client, struct call *call)
{
	list_remove(&call->in_client);
	list_add(&client->calls, &call->in_client);
	call_keep(call, client->calls_n > client->warm_n ? client->o.idle_ms : 0);
	loop_defer(client->o.loop, &client->turn);
}

void client_on_call_old(struct http_client *client, struct call *call)
{
	if (client->calls_n > client->warm_n)
		call_cancel(call);
}

void client_on_call_gone(struct http_client *client, struct call *call, enum err rc,
	const struct why *why)
{
	list_remove(&call->in_client);
	client->calls_n--;
	if (client->warm_n > 0)
		loop_timer_set(client->warm,
			rc == ERR_OK ? WARM_CLOSED_MS : WARM_FAILED_MS);
	if (rc == ERR_OK)
		loop_defer(client->o.loop, &client->turn);
	else if (client->calls_n == 0)
		client_doom(client, rc, why);
	call_close(call);
}

static void client_close_idle(struct http_client *client)
{
	struct call *call;

	while ((call = client_find_idle(client)) != NULL)
		call_cancel(call);
}

/* The other idle connections have lain there as long. */
void client_take_back(struct http_client *client, struct http_ask *ask)
{
	client_close_idle(client);
	ask->is_retried = true;
	ask->sent = 0;
	http1_reader_fini(&ask->answer);
	http1_reader_init_response(&ask->answer, &http1_response_limits,
		span_str(ask->method));
	list_add_front(&client->waiting, &ask->in_waiting);
	loop_defer(client->o.loop, &client->turn);
}

/* ---- life ---- */

static void free_asks(struct list *asks)
{
	struct list *it, *tmp;

	list_each(it, tmp, asks)
		ask_free(list_object(it, struct http_ask, in_waiting));
}

static void free_calls(struct list *calls)
{
	struct list *it, *tmp;

	list_each(it, tmp, calls) {
		struct http_ask *ask = call_of(it)->ask;

		call_close(call_of(it));
		ask_free(ask);
	}
}

void http_client_free(struct http_client *client)
{
	if (client == NULL)
		return;
	free_asks(&client->waiting);
	free_asks(&client->doomed);
	free_calls(&client->calls);
	loop_timer_close(client->warm);
	loop_undefer(&client->turn);
	tls_context_free(client->o.tls);
	free(client->unix_path);
	free(client->host);
	free(client->server_name);
	free(client->host_header);
	free(client);
}

static uint32_t or_default(uint32_t n, uint32_t other)
{
	return n != 0 ? n : other;
}

static enum err client_copy(struct http_client *client,
	const struct http_client_options *o)
{
	const char *host = o->host != NULL ? o->host : "localhost";
	const char *server_name = o->server_name != NULL ? o->server_name : host;
	const char *host_header = o->host_header != NULL ? o->host_header : server_name;

	if (o->unix_path != NULL)
		client->unix_path = strdup(o->unix_path);
	client->host = strdup(host);
	client->server_name = strdup(server_name);
	client->host_header = strdup(host_header);
	if (client->host == NULL || client->server_name == NULL ||
		client->host_header == NULL ||
		(o->unix_path != NULL && client->unix_path == NULL))
		return ERR_NOMEM;
	return ERR_OK;
}

enum err http_client_new(const struct http_client_options *o, struct http_client **out)
{
	struct http_client *client = mem_new(client);
	enum err rc;

	if (client == NULL)
		return ERR_NOMEM;
	client->o = *o;
	client->o.connections_max = or_default(o->connections_max, CONNECTIONS_MAX);
	client->o.idle_ms = or_default(o->idle_ms, IDLE_MS);
	client->o.connect_ms = or_default(o->connect_ms, CONNECT_MS);
	if (o->tls != NULL)
		tls_context_ref(o->tls);
	list_init(&client->calls);
	list_init(&client->waiting);
	list_init(&client->doomed);
	loop_deferred_init(&client->turn, client_on_turn, client);
	rc = client_copy(client, o);
	if (rc == ERR_OK)
		rc = loop_timer_open(o->loop, client_on_warm, client, &client->warm);
	if (rc == ERR_OK)
		*out = client;
	else
		http_client_free(client);
	return rc;
}

/* Connections that are being opened are opened again:
 * no question depends on one of them. */
static void client_outdate(struct http_client *client)
{
	struct list *it, *tmp;

	client_close_idle(client);
	list_each(it, tmp, &client->calls) {
		struct call *call = call_of(it);

		call->is_outdated = true;
		if (call->state != CALL_CONNECTING)
			continue;
		list_remove(&call->in_client);
		client->calls_n--;
		call_close(call);
	}
}

void http_client_reconnect(struct http_client *client)
{
	client_outdate(client);
	loop_timer_stop(client->warm);
	loop_defer(client->o.loop, &client->turn);
}

void http_client_set_tls(struct http_client *client, struct tls_context *tls)
{
	if (tls != NULL)
		tls_context_ref(tls);
	tls_context_free(client->o.tls);
	client->o.tls = tls;
	http_client_reconnect(client);
}

void http_client_warm(struct http_client *client, unsigned n)
{
	struct list *it, *tmp;

	client->warm_n = n < client->o.connections_max ? n : client->o.connections_max;
	list_each(it, tmp, &client->calls) {
		if (call_of(it)->state == CALL_IDLE)
			call_keep(call_of(it),
				client->calls_n > client->warm_n ? client->o.idle_ms : 0);
	}
	loop_defer(client->o.loop, &client->turn);
}
