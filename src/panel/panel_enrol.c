/* Enrolling agents, changing their rights, and revoking them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "crypto/authority.h"
#include "crypto/hash.h"
#include "panel/panel_priv.h"
#include "store/agent_store.h"
#include "text/hex.h"

#define BASIC "tunnels:read"
#define METHOD "hardware-bound" /* the word for: the key was made at the agent */

bool panel_capability_is_good(const char *text)
{
	static const char *const known[] = { BASIC, "tunnels:write", "services:read",
		"services:write", "system:read", "sites:read", "sites:write",
		"panel:expose", "identity:read", "identity:query" };
	bool found = false;

	for (size_t i = 0; i < mem_count(known); i++)
		found = found || strcmp(known[i], text) == 0;
	return found;
}

static enum err out_of_memory(struct why *why)
{
	return err_set(why, ERR_NOMEM, "out of memory");
}

/* ---- lists as texts of the store ---- */

static char *join(const struct field_list *list)
{
	struct buf text;
	char *joined = NULL;

	buf_init(&text, 65536);
	for (unsigned i = 0; i < list->n; i++)
		buf_printf(&text, "%s%s", i > 0 ? "," : "", list->v[i]);
	if (text.failed == ERR_OK)
		joined = span_dup(buf_span(&text));
	buf_fini(&text);
	return joined;
}

enum err panel_capabilities_copy(const struct field_list *from, struct field_list *to)
{
	char basic[] = BASIC, *all[64];
	struct field_list list = { all, 0 };

	all[list.n++] = basic;
	for (unsigned i = 0; i < from->n && list.n < mem_count(all); i++)
		if (strcmp(from->v[i], BASIC) != 0)
			all[list.n++] = from->v[i];
	return panel_texts_copy(&list, to);
}

/* ---- tokens ---- */

static enum err digest_of(const char *token, char digest[2 * HASH_SHA256_BYTES + 1])
{
	uint8_t bytes[HASH_SHA256_BYTES];
	enum err rc = hash_sha256(span_str(token), bytes);

	if (rc == ERR_OK)
		hex_encode(span_of(bytes, sizeof(bytes)), digest);
	return rc;
}

static void remove_token(struct panel *p, struct panel_token *t)
{
	if (t == NULL)
		return;
	list_remove(&t->in_panel);
	p->token_count--;
	panel_token_free(t);
}

static void sweep_tokens(struct panel *p)
{
	const uint64_t now_ms = clock_wall_ms();
	struct list *it, *tmp;

	list_each(it, tmp, &p->tokens) {
		struct panel_token *t = list_object(it, struct panel_token, in_panel);

		if (t->expires_ms <= now_ms)
			remove_token(p, t);
	}
}

const struct panel_token *panel_next_token(const struct panel *p,
	const struct panel_token *t)
{
	struct list *at = t != NULL ? t->in_panel.next : p->tokens.next;

	return at == &p->tokens ? NULL : list_object(at, struct panel_token, in_panel);
}

static struct panel_token *find_token(struct panel *p, const char *label)
{
	const struct panel_token *t = NULL;

	sweep_tokens(p);
	do
		t = panel_next_token(p, t);
	while (t != NULL && strcmp(t->label, label) != 0);
	return (struct panel_token *)(uintptr_t)t;
}

/* All are compared, each in constant time. */
static struct panel_token *find_digest(struct panel *p, const char *digest)
{
	const struct panel_token *found = NULL;

	sweep_tokens(p);
	for (const struct panel_token *t = panel_next_token(p, NULL); t != NULL;
		t = panel_next_token(p, t))
		if (str_equal_secret(t->digest, digest))
			found = t;
	return (struct panel_token *)(uintptr_t)found;
}

static enum err store_token(struct panel *p, const struct panel_caller *caller,
	const struct panel_token *t, struct why *why)
{
	char *capabilities = join(&t->capabilities), *sites = join(&t->sites);
	const struct enrol_token_row row = {
		.digest = t->digest,
		.label = t->label,
		.capabilities = capabilities,
		.sites = sites,
		.created_ms = t->created_ms,
		.expires_ms = t->expires_ms,
	};
	enum err rc = capabilities != NULL && sites != NULL ?
		store_begin(p->o.store, true, why) :
		out_of_memory(why);

	if (rc == ERR_OK) {
		rc = agent_store_put_token(p->o.store, &row, why);
		if (rc == ERR_OK)
			rc = panel_note(p, caller, "make a token for agent", t->label,
				why);
		rc = store_end(p->o.store, rc, why);
	}
	free(capabilities);
	free(sites);
	return rc;
}

enum err panel_check_label(const struct panel *p, const char *label, struct why *why)
{
	if (!panel_label_is_good(label))
		return err_set(why, ERR_USAGE,
			"label: write lower-case letters, digits and \"-\", at most 50");
	if (panel_agent_is_good(panel_find_agent(p, label)))
		return err_set(why, ERR_EXISTS,
			"an agent is enrolled as %s: revoke it first, or choose another label",
			label);
	if (panel_find_agent(p, label) == NULL &&
		p->by_label.count + p->token_count >= PANEL_AGENTS_MAX)
		return err_set(why, ERR_LIMIT,
			"there are %d agents, the most there can be", PANEL_AGENTS_MAX);
	return ERR_OK;
}

enum err panel_make_token(struct panel *p, const struct panel_caller *caller,
	const char *label, const struct panel_rights *rights,
	char token[PANEL_TOKEN_CHARS + 1], uint64_t *expires_ms, struct why *why)
{
	char text[PANEL_TOKEN_CHARS + 1];
	struct panel_token *t = NULL;
	enum err rc = panel_check_label(p, label, why);

	if (rc != ERR_OK)
		return rc;
	t = mem_new(t);
	if (t == NULL)
		return out_of_memory(why);
	hex_random(PANEL_TOKEN_CHARS / 2, text);
	str_copy(t->label, sizeof(t->label), label);
	t->created_ms = clock_wall_ms();
	t->expires_ms = t->created_ms + PANEL_TOKEN_MS;
	rc = digest_of(text, t->digest);
	if (rc == ERR_OK)
		rc = panel_capabilities_copy(rights->capabilities, &t->capabilities);
	if (rc == ERR_OK && rights->sites != NULL)
		rc = panel_texts_copy(rights->sites, &t->sites);
	if (rc == ERR_OK)
		rc = store_token(p, caller, t, why);
	if (rc != ERR_OK) {
		panel_token_free(t);
		mem_wipe(text, sizeof(text));
		return rc;
	}
	remove_token(p, find_token(p, label));
	list_add(&p->tokens, &t->in_panel);
	p->token_count++;
	memcpy(token, text, sizeof(text));
	mem_wipe(text, sizeof(text));
	*expires_ms = t->expires_ms;
	return ERR_OK;
}

enum err panel_drop_token(struct panel *p, const struct panel_caller *caller,
	const char *label, struct why *why)
{
	struct panel_token *t = find_token(p, label);
	enum err rc;

	if (t == NULL)
		return err_set(why, ERR_NOENT, "there is no token for %.60s", label);
	rc = store_begin(p->o.store, true, why);
	if (rc != ERR_OK)
		return rc;
	rc = agent_store_remove_token(p->o.store, label, why);
	if (rc == ERR_OK)
		rc = panel_note(p, caller, "remove the token for agent", label, why);
	rc = store_end(p->o.store, rc, why);
	if (rc == ERR_OK)
		remove_token(p, t);
	return rc;
}

/* ---- the first agent adopts tunnels without an owner ---- */

struct adoption {
	const struct panel_tunnel *
		*before; /* owned arrays of borrowed, and of new ones */
	struct panel_tunnel **after;
	unsigned n, published;
};

static bool has_other_agents(const struct panel *p, const char *label)
{
	for (const struct panel_agent *a = panel_next_agent(p, NULL); a != NULL;
		a = panel_next_agent(p, a))
		if (panel_agent_is_good(a) && strcmp(a->label, label) != 0)
			return true;
	return false;
}

static enum err adopt_one(struct panel *p, struct adoption *x,
	const struct panel_tunnel *t, const char *label, struct why *why)
{
	struct panel_spec spec = { .port = 0 };
	struct panel_tunnel *next = NULL;
	enum err rc = panel_spec_copy(&t->spec, &spec);

	if (rc == ERR_OK) {
		str_copy(spec.agent, sizeof(spec.agent), label);
		rc = panel_tunnel_next(p, t, &spec, "", &next);
	}
	if (rc != ERR_OK) {
		field_fini(&panel_spec_fields, &spec);
		return out_of_memory(why);
	}
	x->before[x->n] = t;
	x->after[x->n++] = next;
	rc = panel_store_tunnel(p, next, why);
	if (rc == ERR_OK)
		rc = panel_publish(p, t, next, why);
	if (rc == ERR_OK)
		x->published = x->n;
	return rc;
}

/* Inside a transaction. */
static enum err adopt(struct panel *p, struct adoption *x, const char *label,
	struct why *why)
{
	enum err rc = ERR_OK;

	if (has_other_agents(p, label))
		return ERR_OK;
	x->before = calloc(panel_count(p) + 1, sizeof(const struct panel_tunnel *));
	x->after = calloc(panel_count(p) + 1, sizeof(struct panel_tunnel *));
	if (x->before == NULL || x->after == NULL)
		return out_of_memory(why);
	for (const struct panel_tunnel *t = panel_next(p, NULL);
		t != NULL && rc == ERR_OK; t = panel_next(p, t))
		if (t->spec.agent[0] == '\0')
			rc = adopt_one(p, x, t, label, why);
	return rc;
}

/* The transaction has ended with @rc. */
static void adoption_end(struct panel *p, struct adoption *x, enum err rc)
{
	for (unsigned i = 0; i < x->n; i++) {
		if (rc == ERR_OK) {
			panel_replace(p, x->before[i], x->after[i]);
			continue;
		}
		if (i < x->published &&
			panel_publish(p, x->after[i], x->before[i], NULL) != ERR_OK)
			log_error(p->o.log, "panel: %s: not as it was stored",
				x->before[i]->fqdn);
		panel_tunnel_free(x->after[i]);
	}
	free(x->before);
	free(x->after);
}

/* ---- certificates ---- */

enum err panel_agent_certify(struct panel_agent *a, const struct authority_pair *pair,
	struct why *why)
{
	char *certificate = span_dup(buf_span(&pair->cert));

	if (certificate == NULL)
		return out_of_memory(why);
	free(a->certificate);
	a->certificate = certificate;
	str_copy(a->serial, sizeof(a->serial), pair->of.serial);
	a->expires_ms = (uint64_t)pair->of.ends_s * 1000;
	return ERR_OK;
}

static enum err issue(struct panel *p, struct panel_agent *a, struct span csr,
	struct why *why)
{
	char name[PANEL_LABEL_SIZE + sizeof("agent:")];
	const struct authority *authority;
	struct authority_pair pair = { .of.ends_s = 0 };
	struct authority_order order = {
		.name = name,
		.now_s = (int64_t)(clock_wall_ms() / 1000),
		.days = AUTHORITY_CLIENT_DAYS,
	};
	enum err rc = panel_authority(p, &authority, why);

	snprintf(name, sizeof(name), "agent:%s", a->label);
	if (rc == ERR_OK)
		rc = authority_issue_csr(authority, csr, &order, &pair, why);
	if (rc == ERR_DENIED) /* a kind of key; the token is good */
		rc = ERR_CRYPTO;
	if (rc == ERR_OK)
		rc = panel_agent_certify(a, &pair, why);
	authority_pair_wipe(&pair);
	return rc;
}

static enum err store_agent(struct panel *p, const struct panel_agent *a, struct why *why)
{
	char *capabilities = join(&a->capabilities), *sites = join(&a->sites);
	const struct agent_row row = {
		.label = a->label,
		.serial = a->serial,
		.capabilities = capabilities,
		.sites = sites,
		.method = a->method,
		.certificate = a->certificate,
		.secret = a->secret,
		.created_ms = a->created_ms,
		.expires_ms = a->expires_ms,
		.revoked_ms = a->revoked_ms,
	};
	enum err rc = capabilities != NULL && sites != NULL ?
		agent_store_put(p->o.store, &row, why) :
		out_of_memory(why);

	free(capabilities);
	free(sites);
	return rc;
}

/* Replaces the one with the same label, which may be NULL. */
static void replace_agent(struct panel *p, struct panel_agent *before,
	struct panel_agent *after)
{
	if (before != NULL)
		panel_unlink_agent(p, before);
	panel_agent_free(before);
	panel_link_agent(p, after);
	if (p->o.hooks->on_agents != NULL)
		p->o.hooks->on_agents(p->o.owner);
}

static struct panel_agent *agent_at(const struct panel *p, const char *label)
{
	return (struct panel_agent *)(uintptr_t)panel_find_agent(p, label);
}

static enum err agent_copy(const struct panel_agent *from, struct panel_agent **out)
{
	struct panel_agent *a = mem_new(a);
	enum err rc = ERR_NOMEM;

	if (a == NULL)
		return rc;
	memcpy(a->label, from->label, sizeof(a->label));
	memcpy(a->serial, from->serial, sizeof(a->serial));
	memcpy(a->method, from->method, sizeof(a->method));
	memcpy(a->secret, from->secret, sizeof(a->secret));
	a->created_ms = from->created_ms;
	a->expires_ms = from->expires_ms;
	a->revoked_ms = from->revoked_ms;
	a->certificate = strdup(from->certificate);
	if (a->certificate != NULL)
		rc = panel_texts_copy(&from->capabilities, &a->capabilities);
	if (rc == ERR_OK)
		rc = panel_texts_copy(&from->sites, &a->sites);
	if (rc == ERR_OK)
		*out = a;
	else
		panel_agent_free(a);
	return rc;
}

/* ---- enrolling ---- */

enum err panel_agent_new(const char *label, const char *method,
	const struct panel_rights *rights, struct panel_agent **out, struct why *why)
{
	struct panel_agent *a = mem_new(a);
	enum err rc;

	if (a == NULL)
		return out_of_memory(why);
	str_copy(a->label, sizeof(a->label), label);
	str_copy(a->method, sizeof(a->method), method);
	hex_random(PANEL_SECRET_SIZE / 2, a->secret);
	a->created_ms = clock_wall_ms();
	rc = panel_capabilities_copy(rights->capabilities, &a->capabilities);
	if (rc == ERR_OK && rights->sites != NULL)
		rc = panel_texts_copy(rights->sites, &a->sites);
	if (rc != ERR_OK) {
		panel_agent_free(a);
		return out_of_memory(why);
	}
	*out = a;
	return ERR_OK;
}

static enum err store_enrolment(struct panel *p, const struct panel_caller *caller,
	const struct panel_agent *a, struct adoption *x, struct why *why)
{
	enum err rc = store_begin(p->o.store, true, why);

	if (rc != ERR_OK)
		return rc;
	rc = store_agent(p, a, why);
	if (rc == ERR_OK)
		rc = agent_store_remove_token(p->o.store, a->label, why);
	if (rc == ERR_OK)
		rc = panel_note(p, caller, "enrol agent", a->label, why);
	if (rc == ERR_OK)
		rc = adopt(p, x, a->label, why);
	return store_end(p->o.store, rc, why);
}

enum err panel_add_agent(struct panel *p, const struct panel_caller *caller,
	struct panel_agent *a, struct why *why)
{
	struct adoption x = { .n = 0 };
	enum err rc = store_enrolment(p, caller, a, &x, why);

	adoption_end(p, &x, rc);
	if (rc != ERR_OK) {
		panel_agent_free(a);
		return rc;
	}
	remove_token(p, find_token(p, a->label));
	log_info(p->o.log, "panel: %s: enrol agent %s", caller->name, a->label);
	replace_agent(p, agent_at(p, a->label), a);
	return ERR_OK;
}

enum err panel_enrol(struct panel *p, const char *token, struct span csr_pem,
	const struct panel_agent **out, struct why *why)
{
	char digest[2 * HASH_SHA256_BYTES + 1], name[PANEL_LABEL_SIZE + sizeof("agent:")];
	const struct panel_caller caller = { .name = name };
	struct panel_rights rights;
	struct panel_agent *a = NULL;
	struct panel_token *t = NULL;
	enum err rc = digest_of(token, digest);

	if (rc == ERR_OK)
		t = find_digest(p, digest);
	if (rc != ERR_OK || t == NULL)
		return err_set(why, rc != ERR_OK ? rc : ERR_DENIED,
			"the token is unknown, was used, or is older than 10 minutes: make a"
			" new one with adit relay agent enroll");
	rights = (struct panel_rights){ &t->capabilities, &t->sites };
	snprintf(name, sizeof(name), "agent:%s", t->label);
	rc = panel_agent_new(t->label, METHOD, &rights, &a, why);
	if (rc == ERR_OK)
		rc = issue(p, a, csr_pem, why);
	if (rc != ERR_OK) {
		panel_agent_free(a);
		return rc;
	}
	rc = panel_add_agent(p, &caller, a, why);
	if (rc == ERR_OK)
		*out = a;
	return rc;
}

/* ---- changes of an agent ---- */

/* Stores @next in place of @is; @serial is revoked, unless it is NULL. */
static enum err store_change(struct panel *p, const struct panel_caller *caller,
	const char *what, const struct panel_agent *next, const char *serial,
	struct why *why)
{
	const struct revoked_row revoked = {
		.serial = serial,
		.label = next->label,
		.at_ms = clock_wall_ms(),
	};
	enum err rc = store_begin(p->o.store, true, why);

	if (rc != ERR_OK)
		return rc;
	rc = store_agent(p, next, why);
	if (rc == ERR_OK && serial != NULL)
		rc = agent_store_revoke(p->o.store, &revoked, why);
	if (rc == ERR_OK)
		rc = panel_note(p, caller, what, next->label, why);
	rc = store_end(p->o.store, rc, why);
	/* The agent has another serial number now, or is revoked: that is enough. */
	if (rc == ERR_OK && serial != NULL && panel_link_revoked(p, serial) != ERR_OK)
		log_error(p->o.log, "panel: out of memory for a revoked serial number");
	return rc;
}

static enum err change_agent(struct panel *p, const struct panel_caller *caller,
	const char *what, struct panel_agent *next, const char *serial, struct why *why)
{
	enum err rc = store_change(p, caller, what, next, serial, why);

	if (rc != ERR_OK) {
		panel_agent_free(next);
		return rc;
	}
	log_info(p->o.log, "panel: %s: %s %s", caller->name, what, next->label);
	replace_agent(p, agent_at(p, next->label), next);
	return ERR_OK;
}

/* A copy of the agent that is enrolled so. */
static enum err next_agent(const struct panel *p, const char *label,
	struct panel_agent **out, struct why *why)
{
	const struct panel_agent *a = panel_find_agent(p, label);

	if (a == NULL || a->revoked_ms != 0)
		return err_set(why, ERR_NOENT, "no agent is enrolled as %.60s", label);
	return agent_copy(a, out) == ERR_OK ? ERR_OK : out_of_memory(why);
}

enum err panel_revoke(struct panel *p, const struct panel_caller *caller,
	const char *label, struct why *why)
{
	char serial[PANEL_SERIAL_SIZE];
	struct panel_agent *next;
	enum err rc = next_agent(p, label, &next, why);

	if (rc != ERR_OK)
		return rc;
	memcpy(serial, next->serial, sizeof(serial));
	next->revoked_ms = clock_wall_ms();
	rc = change_agent(p, caller, "revoke agent", next, serial, why);
	if (rc == ERR_OK)
		panel_remove_p12(p, label);
	return rc;
}

enum err panel_renew(struct panel *p, const struct panel_agent *a, struct span csr_pem,
	const struct panel_agent **out, struct why *why)
{
	char name[PANEL_LABEL_SIZE + sizeof("agent:")], serial[PANEL_SERIAL_SIZE];
	const struct panel_caller caller = { .name = name };
	struct panel_agent *next;
	enum err rc = next_agent(p, a->label, &next, why);

	if (rc != ERR_OK)
		return rc;
	snprintf(name, sizeof(name), "agent:%s", a->label);
	memcpy(serial, next->serial, sizeof(serial));
	rc = issue(p, next, csr_pem, why);
	if (rc != ERR_OK) {
		panel_agent_free(next);
		return rc;
	}
	rc = change_agent(p, &caller, "renew the certificate of agent", next, serial,
		why);
	if (rc == ERR_OK)
		*out = next;
	return rc;
}

enum err panel_set_rights(struct panel *p, const struct panel_caller *caller,
	const char *label, const struct panel_rights *rights, struct why *why)
{
	struct panel_agent *next;
	enum err rc = next_agent(p, label, &next, why);

	if (rc != ERR_OK)
		return rc;
	if (rights->capabilities != NULL) {
		panel_texts_fini(&next->capabilities);
		rc = panel_capabilities_copy(rights->capabilities, &next->capabilities);
	}
	if (rc == ERR_OK && rights->sites != NULL) {
		panel_texts_fini(&next->sites);
		rc = panel_texts_copy(rights->sites, &next->sites);
	}
	if (rc != ERR_OK) {
		panel_agent_free(next);
		return out_of_memory(why);
	}
	return change_agent(p, caller, "set the rights of agent", next, NULL, why);
}
