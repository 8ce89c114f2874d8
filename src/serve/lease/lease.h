/*
 * A lease is an agent's time-limited right to a public name on this relay. The table has
 * all of them, in memory, on the control worker: after a restart agents come back by
 * themselves. portal-protocol 2.6, 6.5, 7.3, 10.
 */
#ifndef SERVE_LEASE_LEASE_H
#define SERVE_LEASE_LEASE_H

#include "base/list.h"
#include "base/map.h"
#include "net/prefix.h"
#include "serve/lease/lease_route.h"
#include "tunnel/portal/hostname_hash.h"
#include "tunnel/portal/identity.h"
#include "tunnel/portal/message.h"

#define LEASE_CLAIMS 2
#define LEASE_TTL_MAX_S 3600            /* agents renew every minute or so */
#define LEASE_UNUSED_MS (2 * 60 * 1000) /* how long a lease may go without a carrier */

struct lease_table;

/* Why a lease has ended. */
enum lease_end {
	LEASE_EXPIRED,
	LEASE_UNUSED, /* no agent has opened a session */
	LEASE_UNREGISTERED,
	LEASE_REPLACED, /* the same identity has registered again */
	LEASE_RESERVED, /* the relay's operator has reserved its name */
	LEASE_BANNED,   /* the address of its client is banned */
	LEASE_FAILED,   /* its worker cannot serve it */
};

/* For the log: "expired". */
const char *lease_end_text(enum lease_end end);

/* Those that are not the route's are the control worker's alone. */
struct lease {
	struct list in_table;
	struct map_node by_owner, by_claim[LEASE_CLAIMS]; /* the table's */
	char claims[LEASE_CLAIMS][HOSTNAME_HASH_SIZE];    /* lease.c; "" for none */
	struct route *route;                              /* a reference */
	char address[ADDRESS_TEXT_SIZE];
	struct message_metadata metadata;                          /* owned */
	char client_ip[ADDR_TEXT_MAX], reported_ip[ADDR_TEXT_MAX]; /* "" when not told */
	/* where it was registered from; of no bits: it does not count */
	struct prefix network;
	uint64_t first_seen_ms; /* wall clock */
	int tcp_fd;             /* listens on its port; workers have copies. -1: none */
	uint64_t bytes_per_s;   /* that its worker has been told */
	uint64_t signatures_noted; /* that are in the audit already */
	bool is_known;             /* its identity had the name before */
	/* policy lets it: it has the name for a while when it has ended */
	bool keeps_name;
};

#define LEASE_TABLE_MAX 10000 /* leases; more are refused */

struct lease_table_options {
	const char *root;            /* borrowed */
	uint16_t port_min, port_max; /* 0: no TCP ports */
	const char *host;            /* borrowed: where they listen; NULL: all */
	unsigned workers;            /* data workers that routes are spread over */
	struct route_table *routes;  /* borrowed */
	struct reservations *names;  /* borrowed; NULL: names are not reserved */
	/* A lease has ended. Its route is out of the table, and its port, unless a new
	 * lease has it, takes no more visitors. */
	void (*on_end)(void *arg, struct lease *lease, enum lease_end end);
	void *arg;
};

enum err lease_table_new(const struct lease_table_options *o,
	struct lease_table **out) MUST_USE;
void lease_table_free(struct lease_table *table); /* quiet; NULL is fine */

struct lease_request {
	const char *name, *address;        /* canonical */
	const char *route_host;            /* canonical, or NULL */
	struct message_metadata *metadata; /* its content is taken on success */
	const char *client_ip, *reported_ip;
	bool wants_tcp;
	uint32_t tcp_max_leases;   /* of other identities; 0: no limit */
	uint64_t now_ms, until_ms; /* wall clock */
	bool is_routable;
	bool keeps_name;      /* policy has neither denied nor banned it */
	int64_t registration; /* 0: a new one; or that which a restart forgot */
};

/*
 * Grants it, and ends what the same identity had before; a TCP port goes on to the new
 * one, and connections that are just opened there wait.
 *
 * ERR_EXISTS: another identity has the name or an overlapping route, or it is reserved
 * for one.  ERR_LIMIT: too many leases have a TCP port.  ERR_NOENT: no TCP port is free.
 * ERR_NOMEM. The table owns it: *@out is good until on_end() has heard of it.
 */
enum err lease_open(struct lease_table *table, struct lease_request *req,
	struct lease **out, struct why *why) MUST_USE;

/* Since we started? Others are of leases that a restart forgot. */
bool lease_table_has_issued(const struct lease_table *table, int64_t registration);

/* A name that had a TCP port before we forgot gets the same one. */
void lease_table_remember_port(struct lease_table *table, const char *name, uint16_t port,
	uint64_t now_ms);

struct lease *lease_find(struct lease_table *table, const char *identity_key);

struct lease_renewal {
	struct message_metadata *metadata; /* its content is taken */
	const char *client_ip, *reported_ip;
	uint64_t now_ms, until_ms;
};

void lease_renew(struct lease_table *table, struct lease *lease,
	struct lease_renewal *renewal);

/* How many names a network may have (0:
 * any number), but for those in @exempt, borrowed. */
void lease_table_set_bounds(struct lease_table *table, uint32_t per_network,
	const struct prefix_set *exempt);

/*
 * No room for one more lease of @client, unless its identity has one already. A network
 * is an address of IPv4, or a /48 of IPv6. Names that are reserved for it count, too.
 */
bool lease_table_is_full(struct lease_table *table, const char *name,
	const char *identity_key, const struct addr *client);

/* Policy for its identity has changed. */
void lease_set_keeps_name(struct lease_table *table, struct lease *lease,
	bool keeps_name);

/*
 * Ends it now; on_end() is called. Its name stays reserved if it has expired, was used,
 * and policy lets it.
 */
void lease_end(struct lease_table *table, struct lease *lease, enum lease_end end);

/* Has it had a carrier? Today that is a reverse session. */
bool lease_is_used(const struct lease *lease);

/* Ends the leases of clients in @banned. */
void lease_end_banned(struct lease_table *table, const struct prefix_set *banned);

/* Ends leases that have expired or that are not used. Every 5 s. */
void lease_sweep(struct lease_table *table, uint64_t now_ms);

/* As lists show it; the words in it are borrowed from @lease. */
void lease_describe(const struct lease *lease, const char *root,
	struct message_public_lease *out);

/* All, in the order in which they came. */
struct list *lease_table_all(struct lease_table *table);

#endif
