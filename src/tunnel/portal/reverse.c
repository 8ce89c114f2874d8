/* A reverse session, the client's end. */
#include "tunnel/portal/reverse.h"

#include "base/mem.h"
#include "http/handshake.h"
#include "net/pushback.h"
#include "net/socket.h"

#define REVERSE_ASK_MS 10000 /* from the connection to the relay's response */
#define REVERSE_REQUEST_MAX (MESSAGE_TOKEN_MAX + 1024)
#define REVERSE_BEATS_MAX 64 /* keepalives in one turn: more would block the loop */

enum reverse_state {
	REVERSE_REACHING,
	REVERSE_ASKING,  /* the request is being sent, or its response read */
	REVERSE_REFUSED, /* the body of a refusal */
	REVERSE_READY,   /* waits for a visitor */
	REVERSE_ENDED,
};

struct reverse {
	struct loop *loop; /* borrowed: outlives us */
	const struct reverse_hooks *hooks;
	void *owner;
	enum reverse_state state;
	struct connector *connector; /* borrowed: until it has called */
	struct stream *stream;
	struct loop_timer *timer;
	struct addr peer;
	struct http_handshake handshake;
	struct buf refusal; /* the body of one */
};

/* A step returns ERR_OK (a state was entered: continue), ERR_AGAIN or the final error. */
static enum err step_asking(struct reverse *r, struct why *why);
static enum err step_refused(struct reverse *r, struct why *why);
static enum err step_ready(struct reverse *r, struct why *why);

static const struct reverse_rule {
	const char *name;
	unsigned wants;
	uint32_t timeout_ms; /* 0: the timer goes on */
	enum err (*step)(struct reverse *r, struct why *why);
} rules[] = {
	[REVERSE_REACHING] = { "connecting", 0, 0, NULL },
	[REVERSE_ASKING] = { "asking for a reverse session", LOOP_WRITE, REVERSE_ASK_MS,
		step_asking },
	[REVERSE_REFUSED] = { "the relay's refusal", LOOP_READ, 0, step_refused },
	[REVERSE_READY] = { "waiting for a visitor", LOOP_READ, MARKER_TIMEOUT_MS,
		step_ready },
	[REVERSE_ENDED] = { "over", 0, 0, NULL },
};

static void reverse_enter(struct reverse *r, enum reverse_state state)
{
	r->state = state;
	if (rules[state].timeout_ms > 0)
		loop_timer_set(r->timer, rules[state].timeout_ms);
	if (r->stream != NULL)
		stream_want(r->stream, rules[state].wants);
}

void reverse_close(struct reverse *r)
{
	if (r == NULL)
		return;
	connector_close(r->connector);
	loop_timer_close(r->timer);
	stream_close(r->stream);
	http_handshake_fini(&r->handshake);
	buf_fini(&r->refusal);
	free(r);
}

static void reverse_fail(struct reverse *r, enum err rc, const struct why *why)
{
	struct message_refusal refusal = { 0 };
	struct why words = *why;

	if (r->state == REVERSE_REFUSED) {
		/* A body without a reason: the status is the reason. */
		rc = message_read_refusal(r->handshake.answer.head.status,
			buf_span(&r->refusal), &refusal, &words);
	}
	reverse_enter(r, REVERSE_ENDED);
	r->hooks->on_failed(r->owner, rc, &refusal, &words);
	reverse_close(r);
}

static void reverse_activate(struct reverse *r, enum marker kind)
{
	struct stream *stream = r->stream;

	reverse_enter(r, REVERSE_ENDED);
	r->stream = NULL;
	r->hooks->on_active(r->owner, kind, stream, &r->peer);
	reverse_close(r);
}

/* ---- steps ---- */

static enum err reverse_read(struct reverse *r, uint8_t *to, size_t room, size_t *got,
	struct why *why)
{
	enum err rc = stream_read(r->stream, to, room, got);

	if (rc == ERR_EOF)
		rc = ERR_CLOSED;
	if (rc != ERR_OK && rc != ERR_AGAIN)
		err_set(why, rc, "the relay closed the connection while %s",
			rules[r->state].name);
	return rc;
}

static void reverse_on_stream(void *arg, unsigned ready);

/* Bytes that follow the head are for the next reader of the stream. */
static enum err reverse_put_back(struct reverse *r, struct span rest, struct why *why)
{
	struct stream *whole;
	enum err rc;

	if (rest.n == 0)
		return ERR_OK;
	rc = pushback_open(r->loop, r->stream, rest, &whole);
	if (rc != ERR_OK)
		return err_set(why, rc, "reading on after the relay's response: %s",
			err_name(rc));
	r->stream = whole;
	stream_set_owner(whole, reverse_on_stream, r);
	return ERR_OK;
}

static enum err step_asking(struct reverse *r, struct why *why)
{
	uint8_t bytes[PUSHBACK_MAX]; /* most responses fit */
	struct span read, rest;
	enum err rc = http_handshake_step(&r->handshake, r->stream,
		(struct mspan){ .p = bytes, .n = sizeof(bytes) }, &read, &rest, why);

	if (rc == ERR_OK)
		rc = reverse_put_back(r, rest, why);
	else if (rc != ERR_AGAIN && why->text[0] == '\0')
		err_set(why, rc, "the relay closed the connection while %s",
			rules[r->state].name);
	if (rc != ERR_OK)
		return rc;
	if (r->handshake.answer.head.status != 200) {
		reverse_enter(r, REVERSE_REFUSED);
		return ERR_OK;
	}
	reverse_enter(r, REVERSE_READY);
	r->hooks->on_ready(r->owner);
	return ERR_OK;
}

/* Reads the body of a refusal, which may be empty; its end is the end of the session. */
static enum err step_refused(struct reverse *r, struct why *why)
{
	uint8_t bytes[1024];
	struct span in = span_str("");
	struct http1_event ev;
	size_t got;
	enum err rc = ERR_OK;

	while (rc == ERR_OK) {
		rc = http1_next(&r->handshake.answer, &in, &ev, why);
		if (rc == ERR_OK && ev.kind == HTTP1_END)
			return ERR_DENIED;
		if (rc == ERR_OK) {
			rc = buf_put_span(&r->refusal, ev.data);
		} else if (rc == ERR_AGAIN) {
			rc = reverse_read(r, bytes, sizeof(bytes), &got, why);
			if (rc == ERR_OK)
				in = span_of(bytes, got);
		}
	}
	return rc;
}

static enum err step_ready(struct reverse *r, struct why *why)
{
	enum marker kind;
	struct span in;
	uint8_t byte;
	size_t got;
	enum err rc = reverse_read(r, &byte, 1, &got, why);

	if (rc != ERR_OK)
		return rc;
	in = span_of(&byte, got);
	rc = marker_read(&in, &kind);
	if (rc == ERR_OK) {
		reverse_activate(r, kind);
		return ERR_EOF;
	}
	if (rc != ERR_AGAIN)
		return err_set(why, rc, "the relay sent %u, which is not a marker", byte);
	reverse_enter(r, REVERSE_READY); /* restarts the timeout */
	return ERR_OK;
}

static void reverse_on_stream(void *arg, unsigned ready)
{
	struct reverse *r = arg;
	struct why why = { "" };
	unsigned steps = 0;
	enum err rc;

	(void)ready;
	do {
		rc = rules[r->state].step(r, &why);
	} while (rc == ERR_OK &&
		(r->state != REVERSE_READY || ++steps <= REVERSE_BEATS_MAX));
	if (rc == ERR_OK)
		rc = err_set(&why, ERR_PROTO,
			"the relay floods a session with keepalives");
	/* ERR_EOF: the stream is a visitor's, and @r is gone. */
	if (rc != ERR_AGAIN && rc != ERR_EOF)
		reverse_fail(r, rc, &why);
}

static void reverse_on_timer(void *arg)
{
	struct reverse *r = arg;
	struct why why;

	err_set(&why, ERR_TIMEOUT, "the relay sent nothing for too long while %s",
		rules[r->state].name);
	reverse_fail(r, ERR_TIMEOUT, &why);
}

static void reverse_on_reached(void *arg, enum err rc, struct stream *tls,
	const struct why *why)
{
	struct reverse *r = arg;
	int fd;

	r->connector = NULL;
	if (rc != ERR_OK) {
		reverse_fail(r, rc, why);
		return;
	}
	r->stream = tls;
	fd = stream_socket(tls);
	socket_tune_waiting(fd);
	(void)addr_of_peer(fd, &r->peer);
	stream_set_owner(tls, reverse_on_stream, r);
	reverse_enter(r, REVERSE_ASKING);
	reverse_on_stream(r, 0);
}

/* ---- opening ---- */

enum err reverse_open(const struct reverse_options *o, struct reverse **out,
	struct why *why)
{
	struct reverse *r = mem_new(r);
	enum err rc;

	if (r == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	r->loop = o->loop;
	r->hooks = o->hooks;
	r->owner = o->owner;
	http_handshake_init(&r->handshake, REVERSE_REQUEST_MAX);
	buf_init(&r->refusal, MESSAGE_REFUSAL_BODY_MAX);
	rc = buf_printf(&r->handshake.request,
		"GET /sdk/connect HTTP/1.1\r\n"
		"Host: %s\r\n" RELAY_USER_AGENT "X-Portal-Access-Token: %s\r\n"
		"Connection: keep-alive\r\n\r\n",
		o->relay->authority, o->token);
	if (rc == ERR_OK)
		rc = loop_timer_open(o->loop, reverse_on_timer, r, &r->timer);
	if (rc == ERR_OK)
		rc = relay_peer_connect(o->relay,
			(struct connector_options){ .loop = o->loop,
				.fn = reverse_on_reached,
				.arg = r },
			&r->connector);
	if (rc != ERR_OK) {
		reverse_close(r);
		return err_set(why, rc, "a reverse session: %s", err_name(rc));
	}
	*out = r;
	return ERR_OK;
}
