/* Fair queues. There are few networks and leases in one at a time: lists are enough. */
#include "serve/lease/fair_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* A network in the queue, or a lease in a network, while it has items. */
struct fair_share {
	struct list in_parent;
	struct fair_share *network; /* of a lease */
	struct list members;        /* leases, or items with the oldest first */
	unsigned count;             /* of items */
	uint64_t turn;              /* its next one; the smallest is served */
	uint64_t served;            /* the turn of its lease that was served last */
	char key[IDENTITY_KEY_SIZE];
};

void fair_queue_init(struct fair_queue *q, unsigned max)
{
	*q = (struct fair_queue){ .max = max };
	list_init(&q->networks);
	list_init(&q->by_time);
}

/* ---- networks and leases ---- */

static struct fair_share *share_of(struct list *it)
{
	return list_object(it, struct fair_share, in_parent);
}

/* A new one is served at @turn. */
static struct fair_share *share_obtain(struct list *parent, const char *key,
	uint64_t turn)
{
	struct fair_share *s;
	struct list *it, *tmp;

	list_each(it, tmp, parent)
		if (strcmp(share_of(it)->key, key) == 0)
			return share_of(it);
	s = mem_new(s);
	if (s == NULL)
		return NULL;
	str_copy(s->key, sizeof(s->key), key);
	s->turn = turn;
	list_init(&s->members);
	list_add(parent, &s->in_parent);
	return s;
}

static void share_drop_if_empty(struct fair_share *s)
{
	if (s != NULL && s->count == 0) {
		list_remove(&s->in_parent);
		free(s);
	}
}

static struct fair_share *share_next(struct list *parent)
{
	struct fair_share *next = list_first(parent, struct fair_share, in_parent);
	struct list *it, *tmp;

	list_each(it, tmp, parent)
		if (share_of(it)->turn < next->turn)
			next = share_of(it);
	return next;
}

/* The one with the most items; @most, unless it is NULL, if no other has more. */
static struct fair_share *share_with_most(struct list *parent, struct fair_share *most)
{
	struct list *it, *tmp;

	list_each(it, tmp, parent)
		if (most == NULL || share_of(it)->count > most->count)
			most = share_of(it);
	return most;
}

/* ---- items ---- */

static struct fair_item *item_take(struct fair_queue *q, struct fair_item *item)
{
	struct fair_share *l = item->lease, *n = l->network;

	list_remove(&item->in_lease);
	list_remove(&item->in_time);
	item->lease = NULL;
	q->count--;
	n->count--;
	l->count--;
	share_drop_if_empty(l);
	share_drop_if_empty(n);
	return item;
}

enum err fair_queue_add(struct fair_queue *q, const struct fair_place *place,
	uint64_t until_ms, struct fair_item *item, struct fair_item **dropped)
{
	char text[PREFIX_TEXT_MAX];
	struct fair_share *n = share_obtain(&q->networks,
		prefix_print(place->network, text), q->turn);
	struct fair_share *l = n == NULL ?
		NULL :
		share_obtain(&n->members, place->identity_key, n->served);

	*dropped = NULL;
	if (l == NULL) {
		share_drop_if_empty(n);
		return ERR_NOMEM;
	}
	list_init(&item->in_lease);
	list_init(&item->in_time);
	l->network = n;
	item->lease = l;
	item->until_ms = until_ms;
	list_add(&l->members, &item->in_lease);
	list_add(&q->by_time, &item->in_time);
	l->count++;
	n->count++;
	q->count++;
	if (q->count > q->max) {
		n = share_with_most(&q->networks, n);
		l = share_with_most(&n->members, n == l->network ? l : NULL);
		*dropped = item_take(q,
			list_object(l->members.prev, struct fair_item, in_lease));
	}
	return ERR_OK;
}

struct fair_item *fair_queue_next(struct fair_queue *q)
{
	struct fair_share *n = share_next(&q->networks), *l;

	if (n == NULL)
		return NULL;
	l = share_next(&n->members);
	assert(l != NULL); /* networks and leases stay while they have items */
	q->turn = n->turn++;
	n->served = l->turn++;
	return item_take(q, list_object(l->members.next, struct fair_item, in_lease));
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
