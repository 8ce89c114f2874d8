/*
 * The store: the persistent data of a relay, in one SQLite file, "adit.db" in its state
 * directory, mode 0600, with a write-ahead log beside it. Each kind of record has a
 * source file in this folder.
 *
 * Only the control worker uses it. Each operation is one transaction: after a crash at
 * any moment all of it is stored, or nothing. A durable transaction survives a power
 * failure, too; that takes the disk some milliseconds.
 *
 * ERR_SYS: the disk is full, the file is locked by another program, or another failure;
 * @why says more.
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
 * Opens the file in @directory, or makes it, and migrates an older schema.
 * ERR_SYS: it cannot be opened, or is damaged.  ERR_PROTO: it is of a newer adit, or of
 * another program.
 */
enum err store_open(const char *directory, struct store **out, struct why *why) MUST_USE;
void store_close(struct store *s); /* NULL is fine */

/* ---- transactions: each successful store_begin() needs a store_end() ---- */

enum err store_begin(struct store *s, bool is_durable, struct why *why) MUST_USE;

/* Commits if @rc is ERR_OK, else rolls back. Returns @rc, or the error of the commit. */
enum err store_end(struct store *s, enum err rc, struct why *why) MUST_USE;

/* ---- statements, for the files for each kind of record ---- */

struct store_value {
	const char *text; /* borrowed; NULL: the value is @number */
	int64_t number;
};

/* Runs one statement; @values replace its "?". */
enum err store_run(struct store *s, const char *sql, const struct store_value *values,
	unsigned count, struct why *why) MUST_USE;

/* Gets a row; texts are good for the call. Any result but ERR_OK ends the reading. */
typedef enum err store_row_fn(void *arg, const struct store_value *columns);

#define STORE_COLUMNS_MAX 12

enum err store_read(struct store *s, const char *sql, store_row_fn *fn, void *arg,
	struct why *why) MUST_USE;

#endif
