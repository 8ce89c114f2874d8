/* Changes of tunnels: check, act, store. */
#include <stdio.h>

#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"
#include "panel/panel.h"
#include "panel/panel_priv.h"
#include "store/tunnel_store.h"
#include "text/hex.h"

/* Ports of this program and of its predecessor on the same machine. */
static const uint16_t internal_ports[] = { 3100, 9090, 9091, 9292, 9293, 9294 };

static const char *const reserved_names[] = { "panel", "auth", "tunnel", "www", "mail",
	"ftp", "api" };

/* A random UUID (RFC 9562 5.4). */
static void make_id(char id[PANEL_ID_SIZE])
{
	uint8_t bytes[16];
	char hex[2 * sizeof(bytes) + 1];

	rand_bytes(bytes, sizeof(bytes));
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	hex_encode(span_of(bytes, sizeof(bytes)), hex);
	snprintf(id, PANEL_ID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
		hex + 16, hex + 20);
}

/* ---- checks; @is is the tunnel that is changed, or NULL ---- */

static enum err check_reserved(const struct panel_spec *spec,
	const struct panel_tunnel *is, struct why *why)
{
	if (is != NULL && strcmp(is->spec.subdomain, spec->subdomain) == 0)
		return ERR_OK;
	for (size_t i = 0; i < mem_count(reserved_names); i++)
		if (strcmp(reserved_names[i], spec->subdomain) == 0)
			return err_set(why, ERR_USAGE,
				"%s is reserved: choose another name, such as my-%s",
				spec->subdomain, spec->subdomain);
	if (str_has_prefix(spec->subdomain, "agent-"))
		return err_set(why, ERR_USAGE,
			"names that begin with agent- are reserved: choose another name");
	return ERR_OK;
}

/* An agent opens nothing to people without sign-in, and takes nothing from another. */
static enum err check_caller(const struct panel_request *req,
	const struct panel_tunnel *is, struct why *why)
{
	const struct panel_agent *agent = req->caller->agent;
	const struct panel_spec *spec = req->spec;

	if (agent == NULL)
		return ERR_OK;
	if (is != NULL && !panel_may(req->caller, is))
		return err_set(why, ERR_DENIED, "the tunnel %s belongs to another agent",
			is->spec.subdomain);
	if (strcmp(spec->access, "restricted") != 0 &&
		(is == NULL || strcmp(spec->access, is->spec.access) != 0))
		return err_set(why, ERR_DENIED,
			"only an administrator can make a tunnel %s", spec->access);
	if (strcmp(spec->agent, agent->label) != 0 &&
		(is == NULL || strcmp(spec->agent, is->spec.agent) != 0))
		return err_set(why, ERR_DENIED,
			"only an administrator can give a tunnel to another agent");
	return ERR_OK;
}

static enum err check_name(struct panel *p, const struct panel_spec *spec,
	const struct panel_tunnel *is, struct why *why)
{
	const struct panel_tunnel *other = panel_find_name(p, spec->subdomain);
	struct why words = { "" };
	char target[PANEL_TARGET_SIZE];

	if (other != NULL && other != is)
		return err_set(why, ERR_EXISTS, "%s is taken: it goes to %s%s%s",
			spec->subdomain, panel_tunnel_target(other, target),
			other->spec.agent[0] != '\0' ? " at " : "", other->spec.agent);
	if (strlen(spec->subdomain) + 1 + strlen(p->o.domain) > NAMES_HOST_MAX)
		return err_set(why, ERR_USAGE, "the name is too long under %.200s",
			p->o.domain);
	if (other == NULL && p->o.hooks->name_is_taken != NULL &&
		p->o.hooks->name_is_taken(p->o.owner, spec->subdomain, &words))
		return err_set(why, ERR_EXISTS, "%s is taken: %s", spec->subdomain,
			err_text(ERR_EXISTS, &words));
	return ERR_OK;
}

static enum err check_port(struct panel *p, const struct panel_spec *spec,
	const struct panel_tunnel *is, struct why *why)
{
	struct map_node *node = map_find(&p->by_port,
		span_of(&spec->port, sizeof(spec->port)));
	const struct panel_tunnel *other = node != NULL ?
		map_object(node, struct panel_tunnel, by_port) :
		NULL;
	struct why words = { "" };

	if (is != NULL && is->spec.port == spec->port)
		return ERR_OK;
	for (size_t i = 0; i < mem_count(internal_ports); i++)
		if (internal_ports[i] == spec->port)
			return err_set(why, ERR_USAGE,
				"port %u is used by adit on this machine: choose another",
				spec->port);
	if (p->o.hooks->port_is_taken != NULL &&
		p->o.hooks->port_is_taken(p->o.owner, spec->port, &words))
		return err_set(why, ERR_USAGE, "port %u is not free: %s", spec->port,
			err_text(ERR_EXISTS, &words));
	if (other != NULL)
		return err_set(why, ERR_EXISTS,
			"port %u is used by the tunnel %s: choose another; the app can stay"
			" where it is if target has its address",
			spec->port, other->spec.subdomain);
	return ERR_OK;
}

static enum err check_agent(struct panel *p, const struct panel_spec *spec,
	const struct panel_tunnel *is, struct why *why)
{
	if (spec->agent[0] == '\0' ||
		panel_agent_is_good(panel_find_agent(p, spec->agent)) ||
		(is != NULL && strcmp(is->spec.agent, spec->agent) == 0))
		return ERR_OK;
	return err_set(why, ERR_USAGE,
		"no agent is enrolled as %s: enrol it first, or leave out agent",
		spec->agent);
}

/* What is not known yet is watched; see the path. */
static enum err check_dns(struct panel *p, const struct panel_request *req,
	const struct panel_tunnel *is, struct why *why)
{
	char fqdn[2 * NAMES_HOST_MAX];
	struct path_dns dns = { .state = PATH_DNS_UNKNOWN };

	if (req->is_anyway || p->o.hooks->dns_of == NULL ||
		(is != NULL && strcmp(is->spec.subdomain, req->spec->subdomain) == 0))
		return ERR_OK;
	snprintf(fqdn, sizeof(fqdn), "%s.%s", req->spec->subdomain, p->o.domain);
	p->o.hooks->dns_of(p->o.owner, fqdn, &dns);
	if (dns.state == PATH_DNS_MISSING)
		return err_set(why, ERR_PROTO,
			"there is no DNS record for %s: add one with the value %s, then try"
			" again",
			fqdn,
			dns.expected[0] != '\0' ? dns.expected :
						  "of this machine's public address");
	if (dns.state == PATH_DNS_WRONG)
		return err_set(why, ERR_PROTO,
			"DNS of %s is %s, this machine is %s: correct the A record, then try"
			" again",
			fqdn, dns.found, dns.expected);
	return ERR_OK;
}

static enum err check_all(struct panel *p, const struct panel_request *req,
	const struct panel_tunnel *is, struct why *why)
{
	enum err rc = check_reserved(req->spec, is, why);

	if (rc == ERR_OK)
		rc = check_caller(req, is, why);
	if (rc == ERR_OK)
		rc = check_name(p, req->spec, is, why);
	if (rc == ERR_OK)
		rc = check_port(p, req->spec, is, why);
	if (rc == ERR_OK)
		rc = check_agent(p, req->spec, is, why);
	if (rc == ERR_OK && is == NULL && panel_count(p) >= PANEL_TUNNELS_MAX)
		rc = err_set(why, ERR_LIMIT, "there are %d tunnels: remove one first",
			PANEL_TUNNELS_MAX);
	return rc == ERR_OK ? check_dns(p, req, is, why) : rc;
}

/* ---- operations ---- */

enum err panel_tunnel_next(const struct panel *p, const struct panel_tunnel *t,
	struct panel_spec *spec, const char *who, struct panel_tunnel **out)
{
	struct panel_tunnel *next = mem_new(next);
	const uint64_t now_ms = clock_wall_ms();

	if (next == NULL)
		return ERR_NOMEM;
	if (t != NULL)
		memcpy(next->id, t->id, sizeof(next->id));
	else
		make_id(next->id);
	next->created_ms = t != NULL ? t->created_ms : now_ms;
	if (!spec->is_enabled && t != NULL && t->paused_ms != 0) {
		next->paused_ms = t->paused_ms;
		memcpy(next->paused_by, t->paused_by, sizeof(next->paused_by));
	} else if (!spec->is_enabled) {
		next->paused_ms = now_ms;
		str_copy(next->paused_by, sizeof(next->paused_by), who);
	}
	snprintf(next->fqdn, sizeof(next->fqdn), "%s.%s", spec->subdomain, p->o.domain);
	next->spec = *spec;
	*spec = (struct panel_spec){ .port = 0 };
	*out = next;
	return ERR_OK;
}

static enum err stored(enum err rc, struct why *why)
{
	struct why words = { "" };

	if (rc == ERR_OK)
		return rc;
	words = *why;
	return err_set(why, rc, "State persistence failed: %.200s", err_text(rc, &words));
}

/* One transaction. @after NULL: removes @before. */
static enum err act(struct panel *p, const struct panel_caller *caller,
	const struct panel_tunnel *before, const struct panel_tunnel *after,
	struct why *why)
{
	const char *what = before == NULL ? "create tunnel" :
		after == NULL             ? "remove tunnel" :
					    "change tunnel";
	const struct panel_tunnel *t = after != NULL ? after : before;
	bool is_published = false;
	enum err rc = stored(store_begin(p->o.store, true, why), why);

	if (rc != ERR_OK)
		return rc;
	rc = after != NULL ? panel_store_tunnel(p, after, why) :
			     tunnel_store_remove(p->o.store, before->id, why);
	if (rc == ERR_OK)
		rc = panel_note(p, caller, what, t->spec.subdomain, why);
	rc = stored(rc, why);
	if (rc == ERR_OK) {
		rc = panel_publish(p, before, after, why);
		is_published = rc == ERR_OK;
	}
	rc = store_end(p->o.store, rc, why);
	if (rc != ERR_OK && is_published) {
		rc = stored(rc, why);
		if (panel_publish(p, after, before, NULL) != ERR_OK)
			log_error(p->o.log, "panel: %s: not as it was stored", t->fqdn);
	}
	if (rc == ERR_OK)
		log_info(p->o.log, "panel: %s: %s %s", caller->name, what, t->fqdn);
	return rc;
}

enum err panel_create(struct panel *p, const struct panel_request *req,
	const struct panel_tunnel **out, struct why *why)
{
	struct panel_tunnel *t = NULL;
	struct why words = { "" };
	enum err rc = check_all(p, req, NULL, &words);

	if (rc == ERR_OK)
		rc = panel_tunnel_next(p, NULL, req->spec, req->caller->name, &t);
	if (rc == ERR_OK)
		rc = act(p, req->caller, NULL, t, &words);
	if (rc != ERR_OK) {
		panel_tunnel_free(t);
		return err_set(why, rc, "%s", err_text(rc, &words));
	}
	panel_link(p, t);
	*out = t;
	return ERR_OK;
}

enum err panel_change(struct panel *p, const struct panel_tunnel *t,
	const struct panel_request *req, const struct panel_tunnel **out, struct why *why)
{
	struct panel_tunnel *next = NULL;
	struct why words = { "" };
	enum err rc = check_all(p, req, t, &words);

	if (rc == ERR_OK)
		rc = panel_tunnel_next(p, t, req->spec, req->caller->name, &next);
	if (rc == ERR_OK)
		rc = act(p, req->caller, t, next, &words);
	if (rc != ERR_OK) {
		panel_tunnel_free(next);
		return err_set(why, rc, "%s", err_text(rc, &words));
	}
	panel_replace(p, t, next);
	*out = next;
	return ERR_OK;
}

enum err panel_remove(struct panel *p, const struct panel_tunnel *t,
	const struct panel_caller *caller, struct why *why)
{
	struct why words = { "" };
	enum err rc = ERR_OK;

	if (!panel_may(caller, t))
		return err_set(why, ERR_DENIED, "the tunnel %s belongs to another agent",
			t->spec.subdomain);
	rc = act(p, caller, t, NULL, &words);
	if (rc != ERR_OK)
		return err_set(why, rc, "%s", err_text(rc, &words));
	panel_replace(p, t, NULL);
	return ERR_OK;
}
