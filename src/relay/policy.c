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

#define POLICY_WHO "adit"
#define POLICY_IMPORTED "imported" /* a setting: admin_settings.json has been read */

/* What is known of one identity. An empty record is the same as none. */
struct entry {
	struct map_node by_key;
	struct policy_record record;
	char key[];
};

struct policy {
	struct policy_options o;
	struct policy_settings settings;
	struct prefix_set banned;
	struct map identities; /* struct entry */
	bool is_imported;
};

/* ---- identities ---- */

static struct entry *entry_find(const struct policy *p, const char *key)
{
	struct map_node *node = map_find(&p->identities, span_str(key));

	return node != NULL ? map_object(node, struct entry, by_key) : NULL;
}

/* A new one is empty. */
static enum err entry_obtain(struct policy *p, const char *key, struct entry **out,
	struct why *why)
{
	struct entry *e = entry_find(p, key);
	size_t n = strlen(key) + 1;

	if (e == NULL) {
		if (p->identities.count >= POLICY_IDENTITIES_MAX)
			return err_set(why, ERR_LIMIT,
				"policy has %u identities, the most it can have: remove some",
				POLICY_IDENTITIES_MAX);
		e = calloc(1, sizeof(*e) + n);
		if (e == NULL)
			return err_set(why, ERR_NOMEM, "out of memory");
		memcpy(e->key, key, n);
		map_add(&p->identities, &e->by_key, span_str(e->key));
	}
	*out = e;
	return ERR_OK;
}

static void entry_drop_if_empty(struct policy *p, struct entry *e)
{
	if (!policy_record_is_empty(&e->record))
		return;
	map_remove(&p->identities, &e->by_key);
	free(e);
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

static enum err settings_put(struct policy *p, const struct policy_settings *s,
	struct why *why)
{
	enum err rc = ERR_OK;

	for (size_t i = 0; i < mem_count(setting_rows) && rc == ERR_OK; i++)
		rc = policy_store_put_setting(p->o.store, setting_rows[i].name,
			field_number(&setting_rows[i],
				(const char *)s + setting_rows[i].at),
			why);
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
	struct entry *e = NULL;
	enum err rc = entry_obtain(p, key, &e, NULL);

	if (e != NULL)
		e->record = *record;
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

/* ---- changes: begin, write, end; then memory follows ---- */

static enum err policy_audit(struct policy *p, const char *who, const char *what,
	const char *about, struct why *why)
{
	struct audit_row row = {
		.at_ms = clock_wall_ms(),
		.kind = AUDIT_RULES,
		.who = who,
		.what = what,
		.about = about,
	};

	enum err rc = audit_add(p->o.store, &row, why);

	return rc == ERR_OK ? audit_trim(p->o.store, row.kind, AUDIT_MAX, why) : rc;
}

static void policy_changed(struct policy *p, const char *who, const char *what,
	const char *about)
{
	char quoted[300];

	log_info(p->o.log, "policy: %s: %s %s", who, what,
		str_quote(quoted, sizeof(quoted), span_str(about)));
	if (p->o.on_change != NULL)
		p->o.on_change(p->o.arg, NULL);
}

static void record_mark(struct policy_record *r, enum policy_mark mark, bool is_set)
{
	switch (mark) {
	case POLICY_APPROVED:
		r->is_approved = is_set;
		if (is_set)
			r->is_denied = false;
		break;
	case POLICY_DENIED:
		r->is_denied = is_set;
		if (is_set)
			r->is_approved = false;
		break;
	case POLICY_BANNED:
		r->is_banned = is_set;
		break;
	}
}

static enum err identity_put(struct policy *p, const char *key,
	const struct policy_record *record, const char *who, const char *what,
	struct why *why)
{
	struct entry *e;
	enum err rc = entry_obtain(p, key, &e, why);

	if (rc != ERR_OK)
		return rc;
	rc = store_begin(p->o.store, true, why);
	if (rc == ERR_OK) {
		rc = policy_store_put_identity(p->o.store, key, record, why);
		if (rc == ERR_OK)
			rc = policy_audit(p, who, what, key, why);
		rc = store_end(p->o.store, rc, why);
	}
	if (rc == ERR_OK)
		e->record = *record;
	entry_drop_if_empty(p, e);
	if (rc != ERR_OK)
		return rc;
	log_info(p->o.log, "policy: %s: %s %s", who, what, key);
	if (p->o.on_change != NULL)
		p->o.on_change(p->o.arg, key);
	return ERR_OK;
}

static struct policy_record record_of(const struct policy *p, const char *key)
{
	const struct entry *e = entry_find(p, key);

	return e != NULL ? e->record : (struct policy_record){ .bytes_per_s = 0 };
}

enum err policy_mark(struct policy *p, const char *identity_key, enum policy_mark mark,
	bool is_set, const char *who, struct why *why)
{
	static const char *const words[][2] = {
		[POLICY_APPROVED] = { "take approval from", "approve" },
		[POLICY_DENIED] = { "no longer deny", "deny" },
		[POLICY_BANNED] = { "no longer ban", "ban" },
	};
	struct policy_record record = record_of(p, identity_key);

	record_mark(&record, mark, is_set);
	return identity_put(p, identity_key, &record, who, words[mark][is_set], why);
}

enum err policy_set_rate(struct policy *p, const char *identity_key, uint64_t bytes_per_s,
	const char *who, struct why *why)
{
	struct policy_record record = record_of(p, identity_key);
	char what[64] = "no longer limit";

	if (bytes_per_s > INT64_MAX)
		bytes_per_s = INT64_MAX;
	record.bytes_per_s = bytes_per_s;
	if (bytes_per_s > 0)
		snprintf(what, sizeof(what), "limit to %llu bytes/s",
			(unsigned long long)bytes_per_s);
	return identity_put(p, identity_key, &record, who, what, why);
}

enum err policy_set_settings(struct policy *p, const struct policy_settings *settings,
	const char *who, struct why *why)
{
	char about[160];
	enum err rc = store_begin(p->o.store, true, why);

	snprintf(about, sizeof(about),
		"approval %s, landing page %s, udp %s %u, tcp ports %s %u",
		policy_approval(settings), settings->has_landing_page ? "on" : "off",
		settings->udp_enabled ? "on" : "off", settings->udp_max_leases,
		settings->tcp_enabled ? "on" : "off", settings->tcp_max_leases);
	if (rc != ERR_OK)
		return rc;
	rc = settings_put(p, settings, why);
	if (rc == ERR_OK)
		rc = policy_audit(p, who, "set", about, why);
	rc = store_end(p->o.store, rc, why);
	if (rc != ERR_OK)
		return rc;
	p->settings = *settings;
	policy_changed(p, who, "set", about);
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

enum err policy_ban_prefix(struct policy *p, const struct prefix *prefix, bool is_set,
	const char *who, struct why *why)
{
	const char *what = is_set ? "ban" : "no longer ban";
	char text[PREFIX_TEXT_MAX];
	struct prefix_set next;
	enum err rc = set_change(&p->banned, prefix, is_set, &next, why);

	if (rc != ERR_OK)
		return rc;
	prefix_print(prefix, text);
	rc = store_begin(p->o.store, true, why);
	if (rc == ERR_OK) {
		rc = policy_store_put_ban(p->o.store, text, is_set, why);
		if (rc == ERR_OK)
			rc = policy_audit(p, who, what, text, why);
		rc = store_end(p->o.store, rc, why);
	}
	if (rc != ERR_OK) {
		prefix_set_fini(&next);
		return rc;
	}
	prefix_set_fini(&p->banned);
	p->banned = next;
	policy_changed(p, who, what, text);
	return ERR_OK;
}

enum err policy_note(struct policy *p, const char *who, const char *what,
	const char *about, struct why *why)
{
	enum err rc = store_begin(p->o.store, false, why);

	return rc == ERR_OK ?
		store_end(p->o.store, policy_audit(p, who, what, about, why), why) :
		rc;
}

/* ---- import: into the store first; memory is read from there ---- */

struct import {
	struct policy *p;
	struct why *why;
	unsigned bans;
};

static enum err import_identity(struct import *in, const char *key,
	const struct policy_record *record)
{
	struct entry *e;
	enum err rc = entry_obtain(in->p, key, &e, in->why);

	if (rc == ERR_OK)
		e->record = *record;
	return rc == ERR_OK ?
		policy_store_put_identity(in->p->o.store, key, record, in->why) :
		rc;
}

static enum err import_mark(void *arg, const char *key, enum policy_mark mark)
{
	struct import *in = arg;
	struct policy_record record = record_of(in->p, key);

	record_mark(&record, mark, true);
	return import_identity(in, key, &record);
}

static enum err import_rate(void *arg, const char *key, uint64_t bytes_per_s)
{
	struct import *in = arg;
	struct policy_record record = record_of(in->p, key);

	record.bytes_per_s = bytes_per_s;
	return import_identity(in, key, &record);
}

static enum err import_ban(void *arg, const struct prefix *prefix)
{
	struct import *in = arg;
	char text[PREFIX_TEXT_MAX];
	enum err rc;

	if (in->p->banned.n >= POLICY_PREFIXES_MAX)
		return err_set(in->why, ERR_LIMIT, "it bans more than %u prefixes",
			POLICY_PREFIXES_MAX);
	rc = prefix_set_add(&in->p->banned, prefix);
	return rc == ERR_OK ? policy_store_put_ban(in->p->o.store,
				      prefix_print(prefix, text), true, in->why) :
			      rc;
}

static enum err import_text(struct policy *p, struct span text, struct why *why)
{
	struct import in = { .p = p, .why = why };
	const struct policy_importer importer = {
		.on_mark = import_mark,
		.on_rate = import_rate,
		.on_ban = import_ban,
		.arg = &in,
	};
	struct why words = { "" };
	enum err rc = store_begin(p->o.store, true, why);

	if (rc != ERR_OK)
		return rc;
	in.why = &words;
	rc = policy_import_parse(text, &p->settings, &importer, &words);
	if (rc == ERR_OK)
		rc = settings_put(p, &p->settings, &words);
	if (rc == ERR_OK)
		rc = policy_store_put_setting(p->o.store, POLICY_IMPORTED, 1, &words);
	if (rc == ERR_OK)
		rc = policy_audit(p, POLICY_WHO, "import", p->o.import_file, &words);
	rc = store_end(p->o.store, rc, &words);
	return rc == ERR_OK ? rc :
			      err_set(why, rc, "%.80s: %s; correct it, or move it away",
				      p->o.import_file, err_text(rc, &words));
}

static enum err policy_import(struct policy *p, struct why *why)
{
	struct buf text;
	enum err rc;

	if (p->is_imported || p->o.import_file == NULL)
		return ERR_OK;
	buf_init(&text, POLICY_IMPORT_BYTES_MAX);
	rc = file_read(p->o.import_file, &text, why);
	if (rc == ERR_OK)
		rc = import_text(p, buf_span(&text), why);
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
	map_each(it, tmp, &p->identities) free(map_object(it, struct entry, by_key));
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
	struct entry *entry;

	e->node = e->node == NULL ? map_first(&p->identities) :
				    map_next(&p->identities, e->node);
	if (e->node == NULL)
		return false;
	entry = map_object(e->node, struct entry, by_key);
	e->identity_key = entry->key;
	e->record = entry->record;
	return true;
}
