/* Tunnels of the panel. */
#include "store/tunnel_store.h"

#include "base/mem.h"

enum err tunnel_store_put(struct store *s, const struct tunnel_row *row, struct why *why)
{
	const struct store_value values[] = {
		{ .text = row->id },
		{ .text = row->subdomain },
		{ .number = row->port },
		{ .text = row->kind },
		{ .text = row->access },
		{ .text = row->agent },
		{ .text = row->target },
		{ .text = row->note },
		{ .text = row->options },
		{ .number = (int64_t)row->created_ms },
		{ .number = (int64_t)row->paused_ms },
		{ .text = row->paused_by },
	};

	/* REPLACE would remove another tunnel that has the name or the port. */
	return store_run(s,
		"INSERT INTO tunnel (id, subdomain, port, kind, access, agent, target,"
		" note, options, created_ms, paused_ms, paused_by)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		" ON CONFLICT (id) DO UPDATE SET subdomain = excluded.subdomain,"
		" port = excluded.port, kind = excluded.kind, access = excluded.access,"
		" agent = excluded.agent, target = excluded.target,"
		" note = excluded.note, options = excluded.options,"
		" paused_ms = excluded.paused_ms, paused_by = excluded.paused_by",
		values, mem_count(values), why);
}

enum err tunnel_store_remove(struct store *s, const char *id, struct why *why)
{
	const struct store_value value = { .text = id };

	return store_run(s, "DELETE FROM tunnel WHERE id = ?", &value, 1, why);
}

struct reading {
	tunnel_store_fn *fn;
	void *arg;
};

static enum err read_row(void *arg, const struct store_value *columns)
{
	struct reading *reading = arg;
	struct tunnel_row row = {
		.id = columns[0].text,
		.subdomain = columns[1].text,
		.port = (uint16_t)columns[2].number,
		.kind = columns[3].text,
		.access = columns[4].text,
		.agent = columns[5].text,
		.target = columns[6].text,
		.note = columns[7].text,
		.options = columns[8].text,
		.created_ms = (uint64_t)columns[9].number,
		.paused_ms = (uint64_t)columns[10].number,
		.paused_by = columns[11].text,
	};

	return reading->fn(reading->arg, &row);
}

enum err tunnel_store_read(struct store *s, tunnel_store_fn *fn, void *arg,
	struct why *why)
{
	struct reading reading = { .fn = fn, .arg = arg };

	return store_read(s,
		"SELECT id, subdomain, port, kind, access, agent, target, note, options,"
		" created_ms, paused_ms, paused_by FROM tunnel ORDER BY created_ms, id",
		read_row, &reading, why);
}
