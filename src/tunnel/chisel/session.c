/* A session is one tunnel connection in either role. */
#include "tunnel/chisel/session.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "tunnel/chisel/channel.h"
#include "tunnel/chisel/mux.h"
#include "wire/ws.h"

#define SESSION_HANDSHAKE_MS 30000
#define SESSION_CONFIG_MS 10000
#define SESSION_REFUSAL_MS 2000           /* so that the text of a refusal arrives */
#define SESSION_READ_BYTES (256u << 10)   /* in one call */
#define SESSION_BUDGET_BYTES (256u << 10) /* in one turn of the loop, then others go on */
#define SESSION_KEPT_MAX (SSH_PACKET_MAX + 4096)

_Static_assert(SESSION_KEPT_MAX + SESSION_READ_BYTES <= WORKER_SCRATCH_BYTES,
	"what was kept and what is read fit the scratch");

enum session_state {
	SESSION_SECURING,    /* SSH versions, keys, authentication */
	SESSION_CONFIGURING, /* waiting for the config request or its answer */
	SESSION_DECIDING,    /* server: the owner checks the config */
	SESSION_OPEN,
	SESSION_REFUSED, /* server: the refusal is on its way */
	SESSION_CLOSED,
};

struct chisel_session {
	enum session_state state;
	struct chisel_session_options o; /* not .first, .user and .password */
	struct ssh *ssh;
	struct ws_reader ws;
	struct mux mux;
	struct loop_timer *timer;
	struct loop_deferred gone;
	struct loop_deferred first; /* bytes that came with the stream */
	struct buf kept;            /* bytes of a packet that has not fully arrived */
	size_t kept_ssh;            /* how many of them are out of their frames already */
	uint64_t deadline_ms;       /* of the state; 0 for none */
	uint64_t due_ms;            /* what the timer is set to; UINT64_MAX: it is not */
	uint64_t asked_us;          /* when the config or the ping that is out was sent */
	uint64_t probe_since_ms, probe_end_ms;
	void (*probe_fn)(void *arg, bool is_alive);
	void *probe_arg;
	enum err closed_rc;
	struct why closed_why;
};

static void session_on_ready(void *arg, unsigned ready);
static void session_on_timer(void *arg);
static void session_on_broken(void *arg, enum err rc);
static void session_on_use(void *arg);
static void session_on_gone(void *arg);
static void session_on_first(void *arg);
static void session_set_timer(struct chisel_session *s);

static void session_enter(struct chisel_session *s, enum session_state state)
{
	const struct chisel_tuning *t = s->o.tuning;
	uint32_t timeouts_ms[] = {
		[SESSION_SECURING] = chisel_tuned(t->handshake_ms, SESSION_HANDSHAKE_MS),
		[SESSION_CONFIGURING] = chisel_tuned(t->config_ms, SESSION_CONFIG_MS),
		[SESSION_DECIDING] = SESSION_HANDSHAKE_MS,
		[SESSION_REFUSED] = SESSION_REFUSAL_MS,
		[SESSION_CLOSED] = 0,
	};
	uint64_t now = clock_now_ms();

	s->state = state;
	s->deadline_ms = timeouts_ms[state] > 0 ? now + timeouts_ms[state] : 0;
	if (state == SESSION_OPEN)
		keepalive_init(&s->mux.keepalive, t->keepalive_ms, t->ping_timeout_ms,
			now);
	session_set_timer(s);
}

/* ---- opening and closing ---- */

static void session_free(struct chisel_session *s)
{
	if (s == NULL)
		return;
	loop_timer_close(s->timer);
	loop_undefer(&s->gone);
	loop_undefer(&s->first);
	mux_fini(&s->mux);
	ssh_free(s->ssh);
	buf_fini(&s->kept);
	free(s);
}

static void session_init(struct chisel_session *s, const struct chisel_session_options *o)
{
	s->o = *o;
	buf_init(&s->kept, SESSION_KEPT_MAX);
	loop_deferred_init(&s->gone, session_on_gone, s);
	loop_deferred_init(&s->first, session_on_first, s);
}

enum err chisel_session_open(const struct chisel_session_options *o,
	struct chisel_session **out)
{
	struct chisel_session *s = mem_new(s);
	enum ws_role ws_role = o->role == SSH_CLIENT ? WS_CLIENT : WS_SERVER;
	struct ssh_options ssh = {
		.role = o->role,
		.key = o->key,
		.user = o->user,
		.password = o->password,
		.user_key = o->user_key,
		.takes_keys = o->takes_keys,
		.rekey_bytes = o->tuning->rekey_bytes,
	};
	enum err rc;

	if (s == NULL)
		return ERR_NOMEM;
	session_init(s, o);
	ws_reader_init(&s->ws, ws_role);
	rc = mux_init(&s->mux, o->worker->loop, &o->worker->blocks, ws_role);
	s->mux.on_broken = session_on_broken;
	s->mux.on_use = session_on_use;
	s->mux.arg = s;
	s->mux.peer_half_closes = o->peer_half_closes;
	if (rc == ERR_OK)
		rc = loop_timer_open(o->worker->loop, session_on_timer, s, &s->timer);
	ssh.out = &s->mux.outbox.sink;
	if (rc == ERR_OK)
		rc = ssh_new(&ssh, &s->ssh);
	s->mux.ssh = s->ssh;
	if (rc == ERR_OK)
		rc = ssh_start(s->ssh);
	if (rc == ERR_OK)
		rc = buf_put_span(&s->kept, o->first);
	if (rc != ERR_OK) {
		session_free(s);
		return rc;
	}
	s->mux.stream = o->stream;
	stream_set_owner(s->o.stream, session_on_ready, s);
	stream_want(s->o.stream, LOOP_READ);
	session_enter(s, SESSION_SECURING);
	mux_pump_soon(&s->mux);
	if (s->kept.n > 0)
		loop_defer(o->worker->loop, &s->first);
	*out = s;
	return ERR_OK;
}

void chisel_session_close(struct chisel_session *s, enum err rc, const char *reason)
{
	if (s->state == SESSION_CLOSED)
		return;
	s->state = SESSION_CLOSED;
	s->closed_rc = rc;
	err_set(&s->closed_why, rc, "%s", reason != NULL ? reason : err_name(rc));
	stream_want(s->o.stream, 0);
	loop_timer_stop(s->timer);
	loop_defer(s->o.worker->loop, &s->gone);
}

static void session_fail(struct chisel_session *s, enum err rc, const struct why *why)
{
	chisel_session_close(s, rc, err_text(rc, why));
}

static void session_on_broken(void *arg, enum err rc)
{
	struct chisel_session *s = arg;

	chisel_session_close(s, rc, rc == ERR_RESET ? "the connection broke" : NULL);
}

/* Sends a WebSocket close if the connection takes it without waiting. */
static void session_send_close(struct chisel_session *s)
{
	static const uint8_t going_away[] = { 1001 >> 8, 1001 & 0xff };

	if (s->mux.is_full || s->mux.is_broken)
		return;
	if (outbox_put_control(&s->mux.outbox, WS_CLOSE, span_of(going_away, 2)) ==
		ERR_OK)
		(void)!outbox_flush(&s->mux.outbox,
			s->o.stream); /* it is over either way */
}

static void session_on_gone(void *arg)
{
	struct chisel_session *s = arg;
	struct list *it, *next;

	session_send_close(s);
	list_each(it, next, &s->mux.channels)
		channel_on_session_gone(list_object(it, struct channel, in_mux));
	stream_close(s->o.stream);
	s->o.hooks->on_closed(s->o.owner, s->closed_rc, &s->closed_why);
	session_free(s);
}

/* ---- liveness of the peer ---- */

static void session_ping(struct chisel_session *s)
{
	s->asked_us = clock_now_us();
	mux_check(&s->mux, ssh_request(s->ssh, "ping", true, (struct span){ 0 }));
	mux_pump_soon(&s->mux);
}

/* The config or a ping is answered. The shortest is the path's own: the others waited in
 * queues. */
static void session_note_rtt(struct chisel_session *s)
{
	uint64_t us = clock_now_us() - s->asked_us;

	if (s->asked_us != 0 && (s->mux.rtt_us == 0 || us < s->mux.rtt_us))
		s->mux.rtt_us = us;
	s->asked_us = 0;
}

static void session_watch_peer(struct chisel_session *s, uint64_t now)
{
	struct stream_path path;
	bool has_path = stream_path(s->o.stream, &path);

	switch (keepalive_look(&s->mux.keepalive, has_path ? &path : NULL, now)) {
	case KEEPALIVE_DEAD:
		chisel_session_close(s, ERR_TIMEOUT, "the peer does not answer pings");
		break;
	case KEEPALIVE_PING:
		session_ping(s);
		break;
	default:
		break;
	}
}

/* Payload passes: the peer is checked more often. */
static void session_on_use(void *arg)
{
	struct chisel_session *s = arg;

	if (s->due_ms > clock_now_ms() + KEEPALIVE_LOOK_MS)
		session_set_timer(s);
}

enum err chisel_session_notify(struct chisel_session *s, const char *name,
	struct span data)
{
	enum err rc = ERR_CLOSED;

	if (s->state == SESSION_OPEN)
		rc = ssh_request(s->ssh, name, false, data);
	if (rc == ERR_OK)
		mux_pump_soon(&s->mux);
	return rc;
}

static void session_end_probe(struct chisel_session *s, bool is_alive)
{
	void (*fn)(void *arg, bool is_alive) = s->probe_fn;

	s->probe_fn = NULL;
	fn(s->probe_arg, is_alive);
}

enum err chisel_session_probe(struct chisel_session *s, uint32_t ms,
	void (*fn)(void *arg, bool is_alive), void *arg)
{
	uint64_t now = clock_now_ms();

	if (s->probe_fn != NULL)
		return ERR_EXISTS;
	if (s->state == SESSION_CLOSED)
		return ERR_CLOSED;
	s->probe_fn = fn;
	s->probe_arg = arg;
	s->probe_since_ms = now;
	s->probe_end_ms = now + ms;
	if (s->state == SESSION_OPEN && keepalive_ping_now(&s->mux.keepalive, now))
		session_ping(s);
	session_set_timer(s);
	return ERR_OK;
}

/* Sets the timer to the first deadline. */
static void session_set_timer(struct chisel_session *s)
{
	uint64_t now = clock_now_ms(), due = UINT64_MAX;

	if (s->deadline_ms > 0)
		due = s->deadline_ms;
	else if (s->state == SESSION_OPEN)
		due = keepalive_due_ms(&s->mux.keepalive, now);
	if (s->probe_fn != NULL && s->probe_end_ms < due)
		due = s->probe_end_ms;
	s->due_ms = due;
	if (due == UINT64_MAX)
		loop_timer_stop(s->timer);
	else
		loop_timer_set(s->timer, due > now ? due - now : 0);
}

static void session_on_timer(void *arg)
{
	static const char *const names[] = {
		[SESSION_SECURING] = "SSH handshake",
		[SESSION_CONFIGURING] = "config exchange",
		[SESSION_DECIDING] = "config check",
		[SESSION_REFUSED] = "refused",
	};
	struct chisel_session *s = arg;
	uint64_t now = clock_now_ms();
	char text[80];

	if (s->deadline_ms > 0 && now >= s->deadline_ms) {
		snprintf(text, sizeof(text), "%s: timed out", names[s->state]);
		chisel_session_close(s, ERR_TIMEOUT, text);
		return;
	}
	if (s->probe_fn != NULL && now >= s->probe_end_ms)
		session_end_probe(s, false);
	if (s->state == SESSION_OPEN)
		session_watch_peer(s, now);
	if (s->state == SESSION_CLOSED)
		return;
	session_set_timer(s);
}

/* ---- what the SSH engine reports ---- */

static void session_on_request(struct chisel_session *s, const struct ssh_event *ev)
{
	bool is_ping = span_is(ev->name, "ping");

	if (s->o.role == SSH_SERVER && s->state == SESSION_CONFIGURING &&
		ev->wants_reply) {
		session_enter(s, SESSION_DECIDING);
		s->o.hooks->on_config(s->o.owner, ev->name, ev->data);
		return;
	}
	if (!ev->wants_reply) {
		if (s->state == SESSION_OPEN && s->o.hooks->on_notice != NULL)
			s->o.hooks->on_notice(s->o.owner, ev->name, ev->data);
		return;
	}
	/* Replies have no name, only an order: none may overtake that to the config. */
	if (s->state != SESSION_OPEN)
		chisel_session_close(s, ERR_PROTO, "unexpected global request");
	else
		mux_check(&s->mux,
			ssh_reply(s->ssh, is_ping, span_str(is_ping ? "pong" : "")));
}

static void session_on_reply(struct chisel_session *s, const struct ssh_event *ev)
{
	struct span refusal = ev->data, details = { 0 };

	if (s->state == SESSION_OPEN) {
		if (ev->data.n > 0 && !span_is(ev->data, "pong")) {
			chisel_session_close(s, ERR_PROTO, "invalid reply to a ping");
			return;
		}
		session_note_rtt(s);
		keepalive_on_pong(&s->mux.keepalive);
		session_set_timer(s);
		return;
	}
	if (s->state != SESSION_CONFIGURING)
		return;
	session_note_rtt(s);
	if (!ev->ok && refusal.n == 0)
		refusal = span_str("the server refused the config without a reason");
	/* Stock servers accept with an empty reply. */
	if (ev->ok && refusal.n > 0 && refusal.p[0] == '{') {
		details = refusal;
		refusal = (struct span){ 0 };
	}
	if (refusal.n == 0)
		session_enter(s, SESSION_OPEN);
	s->o.hooks->on_answer(s->o.owner, refusal, details);
}

static void session_on_open_request(struct chisel_session *s, const struct ssh_event *ev)
{
	struct channel *ch;

	if (s->state != SESSION_OPEN || (ch = channel_new(&s->mux, false)) == NULL) {
		mux_check(&s->mux,
			ssh_channel_refuse(ev->channel, SSH_RESOURCE_SHORTAGE,
				"not now"));
		return;
	}
	ch->ssh = ev->channel;
	s->o.hooks->on_open(s->o.owner, ch, ev->data);
}

static void session_on_event(struct chisel_session *s, const struct ssh_event *ev)
{
	struct why why = { 0 };

	switch (ev->kind) {
	case SSH_HOST_KEY:
		if (s->o.hooks->is_host_key_good(s->o.owner, ev->data, &why))
			ssh_accept_host_key(s->ssh);
		else
			session_fail(s, ERR_DENIED, &why);
		break;
	case SSH_PASSWORD:
		s->o.hooks->on_password(s->o.owner, ev->name, ev->data);
		break;
	case SSH_KEY:
		s->o.hooks->on_key(s->o.owner, ev->name, ev->data, ev->ok);
		break;
	case SSH_UP:
		session_enter(s, SESSION_CONFIGURING);
		s->o.hooks->on_up(s->o.owner);
		break;
	case SSH_REQUEST:
		session_on_request(s, ev);
		break;
	case SSH_REPLY:
		session_on_reply(s, ev);
		break;
	case SSH_OPEN:
		session_on_open_request(s, ev);
		break;
	case SSH_REKEYED:
		mux_on_rekeyed(&s->mux);
		break;
	default:
		if (ev->owner != NULL)
			channel_on_event(ev->owner, ev);
		break;
	}
}

/* ---- bytes in ---- */

static void session_run_engine(struct chisel_session *s, struct mspan *packets)
{
	struct ssh_event ev;
	struct why why = { 0 };
	enum err rc;

	while (s->state != SESSION_CLOSED) {
		rc = ssh_next(s->ssh, packets, &ev, &why);
		if (rc == ERR_AGAIN)
			return;
		if (rc != ERR_OK) {
			session_fail(s, rc, &why);
			return;
		}
		session_on_event(s, &ev);
	}
}

static void session_on_frame(struct chisel_session *s, const struct ws_event *ev,
	struct mspan *packets)
{
	switch (ev->opcode) {
	case WS_PING:
		mux_check(&s->mux,
			outbox_put_pong(&s->mux.outbox, span_of(ev->data.p, ev->data.n)));
		break;
	case WS_CLOSE:
		chisel_session_close(s, ERR_CLOSED, "the peer closed the connection");
		break;
	case WS_BINARY:
		/* Packets may cross frames: closes the gap of a header. */
		if (packets->n == 0)
			packets->p = ev->data.p;
		else if (packets->p + packets->n != ev->data.p)
			memmove(packets->p + packets->n, ev->data.p, ev->data.n);
		packets->n += ev->data.n;
		session_run_engine(s, packets);
		break;
	default:
		break;
	}
}

/*
 * Handles the @n bytes at @p, of which the first @ssh are out of their frames, and moves
 * an incomplete rest to the front. Returns the size of the rest; s->kept_ssh is how much
 * of it is out of its frames.
 */
static size_t session_take(struct chisel_session *s, uint8_t *p, size_t n, size_t ssh)
{
	struct mspan packets = { .p = p, .n = ssh };
	struct mspan frames = { .p = p + ssh, .n = n - ssh };
	struct ws_event ev;
	enum err rc = ERR_OK;

	while (s->state != SESSION_CLOSED && rc == ERR_OK) {
		rc = ws_next(&s->ws, &frames, &ev);
		if (rc == ERR_OK)
			session_on_frame(s, &ev, &packets);
	}
	if (rc != ERR_OK && rc != ERR_AGAIN)
		chisel_session_close(s, rc, "invalid WebSocket frame from the peer");
	if (packets.n > 0)
		memmove(p, packets.p, packets.n);
	if (frames.n > 0)
		memmove(p + packets.n, frames.p, frames.n);
	s->kept_ssh = packets.n;
	return packets.n + frames.n;
}

/* Handles the bytes that were kept and, with @is_readable, what the stream has now. */
static void session_read(struct chisel_session *s, bool is_readable)
{
	uint8_t *scratch = worker_scratch(s->o.worker);
	size_t n = s->kept.n, total = 0, got = SESSION_READ_BYTES;
	enum err rc = ERR_OK;

	if (scratch == NULL) {
		chisel_session_close(s, ERR_NOMEM, NULL);
		return;
	}
	if (n > 0)
		memcpy(scratch, buf_span(&s->kept).p, n);
	buf_consume(&s->kept, n);
	if (!is_readable)
		n = session_take(s, scratch, n, s->kept_ssh);
	while (is_readable && rc == ERR_OK && got == SESSION_READ_BYTES &&
		total < SESSION_BUDGET_BYTES && s->state != SESSION_CLOSED) {
		rc = stream_read(s->o.stream, scratch + n, SESSION_READ_BYTES, &got);
		if (rc != ERR_OK)
			break;
		total += got;
		keepalive_on_heard(&s->mux.keepalive, clock_now_ms());
		n = session_take(s, scratch, n + got, s->kept_ssh);
		if (n > SESSION_KEPT_MAX)
			rc = ERR_LIMIT;
	}
	if (s->state == SESSION_CLOSED)
		return;
	if (rc == ERR_EOF)
		chisel_session_close(s, ERR_CLOSED, "the peer closed the connection");
	else if (rc != ERR_OK && rc != ERR_AGAIN)
		chisel_session_close(s, rc, "the connection broke");
	else if (n > 0)
		mux_check(&s->mux, buf_put(&s->kept, scratch, n));
	else
		buf_reset(&s->kept);
}

static void session_on_first(void *arg)
{
	struct chisel_session *s = arg;

	if (s->state == SESSION_CLOSED)
		return;
	session_read(s, false);
	mux_pump_soon(&s->mux);
}

static void session_on_ready(void *arg, unsigned ready)
{
	struct chisel_session *s = arg;

	if (ready & LOOP_WRITE)
		mux_on_writable(&s->mux);
	if (!(ready & LOOP_READ) || s->state == SESSION_CLOSED)
		return;
	session_read(s, true);
	if (s->state == SESSION_CLOSED)
		return;
	if (s->probe_fn != NULL && s->mux.keepalive.heard_ms >= s->probe_since_ms)
		session_end_probe(s, true);
	mux_pump_soon(&s->mux);
}

/* ---- what the owner asks ---- */

void chisel_session_login(struct chisel_session *s, bool is_good)
{
	enum err rc;

	if (s->state == SESSION_CLOSED)
		return;
	rc = ssh_auth_reply(s->ssh, is_good);
	mux_pump_soon(&s->mux);
	if (rc == ERR_DENIED)
		chisel_session_close(s, rc, "too many authentication failures");
	else
		mux_check(&s->mux, rc);
}

enum err chisel_session_configure(struct chisel_session *s, struct span json)
{
	s->asked_us = clock_now_us();
	mux_pump_soon(&s->mux);
	return ssh_request(s->ssh, "config", true, json);
}

enum err chisel_session_answer(struct chisel_session *s, bool is_accepted,
	struct span data)
{
	enum err rc;

	if (s->state != SESSION_DECIDING)
		return ERR_CLOSED;
	rc = ssh_reply(s->ssh, is_accepted, data);
	mux_pump_soon(&s->mux);
	if (rc == ERR_OK)
		session_enter(s, is_accepted ? SESSION_OPEN : SESSION_REFUSED);
	return rc;
}

void chisel_session_trust_half_close(struct chisel_session *s)
{
	s->mux.peer_half_closes = true;
}

uint64_t chisel_session_rtt_us(const struct chisel_session *s)
{
	return s->mux.rtt_us;
}

bool chisel_session_path(const struct chisel_session *s, struct stream_path *out)
{
	return stream_path(s->o.stream, out);
}

size_t chisel_session_channels(const struct chisel_session *s)
{
	return ssh_channel_count(s->ssh);
}

void chisel_session_bytes(const struct chisel_session *s, uint64_t *sent,
	uint64_t *received)
{
	*sent = s->mux.sent_bytes;
	*received = s->mux.received_bytes;
}

enum err chisel_session_dial(struct chisel_session *s, const char *target,
	channel_opened_fn *fn, void *arg, struct channel **out)
{
	struct channel *ch;
	enum err rc;

	if (s->state != SESSION_OPEN)
		return ERR_CLOSED;
	ch = channel_new(&s->mux, true);
	if (ch == NULL)
		return ERR_NOMEM;
	rc = ssh_channel_open(s->ssh, span_str(target), channel_first_window(&s->mux), ch,
		&ch->ssh);
	if (rc != ERR_OK) {
		ch->ssh = NULL;
		stream_abort(&ch->stream);
		return rc;
	}
	channel_dial(ch, fn, arg);
	*out = ch;
	return ERR_OK;
}
