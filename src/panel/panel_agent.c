/* The agents that the panel has, in memory. */
#include "panel/panel_agent.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "panel/panel_priv.h"
#include "store/agent_store.h"

/* ---- objects ---- */

void panel_texts_fini(struct field_list *list)
{
	static const struct field row = { .kind = FIELD_LIST };

	field_member_fini(&row, list);
}

enum err panel_texts_copy(const struct field_list *from, struct field_list *to)
{
	struct field_list copy = { .v = calloc(from->n + 1, sizeof(*copy.v)) };

	if (copy.v == NULL)
		return ERR_NOMEM;
	for (; copy.n < from->n; copy.n++) {
		copy.v[copy.n] = strdup(from->v[copy.n]);
		if (copy.v[copy.n] == NULL) {
			panel_texts_fini(&copy);
			return ERR_NOMEM;
		}
	}
	*to = copy;
	return ERR_OK;
}

void panel_agent_free(struct panel_agent *a)
{
	if (a == NULL)
		return;
	panel_texts_fini(&a->capabilities);
	panel_texts_fini(&a->sites);
	free(a->certificate);
	mem_free_secret(a, sizeof(*a));
}

void panel_token_free(struct panel_token *t)
{
	if (t == NULL)
		return;
	panel_texts_fini(&t->capabilities);
	panel_texts_fini(&t->sites);
	free(t);
}

/* ---- the lists ---- */

void panel_link_agent(struct panel *p, struct panel_agent *a)
{
	list_add(&p->agents, &a->in_panel);
	map_add(&p->by_label, &a->by_label, span_str(a->label));
}

void panel_unlink_agent(struct panel *p, struct panel_agent *a)
{
	list_remove(&a->in_panel);
	map_remove(&p->by_label, &a->by_label);
}

enum err panel_link_revoked(struct panel *p, const char *serial)
{
	struct panel_revoked *r;

	if (panel_is_revoked(p, serial))
		return ERR_OK;
	r = mem_new(r);
	if (r == NULL)
		return ERR_NOMEM;
	str_copy(r->serial, sizeof(r->serial), serial);
	map_add(&p->revoked, &r->by_serial, span_str(r->serial));
	return ERR_OK;
}

const struct panel_agent *panel_find_agent(const struct panel *p, const char *label)
{
	struct map_node *node = map_find(&p->by_label, span_str(label));

	return node != NULL ? map_object(node, struct panel_agent, by_label) : NULL;
}

const struct panel_agent *panel_next_agent(const struct panel *p,
	const struct panel_agent *a)
{
	struct list *at = a != NULL ? a->in_panel.next : p->agents.next;

	return at == &p->agents ? NULL : list_object(at, struct panel_agent, in_panel);
}

bool panel_agent_is_good(const struct panel_agent *a)
{
	return a != NULL && a->revoked_ms == 0 && a->expires_ms > clock_wall_ms();
}

bool panel_agent_has(const struct panel_agent *a, const char *capability)
{
	bool found = false;

	for (unsigned i = 0; i < a->capabilities.n; i++)
		found = found || strcmp(a->capabilities.v[i], capability) == 0;
	return found;
}

bool panel_is_revoked(const struct panel *p, const char *serial)
{
	return map_find(&p->revoked, span_str(serial)) != NULL;
}

/* ---- reading ---- */

static enum err read_texts(const char *text, struct field_list *out)
{
	static const struct field row = { .name = "list", .kind = FIELD_LIST };
	const struct field_value v = { .form = FIELD_WORD, .text = span_str(text) };

	return field_set(&row, "list", &v, out, NULL);
}

static enum err on_agent(void *arg, const struct agent_row *row)
{
	struct panel *p = arg;
	struct panel_agent *a = mem_new(a);
	enum err rc;

	if (a == NULL)
		return ERR_NOMEM;
	str_copy(a->label, sizeof(a->label), row->label);
	str_copy(a->serial, sizeof(a->serial), row->serial);
	str_copy(a->method, sizeof(a->method), row->method);
	str_copy(a->secret, sizeof(a->secret), row->secret);
	a->created_ms = row->created_ms;
	a->expires_ms = row->expires_ms;
	a->revoked_ms = row->revoked_ms;
	a->certificate = strdup(row->certificate);
	rc = a->certificate != NULL ? read_texts(row->capabilities, &a->capabilities) :
				      ERR_NOMEM;
	if (rc == ERR_OK)
		rc = read_texts(row->sites, &a->sites);
	if (rc == ERR_OK)
		panel_link_agent(p, a);
	else
		panel_agent_free(a);
	return rc;
}

static enum err on_token(void *arg, const struct enrol_token_row *row)
{
	struct panel *p = arg;
	struct panel_token *t;
	enum err rc;

	if (row->used_ms != 0 || row->expires_ms <= clock_wall_ms())
		return ERR_OK;
	t = mem_new(t);
	if (t == NULL)
		return ERR_NOMEM;
	str_copy(t->label, sizeof(t->label), row->label);
	str_copy(t->digest, sizeof(t->digest), row->digest);
	t->created_ms = row->created_ms;
	t->expires_ms = row->expires_ms;
	rc = read_texts(row->capabilities, &t->capabilities);
	if (rc == ERR_OK)
		rc = read_texts(row->sites, &t->sites);
	if (rc != ERR_OK) {
		panel_token_free(t);
		return rc;
	}
	list_add(&p->tokens, &t->in_panel);
	p->token_count++;
	return ERR_OK;
}

static enum err on_revoked(void *arg, const struct revoked_row *row)
{
	return panel_link_revoked(arg, row->serial);
}

enum err panel_load_agents(struct panel *p, struct why *why)
{
	const struct agent_store_reader reader = {
		.on_agent = on_agent,
		.on_token = on_token,
		.on_revoked = on_revoked,
		.arg = p,
	};

	return agent_store_read(p->o.store, &reader, why);
}

void panel_unload_agents(struct panel *p)
{
	struct map_node *node, *next;
	struct list *it, *tmp;

	list_each(it, tmp, &p->agents)
		panel_agent_free(list_object(it, struct panel_agent, in_panel));
	list_each(it, tmp, &p->tokens)
		panel_token_free(list_object(it, struct panel_token, in_panel));
	map_each(node, next, &p->revoked)
		free(map_object(node, struct panel_revoked, by_serial));
	map_fini(&p->by_label);
	map_fini(&p->revoked);
}
