/*
 * The route of a lease: a route with the state of its registration, renewals and
 * signatures. portal-protocol 7.2, 7.3.
 */
#ifndef SERVE_LEASE_LEASE_ROUTE_H
#define SERVE_LEASE_LEASE_ROUTE_H

#include "base/mem.h"
#include "serve/route.h"

struct lease_route {
	struct route route;   /* first: freed as a route */
	int64_t registration; /* its number: a later one of the same identity has more */

	atomic_uint_fast64_t seen_ms;     /* wall clock: the last request of its agent */
	atomic_bool has_served;           /* there was a session */
	atomic_uint_fast64_t signatures;  /* so far */
	atomic_uint_fast64_t sign_due_us; /* lease_route_may_sign() */
};

/* With one reference; zero else. NULL: out of memory. */
struct lease_route *lease_route_new(void);

/* Is @r the route of a lease? Others are those of tunnels, and of the relay's hosts. */
bool lease_route_is(const struct route *r);

/* @r is that of a lease. */
static inline struct lease_route *lease_route_of(struct route *r)
{
	return mem_container(r, struct lease_route, route);
}

/*
 * Counts a signature: at most @per_s a second, after a burst of ten seconds' worth.
 * False: it is not allowed. Any thread.
 */
bool lease_route_may_sign(struct lease_route *r, uint32_t per_s, uint64_t now_us);

/* The alias of @host in the table of routes: its hash. */
bool lease_route_alias(const char *host, char alias[ROUTE_ALIAS_SIZE]);

#endif
