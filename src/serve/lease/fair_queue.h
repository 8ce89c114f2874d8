/*
 * A fair queue: items that wait for a scarce resource. It is shared among networks first,
 * then among the leases of each network; the items of one lease are served in order.
 *
 * This is start-time fair queueing on two levels: a network, or a lease, that has just
 * been served comes after all others, and a new one is served next. So a lease with few
 * requests is served before a lease with many. When the queue is full, the newest item of
 * the lease with the most items, in the network with the most items, is dropped.
 */
#ifndef SERVE_LEASE_FAIR_QUEUE_H
#define SERVE_LEASE_FAIR_QUEUE_H

#include "base/list.h"
#include "net/prefix.h"
#include "tunnel/portal/identity.h"

/* Embedded in an object that waits; the members are the queue's. */
struct fair_item {
	struct list in_lease, in_time;
	struct fair_share *lease; /* NULL: it is in no queue */
	uint64_t until_ms;
};

/* Embedded; fair_queue_init() first. */
struct fair_queue {
	struct list networks;
	struct list by_time; /* items, the oldest first */
	unsigned count, max;
	uint64_t turn; /* of the network that was served last */
};

void fair_queue_init(struct fair_queue *q, unsigned max);

/* What an item belongs to. */
struct fair_place {
	const struct prefix *network;
	const char *identity_key; /* of the lease */
};

/*
 * @item waits until @until_ms, which is not earlier than that of the items before it.
 * *@dropped is an item that was removed to make room, perhaps this one; or NULL.
 * ERR_NOMEM: it was not added.
 */
enum err fair_queue_add(struct fair_queue *q, const struct fair_place *place,
	uint64_t until_ms, struct fair_item *item, struct fair_item **dropped) MUST_USE;

/* Takes out the next item. NULL: nothing waits. */
struct fair_item *fair_queue_next(struct fair_queue *q);

/* Takes out an item that has waited too long. NULL: there is none. */
struct fair_item *fair_queue_expire(struct fair_queue *q, uint64_t now_ms);

/* When the next item will have waited too long; UINT64_MAX: nothing waits. */
uint64_t fair_queue_expiry(const struct fair_queue *q);

#endif
