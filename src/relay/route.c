/* Routes, and the one table that workers share. */
#include "relay/route.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/siphash.h"

#define BUCKETS 16384 /* a power of two */

/* By what a route is found; also which of its next[] is meant. */
enum key { BY_HOST, BY_ALIAS, BY_OWNER, KEYS };

struct route_table {
	pthread_rwlock_t lock;
	struct siphash_key hash; /* const, as the next */
	route_alias_fn *alias_of;
	unsigned patterns; /* routes whose host is "*.suffix" */
	struct route *buckets[KEYS][BUCKETS];
};

/* ---- one route ---- */

struct route *route_ref(struct route *r)
{
	atomic_fetch_add(&r->refs, 1);
	return r;
}

void route_unref(struct route *r)
{
	if (r != NULL && atomic_fetch_sub(&r->refs, 1) == 1)
		free(r);
}

bool route_is_live(const struct route *r, uint64_t wall_ms)
{
	return atomic_load(&r->is_routable) && atomic_load(&r->until_ms) > wall_ms;
}

/* ---- the table ---- */

static const char *key_of(const struct route *r, enum key key)
{
	switch (key) {
	case BY_HOST:
		return r->host;
	case BY_ALIAS:
		return r->alias;
	default:
		return r->owner;
	}
}

static struct route **bucket_of(struct route_table *t, enum key key, const char *text)
{
	return &t->buckets[key][siphash(&t->hash, span_str(text)) & (BUCKETS - 1)];
}

static bool is_pattern(const struct route *r)
{
	return r->host[0] == '*';
}

enum err route_table_new(route_alias_fn *alias_of, struct route_table **out)
{
	struct route_table *t = mem_new(t);

	if (t == NULL)
		return ERR_NOMEM;
	if (pthread_rwlock_init(&t->lock, NULL) != 0) {
		free(t);
		return ERR_NOMEM;
	}
	siphash_key_make(&t->hash);
	t->alias_of = alias_of;
	*out = t;
	return ERR_OK;
}

void route_table_free(struct route_table *t)
{
	if (t == NULL)
		return;
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (t->buckets[BY_HOST][i] != NULL) {
			struct route *r = t->buckets[BY_HOST][i];

			t->buckets[BY_HOST][i] = r->next[BY_HOST];
			route_unref(r);
		}
	}
	pthread_rwlock_destroy(&t->lock);
	free(t);
}

void route_put(struct route_table *t, struct route *r)
{
	pthread_rwlock_wrlock(&t->lock);
	for (enum key key = 0; key < KEYS; key++) {
		struct route **head = bucket_of(t, key, key_of(r, key));

		if (key_of(r, key)[0] == '\0')
			continue;
		r->next[key] = *head;
		*head = r;
	}
	t->patterns += is_pattern(r);
	route_ref(r);
	pthread_rwlock_unlock(&t->lock);
}

void route_remove(struct route_table *t, struct route *r)
{
	bool was_there = false;

	pthread_rwlock_wrlock(&t->lock);
	for (enum key key = 0; key < KEYS; key++) {
		struct route **at = bucket_of(t, key, key_of(r, key));

		while (*at != NULL && *at != r)
			at = &(*at)->next[key];
		if (*at == NULL)
			continue;
		*at = r->next[key];
		was_there = true;
	}
	if (was_there)
		t->patterns -= is_pattern(r);
	pthread_rwlock_unlock(&t->lock);
	if (was_there)
		route_unref(r);
}

/* The lock is held. */
static struct route *table_find(struct route_table *t, enum key key, const char *text)
{
	struct route *r = *bucket_of(t, key, text);

	while (r != NULL && strcmp(key_of(r, key), text) != 0)
		r = r->next[key];
	return r;
}

/* The one pattern that has @host: its first label is anything. The lock is held. */
static struct route *table_find_pattern(struct route_table *t, const char *host)
{
	char pattern[NAMES_HOST_MAX + 2] = "*";
	const char *dot = strchr(host, '.');
	struct route *r;

	if (t->patterns == 0 || dot == NULL || strlen(dot) >= NAMES_HOST_MAX)
		return NULL;
	memcpy(pattern + 1, dot, strlen(dot) + 1);
	r = table_find(t, BY_HOST, pattern);
	return r != NULL && names_match(r->host, host) ? r : NULL;
}

struct route *route_find_by_host(struct route_table *t, const char *host)
{
	char alias[ROUTE_ALIAS_SIZE];
	struct route *r;

	pthread_rwlock_rdlock(&t->lock);
	r = table_find(t, BY_HOST, host);
	if (r == NULL && t->alias_of(host, alias))
		r = table_find(t, BY_ALIAS, alias);
	if (r == NULL)
		r = table_find_pattern(t, host);
	if (r != NULL)
		route_ref(r);
	pthread_rwlock_unlock(&t->lock);
	return r;
}

struct route *route_find_by_owner(struct route_table *t, const char *owner)
{
	struct route *r;

	pthread_rwlock_rdlock(&t->lock);
	r = table_find(t, BY_OWNER, owner);
	if (r != NULL)
		route_ref(r);
	pthread_rwlock_unlock(&t->lock);
	return r;
}
