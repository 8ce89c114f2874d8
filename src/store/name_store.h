/* The names of leases in the store, with their identities; they persist over restarts. */
#ifndef STORE_NAME_STORE_H
#define STORE_NAME_STORE_H

#include "store/store.h"

/* Texts are borrowed. */
struct name_row {
	const char *label;
	const char *address; /* of the identity that has the name */
	uint64_t until_ms;   /* wall clock: when its lease ends */
	uint16_t tcp_port;   /* of its lease; 0: none */
};

/* ---- inside a transaction ---- */

enum err name_store_put(struct store *s, const struct name_row *row,
	struct why *why) MUST_USE;
enum err name_store_remove(struct store *s, const char *label, struct why *why) MUST_USE;

/* Keeps the @count rows whose leases end last, and removes the others. */
enum err name_store_trim(struct store *s, unsigned count, struct why *why) MUST_USE;

/* Gets a row, good for the call. Any result but ERR_OK ends the reading. */
typedef enum err name_store_fn(void *arg, const struct name_row *row);

/* Reads all rows, ordered by the end of the lease. */
enum err name_store_read(struct store *s, name_store_fn *fn, void *arg,
	struct why *why) MUST_USE;

#endif
