/* Fair queues. There are few networks and leases in one at a time: lists are enough. */
#include "serve/lease/fair_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct fair_network {
	struct list in_queue;
	struct list leases;
	struct prefix prefix;
	unsigned count;  /* of items */
	uint64_t turn;   /* its next one; the smallest is served */
	uint64_t served; /* the turn of its lease that was served last */
};

struct fair_lease {
	struct list in_network;
	struct fair_network *network;
	struct list items; /* the oldest first */
	unsigned count;
	uint64_t turn;
	char identity_key[IDENTITY_KEY_SIZE];
};

void fair_queue_init(struct fair_queue *q, unsigned max)
{
	*q = (struct fair_queue){ .max = max };
	list_init(&q->networks);
	list_init(&q->by_time);
}

/* ---- networks and leases, while they have items ---- */

static struct fair_network *network_obtain(struct fair_queue *q,
	const struct prefix *prefix)
{
	struct fair_network *n;
	struct list *it, *tmp;

	list_each(it, tmp, &q->networks) {
		n = list_object(it, struct fair_network, in_queue);
		if (prefix_eq(&n->prefix, prefix))
			return n;
	}
	n = mem_new(n);
	if (n == NULL)
		return NULL;
	n->prefix = *prefix;
	n->turn = q->turn;
	list_init(&n->leases);
	list_add(&q->networks, &n->in_queue);
	return n;
}

static struct fair_lease *lease_obtain(struct fair_network *n, const char *identity_key)
{
	struct fair_lease *l;
	struct list *it, *tmp;

	list_each(it, tmp, &n->leases) {
		l = list_object(it, struct fair_lease, in_network);
		if (strcmp(l->identity_key, identity_key) == 0)
			return l;
	}
	l = mem_new(l);
	if (l == NULL)
		return NULL;
	l->network = n;
	l->turn = n->served;
	str_copy(l->identity_key, sizeof(l->identity_key), identity_key);
	list_init(&l->items);
	list_add(&n->leases, &l->in_network);
	return l;
}

static void lease_drop_if_empty(struct fair_lease *l)
{
	if (l != NULL && l->count == 0) {
		list_remove(&l->in_network);
		free(l);
	}
}

static void network_drop_if_empty(struct fair_network *n)
{
	if (n != NULL && n->count == 0) {
		list_remove(&n->in_queue);
		free(n);
	}
}

/* ---- items ---- */

static struct fair_item *item_take(struct fair_queue *q, struct fair_item *item)
{
	struct fair_lease *l = item->lease;
	struct fair_network *n = l->network;

	list_remove(&item->in_lease);
	list_remove(&item->in_time);
	item->lease = NULL;
	q->count--;
	n->count--;
	l->count--;
	lease_drop_if_empty(l);
	network_drop_if_empty(n);
	return item;
}

/* The newest item of the lease with the most items; @of if no other has more. */
static struct fair_item *item_to_drop(struct fair_queue *q, struct fair_lease *of)
{
	struct fair_network *most = of->network;
	struct fair_lease *l = of;
	struct list *it, *tmp;

	list_each(it, tmp, &q->networks) {
		struct fair_network *n = list_object(it, struct fair_network, in_queue);

		if (n->count > most->count)
			most = n;
	}
	list_each(it, tmp, &most->leases) {
		struct fair_lease *other = list_object(it, struct fair_lease, in_network);

		if (l->network != most || other->count > l->count)
			l = other;
	}
	return list_object(l->items.prev, struct fair_item, in_lease);
}

enum err fair_queue_add(struct fair_queue *q, const struct fair_place *place,
	uint64_t until_ms, struct fair_item *item, struct fair_item **dropped)
{
	struct fair_network *n = network_obtain(q, place->network);
	struct fair_lease *l = n != NULL ? lease_obtain(n, place->identity_key) : NULL;

	*dropped = NULL;
	if (l == NULL) {
		network_drop_if_empty(n);
		return ERR_NOMEM;
	}
	list_init(&item->in_lease);
	list_init(&item->in_time);
	item->lease = l;
	item->until_ms = until_ms;
	list_add(&l->items, &item->in_lease);
	list_add(&q->by_time, &item->in_time);
	l->count++;
	n->count++;
	q->count++;
	if (q->count > q->max)
		*dropped = item_take(q, item_to_drop(q, l));
	return ERR_OK;
}

struct fair_item *fair_queue_next(struct fair_queue *q)
{
	struct fair_network *n = list_first(&q->networks, struct fair_network, in_queue);
	struct fair_lease *l;
	struct list *it, *tmp;

	if (n == NULL)
		return NULL;
	list_each(it, tmp, &q->networks) {
		struct fair_network *other = list_object(it, struct fair_network,
			in_queue);

		if (other->turn < n->turn)
			n = other;
	}
	l = list_first(&n->leases, struct fair_lease, in_network);
	assert(l != NULL); /* networks and leases stay while they have items */
	list_each(it, tmp, &n->leases) {
		struct fair_lease *other = list_object(it, struct fair_lease, in_network);

		if (other->turn < l->turn)
			l = other;
	}
	q->turn = n->turn++;
	n->served = l->turn++;
	return item_take(q, list_object(l->items.next, struct fair_item, in_lease));
}

struct fair_item *fair_queue_expire(struct fair_queue *q, uint64_t now_ms)
{
	struct fair_item *first = list_first(&q->by_time, struct fair_item, in_time);

	return first == NULL || first->until_ms > now_ms ? NULL : item_take(q, first);
}

uint64_t fair_queue_expiry(const struct fair_queue *q)
{
	return list_is_empty(&q->by_time) ?
		UINT64_MAX :
		list_object(q->by_time.next, struct fair_item, in_time)->until_ms;
}
