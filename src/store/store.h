/*
 * The store: what a relay keeps for good, in one SQLite file, "adit.db" in its state
 * directory, mode 0600, with a write-ahead log beside it. One file here for each kind of
 * record.
 *
 * Only the control worker uses it. Each operation is one transaction: after a crash at
 * any moment there is either all of it or nothing. A transaction that is durable survives
 * the loss of power, too; that takes the disk some milliseconds.
 *
 * ERR_SYS: the disk is full, the file is locked by another program, or worse; @why says
 * it.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define STORE_FILE "adit.db"
#define STORE_BUSY_MS 1000 /* wait for another program's lock */

struct store;

/*
 * Opens the file in @directory, or makes it, and brings an older one up to date.
 * ERR_SYS: it cannot be opened, or is damaged.  ERR_PROTO: a newer adit has written it.
 */
enum err store_open(const char *directory, struct store **out, struct why *why) MUST_USE;
void store_close(struct store *s); /* NULL is fine */

/* ---- transactions: store_end() is due after a store_begin() that has worked ---- */

enum err store_begin(struct store *s, bool is_durable, struct why *why) MUST_USE;

/* Keeps all of it if @rc is ERR_OK, else nothing. Returns what became of it. */
enum err store_end(struct store *s, enum err rc, struct why *why) MUST_USE;

/* ---- statements, for the files of records ---- */

struct store_value {
	const char *text; /* borrowed; NULL: it is the number */
	int64_t number;
};

/* One statement; @values go in place of its "?". */
enum err store_run(struct store *s, const char *sql, const struct store_value *values,
	unsigned count, struct why *why) MUST_USE;

/* A row; texts are good for the call. Anything but ERR_OK ends the reading. */
typedef enum err store_row_fn(void *arg, const struct store_value *columns);

#define STORE_COLUMNS_MAX 8

enum err store_read(struct store *s, const char *sql, store_row_fn *fn, void *arg,
	struct why *why) MUST_USE;

#endif
