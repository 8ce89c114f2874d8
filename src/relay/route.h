/*
 * Routes: from a public name to the lease that has it, and to the worker that serves it.
 *
 * The table is the one thing that workers share and that changes: the control worker
 * writes, everybody reads, behind one read-write lock that is held for a look-up and no
 * longer. portal-protocol 7.2, 7.3.
 */
#ifndef RELAY_ROUTE_H
#define RELAY_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "tunnel/portal/identity.h"
#include "tunnel/portal/routehost.h"

struct data_lease;

/*
 * One registration of a lease. All but the atomics is const once it is in the table. It
 * is shared: who found it has a reference.
 */
struct route {
	atomic_uint refs;
	int64_t registration; /* its number: a later one of the same identity has more */
	unsigned worker;      /* the data worker that has its reverse sessions */
	char identity_key[IDENTITY_KEY_SIZE];
	char name[NAMES_LABEL_MAX + 1];
	char public_host[NAMES_HOST_MAX + 1]; /* name.root */
	char host[NAMES_HOST_MAX + 1]; /* the route host if there is one, else as above */
	/* of public_host if there is a route host; or "" */
	char hash[ROUTEHOST_HASH_SIZE];
	uint16_t tcp_port; /* 0: none */

	atomic_bool is_routable;       /* policy lets it */
	atomic_uint_fast64_t until_ms; /* wall clock: when the lease ends */
	atomic_uint_fast64_t seen_ms;  /* wall clock: when its agent was last heard of */
	atomic_uint ready;             /* idle reverse sessions */
	atomic_bool has_served;        /* there has been a session */
	atomic_uint_fast64_t visitors, bytes; /* so far; bytes in both directions */
	atomic_uint_fast64_t signatures;      /* so far */
	atomic_uint_fast64_t sign_due_us;     /* route_may_sign() */
	struct route *next[3];                /* the table's */

	/* Of its worker's thread alone. */
	struct data_lease *served; /* borrowed; NULL: it has none now */
	bool is_over; /* there will be none any more, unless the lease is opened again */
};

struct route *route_ref(struct route *r);
void route_unref(struct route *r); /* NULL is fine */

/* Is it served now, by the wall clock? */
bool route_is_live(const struct route *r, uint64_t wall_ms);

/* One more signature, at most @per_s a second after a burst of ten seconds'.
 * Any thread. */
bool route_may_sign(struct route *r, uint32_t per_s, uint64_t now_us);

struct route_table;

enum err route_table_new(struct route_table **out) MUST_USE;
void route_table_free(struct route_table *t); /* drops its references; NULL is fine */

/* The control worker's. The table has a reference of its own until it is removed. */
void route_put(struct route_table *t, struct route *r);
void route_remove(struct route_table *t, struct route *r);

/*
 * Who has @host: by name, by the hash of the name, then by a pattern of one label. The
 * first that is there wins, whether live or not. A reference, or NULL. Any thread.
 */
struct route *route_find_by_host(struct route_table *t, const char *host);
struct route *route_find_by_identity(struct route_table *t, const char *identity_key);

#endif
