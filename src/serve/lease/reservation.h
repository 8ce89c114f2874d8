/*
 * Reservations: which identity a name belongs to, while its lease lives and for a grace
 * period after that. They are in the store, so that a name outlives a restart of the
 * relay: until its holder is back, other identities are refused. On the control worker.
 *
 * The store follows within a second, in one transaction for all that has changed, so that
 * a flood of registrations costs one transaction a second. While the store cannot be
 * written, names are reserved as well, but a restart forgets them; the log says so.
 */
#ifndef SERVE_LEASE_RESERVATION_H
#define SERVE_LEASE_RESERVATION_H

#include "base/log.h"
#include "net/prefix.h"
#include "tunnel/portal/identity.h"

#define RESERVATIONS_MAX 40000

struct loop;
struct reservations;
struct store;

struct reservations_options {
	struct loop *loop;     /* borrowed */
	struct store *store;   /* borrowed: outlives us */
	const struct log *log; /* borrowed */
	uint32_t grace_ms;     /* 0: a name is free when its lease has ended */
};

/*
 * Reads what is stored. A name whose lease had not ended yet is reserved until it would
 * have, and for the grace period after that; others for the grace period from now on.
 * ERR_SYS: the store cannot be read.
 */
enum err reservations_open(const struct reservations_options *o,
	struct reservations **out, struct why *why) MUST_USE;

/* Stores what has changed. NULL is fine. */
void reservations_close(struct reservations *all);

/* Counts at once, also for names that are reserved already. */
void reservations_set_grace(struct reservations *all, uint32_t grace_ms);

/* The address of the identity that @label is reserved for, or NULL.
 * Good until the next call. */
const char *reservations_holder(struct reservations *all, const char *label);

struct reservation {
	const char *label, *address; /* canonical; copied */
	uint64_t until_ms;           /* wall clock: when the lease ends */
	uint16_t tcp_port;           /* that the lease has; 0: none */
	bool is_alias;               /* a route host: not counted */
	bool is_stored;              /* false: policy refuses the holder */
	struct prefix network;       /* of the client */
};

/*
 * @r->label has a live lease, or a renewed one. The caller has checked that it is not
 * reserved for another identity. Without memory it is not reserved.
 */
void reservations_hold(struct reservations *all, const struct reservation *r);

/*
 * The lease of @label and @address has ended. If @is_kept, the grace period begins, else
 * the name is free. What is not theirs stays as it is.
 */
void reservations_release(struct reservations *all, const char *label,
	const char *address, bool is_kept);

/* How many names clients of @network have, not counting @label. */
unsigned reservations_count(const struct reservations *all, const struct prefix *network,
	const char *label);

/* How many names are reserved, those with a live lease included. */
unsigned reservations_total(const struct reservations *all);

/* The names that have a TCP port. */
void reservations_each_port(const struct reservations *all,
	void (*fn)(void *arg, const char *label, uint16_t port), void *arg);

/* Frees names whose grace period is over. Now and then. */
void reservations_sweep(struct reservations *all);

#endif
