/* Policy: all of it in memory, and each change first in the store. */
#include "relay/policy.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "relay/policy_import.h"
#include "store/audit.h"
#include "store/file.h"
#include "text/field.h"

#define POLICY_WHO "adit"          /* in the audit, of what no administrator did */
#define POLICY_IMPORTED "imported" /* a setting: admin_settings.json has been read */

/* The rules for one identity. An empty record is the same as none. */
struct policy_identity {
	struct map_node by_key;
	struct policy_record record;
	char key[];
};

struct policy {
	struct policy_options o;
	struct policy_settings settings;
	struct prefix_set banned;
	struct map identities; /* struct policy_identity */
	bool is_imported;
};

/* ---- identities ---- */

static struct policy_identity *identity_find(const struct policy *p, const char *key)
{
	struct map_node *node = map_find(&p->identities, span_str(key));

	return node != NULL ? map_object(node, struct policy_identity, by_key) : NULL;
}

/* A new one is empty. */
static enum err identity_obtain(struct policy *p, const char *key,
	struct policy_identity **out, struct why *why)
{
	struct policy_identity *i = identity_find(p, key);
	size_t n = strlen(key) + 1;

	if (i == NULL) {
		if (p->identities.count >= POLICY_IDENTITIES_MAX)
			return err_set(why, ERR_LIMIT,
				"policy has rules for %u identities, which is the maximum:"
				" remove some",
				POLICY_IDENTITIES_MAX);
		i = calloc(1, sizeof(*i) + n);
		if (i == NULL)
			return err_set(why, ERR_NOMEM, "out of memory");
		memcpy(i->key, key, n);
		map_add(&p->identities, &i->by_key, span_str(i->key));
	}
	*out = i;
	return ERR_OK;
}

/* ---- settings ---- */

#define AT(member) FIELD_AT(struct policy_settings, member)

/* As the store calls them. */
static const struct field setting_rows[] = {
	{ "is_manual", FIELD_BOOL, AT(is_manual) },
	{ "has_landing_page", FIELD_BOOL, AT(has_landing_page) },
	{ "udp_enabled", FIELD_BOOL, AT(udp_enabled) },
	{ "tcp_enabled", FIELD_BOOL, AT(tcp_enabled) },
	{ "udp_max_leases", FIELD_COUNT, AT(udp_max_leases) },
	{ "tcp_max_leases", FIELD_COUNT, AT(tcp_max_leases) },
};

static enum err settings_put(struct policy *p, const char *about, const void *settings,
	struct why *why)
{
	const char *s = settings;
	enum err rc = ERR_OK;

	(void)about;

	for (size_t i = 0; i < mem_count(setting_rows) && rc == ERR_OK; i++)
		rc = policy_store_put_setting(p->o.store, setting_rows[i].name,
			field_number(&setting_rows[i], s + setting_rows[i].at), why);
	return rc;
}

/* ---- reading ---- */

static enum err on_setting(void *arg, const char *name, int64_t value)
{
	struct policy *p = arg;

	if (strcmp(name, POLICY_IMPORTED) == 0)
		p->is_imported = value != 0;
	for (size_t i = 0; i < mem_count(setting_rows); i++)
		if (strcmp(name, setting_rows[i].name) == 0)
			field_set_number(&setting_rows[i],
				field_at(&setting_rows[i], &p->settings), value);
	return ERR_OK;
}

static enum err on_identity(void *arg, const char *key,
	const struct policy_record *record)
{
	struct policy *p = arg;
	struct policy_identity *i = NULL;
	enum err rc = identity_obtain(p, key, &i, NULL);

	if (rc == ERR_OK)
		i->record = *record;
	return rc;
}

static enum err on_ban(void *arg, const char *text)
{
	struct policy *p = arg;
	struct prefix prefix;
	char quoted[100];

	if (prefix_parse(span_str(text), &prefix) == ERR_OK)
		return prefix_set_add(&p->banned, &prefix);
	log_error(p->o.log, "policy: ignoring stored ban \"%s\": not an address",
		str_quote(quoted, sizeof(quoted), span_str(text)));
	return ERR_OK;
}

static enum err policy_read(struct policy *p, struct why *why)
{
	const struct policy_store_reader reader = {
		.on_setting = on_setting,
		.on_identity = on_identity,
		.on_ban = on_ban,
		.arg = p,
	};

	return policy_store_read(p->o.store, &reader, why);
}

/* ---- changes: first in the store, then in memory ---- */

typedef enum err put_fn(struct policy *p, const char *about, const void *value,
	struct why *why);

/*
 * Stores @value with @put, and @change as a row of the audit, in one transaction. It is
 * durable, unless there is nothing but the row: @put is NULL.
 */
static enum err policy_commit(struct policy *p, put_fn *put, const void *value,
	const struct audit_row *change, struct why *why)
{
	struct audit_row row = *change;
	enum err rc = store_begin(p->o.store, put != NULL, why);

	if (rc != ERR_OK)
		return rc;
	row.at_ms = clock_wall_ms();
	row.kind = AUDIT_RULES;
	if (put != NULL)
		rc = put(p, row.about, value, why);
	if (rc == ERR_OK)
		rc = audit_add(p->o.store, &row, why);
	if (rc == ERR_OK)
		rc = audit_trim(p->o.store, row.kind, AUDIT_MAX, why);
	return store_end(p->o.store, rc, why);
}

static void policy_changed(struct policy *p, const struct audit_row *change,
	const char *identity_key)
{
	char quoted[300];

	log_info(p->o.log, "policy: %s: %s %s", change->who, change->what,
		str_quote(quoted, sizeof(quoted), span_str(change->about)));
	if (p->o.on_change != NULL)
		p->o.on_change(p->o.arg, identity_key);
}

static void record_set(struct policy_record *r, enum policy_rule rule, uint64_t value)
{
	switch (rule) {
	case POLICY_APPROVED:
		r->is_approved = value > 0;
		r->is_denied = r->is_denied && value == 0;
		break;
	case POLICY_DENIED:
		r->is_denied = value > 0;
		r->is_approved = r->is_approved && value == 0;
		break;
	case POLICY_BANNED:
		r->is_banned = value > 0;
		break;
	case POLICY_RATE:
		r->bytes_per_s = value < INT64_MAX ? value : INT64_MAX;
		break;
	}
}

static struct policy_record record_of(const struct policy *p, const char *key)
{
	const struct policy_identity *i = identity_find(p, key);

	return i != NULL ? i->record : (struct policy_record){ .bytes_per_s = 0 };
}

static enum err identity_put(struct policy *p, const char *about, const void *record,
	struct why *why)
{
	return policy_store_put_identity(p->o.store, about, record, why);
}

enum err policy_set(struct policy *p, const char *identity_key, enum policy_rule rule,
	uint64_t value, const char *who, struct why *why)
{
	static const char *const words[][2] = {
		[POLICY_APPROVED] = { "take approval from", "approve" },
		[POLICY_DENIED] = { "no longer deny", "deny" },
		[POLICY_BANNED] = { "no longer ban", "ban" },
		[POLICY_RATE] = { "no longer limit", "limit to" },
	};
	struct policy_record record = record_of(p, identity_key);
	struct policy_identity *i = NULL;
	char what[64];
	const struct audit_row change = { .who = who,
		.what = what,
		.about = identity_key };
	enum err rc = identity_obtain(p, identity_key, &i, why);

	if (rc != ERR_OK)
		return rc;
	record_set(&record, rule, value);
	str_copy(what, sizeof(what), words[rule][value > 0]);
	if (rule == POLICY_RATE && value > 0)
		snprintf(what, sizeof(what), "%s %llu bytes/s", words[rule][1],
			(unsigned long long)record.bytes_per_s);
	rc = policy_commit(p, identity_put, &record, &change, why);
	if (rc == ERR_OK)
		i->record = record;
	if (policy_record_is_empty(&i->record)) {
		map_remove(&p->identities, &i->by_key);
		free(i);
	}
	if (rc == ERR_OK)
		policy_changed(p, &change, identity_key);
	return rc;
}

enum err policy_set_settings(struct policy *p, const struct policy_settings *settings,
	const char *who, struct why *why)
{
	char about[160];
	const struct audit_row change = { .who = who, .what = "set", .about = about };
	enum err rc;

	snprintf(about, sizeof(about),
		"approval %s, landing page %s, udp %s %u, tcp ports %s %u",
		policy_approval(settings), settings->has_landing_page ? "on" : "off",
		settings->udp_enabled ? "on" : "off", settings->udp_max_leases,
		settings->tcp_enabled ? "on" : "off", settings->tcp_max_leases);
	rc = policy_commit(p, settings_put, settings, &change, why);
	if (rc != ERR_OK)
		return rc;
	p->settings = *settings;
	policy_changed(p, &change, NULL);
	return ERR_OK;
}

/* ---- prefixes ---- */

static void set_remove(struct prefix_set *set, const struct prefix *prefix)
{
	unsigned n = 0;

	for (unsigned i = 0; i < set->n; i++)
		if (!prefix_eq(&set->v[i], prefix))
			set->v[n++] = set->v[i];
	set->n = n;
}

/* The set as it will be. */
static enum err set_change(const struct prefix_set *from, const struct prefix *prefix,
	bool is_set, struct prefix_set *to, struct why *why)
{
	struct prefix_set next = { .n = 0 };
	enum err rc = prefix_set_copy(from, &next);

	if (rc == ERR_OK && is_set)
		rc = prefix_set_add(&next, prefix);
	else if (rc == ERR_OK)
		set_remove(&next, prefix);
	if (rc != ERR_OK)
		err_set(why, rc, "out of memory");
	else if (next.n > POLICY_PREFIXES_MAX)
		rc = err_set(why, ERR_LIMIT,
			"%u prefixes are banned, the most there can be: remove some, or ban shorter ones",
			POLICY_PREFIXES_MAX);
	if (rc == ERR_OK)
		*to = next;
	else
		prefix_set_fini(&next);
	return rc;
}

static enum err ban_put(struct policy *p, const char *about, const void *is_set,
	struct why *why)
{
	return policy_store_put_ban(p->o.store, about, *(const bool *)is_set, why);
}

enum err policy_ban_prefix(struct policy *p, const struct prefix *prefix, bool is_set,
	const char *who, struct why *why)
{
	char text[PREFIX_TEXT_MAX];
	const struct audit_row change = {
		.who = who,
		.what = is_set ? "ban" : "no longer ban",
		.about = prefix_print(prefix, text),
	};
	struct prefix_set next;
	enum err rc = set_change(&p->banned, prefix, is_set, &next, why);

	if (rc != ERR_OK)
		return rc;
	rc = policy_commit(p, ban_put, &is_set, &change, why);
	if (rc != ERR_OK) {
		prefix_set_fini(&next);
		return rc;
	}
	prefix_set_fini(&p->banned);
	p->banned = next;
	policy_changed(p, &change, NULL);
	return ERR_OK;
}

enum err policy_note(struct policy *p, const char *who, const char *what,
	const char *about, struct why *why)
{
	const struct audit_row row = { .who = who, .what = what, .about = about };

	return policy_commit(p, NULL, NULL, &row, why);
}

/* ---- import: a failure ends policy_open(), so memory may change first ---- */

struct import {
	struct policy *p;
	struct why words;
};

static enum err import_rule(void *arg, const char *key, enum policy_rule rule,
	uint64_t value)
{
	struct import *in = arg;
	struct policy_identity *i = NULL;
	enum err rc = identity_obtain(in->p, key, &i, &in->words);

	if (rc != ERR_OK)
		return rc;
	record_set(&i->record, rule, value);
	return identity_put(in->p, key, &i->record, &in->words);
}

static enum err import_ban(void *arg, const struct prefix *prefix)
{
	const bool is_set = true;
	struct import *in = arg;
	char text[PREFIX_TEXT_MAX];
	enum err rc;

	if (in->p->banned.n >= POLICY_PREFIXES_MAX)
		return err_set(&in->words, ERR_LIMIT, "it bans more than %u prefixes",
			POLICY_PREFIXES_MAX);
	rc = prefix_set_add(&in->p->banned, prefix);
	return rc == ERR_OK ?
		ban_put(in->p, prefix_print(prefix, text), &is_set, &in->words) :
		rc;
}

static enum err import_put(struct policy *p, const char *about, const void *text,
	struct why *why)
{
	struct import in = { .p = p };
	const struct policy_importer importer = {
		.on_rule = import_rule,
		.on_ban = import_ban,
		.arg = &in,
	};
	enum err rc = policy_import_parse(*(const struct span *)text, &p->settings,
		&importer, &in.words);

	if (rc != ERR_OK)
		return err_set(why, rc, "%.80s: %s; correct it, or move it away", about,
			err_text(rc, &in.words));
	rc = settings_put(p, about, &p->settings, why);
	return rc == ERR_OK ?
		policy_store_put_setting(p->o.store, POLICY_IMPORTED, 1, why) :
		rc;
}

static enum err policy_import(struct policy *p, struct why *why)
{
	const struct audit_row change = {
		.who = POLICY_WHO,
		.what = "import",
		.about = p->o.import_file,
	};
	struct span span;
	struct buf text;
	enum err rc;

	if (p->is_imported || p->o.import_file == NULL)
		return ERR_OK;
	buf_init(&text, POLICY_IMPORT_BYTES_MAX);
	rc = file_read(p->o.import_file, &text, why);
	span = buf_span(&text);
	if (rc == ERR_OK)
		rc = policy_commit(p, import_put, &span, &change, why);
	else if (rc == ERR_NOENT)
		rc = ERR_OK;
	if (rc == ERR_OK && text.n > 0)
		log_info(p->o.log, "policy: imported %s", p->o.import_file);
	buf_fini(&text);
	return rc;
}

/* ---- opening ---- */

enum err policy_open(const struct policy_options *o, struct policy **out, struct why *why)
{
	struct policy *p = mem_new(p);
	enum err rc;

	if (p == NULL)
		return err_set(why, ERR_NOMEM, "no memory for policy");
	p->o = *o;
	map_init(&p->identities);
	p->settings = o->settings;
	rc = policy_read(p, why);
	if (rc == ERR_OK)
		rc = policy_import(p, why);
	p->o.import_file = NULL;
	if (rc == ERR_OK)
		*out = p;
	else
		policy_close(p);
	return rc;
}

void policy_close(struct policy *p)
{
	struct map_node *it, *tmp;

	if (p == NULL)
		return;
	map_each(it, tmp, &p->identities)
		free(map_object(it, struct policy_identity, by_key));
	map_fini(&p->identities);
	prefix_set_fini(&p->banned);
	free(p);
}

/* ---- what holds now ---- */

const struct policy_settings *policy_settings(const struct policy *p)
{
	return &p->settings;
}

struct policy_verdict policy_judge(const struct policy *p, const char *identity_key)
{
	struct policy_record r = record_of(p, identity_key);
	struct policy_verdict v = {
		.is_approved = !p->settings.is_manual || r.is_approved,
		.is_denied = r.is_denied,
		.is_banned = r.is_banned,
		.bytes_per_s = r.bytes_per_s,
	};

	v.is_routable = v.is_approved && !v.is_denied && !v.is_banned;
	return v;
}

const struct prefix_set *policy_banned(const struct policy *p)
{
	return &p->banned;
}

bool policy_next(const struct policy *p, struct policy_entry *e)
{
	struct policy_identity *i;

	e->node = e->node == NULL ? map_first(&p->identities) :
				    map_next(&p->identities, e->node);
	if (e->node == NULL)
		return false;
	i = map_object(e->node, struct policy_identity, by_key);
	e->identity_key = i->key;
	e->record = i->record;
	return true;
}
