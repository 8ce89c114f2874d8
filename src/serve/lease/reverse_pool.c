/* Idle reverse sessions, and claims. One timer serves a pool: sessions stay small. */
#include "serve/lease/reverse_pool.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/socket.h"
#include "wire/marker.h"

enum session_state {
	SESSION_IDLE,       /* may be claimed */
	SESSION_BEATING,    /* a keepalive is not written yet: it must be the next byte */
	SESSION_ACTIVATING, /* has a claim, whose first bytes are not written yet */
};

struct reverse_session {
	struct list in_pool; /* idle and beating ones; activating ones are in another */
	struct reverse_pool *pool;
	struct stream *stream;
	struct addr client;  /* that has opened it */
	struct claim *claim; /* borrowed: it points back */
	size_t sent;         /* of the marker and the claim's first bytes */
	uint64_t due_ms;     /* the next keepalive; or the timeout of a write */
	enum session_state state;
};

struct reverse_pool {
	struct carrier carrier;
	struct reverse_pool_options o;
	struct list idle, activating; /* struct reverse_session, the oldest first */
	struct list waiting;          /* struct claim, the oldest first */
	unsigned idle_n, waiting_n;
	struct loop_timer *timer;
};

static void pool_serve(struct reverse_pool *p);

/* ---- time ---- */

static struct reverse_session *session_of(struct list *in_pool)
{
	return list_object(in_pool, struct reverse_session, in_pool);
}

static void pool_plan(struct reverse_pool *p)
{
	const struct list *lists[] = { &p->idle, &p->activating };
	struct list *it, *tmp;
	uint64_t next = UINT64_MAX, now = clock_now_ms();

	if (!list_is_empty(&p->waiting))
		next = list_object(p->waiting.next, struct claim, in_carrier)->until_ms;
	for (unsigned i = 0; i < mem_count(lists); i++)
		list_each(it, tmp, lists[i])
			if (session_of(it)->due_ms < next)
				next = session_of(it)->due_ms;
	if (next == UINT64_MAX)
		loop_timer_stop(p->timer);
	else
		loop_timer_set(p->timer, next > now ? next - now : 1);
}

/* ---- claims ---- */

static void pool_wait(struct reverse_pool *p, struct claim *c, bool is_next)
{
	p->waiting_n++;
	if (is_next)
		list_add_front(&p->waiting, &c->in_carrier);
	else
		list_add(&p->waiting, &c->in_carrier);
}

static void pool_forget(struct reverse_pool *p, struct claim *c)
{
	list_remove(&c->in_carrier);
	p->waiting_n--;
}

/* ---- sessions ---- */

static void session_count(struct reverse_pool *p, int by)
{
	p->idle_n += (unsigned)by;
	atomic_fetch_add(p->o.ready, (unsigned)by);
	atomic_fetch_add(p->o.sessions, (uint_fast64_t)(int64_t)by);
}

/* The caller has taken or closed its stream. */
static void session_free(struct reverse_session *s)
{
	if (s->state != SESSION_ACTIVATING)
		session_count(s->pool, -1);
	list_remove(&s->in_pool);
	free(s);
}

/* Its claim, if it has one, gets the next session. */
static void session_drop(struct reverse_session *s)
{
	struct reverse_pool *p = s->pool;
	struct claim *c = s->claim;

	stream_abort(s->stream);
	session_free(s);
	if (c != NULL) {
		c->session = NULL;
		pool_wait(p, c, true);
	}
}

/* An idle session must not send anything. */
static bool session_is_quiet(struct reverse_session *s)
{
	uint8_t byte;
	size_t got;

	return stream_read(s->stream, &byte, 1, &got) == ERR_AGAIN;
}

static enum err session_step_beating(struct reverse_session *s)
{
	static const uint8_t keepalive = MARKER_KEEPALIVE;
	size_t put;
	enum err rc = stream_put(s->stream, &keepalive, 1, &put);

	if (rc == ERR_OK) {
		s->state = SESSION_IDLE;
		s->due_ms = clock_now_ms() + MARKER_KEEPALIVE_MS;
	} else if (rc == ERR_AGAIN && s->state == SESSION_IDLE) {
		s->state = SESSION_BEATING;
		s->due_ms = clock_now_ms() + REVERSE_POOL_WRITE_MS;
	}
	if (rc == ERR_OK || rc == ERR_AGAIN)
		stream_want(s->stream,
			s->state == SESSION_IDLE ? LOOP_READ : LOOP_READ | LOOP_WRITE);
	return rc;
}

static enum err session_step_activating(struct reverse_session *s)
{
	struct claim *c = s->claim;
	uint8_t marker = c->is_raw ? MARKER_RAW : MARKER_TLS;
	enum err rc = ERR_OK;
	size_t put;

	while (rc == ERR_OK && s->sent < 1 + c->first.n) {
		size_t at = s->sent > 0 ? s->sent - 1 : 0;
		struct iovec iov[] = {
			{ .iov_base = &marker, .iov_len = s->sent > 0 ? 0 : 1 },
			{ .iov_base = (void *)(uintptr_t)(c->first.p + at),
				.iov_len = c->first.n - at },
		};

		rc = s->sent > 0 ?
			stream_write(s->stream, iov + 1, 1, &put) :
			stream_write(s->stream, iov, c->first.n > 0 ? 2 : 1, &put);
		if (rc == ERR_OK)
			s->sent += put;
	}
	if (rc == ERR_AGAIN)
		stream_want(s->stream, LOOP_WRITE);
	if (rc != ERR_OK)
		return rc;
	stream_want(s->stream, 0);
	socket_set_dead_ms(stream_socket(s->stream), 0); /* a visitor may pause */
	c->agent = s->client;
	claim_end(c, ERR_OK, s->stream);
	session_free(s);
	return ERR_OK;
}

static void session_on_ready(void *arg, unsigned ready)
{
	struct reverse_session *s = arg;
	struct reverse_pool *p = s->pool;
	enum err rc = ERR_OK;

	if (s->state == SESSION_ACTIVATING) {
		rc = session_step_activating(s);
	} else {
		if ((ready & LOOP_READ) != 0 && !session_is_quiet(s))
			rc = ERR_CLOSED;
		if (rc == ERR_OK && s->state == SESSION_BEATING)
			rc = session_step_beating(s);
	}
	if (rc != ERR_OK && rc != ERR_AGAIN)
		session_drop(s);
	pool_serve(p);
}

/* ---- sessions for claims ---- */

/* ERR_OK, ERR_AGAIN: the claim is with @s, or has ended well. */
static enum err session_activate(struct reverse_session *s, struct claim *c)
{
	session_count(s->pool, -1);
	list_remove(&s->in_pool);
	list_add(&s->pool->activating, &s->in_pool);
	s->state = SESSION_ACTIVATING;
	s->due_ms = clock_now_ms() + REVERSE_POOL_WRITE_MS;
	s->claim = c;
	c->session = s;
	return session_is_quiet(s) ? session_step_activating(s) : ERR_CLOSED;
}

static struct reverse_session *pool_find_idle(struct reverse_pool *p)
{
	struct list *it, *tmp;

	list_each(it, tmp, &p->idle)
		if (session_of(it)->state == SESSION_IDLE)
			return session_of(it);
	return NULL;
}

/* Gives sessions to claims as long as there are both. */
static void pool_serve(struct reverse_pool *p)
{
	struct reverse_session *s;
	struct claim *c;
	enum err rc;

	while (!list_is_empty(&p->waiting) && (s = pool_find_idle(p)) != NULL) {
		c = list_first(&p->waiting, struct claim, in_carrier);
		pool_forget(p, c);
		rc = session_activate(s, c);
		if (rc != ERR_OK && rc != ERR_AGAIN)
			session_drop(s);
	}
	pool_plan(p);
}

void reverse_pool_check(void *pool)
{
	struct reverse_pool *p = pool;
	struct list *it, *tmp;
	uint64_t now = clock_now_ms();
	enum err rc;

	list_each(it, tmp, &p->activating)
		if (session_of(it)->due_ms <= now)
			session_drop(session_of(it));
	list_each(it, tmp, &p->idle) {
		struct reverse_session *s = session_of(it);

		if (s->due_ms > now)
			continue;
		rc = s->state == SESSION_IDLE ? session_step_beating(s) : ERR_TIMEOUT;
		if (rc != ERR_OK && rc != ERR_AGAIN)
			session_drop(s);
	}
	list_each(it, tmp, &p->waiting) {
		struct claim *c = list_object(it, struct claim, in_carrier);

		if (c->until_ms > now)
			continue;
		pool_forget(p, c);
		claim_end(c, ERR_TIMEOUT, NULL);
	}
	pool_serve(p);
}

/* ---- the carrier ---- */

struct reverse_pool *reverse_pool_of(struct carrier *c)
{
	return mem_container(c, struct reverse_pool, carrier);
}

static void pool_claim(struct carrier *carrier, struct claim *c)
{
	struct reverse_pool *p = reverse_pool_of(carrier);

	c->until_ms = clock_now_ms() + REVERSE_POOL_CLAIM_MS;
	if (p->waiting_n >= REVERSE_POOL_CLAIMS) {
		claim_end(c, ERR_LIMIT, NULL);
		return;
	}
	pool_wait(p, c, false);
	pool_serve(p);
}

static void pool_cancel(struct carrier *carrier, struct claim *c)
{
	struct reverse_session *s = c->session;

	if (s == NULL) {
		pool_forget(reverse_pool_of(carrier), c);
		return;
	}
	/* Bytes of the visitor were sent: the session cannot serve another. */
	s->claim = NULL;
	session_drop(s);
}

static void pool_drop(struct carrier *carrier, const struct prefix_set *banned)
{
	struct reverse_pool *p = reverse_pool_of(carrier);
	struct list *lists[] = { &p->idle, &p->activating };
	struct list *it, *tmp;

	for (unsigned i = 0; i < mem_count(lists); i++)
		list_each(it, tmp, lists[i])
			if (prefix_set_has(banned, &session_of(it)->client))
				session_drop(session_of(it));
	pool_serve(p);
}

static void pool_close(struct carrier *carrier)
{
	struct reverse_pool *p = reverse_pool_of(carrier);
	struct reverse_session *s;
	struct claim *c;

	while ((s = list_first(&p->activating, struct reverse_session, in_pool)) != NULL)
		session_drop(s); /* its claim waits again, for a moment */
	while ((c = list_first(&p->waiting, struct claim, in_carrier)) != NULL) {
		pool_forget(p, c);
		claim_end(c, ERR_CLOSED, NULL);
	}
	while ((s = list_first(&p->idle, struct reverse_session, in_pool)) != NULL) {
		stream_close(s->stream);
		session_free(s);
	}
	loop_timer_close(p->timer);
	free(p);
}

static const struct carrier_ops pool_ops = {
	.claim = pool_claim,
	.cancel = pool_cancel,
	.drop = pool_drop,
	.close = pool_close,
};

struct carrier *reverse_pool_carrier(struct reverse_pool *p)
{
	return &p->carrier;
}

void reverse_pool_add_take(struct reverse_pool *pool, struct stream *session,
	const struct addr *client)
{
	struct reverse_session *s = pool->idle_n < REVERSE_POOL_SESSIONS ? mem_new(s) :
									   NULL;

	if (s == NULL) {
		stream_close(session);
		return;
	}
	s->pool = pool;
	s->stream = session;
	s->client = *client;
	s->due_ms = clock_now_ms() + MARKER_KEEPALIVE_MS;
	list_add(&pool->idle, &s->in_pool);
	session_count(pool, 1);
	/* A client that is gone without a FIN does not acknowledge the next keepalive. */
	socket_set_dead_ms(stream_socket(session), REVERSE_POOL_DEAD_MS);
	stream_set_owner(session, session_on_ready, s);
	stream_want(session, LOOP_READ);
	pool_serve(pool);
}

enum err reverse_pool_new(const struct reverse_pool_options *o, struct reverse_pool **out)
{
	struct reverse_pool *p = mem_new(p);
	enum err rc;

	if (p == NULL)
		return ERR_NOMEM;
	p->carrier = (struct carrier){ .ops = &pool_ops,
		.loop = o->loop,
		.present = o->ready };
	p->o = *o;
	list_init(&p->idle);
	list_init(&p->activating);
	list_init(&p->waiting);
	rc = loop_timer_open(o->loop, reverse_pool_check, p, &p->timer);
	if (rc != ERR_OK) {
		free(p);
		return rc;
	}
	*out = p;
	return ERR_OK;
}
