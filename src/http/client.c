/*
 * An HTTP client. Requests wait in order for a connection; connections are opened by the
 * client, not by a request, and come from the pool when they are there.
 */
#include "http/client.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"
#include "http/head.h"
#include "http/idle_pool.h"
#include "http/incoming.h"
#include "net/connector.h"

#define CONNECTIONS_MAX 8
#define IDLE_MS 60000
#define CONNECT_MS 10000
#define RESPONSE_MAX 65536
#define TIMEOUT_MS 30000
#define REQUEST_HEAD_MAX 16384
#define WARM_CLOSED_MS 100  /* until a kept connection that ended is replaced */
#define WARM_FAILED_MS 3000 /* or tried again */
#define INTERIM_MAX 8       /* responses of 1xx before the final one */

struct http_transfer {
	struct http_client *client; /* borrowed: has us */
	struct list in_client;      /* waiting, active or failed */
	struct stream *stream;      /* NULL: no connection yet, or it is pooled again */
	struct incoming in;
	struct buf request; /* whole: it may have to be sent again */
	size_t sent;
	char method[16];
	struct http1_reader reader;
	struct buf body;
	size_t response_max;
	unsigned interims;
	uint64_t sent_us,
		first_us; /* when it was given to us; first byte of a response */
	bool has_first;   /* a byte of a response has come */
	bool is_reused;   /* the connection has carried a request before */
	bool is_retried;
	bool is_last; /* the connection is not to be used again */
	struct loop_timer *timer;
	http_response_fn *fn;
	void *arg;
};

/* A connection that is being opened. */
struct attempt {
	struct http_client *client; /* borrowed: has us */
	struct list in_client;
	struct connector *connector;
};

struct http_client {
	struct http_client_options o; /* its texts are ours, below */
	char *unix_path, *host, *server_name, *host_header;
	struct dial_proxy *proxy; /* NULL: none */
	struct list attempts;
	struct idle_pool *idle;
	struct list waiting; /* transfers without a connection, in order */
	struct list active;  /* transfers with one */
	struct list failed;  /* transfers that are told at the end of this turn */
	enum err failed_rc;
	struct why failed_why;
	unsigned warm_n;
	struct loop_timer *warm; /* set while it is too early to connect again */
	struct loop_deferred turn;
};

/*
 * A connection has ended, or could not be opened: a warm one replaces it after @ms, or
 * down to half of that, at random: clients that lost the same server do not come back
 * together.
 */
static void client_on_loss(struct http_client *client, uint32_t ms)
{
	if (client->warm_n > 0)
		loop_timer_set(client->warm, ms - rand_below(ms / 2));
}

static void client_on_end(void *arg)
{
	struct http_client *client = arg;

	client_on_loss(client, WARM_CLOSED_MS);
	loop_defer(client->o.loop, &client->turn);
}

/* ---- transfers: life ---- */

static void transfer_free(struct http_transfer *t)
{
	list_remove(&t->in_client);
	loop_timer_close(t->timer);
	stream_close(t->stream);
	incoming_fini(&t->in);
	buf_wipe(&t->request); /* a token may be in either */
	buf_wipe(&t->body);
	http1_reader_fini(&t->reader);
	free(t);
}

/* Calls fn last: the client may be freed in it. */
static void transfer_end(struct http_transfer *t, enum err rc,
	const struct http_response *response, const struct why *why)
{
	list_remove(&t->in_client);
	loop_timer_stop(t->timer);
	if (t->stream != NULL) {
		stream_want(t->stream, 0);
		client_on_end(t->client);
	}
	t->fn(t->arg, rc, response, why);
	transfer_free(t);
}

void http_transfer_close(struct http_transfer *t)
{
	if (t == NULL)
		return;
	if (t->stream != NULL)
		client_on_end(t->client);
	transfer_free(t);
}

static void transfer_on_late(void *arg)
{
	struct http_transfer *t = arg;
	struct why why;

	err_set(&why, ERR_TIMEOUT, "%s",
		t->stream != NULL ? "the server did not answer in time" :
				    "connecting to the server timed out");
	transfer_end(t, ERR_TIMEOUT, NULL, &why);
}

static void transfer_expect(struct http_transfer *t)
{
	http1_reader_fini(&t->reader);
	http1_reader_init_response(&t->reader, &http1_response_limits,
		span_str(t->method));
}

static enum err transfer_write(struct http_transfer *t,
	const struct http_client_request *r)
{
	struct buf *out = &t->request;

	buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", r->method, r->target,
		t->client->host_header);
	if (!http_lines_have(r->headers, span_str("User-Agent")))
		buf_put_str(out, "User-Agent: adit/" ADIT_VERSION "\r\n");
	buf_put_str(out, r->headers != NULL ? r->headers : "");
	/* Without a body only some methods say that there is none (RFC 9110 8.6). */
	if (r->body.n > 0 || strcmp(r->method, "POST") == 0 ||
		strcmp(r->method, "PUT") == 0 || strcmp(r->method, "PATCH") == 0)
		buf_printf(out, "Content-Length: %zu\r\n", r->body.n);
	buf_put_str(out, "\r\n");
	buf_put_span(out, r->body);
	return out->failed;
}

enum err http_client_send(struct http_client *client, const struct http_client_request *r,
	struct http_transfer **out)
{
	struct http_transfer *t = mem_new(t);
	enum err rc;

	if (t == NULL)
		return ERR_NOMEM;
	t->client = client;
	t->sent_us = clock_now_us();
	t->fn = r->fn;
	t->arg = r->arg;
	t->response_max = r->response_max != 0 ? r->response_max : RESPONSE_MAX;
	list_init(&t->in_client);
	incoming_init(&t->in, NULL);
	buf_init(&t->request, REQUEST_HEAD_MAX + r->body.n);
	buf_init(&t->body, t->response_max);
	rc = str_copy(t->method, sizeof(t->method), r->method) ? ERR_OK : ERR_USAGE;
	transfer_expect(t);
	if (rc == ERR_OK)
		rc = transfer_write(t, r);
	if (rc == ERR_OK)
		rc = loop_timer_open(client->o.loop, transfer_on_late, t, &t->timer);
	if (rc != ERR_OK) {
		transfer_free(t);
		return rc;
	}
	loop_timer_set(t->timer, r->timeout_ms != 0 ? r->timeout_ms : TIMEOUT_MS);
	list_add(&client->waiting, &t->in_client);
	loop_defer(client->o.loop, &client->turn);
	if (out != NULL)
		*out = t;
	return ERR_OK;
}

/* ---- transfers: a request and its response ---- */

/* A server that takes no more of the request may have answered: then reading tells. */
static void transfer_send(struct http_transfer *t)
{
	struct span all = buf_span(&t->request);
	size_t put;
	enum err rc = ERR_OK;

	while (rc == ERR_OK && t->sent < all.n) {
		rc = stream_put(t->stream, all.p + t->sent, all.n - t->sent, &put);
		if (rc == ERR_OK)
			t->sent += put;
	}
	if (rc != ERR_OK && rc != ERR_AGAIN) {
		t->sent = all.n;
		t->is_last = true;
	}
	stream_want(t->stream, LOOP_READ | (t->sent < all.n ? LOOP_WRITE : 0U));
}

static enum err transfer_read_head(struct http_transfer *t, struct why *why)
{
	const struct http1_head *head = &t->reader.head;
	enum err rc = incoming_read_head(&t->in, &t->reader, why);

	if (!t->has_first && !http1_reader_is_fresh(&t->reader)) {
		t->has_first = true;
		t->first_us = clock_now_us();
	}
	if (rc == ERR_EOF)
		return err_set(why, ERR_RESET,
			"the server closed the connection without an answer");
	if (rc != ERR_OK)
		return rc;
	if (head->status == 101)
		return err_set(why, ERR_PROTO,
			"the server switches to a protocol that was not offered");
	if (head->body == HTTP1_LENGTH && head->length > t->response_max)
		return err_set(why, ERR_LIMIT, "the answer is longer than %zu bytes",
			t->response_max);
	if (head->status / 100 != 1)
		return ERR_OK;
	if (++t->interims > INTERIM_MAX)
		return err_set(why, ERR_PROTO,
			"the server sent more than %d interim responses", INTERIM_MAX);
	transfer_expect(t);
	return ERR_OK;
}

static enum err transfer_read_body(struct http_transfer *t, struct why *why)
{
	uint8_t piece[INCOMING_PIECE];
	struct mspan to = { .p = piece, .n = sizeof(piece) };
	size_t got = 0;
	enum err rc = incoming_read_body(&t->in, &t->reader, to, &got, why);

	if (rc == ERR_OK)
		rc = buf_put(&t->body, piece, got);
	if (rc == ERR_LIMIT)
		err_set(why, rc, "the answer is longer than %zu bytes", t->response_max);
	return rc;
}

/* The response is there as a whole. */
static void transfer_complete(struct http_transfer *t)
{
	const struct http1_head *head = &t->reader.head;
	struct http_response response = {
		.status = head->status,
		.head = head,
		.body = buf_span(&t->body),
		.stream = t->stream,
		.is_reused = t->is_reused,
		.first_us = t->first_us - t->sent_us,
	};

	if (!t->is_last && head->keeps_alive && head->body != HTTP1_UNTIL_CLOSE &&
		t->in.rest.n == 0 && t->sent == t->request.n) {
		if (idle_pool_put(t->client->idle, t->stream, true))
			t->stream = NULL;
		loop_defer(t->client->o.loop, &t->client->turn);
	}
	transfer_end(t, ERR_OK, &response, NULL);
}

/*
 * If the server may have closed the connection before it saw the request, that waits for
 * a new connection, and the other idle ones, which have been idle as long, are closed.
 */
static void transfer_break(struct http_transfer *t, enum err rc, const struct why *why)
{
	struct http_client *client = t->client;

	if (!t->is_reused || t->has_first || t->is_retried || rc == ERR_SYNTAX ||
		rc == ERR_LIMIT || rc == ERR_NOMEM) {
		transfer_end(t, rc, NULL, why);
		return;
	}
	t->is_retried = true;
	t->is_last = false;
	t->sent = 0;
	transfer_expect(t);
	incoming_fini(&t->in);
	stream_close(t->stream);
	t->stream = NULL;
	list_remove(&t->in_client);
	list_add_front(&client->waiting, &t->in_client);
	idle_pool_clear(client->idle);
	client_on_end(client);
}

static void transfer_on_ready(void *arg, unsigned ready)
{
	struct http_transfer *t = arg;
	struct why why = { "" };
	enum err rc = ERR_OK;

	(void)ready;
	transfer_send(t);
	while (rc == ERR_OK)
		rc = t->reader.state == HTTP1_IN_HEAD ? transfer_read_head(t, &why) :
							transfer_read_body(t, &why);
	if (rc == ERR_EOF)
		transfer_complete(t);
	else if (rc != ERR_AGAIN)
		transfer_break(t, rc, &why);
}

static void transfer_start(struct http_transfer *t, struct stream *stream, bool is_reused)
{
	list_remove(&t->in_client);
	list_add(&t->client->active, &t->in_client);
	t->stream = stream;
	t->is_reused = is_reused;
	incoming_init(&t->in, stream);
	stream_set_owner(stream, transfer_on_ready, t);
	transfer_send(t);
}

/* ---- connections ---- */

static unsigned list_count(const struct list *l)
{
	struct list *it, *next;
	unsigned n = 0;

	list_each(it, next, l)
		n++;
	return n;
}

static unsigned client_count(const struct http_client *client)
{
	return list_count(&client->attempts) + list_count(&client->active) +
		idle_pool_count(client->idle);
}

/* What waits now will not be answered. */
static void client_fail(struct http_client *client, enum err rc, const struct why *why)
{
	if (list_is_empty(&client->waiting))
		return;
	list_move_all(&client->failed, &client->waiting);
	client->failed_rc = rc;
	err_set(&client->failed_why, rc, "%s", err_text(rc, why));
	loop_defer(client->o.loop, &client->turn);
}

static void attempt_free(struct attempt *a)
{
	list_remove(&a->in_client);
	connector_close(a->connector);
	free(a);
}

static void attempt_on_connected(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct attempt *a = arg;
	struct http_client *client = a->client;

	a->connector = NULL;
	attempt_free(a);
	if (rc == ERR_OK) {
		if (!idle_pool_put(client->idle, stream, false))
			stream_close(stream);
		loop_defer(client->o.loop, &client->turn);
		return;
	}
	client_on_loss(client, WARM_FAILED_MS);
	if (client_count(client) == 0)
		client_fail(client, rc, why);
}

static enum err client_connect(struct http_client *client)
{
	struct attempt *a = mem_new(a);
	struct connector_options how = {
		.loop = client->o.loop,
		.unix_path = client->unix_path,
		.host = client->host,
		.port = client->o.port,
		.proxy = client->proxy,
		.tls = client->o.tls,
		.server_name = client->server_name,
		.timeout_ms = client->o.connect_ms,
		.fn = attempt_on_connected,
		.arg = a,
	};
	enum err rc;

	if (a == NULL)
		return ERR_NOMEM;
	a->client = client;
	list_add(&client->attempts, &a->in_client);
	rc = connector_open(&how, &a->connector);
	if (rc != ERR_OK)
		attempt_free(a);
	return rc;
}

static void client_connect_more(struct http_client *client)
{
	unsigned waiting = list_count(&client->waiting);
	unsigned coming = list_count(&client->attempts), all = client_count(client);
	enum err rc = ERR_OK;

	while (rc == ERR_OK && all < client->o.connections_max &&
		(coming < waiting ||
			(all < client->warm_n && !loop_timer_is_set(client->warm)))) {
		rc = client_connect(client);
		coming++;
		all++;
	}
	if (rc == ERR_OK)
		return;
	loop_timer_set(client->warm, WARM_FAILED_MS);
	if (client_count(client) == 0)
		client_fail(client, rc, NULL);
}

/* A failure is reported last, and only one: the owner may free the client then. */
static void client_on_turn(void *arg)
{
	struct http_client *client = arg;
	struct http_transfer *t;
	struct stream *stream;
	struct why why;
	bool is_used;

	while (!list_is_empty(&client->waiting) &&
		(stream = idle_pool_take(client->idle, &is_used)) != NULL)
		transfer_start(list_object(client->waiting.next, struct http_transfer,
				       in_client),
			stream, is_used);
	client_connect_more(client);
	t = list_first(&client->failed, struct http_transfer, in_client);
	if (t == NULL)
		return;
	why = client->failed_why;
	loop_defer(client->o.loop, &client->turn);
	transfer_end(t, client->failed_rc, NULL, &why);
}

static void client_on_warm(void *arg)
{
	struct http_client *client = arg;

	loop_defer(client->o.loop, &client->turn);
}

void http_client_reconnect(struct http_client *client)
{
	struct list *it, *tmp;

	idle_pool_clear(client->idle);
	list_each(it, tmp, &client->active)
		list_object(it, struct http_transfer, in_client)->is_last = true;
	list_each(it, tmp, &client->attempts)
		attempt_free(list_object(it, struct attempt, in_client));
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
	client->warm_n = n < client->o.connections_max ? n : client->o.connections_max;
	idle_pool_keep(client->idle, client->warm_n);
	loop_defer(client->o.loop, &client->turn);
}

/* ---- life ---- */

void http_client_free(struct http_client *client)
{
	struct list *it, *tmp;

	if (client == NULL)
		return;
	list_move_all(&client->active, &client->waiting);
	list_move_all(&client->active, &client->failed);
	list_each(it, tmp, &client->active)
		transfer_free(list_object(it, struct http_transfer, in_client));
	list_each(it, tmp, &client->attempts)
		attempt_free(list_object(it, struct attempt, in_client));
	idle_pool_free(client->idle);
	loop_timer_close(client->warm);
	loop_undefer(&client->turn);
	tls_context_free(client->o.tls);
	free(client->unix_path);
	free(client->host);
	dial_proxy_free(client->proxy);
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

	if (o->unix_path != NULL)
		client->unix_path = strdup(o->unix_path);
	client->host = strdup(host);
	client->server_name = strdup(server_name);
	client->host_header = strdup(
		o->host_header != NULL ? o->host_header : server_name);
	if (client->host == NULL || client->server_name == NULL ||
		client->host_header == NULL ||
		(o->unix_path != NULL && client->unix_path == NULL))
		return ERR_NOMEM;
	return dial_proxy_dup(o->proxy, &client->proxy);
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
	list_init(&client->attempts);
	list_init(&client->waiting);
	list_init(&client->active);
	list_init(&client->failed);
	loop_deferred_init(&client->turn, client_on_turn, client);
	rc = client_copy(client, o);
	if (rc == ERR_OK)
		rc = idle_pool_new(o->loop, client->o.connections_max, client->o.idle_ms,
			&client->idle);
	if (rc == ERR_OK)
		rc = loop_timer_open(o->loop, client_on_warm, client, &client->warm);
	if (rc != ERR_OK) {
		http_client_free(client);
		return rc;
	}
	idle_pool_watch(client->idle, client_on_end, client);
	*out = client;
	return ERR_OK;
}
