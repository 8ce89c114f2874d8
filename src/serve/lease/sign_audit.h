/*
 * What was signed for leases, on its way into the audit: one row a minute for each
 * identity, however many leases it had, in one transaction for all. On the control
 * worker.
 */
#ifndef SERVE_LEASE_SIGN_AUDIT_H
#define SERVE_LEASE_SIGN_AUDIT_H

#include <stdint.h>

#include "base/err.h"

#define SIGN_AUDIT_IDENTITIES 10000 /* more are one row together */

struct sign_audit;
struct store;

enum err sign_audit_new(struct sign_audit **out) MUST_USE;
void sign_audit_free(struct sign_audit *a); /* NULL is fine */

/* So many signatures more. Without memory they count as those of others. */
void sign_audit_add(struct sign_audit *a, const char *identity_key, uint64_t count);

/*
 * Writes what has been added since the last time; what cannot be written is kept for the
 * next one. ERR_SYS: the store cannot keep it.
 */
enum err sign_audit_flush(struct sign_audit *a, struct store *s,
	struct why *why) MUST_USE;

#endif
