/*
 * The edge of the relay: links of agents, routes of tunnels, and the panel's API where
 * agents connect.
 */
#include "relay/relay_edge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "edge/edge_plain.h"
#include "edge/edge_service.h"
#include "edge/tunnel_route.h"
#include "panel/panel_api.h"
#include "relay/relay_front.h"
#include "relay/relay_priv.h"
#include "serve/link/link_agents.h"
#include "serve/link/link_carrier.h"
#include "serve/visitor.h"
#include "store/file.h"
#include "tunnel/chisel/managed.h"

#define KEEPALIVE_MS 25000 /* the relay's pings: they tell the round trip, too */
#define LINK_KEY_MAX 65536

struct relay_edge {
	struct link_agents *agents;
	struct link_server *links;
	struct link_server_options link_options;
	char *key_file;
	char fingerprint[HOSTKEY_SHA256_CHARS + 1];
	struct route *link_host; /* a reference: "tunnel.<domain>" */
	struct listener *listener;
	struct edge_plain *plain; /* of port 80; NULL: none */
	struct relay_acme *acme;  /* NULL: the relay's own certificate is for all names */
	struct api operations;    /* of the panel, that the control worker answers */
};

/* The route of a tunnel, and how its carrier finds the agent. */
struct relay_tunnel {
	struct tunnel_route tunnel; /* first: freed as a route */
	struct relay *relay;        /* borrowed: outlives the workers */
};

/* ---- carriers of tunnels ---- */

static struct chisel_session *find_session(void *arg, struct addr *client)
{
	struct relay_tunnel *t = arg;

	return link_server_find(&t->relay->shared.workers[t->tunnel.route.worker],
		t->tunnel.agent, client);
}

static enum err open_carrier(struct route *r, struct loop *loop,
	atomic_uint_fast64_t *sessions, struct carrier **out)
{
	struct relay_tunnel *t = mem_container(r, struct relay_tunnel, tunnel.route);
	const struct link_carrier_options o = {
		.loop = loop,
		.find = find_session,
		.arg = t, /* the served route has a reference */
		.target = t->tunnel.target,
		.present = &r->present,
	};

	(void)sessions;
	return link_carrier_new(&o, out);
}

static const struct route_ops tunnel_ops = {
	.open_carrier = open_carrier,
	.serve_take = edge_serve_take,
};

/* ---- routes ---- */

/* Whether a set of limits leaves a default in place. */
static uint32_t or_default(uint32_t value, uint32_t initial)
{
	return value != 0 ? value : initial;
}

static void set_limits(struct tunnel_route *t, const struct panel_limits *from)
{
	struct tunnel_limits *to = &t->limits;

	to->connections = or_default(from->connections, to->connections);
	to->client_connections = or_default(from->client_connections,
		to->client_connections);
	to->requests_per_s = or_default(from->requests_per_s, to->requests_per_s);
	to->client_requests_per_s = or_default(from->client_requests_per_s,
		to->client_requests_per_s);
	to->body_max = from->body_bytes;
	if (from->idle_s != 0)
		to->idle_ms = from->idle_s < UINT32_MAX / 1000 ? from->idle_s * 1000 :
								 UINT32_MAX;
}

static enum tunnel_access access_of(const struct panel_tunnel *t)
{
	switch (panel_tunnel_access(t)) {
	case PANEL_PUBLIC:
		return TUNNEL_PUBLIC;
	case PANEL_AUTHENTICATED:
		return TUNNEL_AUTHENTICATED;
	default:
		return TUNNEL_RESTRICTED;
	}
}

/* NULL: out of memory. */
static struct route *make_route(struct relay *r, const struct panel_tunnel *from)
{
	struct relay_tunnel *made = mem_new(made);
	char target[PANEL_TARGET_SIZE];
	struct tunnel_route *t;

	if (made == NULL)
		return NULL;
	made->relay = r;
	t = &made->tunnel;
	tunnel_route_init(t, &tunnel_ops);
	str_copy(t->id, sizeof(t->id), from->id);
	t->access = access_of(from);
	t->is_paused = !from->spec.is_enabled;
	str_copy(t->agent, sizeof(t->agent), from->spec.agent);
	str_copy(t->target, sizeof(t->target), panel_tunnel_target(from, target));
	t->has_no_hsts = !from->spec.edge.has_hsts;
	set_limits(t, &from->spec.edge.limits);
	t->route.worker = link_agents_worker(r->edge->agents, t->agent);
	snprintf(t->route.owner, sizeof(t->route.owner), "tunnel %s", from->id);
	str_copy(t->route.name, sizeof(t->route.name), from->spec.subdomain);
	str_copy(t->route.public_host, sizeof(t->route.public_host), from->fqdn);
	str_copy(t->route.host, sizeof(t->route.host), from->fqdn);
	return &t->route;
}

/* The route of a tunnel at @fqdn. A reference; NULL: there is none. */
static struct route *find_route(struct relay *r, const char *fqdn)
{
	struct route *route = route_find_by_host(r->routes, fqdn);

	if (route != NULL && tunnel_route_of(route) == NULL) {
		route_unref(route);
		return NULL;
	}
	return route;
}

static void open_route(struct relay *r, struct route *route, uint64_t bytes_per_s)
{
	if (route->worker < r->shared.running &&
		!data_worker_open_route(&r->shared.workers[route->worker], route, -1,
			bytes_per_s))
		log_error(&r->log, "%s: out of memory: it has no limit of bytes",
			route->public_host);
}

static void close_route(struct relay *r, struct route *route, bool cuts)
{
	if (route->worker < r->shared.running &&
		!data_worker_close_route(&r->shared.workers[route->worker], route, cuts))
		log_error(&r->log, "%s: out of memory: its connections stay open",
			route->public_host);
}

/* Upgraded connections of visitors, which may last for days, have to go. */
static bool takes_rights(const struct panel_tunnel *before,
	const struct panel_tunnel *after)
{
	return after == NULL || panel_tunnel_kind(after) != PANEL_APP ||
		!after->spec.is_enabled || access_of(after) < access_of(before);
}

/* @route: that of @after, or NULL if it has none. */
static void publish(struct relay *r, const struct panel_tunnel *before,
	const struct panel_tunnel *after, struct route *route)
{
	struct route *was = before != NULL ? find_route(r, before->fqdn) : NULL;

	route_replace(r->routes, was, route);
	if (was != NULL)
		close_route(r, was, takes_rights(before, after));
	if (before != NULL && r->edge->acme != NULL &&
		(after == NULL || strcmp(before->fqdn, after->fqdn) != 0))
		relay_acme_remove(r->edge->acme, before->fqdn);
	if (route != NULL)
		open_route(r, route, after->spec.edge.limits.bytes_per_s);
	route_unref(was);
}

/* ---- what agents are told ---- */

static enum err list_add_tunnel(struct managed_list *list, const struct panel_tunnel *t)
{
	struct managed_tunnel *all = realloc(list->tunnels.v,
		(list->tunnels.n + 1) * sizeof(*all));
	struct managed_tunnel *m;
	char target[PANEL_TARGET_SIZE];

	if (all == NULL)
		return ERR_NOMEM;
	list->tunnels.v = all;
	m = &all[list->tunnels.n++];
	*m = (struct managed_tunnel){
		.host = strdup(t->fqdn),
		.target = strdup(panel_tunnel_target(t, target)),
		.access = strdup(t->spec.access),
		.is_paused = !t->spec.is_enabled,
	};
	return m->host != NULL && m->target != NULL && m->access != NULL ? ERR_OK :
									   ERR_NOMEM;
}

/* A tunnel that changes. */
struct change {
	const struct panel_tunnel *before, *after; /* either may be NULL */
	bool is_under_way; /* visitors may still be led to the target of @before */
};

static bool is_of(const struct panel_tunnel *t, const char *label)
{
	return t != NULL && strcmp(t->spec.agent, label) == 0;
}

static bool is_same(const struct panel_tunnel *t, const struct panel_tunnel *other)
{
	return other != NULL && strcmp(t->id, other->id) == 0;
}

static enum err list_of(struct relay *r, const char *label, const struct change *c,
	struct buf *out)
{
	struct managed_list list = { .tunnels = { 0 } };
	const struct panel_tunnel *t = NULL;
	enum err rc = ERR_OK;

	while (rc == ERR_OK && r->panel != NULL && (t = panel_next(r->panel, t)) != NULL)
		if (is_of(t, label) && !is_same(t, c->before) && !is_same(t, c->after))
			rc = list_add_tunnel(&list, t);
	if (rc == ERR_OK && is_of(c->after, label))
		rc = list_add_tunnel(&list, c->after);
	if (rc == ERR_OK && list.tunnels.n > MANAGED_TUNNELS_MAX)
		rc = ERR_LIMIT;
	if (rc == ERR_OK && c->is_under_way && is_of(c->before, label) &&
		list.tunnels.n < MANAGED_TUNNELS_MAX)
		rc = list_add_tunnel(&list, c->before);
	if (rc == ERR_OK)
		rc = managed_list_print(&list, out);
	managed_list_fini(&list);
	return rc;
}

static enum err tell_agent(struct relay *r, const char *label, const struct change *c,
	struct why *why)
{
	struct buf list;
	enum err rc;

	if (label[0] == '\0')
		return ERR_OK;
	buf_init(&list, MANAGED_LIST_MAX);
	rc = list_of(r, label, c, &list);
	if (rc == ERR_LIMIT)
		err_set(why, rc, "an agent has at most %d tunnels; add another agent",
			MANAGED_TUNNELS_MAX);
	if (rc == ERR_OK)
		rc = link_agents_set_list(r->edge->agents, label, buf_span(&list));
	if (rc == ERR_OK)
		rc = link_server_tell(r->edge->links, label);
	buf_fini(&list);
	return rc == ERR_NOENT ? ERR_OK : rc; /* it gets its list when it is enrolled */
}

/* ---- hooks of the panel ---- */

/* Whether visitors are led to another place than before. */
static bool moves(const struct panel_tunnel *before, const struct panel_tunnel *after)
{
	char was[PANEL_TARGET_SIZE], is[PANEL_TARGET_SIZE];

	return before != NULL &&
		(after == NULL || !is_of(after, before->spec.agent) ||
			strcmp(panel_tunnel_target(before, was),
				panel_tunnel_target(after, is)) != 0);
}

/*
 * A channel to a target that is not in the agent's list is refused. So the list has the
 * old target and the new one while the routes change.
 */
/* What can be stored, and not be served yet, is refused. */
static enum err check_served(const struct panel_tunnel *t, struct why *why)
{
	char text[PANEL_TARGET_SIZE];
	struct remote_target target;

	if (panel_tunnel_kind(t) != PANEL_APP)
		return err_set(why, ERR_USAGE,
			"tunnels of TCP and UDP ports are not supported yet; write type app");
	if (remote_target_parse(span_str(panel_tunnel_target(t, text)), &target) !=
		ERR_OK)
		return err_set(why, ERR_USAGE,
			"a Unix socket as the target is not supported yet; write host and"
			" port such as localhost:3000");
	return ERR_OK;
}

enum err relay_edge_on_tunnel(struct relay *r, const struct panel_tunnel *before,
	const struct panel_tunnel *after, struct why *why)
{
	struct change c = { before, after, .is_under_way = moves(before, after) };
	struct route *route = NULL;
	enum err rc = after != NULL ? check_served(after, why) : ERR_OK;

	if (rc != ERR_OK)
		return rc;
	if (after != NULL) {
		route = make_route(r, after);
		if (route == NULL)
			return err_set(why, ERR_NOMEM, "out of memory");
	}
	if (after != NULL)
		rc = tell_agent(r, after->spec.agent, &c, why);
	if (rc == ERR_OK && route != NULL && r->edge->acme != NULL)
		rc = relay_acme_add(r->edge->acme, after->fqdn, why);
	if (rc == ERR_OK)
		publish(r, before, after, route);
	if (rc == ERR_OK && c.is_under_way) {
		c.is_under_way = false;
		if (tell_agent(r, before->spec.agent, &c, NULL) != ERR_OK)
			log_error(&r->log, "agent %s: its list of tunnels is out of date",
				before->spec.agent);
	}
	route_unref(route);
	return rc;
}

static enum err put_agent(struct relay *r, const struct panel_agent *a)
{
	struct buf blob;
	enum err rc;

	buf_init(&blob, HOSTKEY_BLOB_MAX);
	rc = hostkey_put_certificate_blob(span_str(a->certificate), &blob);
	if (rc == ERR_OK)
		rc = link_agents_put(r->edge->agents, a->label, buf_span(&blob));
	buf_fini(&blob);
	return rc == ERR_OK ? tell_agent(r, a->label, &(struct change){ 0 }, NULL) : rc;
}

void relay_edge_on_agents(struct relay *r)
{
	const struct panel_agent *a = NULL;
	enum err rc;

	while ((a = panel_next_agent(r->panel, a)) != NULL) {
		if (!panel_agent_is_good(a)) {
			link_agents_remove(r->edge->agents, a->label);
			continue;
		}
		rc = put_agent(r, a);
		if (rc != ERR_OK)
			log_error(&r->log, "agent %s: it cannot connect: %s", a->label,
				err_name(rc));
	}
	if (link_server_check_keys(r->edge->links) != ERR_OK)
		log_error(&r->log,
			"out of memory: connections of revoked agents stay open");
}

void relay_edge_agent_of(struct relay *r, const char *label, struct path_agent *out)
{
	struct link_agent_status s;

	if (!link_agents_status(r->edge->agents, label, &s)) {
		out->state = PATH_AGENT_NONE;
		return;
	}
	out->state = s.is_connected ? PATH_AGENT_CONNECTED : PATH_AGENT_AWAY;
	out->since_ms = s.since_ms;
	out->rtt_ms = (uint32_t)(s.rtt_us / 1000);
	if (s.is_connected)
		addr_print_ip(&s.client, out->address);
}

/* ---- where agents connect ---- */

/* Any worker can do it: an agent's link moves to its own. */
static void link_host_take(struct data_worker *d, struct route *r, int fd,
	const struct addr *peer)
{
	struct tls_context *tls = tls_contexts_find(d->snapshot->contexts,
		r->public_host);

	if (tls != NULL)
		data_worker_serve_take(d, &link_data_service, tls, fd, peer);
	else
		visitor_refuse_take(d, fd, peer);
}

static const struct route_ops link_host_ops = { .serve_take = link_host_take };

static enum err put_link_host(struct relay *r)
{
	struct route *route = mem_new(route);

	if (route == NULL)
		return ERR_NOMEM;
	route->ops = &link_host_ops;
	atomic_init(&route->refs, 1);
	atomic_init(&route->is_routable, true);
	atomic_init(&route->until_ms, UINT64_MAX);
	str_copy(route->name, sizeof(route->name), RELAY_TUNNEL_LABEL);
	snprintf(route->public_host, sizeof(route->public_host), "%s.%s",
		RELAY_TUNNEL_LABEL, r->options.domain);
	str_copy(route->host, sizeof(route->host), route->public_host);
	str_copy(route->owner, sizeof(route->owner), RELAY_TUNNEL_LABEL);
	route_put(r->routes, route);
	r->edge->link_host = route;
	return ERR_OK;
}

static void on_link(void *arg, int fd, const struct addr *peer)
{
	struct relay *r = arg;

	if (!data_worker_give_plain(data_workers_next(&r->shared), &link_data_service, fd,
		    peer))
		close(fd);
}

/* ---- life ---- */

const struct api *relay_edge_operations(const struct relay *r)
{
	return &r->edge->operations;
}

/* Clients pin it: it is made once. */
static enum err make_key(const char *path, struct why *why)
{
	struct hostkey *key = NULL;
	struct buf text;
	enum err rc;

	buf_init(&text, LINK_KEY_MAX);
	rc = hostkey_generate(&key);
	if (rc == ERR_OK)
		rc = hostkey_print(key, &text);
	if (rc == ERR_OK)
		rc = file_replace(path, 0600, buf_span(&text), why);
	hostkey_free(key);
	buf_wipe(&text);
	return rc;
}

static enum err open_links(struct relay *r, struct why *why)
{
	const struct link_agents_options agents = { .workers = r->shared.count };
	struct relay_edge *e = r->edge;
	enum err rc = ERR_OK;

	e->key_file = str_printf("%s/" RELAY_LINK_KEY_FILE, r->options.state_dir);
	if (e->key_file == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	if (access(e->key_file, F_OK) != 0)
		rc = make_key(e->key_file, why);
	if (rc == ERR_OK)
		rc = link_agents_new(&agents, &e->agents);
	if (rc != ERR_OK)
		return rc;
	e->link_options = (struct link_server_options){
		.key_file = e->key_file,
		.keys = link_agents_keys(e->agents),
		.agents = e->agents,
		.on_other = relay_front_on_request,
		.tuning.keepalive_ms = KEEPALIVE_MS,
	};
	rc = link_server_open_in(&e->link_options, r->control, &r->shared, &e->links,
		why);
	if (rc == ERR_OK)
		link_server_fingerprint(e->links, e->fingerprint);
	return rc;
}

const char *relay_edge_fingerprint(const struct relay *r)
{
	return r->edge->fingerprint;
}

static void add_parts(struct relay *r)
{
	const struct data_part parts[] = {
		{ .service = &link_data_service, .context = r->edge->links },
		{ .service = &edge_service },
		{ .service = &relay_front_service, .context = r },
	};

	for (size_t i = 0; i < mem_count(parts); i++)
		r->shared.parts[r->shared.parts_n++] = parts[i];
}

/* Is the relay's own certificate for names under the domain? */
static bool has_own_certificate(const struct relay *r)
{
	const struct certificate_pair *pair = certificate_current(r->certificate);

	for (unsigned i = 0; i < pair->names.n; i++)
		if (names_match(pair->names.v[i], r->edge->link_host->public_host))
			return true;
	return false;
}

static enum err open_acme(struct relay *r, struct why *why)
{
	struct relay_edge *e = r->edge;
	enum err rc;

	if (has_own_certificate(r))
		return ERR_OK;
	if (!r->options.acme.is_on) {
		log_warn(&r->log,
			"domain %s: the relay's certificate is not for its names, and acme is"
			" off: tunnels have no certificate",
			r->options.domain);
		return ERR_OK;
	}
	rc = relay_acme_open(r, &e->acme, why);
	return rc == ERR_OK ? relay_acme_add(e->acme, e->link_host->public_host, why) :
			      rc;
}

enum err relay_edge_open(struct relay *r, struct why *why)
{
	enum err rc;

	if (r->options.domain[0] == '\0')
		return ERR_OK;
	r->edge = mem_new(r->edge);
	if (r->edge == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	rc = open_links(r, why);
	if (rc == ERR_OK)
		rc = put_link_host(r);
	if (rc == ERR_OK)
		rc = open_acme(r, why);
	if (rc == ERR_OK)
		add_parts(r);
	return rc;
}

static enum err open_plain(struct relay *r, struct why *why)
{
	struct edge_plain_options o = {
		.loop = r->control->loop,
		.pool = &r->control->blocks,
		.routes = r->routes,
		.root = r->options.root,
		.https_port = r->sni_port,
		.log = &r->log,
	};
	struct addr at;
	char text[ADDR_TEXT_MAX];
	enum err rc;

	if (r->options.http_port == 0)
		return ERR_OK;
	if (r->edge->acme != NULL) {
		o.answer = relay_acme_answer;
		o.answer_arg = r->edge->acme;
	}
	rc = edge_plain_new(&o, &r->edge->plain);
	if (rc == ERR_OK)
		rc = http_server_listen(edge_plain_http(r->edge->plain),
			r->options.host != NULL ? r->options.host : "",
			r->options.http_port, &at, why);
	if (rc == ERR_OK)
		log_info(&r->log, "Listening on %s for redirects to HTTPS",
			addr_print(&at, text));
	return rc;
}

enum err relay_edge_listen(struct relay *r, struct why *why)
{
	char text[ADDR_TEXT_MAX];
	struct addr_listen at;
	struct addr addr;
	enum err rc;

	if (r->edge == NULL)
		return ERR_OK;
	relay_edge_on_agents(r);
	if (r->edge->acme != NULL)
		relay_acme_sweep(r->edge->acme);
	rc = open_plain(r, why);
	if (rc != ERR_OK || r->options.link_listen == NULL)
		return rc;
	rc = addr_parse_listen(r->options.link_listen, &at);
	if (rc == ERR_OK)
		rc = listener_open(r->control->loop, at.host, at.port, on_link, r,
			&r->edge->listener, why);
	if (rc != ERR_OK)
		return rc;
	listener_addr(r->edge->listener, &addr);
	log_info(&r->log, "Listening on %s for links of agents", addr_print(&addr, text));
	return ERR_OK;
}

void relay_edge_end(struct relay *r)
{
	if (r->edge == NULL)
		return;
	listener_close(r->edge->listener);
	r->edge->listener = NULL;
	edge_plain_free(r->edge->plain);
	r->edge->plain = NULL;
}

void relay_edge_close(struct relay *r)
{
	if (r->edge == NULL)
		return;
	relay_edge_end(r);
	relay_acme_close(r->edge->acme);
	link_server_close(r->edge->links);
	link_agents_free(r->edge->agents);
	route_unref(r->edge->link_host);
	free(r->edge->key_file);
	free(r->edge);
	r->edge = NULL;
}

enum err relay_edge_open_operations(struct relay *r, struct why *why)
{
	const struct api_options o = {
		.tables = panel_tables,
		.envelope = &panel_envelope,
		.context = r->panel,
	};

	return r->edge == NULL ? ERR_OK : api_init(&r->edge->operations, &o, why);
}

/* All names under the domain have the relay's certificate, or each one by ACME. */
enum err relay_edge_contexts(struct relay *r, struct tls_contexts **out)
{
	char name[NAMES_HOST_MAX + 3];
	struct tls_contexts *contexts = NULL;
	enum err rc;

	*out = NULL;
	if (r->edge == NULL)
		return ERR_OK;
	snprintf(name, sizeof(name), "*.%s", r->options.domain);
	rc = tls_contexts_new(NULL, &contexts);
	if (rc == ERR_OK && r->edge->acme != NULL)
		rc = tls_contexts_put(contexts, "*", relay_acme_tls(r->edge->acme));
	else if (rc == ERR_OK && has_own_certificate(r))
		rc = tls_contexts_put(contexts, name, certificate_tls(r->certificate));
	if (rc == ERR_OK)
		*out = contexts;
	else
		tls_contexts_unref(contexts);
	return rc;
}

void relay_edge_certificate_of(struct relay *r, const char *host,
	struct path_certificate *out)
{
	if (r->edge->acme != NULL)
		relay_acme_status(r->edge->acme, host, out);
}

void relay_edge_retry(struct relay *r)
{
	if (r->edge != NULL)
		relay_acme_retry(r->edge->acme);
}
