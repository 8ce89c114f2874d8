/*
 * Policy: which identities and addresses may use this relay, and how much. On the control
 * worker, and in the store: each change is one transaction with one row of the audit.
 * portal-protocol 16.4, 16.5.
 *
 * Unlike those of stock relays, rates are stored: a limit outlives the lease and a
 * restart. Banned addresses are refused the API, reverse sessions and signatures, and
 * lose the leases and sessions that they have. Visitors are not checked: they are the
 * agent's to admit. A ban may be of a prefix, too.
 */
#ifndef RELAY_POLICY_H
#define RELAY_POLICY_H

#include "base/log.h"
#include "net/prefix.h"
#include "store/policy_store.h"

#define POLICY_IDENTITIES_MAX 100000 /* that have rules */
#define POLICY_PREFIXES_MAX 10000

struct map_node;
struct policy;

struct policy_settings {
	bool is_manual; /* only approved identities are routed */
	bool has_landing_page;
	bool udp_enabled, tcp_enabled;           /* leases may have such ports */
	uint32_t udp_max_leases, tcp_max_leases; /* 0: no limit */
};

static inline const char *policy_approval(const struct policy_settings *s)
{
	return s->is_manual ? "manual" : "auto";
}

struct policy_options {
	struct store *store;             /* borrowed: outlives us */
	const struct log *log;           /* borrowed */
	struct policy_settings settings; /* until an administrator changes them */
	const char *import_file;         /* admin_settings.json, or NULL. For the call */

	/* There was a change: for that identity, or, if NULL, for any. Not called by
	 * policy_open(). */
	void (*on_change)(void *arg, const char *identity_key);
	void *arg;
};

/*
 * Reads what is stored. If @import_file is there and was never imported, it is imported
 * in one transaction; the file itself is not changed (relay/policy_import.h).
 *
 * ERR_SYS: the store, or the file, cannot be read.  ERR_SYNTAX, ERR_LIMIT: the file's
 * text.
 */
enum err policy_open(const struct policy_options *o, struct policy **out,
	struct why *why) MUST_USE;
void policy_close(struct policy *p); /* NULL is fine */

/* ---- what holds now ---- */

const struct policy_settings *policy_settings(const struct policy *p);

struct policy_verdict {
	bool is_approved; /* also if no identity needs approval */
	bool is_denied, is_banned;
	bool is_routable;     /* approved, and neither denied nor banned */
	uint64_t bytes_per_s; /* 0: no limit */
};

struct policy_verdict policy_judge(const struct policy *p, const char *identity_key);

/* Good until the next change. */
const struct prefix_set *policy_banned(const struct policy *p);

/* The rules for one identity, without regard to the settings. */
struct policy_entry {
	const struct map_node *node; /* NULL: before the first */
	char *identity_key;          /* borrowed, until the next change */
	struct policy_record record;
};

/* Goes to the next entry, in no order. No change may come between. False: the end. */
bool policy_next(const struct policy *p, struct policy_entry *e) MUST_USE;

/*
 * ---- changes. @who is written into the audit: an administrator's address, or "adit".
 * ----
 * ERR_SYS: the store cannot be written.  ERR_LIMIT: the maximum number is reached. Then,
 * as with ERR_NOMEM, nothing has changed.
 */

enum err policy_set_settings(struct policy *p, const struct policy_settings *settings,
	const char *who, struct why *why) MUST_USE;

/* A rule for an identity: set with the value 1, removed with 0. */
enum policy_rule {
	POLICY_APPROVED, /* ends a denial */
	POLICY_DENIED,   /* ends an approval */
	POLICY_BANNED,
	POLICY_RATE, /* its value: the limit, in bytes a second */
};

enum err policy_set(struct policy *p, const char *identity_key, enum policy_rule rule,
	uint64_t value, const char *who, struct why *why) MUST_USE;

enum err policy_ban_prefix(struct policy *p, const struct prefix *prefix, bool is_set,
	const char *who, struct why *why) MUST_USE;

/* Adds a row to the audit without a change: a sign-in. It survives a crash, but perhaps
 * not a loss of power. */
enum err policy_note(struct policy *p, const char *who, const char *what,
	const char *about, struct why *why) MUST_USE;

#endif
