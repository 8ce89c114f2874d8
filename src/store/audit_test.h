/* Reading the audit, for tests. */
#ifndef STORE_AUDIT_TEST_H
#define STORE_AUDIT_TEST_H

#include <stdio.h>

#include "store/audit.h"

/* A row; good for the call. Anything but ERR_OK ends the reading. */
typedef enum err audit_fn(void *arg, const struct audit_row *row);

struct audit_reading {
	audit_fn *fn;
	void *arg;
};

static inline enum err audit_read_row(void *arg, const struct store_value *columns)
{
	struct audit_reading *reading = arg;
	struct audit_row row = {
		.at_ms = (uint64_t)columns[0].number,
		.kind = (enum audit_kind)columns[1].number,
		.who = columns[2].text,
		.what = columns[3].text,
		.about = columns[4].text,
	};

	return reading->fn(reading->arg, &row);
}

/* The newest @count rows, from the newest on. */
static inline enum err audit_read(struct store *s, unsigned count, audit_fn *fn,
	void *arg, struct why *why)
{
	struct audit_reading reading = { .fn = fn, .arg = arg };
	char sql[128];

	snprintf(sql, sizeof(sql),
		"SELECT at_ms, kind, who, what, about FROM audit ORDER BY id DESC LIMIT "
		"%u",
		count);
	return store_read(s, sql, audit_read_row, &reading, why);
}

#endif
