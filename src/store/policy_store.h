/* Policy in the store: settings by name, identities by key, banned prefixes. */
#ifndef STORE_POLICY_STORE_H
#define STORE_POLICY_STORE_H

#include "store/store.h"

struct policy_record {
	bool is_approved, is_denied, is_banned;
	uint64_t bytes_per_s; /* 0: no limit */
};

static inline bool policy_record_is_empty(const struct policy_record *r)
{
	return !r->is_approved && !r->is_denied && !r->is_banned && r->bytes_per_s == 0;
}

/* ---- inside a transaction ---- */

enum err policy_store_put_setting(struct store *s, const char *name, int64_t value,
	struct why *why) MUST_USE;

/* An empty record is removed. */
enum err policy_store_put_identity(struct store *s, const char *identity_key,
	const struct policy_record *record, struct why *why) MUST_USE;

enum err policy_store_put_ban(struct store *s, const char *prefix, bool is_set,
	struct why *why) MUST_USE;

/* ---- reading all of it; texts are good for the call ---- */

struct policy_store_reader {
	enum err (*on_setting)(void *arg, const char *name, int64_t value);
	enum err (*on_identity)(void *arg, const char *identity_key,
		const struct policy_record *record);
	enum err (*on_ban)(void *arg, const char *prefix);
	void *arg;
};

enum err policy_store_read(struct store *s, const struct policy_store_reader *reader,
	struct why *why) MUST_USE;

#endif
