/* The reverse sessions of a lease, the agent's end. */
#include "agent/lease_pool.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"

#define POOL_CALM_MS 10000  /* without running out: back to the minimum */
#define POOL_STABLE_MS 5000 /* a session that was ready for longer is no failed attempt */

struct lease_pool {
	struct lease_pool_options o;
	char *token;
	struct list places; /* struct place */
	unsigned places_n, ready_n;
	unsigned wanted;          /* places */
	uint64_t busy_ms;         /* when it ran out last */
	int failures;             /* in a row */
	struct loop_timer *timer; /* set: nothing is opened before it is due */
};

/* A session, waiting or being opened. */
struct place {
	struct list in_pool;
	struct lease_pool *pool; /* borrowed: it frees us */
	struct reverse *session;
	uint64_t tried_ms; /* when it was opened */
	uint64_t ready_ms; /* when it was ready; 0: not yet */
};

/* The session has ended, or is closed by the caller. */
static void place_free(struct place *place)
{
	place->pool->places_n--;
	if (place->ready_ms != 0)
		place->pool->ready_n--;
	list_remove(&place->in_pool);
	free(place);
}

static void pool_fill(struct lease_pool *p);

static void place_on_ready(void *owner)
{
	struct place *place = owner;
	struct lease_pool *p = place->pool;

	place->ready_ms = clock_now_ms() + 1; /* never 0 */
	p->ready_n++;
	if (p->ready_n == 1)
		p->o.hooks->on_ready(p->o.owner);
}

/* Doubles the number while visitors come faster than sessions are opened. */
static void pool_adapt(struct lease_pool *p)
{
	uint64_t now = clock_now_ms();

	if (now - p->busy_ms > POOL_CALM_MS)
		p->wanted = LEASE_POOL_MIN;
	if (p->ready_n > 0)
		return;
	p->busy_ms = now;
	p->wanted *= 2;
	if (p->wanted > LEASE_POOL_MAX)
		p->wanted = LEASE_POOL_MAX;
}

static void place_on_active(void *owner, enum marker kind, struct stream *stream,
	const struct addr *relay)
{
	struct place *place = owner;
	struct lease_pool *p = place->pool;

	place_free(place);
	p->failures = 0;
	pool_adapt(p);
	if (!loop_timer_is_set(p->timer))
		pool_fill(p);
	p->o.hooks->on_visitor(p->o.owner, kind, stream, relay);
}

/*
 * Several that fail together are one failure. Back-off counts from the start of the
 * attempt, which took @spent_ms. False: another has failed already.
 */
static bool pool_pause(struct lease_pool *p, uint64_t spent_ms)
{
	uint32_t pause;

	if (loop_timer_is_set(p->timer))
		return false;
	p->failures++;
	pause = backoff_pause_ms(p->failures, 0, LEASE_PAUSE_MAX_MS);
	loop_timer_set(p->timer, spent_ms < pause ? pause - spent_ms : 0);
	return true;
}

static void place_on_failed(void *owner, enum err rc,
	const struct message_refusal *refusal, const struct why *why)
{
	struct place *place = owner;
	struct lease_pool *p = place->pool;
	bool was_ready = place->ready_ms != 0;
	uint64_t spent_ms = clock_now_ms() - place->tried_ms;
	bool is_first;

	if (was_ready && clock_now_ms() - place->ready_ms > POOL_STABLE_MS)
		p->failures = 0;
	place_free(place);
	is_first = pool_pause(p, spent_ms);
	if (!was_ready && (is_first || refusal->code[0] != '\0'))
		p->o.hooks->on_trouble(p->o.owner, rc, refusal, why);
	else if (rc == ERR_TIMEOUT)
		p->o.hooks->on_silence(p->o.owner);
}

static const struct reverse_hooks place_hooks = {
	.on_ready = place_on_ready,
	.on_active = place_on_active,
	.on_failed = place_on_failed,
};

static enum err pool_add(struct lease_pool *p)
{
	struct reverse_options o = {
		.loop = p->o.loop,
		.relay = p->o.relay,
		.token = p->token,
		.hooks = &place_hooks,
	};
	struct place *place = mem_new(place);
	enum err rc;

	if (place == NULL)
		return ERR_NOMEM;
	place->pool = p;
	place->tried_ms = clock_now_ms();
	o.owner = place;
	rc = reverse_open(&o, &place->session, NULL);
	if (rc != ERR_OK) {
		free(place);
		return rc;
	}
	list_add(&p->places, &place->in_pool);
	p->places_n++;
	return ERR_OK;
}

static void pool_fill(struct lease_pool *p)
{
	enum err rc = ERR_OK;

	while (rc == ERR_OK && p->places_n < p->wanted)
		rc = pool_add(p);
	if (rc != ERR_OK)
		(void)pool_pause(p, 0);
}

static void pool_on_timer(void *arg)
{
	pool_fill(arg);
}

void lease_pool_retry(struct lease_pool *p)
{
	p->failures = 0;
	loop_timer_stop(p->timer);
	pool_fill(p);
}

void lease_pool_set_token(struct lease_pool *p, const char *token)
{
	(void)!str_replace(&p->token, token); /* else the old one */
}

unsigned lease_pool_ready(const struct lease_pool *p)
{
	return p->ready_n;
}

enum err lease_pool_open(const struct lease_pool_options *o, struct lease_pool **out)
{
	struct lease_pool *p = mem_new(p);
	enum err rc;

	if (p == NULL)
		return ERR_NOMEM;
	p->o = *o;
	p->wanted = LEASE_POOL_MIN;
	list_init(&p->places);
	lease_pool_set_token(p, o->token);
	rc = p->token != NULL ? ERR_OK : ERR_NOMEM;
	if (rc == ERR_OK)
		rc = loop_timer_open(o->loop, pool_on_timer, p, &p->timer);
	if (rc != ERR_OK) {
		mem_free_secret_str(p->token);
		free(p);
		return rc;
	}
	pool_fill(p);
	*out = p;
	return ERR_OK;
}

void lease_pool_close(struct lease_pool *p)
{
	struct list *it, *tmp;

	if (p == NULL)
		return;
	list_each(it, tmp, &p->places) {
		struct place *place = list_object(it, struct place, in_pool);

		reverse_close(place->session);
		place_free(place);
	}
	loop_timer_close(p->timer);
	mem_free_secret_str(p->token);
	free(p);
}
