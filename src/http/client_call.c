/* One connection of a client, as a state machine. */
#include "http/client_call.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define INTERIM_MAX 8 /* answers of 1xx before the real one */

/* Nobody hears of it any more; it goes when the turn ends, for its stream is still lent
 * out. */
static void call_retire(struct call *call)
{
	if (call->ask != NULL)
		call->ask->call = NULL;
	call->ask = NULL;
	call->state = CALL_CLOSED;
	loop_timer_stop(call->timer);
	stream_want(call->stream, 0);
	loop_defer(call->client->o.loop, &call->turn);
}

static void call_on_turn(void *arg)
{
	struct call *call = arg;

	client_on_call_gone(call->client, call, ERR_OK, NULL);
}

void call_close(struct call *call)
{
	if (call == NULL)
		return;
	if (call->ask != NULL)
		call->ask->call = NULL;
	reach_close(call->reach);
	stream_close(call->stream);
	incoming_fini(&call->in);
	loop_timer_close(call->timer);
	loop_undefer(&call->turn);
	free(call);
}

void call_cancel(struct call *call)
{
	call_retire(call);
}

/* ---- the question ---- */

/* A server that does not listen any more may have answered: then reading tells. */
static void call_send(struct call *call)
{
	struct http_ask *ask = call->ask;
	struct span rest = buf_span(&ask->request);
	size_t put;
	enum err rc = ERR_OK;

	while (rc == ERR_OK && ask->sent < rest.n) {
		rc = stream_put(call->stream, rest.p + ask->sent, rest.n - ask->sent,
			&put);
		if (rc == ERR_OK)
			ask->sent += put;
	}
	if (rc == ERR_OK || rc == ERR_AGAIN)
		return;
	ask->sent = rest.n;
	call->is_outdated = true;
}

static void call_want(struct call *call)
{
	bool is_sending = call->ask->sent < call->ask->request.n;

	stream_want(call->stream, LOOP_READ | (is_sending ? LOOP_WRITE : 0U));
}

/* ---- the answer ---- */

static enum err call_check_head(struct http_ask *ask, struct why *why)
{
	const struct http1_head *head = &ask->answer.head;

	if (head->status == 101)
		return err_set(why, ERR_PROTO,
			"the server wants to speak another protocol");
	if (head->body == HTTP1_LENGTH && head->length > ask->answer_max)
		return err_set(why, ERR_LIMIT, "the answer is longer than %zu bytes",
			ask->answer_max);
	return ERR_OK;
}

/* The news that an answer will come is none. */
static enum err call_skip_interim(struct http_ask *ask, struct why *why)
{
	if (++ask->interims > INTERIM_MAX)
		return err_set(why, ERR_PROTO, "the server never comes to its answer");
	http1_reader_fini(&ask->answer);
	http1_reader_init_response(&ask->answer, &http1_response_limits,
		span_str(ask->method));
	return ERR_OK;
}

static enum err call_read_head(struct call *call, struct why *why)
{
	struct http_ask *ask = call->ask;
	enum err rc = incoming_read_head(&call->in, &ask->answer, why);

	if (!ask->has_heard && !http1_reader_is_fresh(&ask->answer)) {
		ask->has_heard = true;
		ask->first_us = clock_now_us();
	}
	if (rc != ERR_OK)
		return rc;
	rc = call_check_head(ask, why);
	if (rc == ERR_OK && ask->answer.head.status / 100 == 1)
		return call_skip_interim(ask, why);
	return rc;
}

static enum err call_read_body(struct call *call, struct why *why)
{
	struct http_ask *ask = call->ask;
	uint8_t piece[INCOMING_PIECE];
	struct mspan to = { .p = piece, .n = sizeof(piece) };
	size_t got = 0;
	enum err rc = incoming_read_body(&call->in, &ask->answer, to, &got, why);

	if (rc == ERR_OK)
		rc = buf_put(&ask->body, piece, got);
	if (rc == ERR_LIMIT)
		err_set(why, rc, "the answer is longer than %zu bytes", ask->answer_max);
	return rc;
}

/* ERR_EOF: it is there as a whole. */
static enum err call_receive(struct call *call, struct why *why)
{
	enum err rc = ERR_OK;

	while (rc == ERR_OK) {
		if (call->ask->answer.state == HTTP1_IN_HEAD) {
			rc = call_read_head(call, why);
			if (rc == ERR_EOF)
				return err_set(why, ERR_RESET,
					"the server closed the connection without an answer");
		} else {
			rc = call_read_body(call, why);
		}
	}
	return rc;
}

/* ---- ends ---- */

static bool call_may_be_kept(const struct call *call, const struct http_ask *ask)
{
	const struct http1_head *head = &ask->answer.head;

	return !call->is_outdated && head->keeps_alive &&
		head->body != HTTP1_UNTIL_CLOSE && call->in.rest.n == 0 &&
		ask->sent == ask->request.n;
}

static void call_end_ask(struct call *call)
{
	struct http_ask *ask = call->ask;
	struct http_answer a = {
		.status = ask->answer.head.status,
		.head = &ask->answer.head,
		.body = buf_span(&ask->body),
		.stream = call->stream,
		.is_reused = call->is_reused,
		.first_us = ask->first_us - ask->asked_us,
	};

	if (call_may_be_kept(call, ask)) {
		ask->call = NULL;
		call->ask = NULL;
		call->state = CALL_IDLE;
		call->is_reused = true;
		stream_want(call->stream, LOOP_READ);
		client_on_call_ready(call->client, call);
	} else {
		call_retire(call);
	}
	ask_end(ask, ERR_OK, &a, NULL);
}

/* True if the server may have closed the connection before it saw the question. */
static bool call_has_crossed(const struct call *call, enum err rc)
{
	return call->is_reused && !call->ask->has_heard && !call->ask->is_retried &&
		rc != ERR_SYNTAX && rc != ERR_LIMIT && rc != ERR_NOMEM;
}

static void call_break(struct call *call, enum err rc, const struct why *why)
{
	struct http_ask *ask = call->ask;
	bool has_crossed = call_has_crossed(call, rc);

	call_retire(call);
	if (has_crossed)
		client_take_back(call->client, ask);
	else
		ask_end(ask, rc, NULL, why);
}

static void call_run(struct call *call)
{
	struct why why = { "" };
	enum err rc;

	call_send(call);
	rc = call_receive(call, &why);
	if (rc == ERR_AGAIN)
		call_want(call);
	else if (rc == ERR_EOF)
		call_end_ask(call);
	else
		call_break(call, rc, &why);
}

/* ---- idle ---- */

static void call_on_ready(void *arg, unsigned ready)
{
	struct call *call = arg;

	(void)ready;
	if (call->state == CALL_ASKING)
		call_run(call);
	else if (call->state == CALL_IDLE && !incoming_is_silent(call->stream))
		call_retire(call);
}

static void call_on_idle_end(void *arg)
{
	struct call *call = arg;

	client_on_call_old(call->client, call);
}

void call_keep(struct call *call, uint32_t ms)
{
	if (ms != 0)
		loop_timer_set(call->timer, ms);
	else
		loop_timer_stop(call->timer);
}

bool call_carry(struct call *call, struct http_ask *ask)
{
	if (!incoming_is_silent(call->stream)) {
		call_retire(call);
		return false;
	}
	loop_timer_stop(call->timer);
	call->state = CALL_ASKING;
	call->ask = ask;
	ask->call = call;
	call_send(call);
	call_want(call);
	return true;
}

/* ---- the start ---- */

static void call_on_reached(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct call *call = arg;

	call->reach = NULL;
	if (rc != ERR_OK) {
		client_on_call_gone(call->client, call, rc, why);
		return;
	}
	call->stream = stream;
	incoming_init(&call->in, stream);
	stream_set_owner(stream, call_on_ready, call);
	stream_want(stream, LOOP_READ);
	call->state = CALL_IDLE;
	client_on_call_ready(call->client, call);
}

enum err call_open(struct http_client *client, const struct reach_options *how,
	struct call **out)
{
	struct call *call = mem_new(call);
	struct reach_options o = *how;
	enum err rc;

	if (call == NULL)
		return ERR_NOMEM;
	call->client = client;
	list_init(&call->in_client);
	incoming_init(&call->in, NULL);
	loop_deferred_init(&call->turn, call_on_turn, call);
	o.fn = call_on_reached;
	o.arg = call;
	rc = loop_timer_open(o.loop, call_on_idle_end, call, &call->timer);
	if (rc == ERR_OK)
		rc = reach_open(&o, &call->reach);
	if (rc == ERR_OK)
		*out = call;
	else
		call_close(call);
	return rc;
}
