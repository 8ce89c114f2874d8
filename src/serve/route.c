/* Routes, and the one table that workers share. */
#include "serve/route.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* By what a route is found; also which of its nodes is meant. */
enum key { BY_HOST, BY_ALIAS, BY_OWNER, KEYS };

struct route_table {
	pthread_rwlock_t lock;
	route_alias_fn *alias_of; /* const */
	unsigned patterns;        /* routes whose host is "*.suffix" */
	struct map by[KEYS];
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
	for (enum key key = 0; key < KEYS; key++)
		map_init(&t->by[key]);
	t->alias_of = alias_of;
	*out = t;
	return ERR_OK;
}

void route_table_free(struct route_table *t)
{
	struct map_node *it, *tmp;

	if (t == NULL)
		return;
	map_each(it, tmp, &t->by[BY_HOST])
		route_unref(map_object(it, struct route, nodes[BY_HOST]));
	for (enum key key = 0; key < KEYS; key++)
		map_fini(&t->by[key]);
	pthread_rwlock_destroy(&t->lock);
	free(t);
}

/* The lock is held. */
static void table_put(struct route_table *t, struct route *r)
{
	for (enum key key = 0; key < KEYS; key++)
		if (key_of(r, key)[0] != '\0')
			map_add(&t->by[key], &r->nodes[key], span_str(key_of(r, key)));
	t->patterns += is_pattern(r);
	route_ref(r);
}

/* The lock is held. True: it was there, and the caller has the table's reference. */
static bool table_remove(struct route_table *t, struct route *r)
{
	bool was_there = false;

	for (enum key key = 0; key < KEYS; key++)
		was_there |= map_remove(&t->by[key], &r->nodes[key]);
	if (was_there)
		t->patterns -= is_pattern(r);
	return was_there;
}

void route_put(struct route_table *t, struct route *r)
{
	route_replace(t, NULL, r);
}

void route_remove(struct route_table *t, struct route *r)
{
	route_replace(t, r, NULL);
}

void route_replace(struct route_table *t, struct route *was, struct route *r)
{
	bool was_there = false;

	pthread_rwlock_wrlock(&t->lock);
	if (was != NULL)
		was_there = table_remove(t, was);
	if (r != NULL)
		table_put(t, r);
	pthread_rwlock_unlock(&t->lock);
	if (was_there)
		route_unref(was);
}

/* The lock is held. */
static struct route *table_find(struct route_table *t, enum key key, const char *text)
{
	struct map_node *node = map_find(&t->by[key], span_str(text));

	return node != NULL ? map_object(node, struct route, nodes[key]) : NULL;
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
