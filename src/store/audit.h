/*
 * The audit: actor, action, object and time. Of each kind the newest AUDIT_MAX rows are
 * kept, so that rows which strangers can cause do not push out the others.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/store.h"

#define AUDIT_MAX 100000

/* In the store: numbers stay. */
enum audit_kind {
	AUDIT_RULES = 0,      /* what administrators did */
	AUDIT_SIGNATURES = 1, /* what was signed for leases */
};

struct audit_row {
	uint64_t at_ms; /* wall clock */
	enum audit_kind kind;
	const char *who, *what, *about;
};

/* Both are called in a transaction. */
enum err audit_add(struct store *s, const struct audit_row *row,
	struct why *why) MUST_USE;

/* Removes the oldest rows of @kind beyond @max. After some were added. */
enum err audit_trim(struct store *s, enum audit_kind kind, unsigned max,
	struct why *why) MUST_USE;

#endif
