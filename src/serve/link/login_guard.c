/* A login guard slows clients down that try passwords. */
#include "serve/link/login_guard.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/siphash.h"

#define WAYS 4 /* places in which a client may be */
#define SETS (LOGIN_GUARD_CLIENTS / WAYS)
#define FORGIVEN_MS 60000 /* for one failure */
#define FAILURES_MAX 8    /* more add nothing */
#define LOGGED_MAX 6      /* failures that are logged one by one, */
#define LOGGED_MS 60000   /* then there is one line for those of so long */

struct client {
	struct prefix key;
	bool is_used;
	unsigned failures;  /* that are not forgiven */
	uint64_t failed_ms; /* when the last one was, or was forgiven */
	uint64_t free_ms;   /* when the last answer that waits is out */
	unsigned logged;    /* one by one */
	unsigned unlogged;
	uint64_t logged_ms;
};

struct login_guard {
	struct siphash_key key; /* so that clients cannot choose their places */
	struct client clients[SETS][WAYS];
};

enum err login_guard_new(struct login_guard **out)
{
	struct login_guard *g = mem_new(g);

	if (g == NULL)
		return ERR_NOMEM;
	siphash_key_make(&g->key);
	*out = g;
	return ERR_OK;
}

void login_guard_free(struct login_guard *g)
{
	free(g);
}

/* The place of @key: its own, or that of the client that was quiet longest. */
static struct client *guard_find(struct login_guard *g, const struct prefix *key)
{
	uint64_t hash = siphash(&g->key, span_of(key->bytes, sizeof(key->bytes)));
	struct client *set = g->clients[hash % SETS], *oldest = &set[0];

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].is_used && prefix_eq(&set[i].key, key))
			return &set[i];
		if (!set[i].is_used ||
			(oldest->is_used && set[i].failed_ms < oldest->failed_ms))
			oldest = &set[i];
	}
	return oldest;
}

static void client_forgive(struct client *c, uint64_t now_ms)
{
	uint64_t n = (now_ms - c->failed_ms) / FORGIVEN_MS;

	if (n == 0)
		return;
	c->failures = n < c->failures ? c->failures - (unsigned)n : 0;
	c->failed_ms += n * FORGIVEN_MS;
	if (c->failures == 0)
		c->logged = 0;
}

/* What the next failure after @failures adds to the queue: 1, 2, 4 s and so on. */
static uint64_t delay_after(unsigned failures)
{
	uint64_t ms = 1000;

	if (failures < LOGIN_GUARD_FREE)
		return 0;
	for (unsigned i = LOGIN_GUARD_FREE; i < failures && ms < LOGIN_GUARD_WAIT_MS; i++)
		ms *= 2;
	return ms < LOGIN_GUARD_WAIT_MS ? ms : LOGIN_GUARD_WAIT_MS;
}

static void client_note_line(struct client *c, struct login_verdict *verdict,
	uint64_t now_ms)
{
	verdict->is_logged = c->logged < LOGGED_MAX || now_ms - c->logged_ms >= LOGGED_MS;
	if (!verdict->is_logged) {
		c->unlogged++;
		return;
	}
	verdict->unlogged = c->unlogged;
	c->unlogged = 0;
	c->logged++;
	c->logged_ms = now_ms;
}

struct login_verdict login_guard_try(struct login_guard *g, const struct prefix *key,
	bool is_good, uint64_t now_ms)
{
	struct login_verdict verdict = { .wait_ms = 0 };
	struct client *c = guard_find(g, key);
	uint64_t queue_ms;

	if (!c->is_used || !prefix_eq(&c->key, key)) {
		if (is_good)
			return verdict; /* nothing to remember */
		*c = (struct client){ .key = *key, .is_used = true, .failed_ms = now_ms };
	}
	client_forgive(c, now_ms);
	queue_ms = c->free_ms > now_ms ? c->free_ms - now_ms : 0;
	verdict.is_refused = queue_ms > LOGIN_GUARD_QUEUE_MS;
	verdict.wait_ms = verdict.is_refused ? 0 : (uint32_t)queue_ms;
	if (is_good)
		return verdict;
	client_note_line(c, &verdict, now_ms);
	if (c->failures < FAILURES_MAX)
		c->failures++;
	c->failed_ms = now_ms;
	if (!verdict.is_refused)
		c->free_ms = now_ms + queue_ms + delay_after(c->failures);
	return verdict;
}
