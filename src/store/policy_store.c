/* Records of policy. */
#include "store/policy_store.h"

#include "base/mem.h"

enum err policy_store_put_setting(struct store *s, const char *name, int64_t value,
	struct why *why)
{
	const struct store_value values[] = { { .text = name }, { .number = value } };

	return store_run(s, "REPLACE INTO policy_setting (name, value) VALUES (?, ?)",
		values, mem_count(values), why);
}

enum err policy_store_put_identity(struct store *s, const char *identity_key,
	const struct policy_record *record, struct why *why)
{
	const struct store_value values[] = {
		{ .text = identity_key },
		{ .number = record->is_approved },
		{ .number = record->is_denied },
		{ .number = record->is_banned },
		{ .number = (int64_t)record->bytes_per_s },
	};

	if (policy_record_is_empty(record))
		return store_run(s, "DELETE FROM policy_identity WHERE identity_key = ?",
			values, 1, why);
	return store_run(s,
		"REPLACE INTO policy_identity (identity_key, is_approved, is_denied,"
		" is_banned, bytes_per_s) VALUES (?, ?, ?, ?, ?)",
		values, mem_count(values), why);
}

enum err policy_store_put_ban(struct store *s, const char *prefix, bool is_set,
	struct why *why)
{
	const struct store_value value = { .text = prefix };

	return store_run(s,
		is_set ? "REPLACE INTO policy_ban (prefix) VALUES (?)" :
			 "DELETE FROM policy_ban WHERE prefix = ?",
		&value, 1, why);
}

static enum err read_setting(void *arg, const struct store_value *columns)
{
	const struct policy_store_reader *reader = arg;

	return reader->on_setting(reader->arg, columns[0].text, columns[1].number);
}

static enum err read_identity(void *arg, const struct store_value *columns)
{
	const struct policy_store_reader *reader = arg;
	struct policy_record record = {
		.is_approved = columns[1].number != 0,
		.is_denied = columns[2].number != 0,
		.is_banned = columns[3].number != 0,
		.bytes_per_s = (uint64_t)columns[4].number,
	};

	return reader->on_identity(reader->arg, columns[0].text, &record);
}

static enum err read_ban(void *arg, const struct store_value *columns)
{
	const struct policy_store_reader *reader = arg;

	return reader->on_ban(reader->arg, columns[0].text);
}

enum err policy_store_read(struct store *s, const struct policy_store_reader *reader,
	struct why *why)
{
	void *arg = (void *)(uintptr_t)reader;
	enum err rc = store_read(s, "SELECT name, value FROM policy_setting",
		read_setting, arg, why);

	if (rc == ERR_OK)
		rc = store_read(s,
			"SELECT identity_key, is_approved, is_denied, is_banned,"
			" bytes_per_s FROM policy_identity",
			read_identity, arg, why);
	return rc == ERR_OK ?
		store_read(s, "SELECT prefix FROM policy_ban ORDER BY prefix", read_ban,
			arg, why) :
		rc;
}
