/*
 * A lease is an agent's time-limited right to a public name on this relay. The table has
 * all of them, in memory, on the control worker: after a restart agents register again.
 * portal-protocol 2.6, 6.5, 7.3, 10.
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
#define LEASE_TTL_MAX_S 3600            /* agents renew about every minute */
#define LEASE_UNUSED_MS (2 * 60 * 1000) /* the longest time without a session */

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

/* All but the route is of the control worker only. */
struct lease {
	struct list in_table;
	struct map_node by_owner, by_claim[LEASE_CLAIMS]; /* the table's */
	char claims[LEASE_CLAIMS][HOSTNAME_HASH_SIZE];    /* lease.c; "" for none */
	struct route *route;                              /* a reference */
	char address[ADDRESS_TEXT_SIZE];
	struct message_metadata metadata;                          /* owned */
	char client_ip[ADDR_TEXT_MAX], reported_ip[ADDR_TEXT_MAX]; /* "" if unknown */
	/* of its client; with 0 bits it is not counted */
	struct prefix network;
	uint64_t first_seen_ms; /* wall clock */
	int tcp_fd;             /* listens on its port; its worker has a copy. -1: none */
	uint64_t bytes_per_s;   /* the limit that its worker has */
	uint64_t signatures_noted; /* signatures that are in the audit */
	bool is_known;             /* its identity had the name before */
	/* policy allows that the name stays reserved after its end */
	bool keeps_name;
};

#define LEASE_TABLE_MAX 10000 /* leases; more are refused */

struct lease_table_options {
	const char *root;            /* borrowed */
	uint16_t port_min, port_max; /* 0: no TCP ports */
	const char *host;            /* borrowed: the address of ports; NULL: all */
	unsigned workers;            /* data workers that routes are spread over */
	struct route_table *routes;  /* borrowed */
	struct reservations *names;  /* borrowed; NULL: names are not reserved */
	/* A lease has ended. Its route is not in the table any more, and its port is
	 * closed, unless a new lease has it. */
	void (*on_end)(void *arg, struct lease *lease, enum lease_end end);
	void *arg;
};

enum err lease_table_new(const struct lease_table_options *o,
	struct lease_table **out) MUST_USE;
void lease_table_free(struct lease_table *table); /* without on_end(); NULL is fine */

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
	int64_t registration; /* 0: a new one; else that of a lease before a restart */
};

/*
 * Grants a lease, and ends the previous one of the same identity. The new one gets its
 * TCP port; connections that arrive there meanwhile wait.
 *
 * ERR_EXISTS: another identity has the name or an overlapping route, or it is reserved
 * for one.  ERR_LIMIT: too many leases have a TCP port.  ERR_NOENT: no TCP port is free.
 * ERR_NOMEM. The table owns it: *@out is valid until on_end().
 */
enum err lease_open(struct lease_table *table, struct lease_request *req,
	struct lease **out, struct why *why) MUST_USE;

/* Was it issued since the start? Else it is of a lease from before a restart. */
bool lease_table_has_issued(const struct lease_table *table, int64_t registration);

/* Keeps the TCP port that @name had before a restart. */
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

/* The maximum of names of a network, 0: none; not for those in @exempt, which is
 * borrowed. */
void lease_table_set_bounds(struct lease_table *table, uint32_t per_network,
	const struct prefix_set *exempt);

/*
 * There is no room for another lease of @client, whose identity has none yet. A network
 * is an IPv4 address or an IPv6 /48. Names that are reserved for its clients count, too.
 */
bool lease_table_is_full(struct lease_table *table, const char *name,
	const char *identity_key, const struct addr *client);

/* Policy for its identity has changed. */
void lease_set_keeps_name(struct lease_table *table, struct lease *lease,
	bool keeps_name);

/*
 * Ends it now, and calls on_end(). Its name stays reserved if it has expired, was used,
 * and policy allows it.
 */
void lease_end(struct lease_table *table, struct lease *lease, enum lease_end end);

/* Has there been a reverse session? */
bool lease_is_used(const struct lease *lease);

/* Ends the leases of clients in @banned. */
void lease_end_banned(struct lease_table *table, const struct prefix_set *banned);

/* Ends leases that have expired or that are not used. Every 5 s. */
void lease_sweep(struct lease_table *table, uint64_t now_ms);

/* For lists; metadata is borrowed from @lease. */
void lease_describe(const struct lease *lease, const char *root,
	struct message_public_lease *out);

/* All leases, the oldest first. */
struct list *lease_table_all(struct lease_table *table);

#endif
