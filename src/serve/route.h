/*
 * Routes: from a public name to the agent that has it, and to the worker that serves it.
 *
 * Workers share the table: the control worker writes, all threads read, behind one
 * read-write lock that is held for a look-up and no longer. portal-protocol 7.2, 7.3.
 */
#ifndef SERVE_ROUTE_H
#define SERVE_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "text/names.h"

struct addr;
struct carrier;
struct data_worker;
struct served;
struct loop;
struct route;

/* The functions of a kind of route. */
struct route_ops {
	/*
	 * On its worker's thread: makes its carrier, when the first visitor or session
	 * arrives. @sessions counts the sessions of all carriers. NULL: its service sets
	 * the carrier.
	 */
	enum err (*open_carrier)(struct route *r, struct loop *loop,
		atomic_uint_fast64_t *sessions, struct carrier **out);

	/*
	 * On its worker's thread: serves a visitor here. Takes @fd, from which no byte
	 * has been read, so that a ClientHello with a name of the route comes next. NULL:
	 * the carrier gets the visitor's TLS as it is.
	 */
	void (*serve_take)(struct data_worker *d, struct route *r, int fd,
		const struct addr *peer);
};

#define ROUTE_OWNER_SIZE 320
#define ROUTE_ALIAS_SIZE 64

/*
 * All members but the atomics are const once it is in the table. It is shared: a lookup
 * returns a reference. A carrier's service embeds it as the first member of its own
 * struct.
 */
struct route {
	const struct route_ops *ops;
	atomic_uint refs;
	unsigned worker;              /* the data worker that has its carrier */
	char owner[ROUTE_OWNER_SIZE]; /* limits are counted for it */
	char name[NAMES_LABEL_MAX + 1];
	char public_host[NAMES_HOST_MAX + 1]; /* name.root */
	char host[NAMES_HOST_MAX + 1];        /* another one that it has, else as above */
	char alias[ROUTE_ALIAS_SIZE]; /* of public_host, if @host is another one; or "" */
	uint16_t tcp_port;            /* 0: none */

	atomic_bool is_routable;              /* policy allows it */
	atomic_uint_fast64_t until_ms;        /* wall clock: when it ends */
	atomic_uint present;                  /* sessions that can serve a visitor now */
	atomic_uint_fast64_t visitors, bytes; /* so far; bytes in both directions */
	struct map_node nodes[3];             /* the table's */

	/* Of its worker's thread alone. */
	struct served *served; /* borrowed; NULL: it has none now */
	bool is_over; /* there will be none any more, unless the lease is opened again */
};

struct route *route_ref(struct route *r);
void route_unref(struct route *r); /* NULL is fine */

/* Is it served now, by the wall clock? */
bool route_is_live(const struct route *r, uint64_t wall_ms);

struct route_table;

/* Makes the alias of a host, by which routes are found, too. False: it has none. */
typedef bool route_alias_fn(const char *host, char alias[ROUTE_ALIAS_SIZE]);

enum err route_table_new(route_alias_fn *alias_of, struct route_table **out) MUST_USE;
void route_table_free(struct route_table *t); /* drops its references; NULL is fine */

/* The control worker's. The table has a reference of its own until it is removed. */
void route_put(struct route_table *t, struct route *r);
void route_remove(struct route_table *t, struct route *r);
/* Both at once: there is no moment in which a visitor finds neither. Either may be
 * NULL. */
void route_replace(struct route_table *t, struct route *was, struct route *r);

/*
 * Who has @host: by name, by the alias of the name, then by a pattern of one label. The
 * first that is there wins, whether live or not. A reference, or NULL. Any thread.
 */
struct route *route_find_by_host(struct route_table *t, const char *host);
struct route *route_find_by_owner(struct route_table *t, const char *owner);

#endif
