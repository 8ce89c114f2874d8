/*
 * The audit: actor, action, object and time. The newest AUDIT_MAX rows of each kind are
 * kept, so that rows that any agent can cause do not displace the others.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/store.h"

#define AUDIT_MAX 100000

/* Stored as numbers, which must not change. */
enum audit_kind {
	AUDIT_RULES = 0,      /* actions of administrators */
	AUDIT_SIGNATURES = 1, /* signatures for leases */
};

struct audit_row {
	uint64_t at_ms; /* wall clock */
	enum audit_kind kind;
	const char *who, *what, *about;
};

/* Both functions are called inside a transaction. */
enum err audit_add(struct store *s, const struct audit_row *row,
	struct why *why) MUST_USE;

/* Removes the oldest rows of @kind beyond @max; to be called after rows were added. */
enum err audit_trim(struct store *s, enum audit_kind kind, unsigned max,
	struct why *why) MUST_USE;

#endif
