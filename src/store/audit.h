/* The audit: who did what, about whom, and when. The newest AUDIT_MAX rows are kept. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/store.h"

#define AUDIT_MAX 100000

struct audit_row {
	uint64_t at_ms; /* wall clock */
	const char *who, *what, *about;
};

/* Inside a transaction. */
enum err audit_add(struct store *s, const struct audit_row *row,
	struct why *why) MUST_USE;

/* A row; good for the call. Anything but ERR_OK ends the reading. */
typedef enum err audit_fn(void *arg, const struct audit_row *row);

/* The newest @count rows, from the newest on. */
enum err audit_read(struct store *s, unsigned count, audit_fn *fn, void *arg,
	struct why *why) MUST_USE;

#endif
