/* Names of leases. */
#include "store/name_store.h"

#include "base/mem.h"

enum err name_store_put(struct store *s, const struct name_row *row, struct why *why)
{
	const struct store_value values[] = {
		{ .text = row->label },
		{ .text = row->address },
		{ .number = (int64_t)row->until_ms },
		{ .number = row->tcp_port },
	};

	return store_run(s,
		"REPLACE INTO lease_name (label, address, until_ms, tcp_port)"
		" VALUES (?, ?, ?, ?)",
		values, mem_count(values), why);
}

enum err name_store_remove(struct store *s, const char *label, struct why *why)
{
	const struct store_value value = { .text = label };

	return store_run(s, "DELETE FROM lease_name WHERE label = ?", &value, 1, why);
}

enum err name_store_trim(struct store *s, unsigned count, struct why *why)
{
	const struct store_value value = { .number = count };

	return store_run(s,
		"DELETE FROM lease_name WHERE label NOT IN"
		" (SELECT label FROM lease_name ORDER BY until_ms DESC LIMIT ?)",
		&value, 1, why);
}

struct reading {
	name_store_fn *fn;
	void *arg;
};

static enum err read_row(void *arg, const struct store_value *columns)
{
	struct reading *reading = arg;
	struct name_row row = {
		.label = columns[0].text,
		.address = columns[1].text,
		.until_ms = (uint64_t)columns[2].number,
		.tcp_port = (uint16_t)columns[3].number,
	};

	return reading->fn(reading->arg, &row);
}

enum err name_store_read(struct store *s, name_store_fn *fn, void *arg, struct why *why)
{
	struct reading reading = { .fn = fn, .arg = arg };

	return store_read(s,
		"SELECT label, address, until_ms, tcp_port FROM lease_name"
		" ORDER BY until_ms",
		read_row, &reading, why);
}
