/* The panel: its life, and what it has. */
#include "panel/panel.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "crypto/authority.h"
#include "panel/panel_priv.h"
#include "store/tunnel_store.h"

/* ---- the lists ---- */

static struct span port_key(const struct panel_tunnel *t)
{
	return span_of(&t->spec.port, sizeof(t->spec.port));
}

static void add_to_maps(struct panel *p, struct panel_tunnel *t)
{
	map_add(&p->by_id, &t->by_id, span_str(t->id));
	map_add(&p->by_name, &t->by_name, span_str(t->spec.subdomain));
	map_add(&p->by_port, &t->by_port, port_key(t));
}

void panel_link(struct panel *p, struct panel_tunnel *t)
{
	list_add(&p->tunnels, &t->in_panel);
	add_to_maps(p, t);
}

void panel_replace(struct panel *p, const struct panel_tunnel *before,
	struct panel_tunnel *after)
{
	struct panel_tunnel *old = (struct panel_tunnel *)(uintptr_t)before;

	if (after != NULL)
		list_insert(&old->in_panel, &after->in_panel);
	list_remove(&old->in_panel);
	map_remove(&p->by_id, &old->by_id);
	map_remove(&p->by_name, &old->by_name);
	map_remove(&p->by_port, &old->by_port);
	if (after != NULL)
		add_to_maps(p, after);
	panel_tunnel_free(old);
}

const struct panel_tunnel *panel_find(const struct panel *p, const char *id)
{
	struct map_node *node = map_find(&p->by_id, span_str(id));

	return node != NULL ? map_object(node, struct panel_tunnel, by_id) : NULL;
}

const struct panel_tunnel *panel_find_name(const struct panel *p, const char *subdomain)
{
	struct map_node *node = map_find(&p->by_name, span_str(subdomain));

	return node != NULL ? map_object(node, struct panel_tunnel, by_name) : NULL;
}

static const struct panel_tunnel *tunnel_at(const struct panel *p, struct list *at)
{
	return at == &p->tunnels ? NULL : list_object(at, struct panel_tunnel, in_panel);
}

const struct panel_tunnel *panel_next(const struct panel *p, const struct panel_tunnel *t)
{
	return tunnel_at(p, t != NULL ? t->in_panel.next : p->tunnels.next);
}

const struct panel_tunnel *panel_previous(const struct panel *p,
	const struct panel_tunnel *t)
{
	return tunnel_at(p, t != NULL ? t->in_panel.prev : p->tunnels.prev);
}

unsigned panel_count(const struct panel *p)
{
	return (unsigned)p->by_id.count;
}

const char *panel_domain(const struct panel *p)
{
	return p->o.domain;
}

const char *panel_link_fingerprint(const struct panel *p)
{
	return p->o.link_fingerprint;
}

const char *panel_link_url(const struct panel *p)
{
	return p->o.link_url;
}

bool panel_may(const struct panel_caller *caller, const struct panel_tunnel *t)
{
	return caller->agent == NULL || t->spec.agent[0] == '\0' ||
		strcmp(caller->agent->label, t->spec.agent) == 0;
}

bool panel_is_served(const struct panel *p, const struct panel_tunnel *t)
{
	return panel_tunnel_access(t) == PANEL_PUBLIC ||
		(p->o.has_sign_in && panel_tunnel_kind(t) == PANEL_APP);
}

/* ---- the path ---- */

static void agent_facts(const struct panel *p, const char *label, struct path_agent *out)
{
	const struct panel_hooks *hooks = p->o.hooks;

	if (label[0] == '\0' || !panel_agent_is_good(panel_find_agent(p, label)))
		out->state = PATH_AGENT_NONE;
	else if (hooks->agent_of != NULL)
		hooks->agent_of(p->o.owner, label, out);
}

void panel_path(const struct panel *p, const struct panel_tunnel *t, struct path *out)
{
	const struct panel_hooks *hooks = p->o.hooks;
	struct path_facts facts = {
		.tunnel = t,
		.now_ms = clock_wall_ms(),
		.has_sign_in = p->o.has_sign_in,
	};

	if (hooks->dns_of != NULL)
		hooks->dns_of(p->o.owner, t->fqdn, &facts.dns);
	if (hooks->certificate_of != NULL)
		hooks->certificate_of(p->o.owner, t->fqdn, &facts.certificate);
	agent_facts(p, t->spec.agent, &facts.agent);
	if (hooks->app_of != NULL)
		hooks->app_of(p->o.owner, t, &facts.app);
	path_find(&facts, out);
}

/* ---- records ---- */

enum err panel_note(struct panel *p, const struct panel_caller *caller, const char *what,
	const char *about, struct why *why)
{
	const struct audit_row row = {
		.at_ms = clock_wall_ms(),
		.kind = AUDIT_RULES,
		.who = caller->name,
		.what = what,
		.about = about,
	};
	enum err rc = audit_add(p->o.store, &row, why);

	return rc == ERR_OK ? audit_trim(p->o.store, AUDIT_RULES, AUDIT_MAX, why) : rc;
}

static const char *text_or_empty(const char *text)
{
	return text != NULL ? text : "";
}

enum err panel_store_tunnel(struct panel *p, const struct panel_tunnel *t,
	struct why *why)
{
	struct json_writer w;
	struct buf options;
	struct tunnel_row row = {
		.id = t->id,
		.subdomain = t->spec.subdomain,
		.port = t->spec.port,
		.kind = t->spec.kind,
		.access = t->spec.access,
		.agent = t->spec.agent,
		.target = text_or_empty(t->spec.target),
		.note = text_or_empty(t->spec.description),
		.created_ms = t->created_ms,
		.paused_ms = t->paused_ms,
		.paused_by = t->paused_by,
	};
	enum err rc;

	buf_init(&options, 4096);
	json_writer_init(&w, &options);
	field_put_json(&panel_edge_fields, &t->spec.edge, &w);
	rc = buf_put_u8(&options, '\0');
	row.options = (const char *)buf_front(&options);
	if (rc == ERR_OK)
		rc = tunnel_store_put(p->o.store, &row, why);
	buf_fini(&options);
	return rc;
}

static enum err read_spec(const struct tunnel_row *row, struct panel_spec *spec)
{
	enum err rc = field_defaults(&panel_spec_fields, spec, NULL);

	if (rc == ERR_OK)
		rc = field_read_json(&panel_edge_fields, NULL, span_str(row->options),
			&spec->edge, NULL);
	str_copy(spec->subdomain, sizeof(spec->subdomain), row->subdomain);
	spec->port = row->port;
	str_copy(spec->kind, sizeof(spec->kind), row->kind);
	str_copy(spec->access, sizeof(spec->access), row->access);
	str_copy(spec->agent, sizeof(spec->agent), row->agent);
	spec->is_enabled = row->paused_ms == 0;
	spec->target = row->target[0] != '\0' ? strdup(row->target) : NULL;
	spec->description = row->note[0] != '\0' ? strdup(row->note) : NULL;
	if ((row->target[0] != '\0' && spec->target == NULL) ||
		(row->note[0] != '\0' && spec->description == NULL))
		rc = ERR_NOMEM;
	return rc;
}

/* A stored tunnel is served, or the relay does not start. */
static enum err on_tunnel(void *arg, const struct tunnel_row *row)
{
	struct panel *p = arg;
	struct panel_tunnel *t = mem_new(t);
	struct why why = { "" };
	enum err rc = t != NULL ? read_spec(row, &t->spec) : ERR_NOMEM;

	if (rc != ERR_OK) {
		panel_tunnel_free(t);
		return rc;
	}
	str_copy(t->id, sizeof(t->id), row->id);
	snprintf(t->fqdn, sizeof(t->fqdn), "%s.%s", row->subdomain, p->o.domain);
	t->created_ms = row->created_ms;
	t->paused_ms = row->paused_ms;
	str_copy(t->paused_by, sizeof(t->paused_by), row->paused_by);
	panel_link(p, t);
	rc = panel_publish(p, NULL, t, &why);
	if (rc != ERR_OK && rc != ERR_NOMEM) {
		log_error(p->o.log, "panel: %s: not served: %s", t->fqdn,
			err_text(rc, &why));
		rc = ERR_OK;
	}
	return rc;
}

enum err panel_publish(struct panel *p, const struct panel_tunnel *before,
	const struct panel_tunnel *after, struct why *why)
{
	return p->o.hooks->on_tunnel != NULL ?
		p->o.hooks->on_tunnel(p->o.owner, before, after, why) :
		ERR_OK;
}

/* ---- life ---- */

enum err panel_open(const struct panel_options *o, struct panel **out, struct why *why)
{
	struct panel *p = mem_new(p);
	enum err rc;

	if (p == NULL)
		return err_set(why, ERR_NOMEM, "no memory for the panel");
	p->o = *o;
	list_init(&p->tunnels);
	list_init(&p->agents);
	list_init(&p->tokens);
	map_init(&p->by_id);
	map_init(&p->by_name);
	map_init(&p->by_port);
	map_init(&p->by_label);
	map_init(&p->revoked);
	rc = panel_load_agents(p, why);
	if (rc == ERR_OK)
		rc = tunnel_store_read(o->store, on_tunnel, p, why);
	if (rc == ERR_OK)
		*out = p;
	else
		panel_close(p);
	return rc;
}

void panel_close(struct panel *p)
{
	struct list *it, *tmp;

	if (p == NULL)
		return;
	list_each(it, tmp, &p->tunnels)
		panel_tunnel_free(list_object(it, struct panel_tunnel, in_panel));
	panel_unload_agents(p);
	authority_free(p->authority);
	map_fini(&p->by_id);
	map_fini(&p->by_name);
	map_fini(&p->by_port);
	free(p);
}
