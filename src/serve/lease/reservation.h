/*
 * Reservations: which identity a name belongs to, while its lease lives and for a grace
 * period after that. They are in the store, so that a name survives a restart of the
 * relay: until its holder is back, other identities are refused. On the control worker.
 *
 * Changes are written within a second, all in one transaction, so that a flood of
 * registrations costs one transaction a second. If the store cannot be written, an error
 * is logged: names are still reserved, but a restart loses them.
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
 * Reads what is stored. A name whose lease has not expired is reserved until it does, and
 * for the grace period after that; others for the grace period from now on.
 * ERR_SYS: the store cannot be read.
 */
enum err reservations_open(const struct reservations_options *o,
	struct reservations **out, struct why *why) MUST_USE;

/* Stores what has changed. NULL is fine. */
void reservations_close(struct reservations *all);

/* Applies to names that are reserved already, too. */
void reservations_set_grace(struct reservations *all, uint32_t grace_ms);

/* The address of the identity that @label is reserved for, or NULL.
 * Good until the next call. */
const char *reservations_holder(struct reservations *all, const char *label);

struct reservation {
	const char *label, *address; /* canonical; copied */
	uint64_t until_ms;           /* wall clock: when the lease ends */
	uint16_t tcp_port;           /* that the lease has; 0: none */
	bool is_alias;               /* a route host: not counted */
	bool is_stored;              /* false if policy refuses the holder */
	struct prefix network;       /* of the client */
};

/*
 * The lease of @r->label was opened or renewed. The caller has checked that the name is
 * not reserved for another identity. If memory is out it is not reserved.
 */
void reservations_hold(struct reservations *all, const struct reservation *r);

/*
 * The lease of @label has ended. If @is_kept, the grace period begins, else the name is
 * free. Nothing changes if @address is not the holder.
 */
void reservations_release(struct reservations *all, const char *label,
	const char *address, bool is_kept);

/* The number of names of clients of @network, without @label and aliases. */
unsigned reservations_count(const struct reservations *all, const struct prefix *network,
	const char *label);

/* The number of names, aliases included. */
unsigned reservations_total(const struct reservations *all);

/* The names that have a TCP port. */
void reservations_each_port(const struct reservations *all,
	void (*fn)(void *arg, const char *label, uint16_t port), void *arg);

/* Frees names whose grace period is over. */
void reservations_sweep(struct reservations *all);

#endif
