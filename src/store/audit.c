/* The audit. */
#include "store/audit.h"

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
