/* The audit. */
#include "store/audit.h"

#include <stdio.h>

#include "base/mem.h"

enum err audit_add(struct store *s, const struct audit_row *row, struct why *why)
{
	const struct store_value values[] = {
		{ .number = (int64_t)row->at_ms },
		{ .number = row->kind },
		{ .text = row->who },
		{ .text = row->what },
		{ .text = row->about },
	};

	return store_run(s,
		"INSERT INTO audit (at_ms, kind, who, what, about) VALUES (?, ?, ?, ?, ?)",
		values, mem_count(values), why);
}

enum err audit_trim(struct store *s, enum audit_kind kind, unsigned max, struct why *why)
{
	const struct store_value values[] = {
		{ .number = kind },
		{ .number = kind },
		{ .number = max },
	};

	return store_run(s,
		"DELETE FROM audit WHERE kind = ? AND id <="
		" (SELECT id FROM audit WHERE kind = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
		values, mem_count(values), why);
}

struct reading {
	audit_fn *fn;
	void *arg;
};

static enum err read_row(void *arg, const struct store_value *columns)
{
	struct reading *reading = arg;
	struct audit_row row = {
		.at_ms = (uint64_t)columns[0].number,
		.kind = (enum audit_kind)columns[1].number,
		.who = columns[2].text,
		.what = columns[3].text,
		.about = columns[4].text,
	};

	return reading->fn(reading->arg, &row);
}

enum err audit_read(struct store *s, unsigned count, audit_fn *fn, void *arg,
	struct why *why)
{
	struct reading reading = { .fn = fn, .arg = arg };
	char sql[128];

	snprintf(sql, sizeof(sql),
		"SELECT at_ms, kind, who, what, about FROM audit ORDER BY id DESC LIMIT "
		"%u",
		count);
	return store_read(s, sql, read_row, &reading, why);
}
