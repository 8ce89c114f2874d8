/* Agents of the panel, their tokens, and revoked certificates. */
#include "store/agent_store.h"

#include "base/mem.h"

enum err agent_store_put(struct store *s, const struct agent_row *row, struct why *why)
{
	const struct store_value values[] = {
		{ .text = row->label },
		{ .text = row->serial },
		{ .text = row->capabilities },
		{ .text = row->sites },
		{ .text = row->method },
		{ .text = row->certificate },
		{ .text = row->secret },
		{ .number = (int64_t)row->created_ms },
		{ .number = (int64_t)row->expires_ms },
		{ .number = (int64_t)row->revoked_ms },
	};

	return store_run(s,
		"REPLACE INTO agent (label, serial, capabilities, sites, method,"
		" certificate, secret, created_ms, expires_ms, revoked_ms)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		values, mem_count(values), why);
}

enum err agent_store_put_token(struct store *s, const struct enrol_token_row *row,
	struct why *why)
{
	const struct store_value values[] = {
		{ .text = row->label },
		{ .text = row->digest },
		{ .text = row->capabilities },
		{ .text = row->sites },
		{ .number = (int64_t)row->created_ms },
		{ .number = (int64_t)row->expires_ms },
		{ .number = (int64_t)row->used_ms },
	};

	return store_run(s,
		"REPLACE INTO enrol_token (label, digest, capabilities, sites,"
		" created_ms, expires_ms, used_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
		values, mem_count(values), why);
}

enum err agent_store_remove_token(struct store *s, const char *label, struct why *why)
{
	const struct store_value value = { .text = label };

	return store_run(s, "DELETE FROM enrol_token WHERE label = ?", &value, 1, why);
}

enum err agent_store_revoke(struct store *s, const struct revoked_row *row,
	struct why *why)
{
	const struct store_value values[] = {
		{ .text = row->serial },
		{ .text = row->label },
		{ .number = (int64_t)row->at_ms },
	};

	return store_run(s,
		"REPLACE INTO revoked (serial, label, at_ms) VALUES (?, ?, ?)", values,
		mem_count(values), why);
}

static enum err read_agent(void *arg, const struct store_value *columns)
{
	const struct agent_store_reader *reader = arg;
	struct agent_row row = {
		.label = columns[0].text,
		.serial = columns[1].text,
		.capabilities = columns[2].text,
		.sites = columns[3].text,
		.method = columns[4].text,
		.certificate = columns[5].text,
		.secret = columns[6].text,
		.created_ms = (uint64_t)columns[7].number,
		.expires_ms = (uint64_t)columns[8].number,
		.revoked_ms = (uint64_t)columns[9].number,
	};

	return reader->on_agent(reader->arg, &row);
}

static enum err read_token(void *arg, const struct store_value *columns)
{
	const struct agent_store_reader *reader = arg;
	struct enrol_token_row row = {
		.label = columns[0].text,
		.digest = columns[1].text,
		.capabilities = columns[2].text,
		.sites = columns[3].text,
		.created_ms = (uint64_t)columns[4].number,
		.expires_ms = (uint64_t)columns[5].number,
		.used_ms = (uint64_t)columns[6].number,
	};

	return reader->on_token(reader->arg, &row);
}

static enum err read_revoked(void *arg, const struct store_value *columns)
{
	const struct agent_store_reader *reader = arg;
	struct revoked_row row = {
		.serial = columns[0].text,
		.label = columns[1].text,
		.at_ms = (uint64_t)columns[2].number,
	};

	return reader->on_revoked(reader->arg, &row);
}

enum err agent_store_read(struct store *s, const struct agent_store_reader *reader,
	struct why *why)
{
	void *arg = (void *)(uintptr_t)reader;
	enum err rc = store_read(s,
		"SELECT label, serial, capabilities, sites, method, certificate, secret,"
		" created_ms, expires_ms, revoked_ms FROM agent ORDER BY label",
		read_agent, arg, why);

	if (rc == ERR_OK)
		rc = store_read(s,
			"SELECT label, digest, capabilities, sites, created_ms,"
			" expires_ms, used_ms FROM enrol_token",
			read_token, arg, why);
	return rc == ERR_OK ? store_read(s, "SELECT serial, label, at_ms FROM revoked",
				      read_revoked, arg, why) :
			      rc;
}
