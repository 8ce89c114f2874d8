/*
 * The route of a lease: what its registration, its renewals and its signatures add to a
 * route. portal-protocol 7.2, 7.3.
 */
#ifndef SERVE_LEASE_LEASE_ROUTE_H
#define SERVE_LEASE_LEASE_ROUTE_H

#include "base/mem.h"
#include "serve/route.h"

struct lease_route {
	struct route route;   /* first: freed as a route */
	int64_t registration; /* its number: a later one of the same identity has more */

	atomic_uint_fast64_t seen_ms; /* wall clock: when its agent was last heard of */
	atomic_bool has_served;       /* there has been a session */
	atomic_uint_fast64_t signatures;  /* so far */
	atomic_uint_fast64_t sign_due_us; /* lease_route_may_sign() */
};

/* One reference, with all else zero. NULL: no memory. */
struct lease_route *lease_route_new(void);

/* Every route of this relay is one of a lease. */
static inline struct lease_route *lease_route_of(struct route *r)
{
	return mem_container(r, struct lease_route, route);
}

/*
 * One more signature, at most @per_s a second after a burst of ten seconds'. Any thread.
 */
bool lease_route_may_sign(struct lease_route *r, uint32_t per_s, uint64_t now_us);

/* The other name of @host in the table of routes: its hash. */
bool lease_route_alias(const char *host, char alias[ROUTE_ALIAS_SIZE]);

#endif
