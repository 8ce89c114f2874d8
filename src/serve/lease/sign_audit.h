/*
 * Counts of signatures that are not in the audit yet. The audit gets one row a minute for
 * each identity, of all its leases, in one transaction. On the control worker.
 */
#ifndef SERVE_LEASE_SIGN_AUDIT_H
#define SERVE_LEASE_SIGN_AUDIT_H

#include <stdint.h>

#include "base/err.h"

#define SIGN_AUDIT_IDENTITIES 10000 /* the others have one row together */

struct sign_audit;
struct store;

enum err sign_audit_new(struct sign_audit **out) MUST_USE;
void sign_audit_free(struct sign_audit *a); /* NULL is fine */

/* Adds @count signatures; to the row of the others if memory is out. */
void sign_audit_add(struct sign_audit *a, const char *identity_key, uint64_t count);

/*
 * Writes what was added since the last time, or keeps it for the next time.
 * ERR_SYS: the store cannot be written.
 */
enum err sign_audit_flush(struct sign_audit *a, struct store *s,
	struct why *why) MUST_USE;

#endif
