/* What in an agent's config depends on several values, and what values mean. */
#include "agent/config_priv.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "tunnel/chisel/check.h"
#include "tunnel/chisel/remote.h"
#include "tunnel/portal/address.h"
#include "tunnel/portal/identity.h"

#define RELAYS_DEFAULT 3

/* ---- what is wrong ---- */

static void warn(const struct config_reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void warn(const struct config_reader *r, const char *fmt, ...)
{
	struct why words;
	va_list ap;

	if (r->source->warn == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(words.text, sizeof(words.text), fmt, ap);
	va_end(ap);
	r->source->warn(r->source->arg, words.text);
}

/* The place of the value of @key in @table; of the table, without it; of the document,
 * without both. */
static const struct toml_place *place_of(const struct config_reader *r,
	const struct toml_node *table, const char *key)
{
	const struct toml_node *n = table != NULL ? toml_find(table, key) : NULL;

	if (n == NULL)
		n = table != NULL ? table : r->root;
	if (n->at.line == 0 && n->first != NULL)
		n = n->first; /* [[these]]: each has a place */
	return &n->at;
}

static enum err refuse(const struct config_reader *r, const struct toml_node *table,
	const char *key, const struct why *words)
{
	return toml_refuse(r->source->path, place_of(r, table, key), r->why, "%s",
		words->text);
}

/* An entry of the file that is being checked: a tunnel or a link. */
struct entry {
	const struct config_reader *reader;
	const struct toml_node *table;
	const char *noun;  /* "tunnel" */
	const char *id;    /* NULL: not known yet */
	struct why *fault; /* of the entry */
};

/*
 * A mistake in @key. The file is refused; or, if it is read leniently, the entry has a
 * fault.
 */
static enum err entry_refuse(const struct entry *e, const char *key, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static enum err entry_refuse(const struct entry *e, const char *key, const char *fmt, ...)
{
	struct why words;
	char place[TOML_PLACE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words.text, sizeof(words.text), fmt, ap);
	va_end(ap);
	if (!e->reader->source->is_lenient)
		return refuse(e->reader, e->table, key, &words);
	if (e->fault->text[0] == '\0')
		*e->fault = words;
	warn(e->reader, "%s: %s; %s \"%.60s\" does not run",
		toml_print_place(place, e->reader->source->path,
			place_of(e->reader, e->table, key)),
		words.text, e->noun, e->id);
	return ERR_OK;
}

/* What this version cannot do: the entry has a fault, and nothing else is wrong. */
static void entry_lacks(const struct entry *e, const char *what)
{
	char place[TOML_PLACE_MAX];

	if (e->fault->text[0] == '\0')
		err_set(e->fault, ERR_USAGE, "%s not supported yet", what);
	warn(e->reader, "%s: %s not supported yet; %s \"%.60s\" does not run",
		toml_print_place(place, e->reader->source->path,
			place_of(e->reader, e->table, "")),
		what, e->noun, e->id);
}

/* ---- names ---- */

enum err agent_id_check(const char *id, struct why *why)
{
	static const char forbidden[] = "<>:\"/\\|?*";

	if (id == NULL || id[0] == '\0')
		return err_set(why, ERR_SYNTAX, "it is empty; write a word such as web");
	if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return err_set(why, ERR_SYNTAX,
			"it cannot be \"%s\"; write a word such as web", id);
	for (const char *c = id; *c != '\0'; c++) {
		if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c))
			return err_set(why, ERR_SYNTAX,
				"it has white space or a control character; write a word"
				" such as web");
		if (strchr(forbidden, *c) != NULL)
			return err_set(why, ERR_SYNTAX,
				"it has the character '%c'; write a word such as web",
				*c);
	}
	return ERR_OK;
}

/* One that is missing is made. */
static enum err check_id(const struct entry *e, char **id, const char *otherwise,
	unsigned number)
{
	struct why words = { "" };
	enum err rc;

	if (*id == NULL)
		*id = otherwise != NULL ? strdup(otherwise) :
					  str_printf("%s-%u", e->noun, number);
	if (*id == NULL)
		return err_set(e->reader->why, ERR_NOMEM, "out of memory");
	rc = agent_id_check(*id, &words);
	if (rc != ERR_OK) {
		struct why sentence;

		err_set(&sentence, rc, "id: %s", words.text);
		return refuse(e->reader, e->table, "id", &sentence);
	}
	return ERR_OK;
}

/* ---- relays ---- */

static enum err check_relays(const struct entry *e, struct tunnel_config *t)
{
	struct why words = { "" };
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < t->place.relays.n && rc == ERR_OK; i++)
		rc = relay_urls_add(&t->relays, span_str(t->place.relays.v[i]), &words);
	for (unsigned i = 0; i < t->relays.count && rc == ERR_OK; i++)
		rc = relay_url_check_host(t->relays.urls[i], &words);
	if (rc != ERR_OK)
		return entry_refuse(e, "relays", "relays: %s", err_text(rc, &words));
	if (t->relays.count == 0 && !t->place.has_discovery)
		return entry_refuse(e, "relays",
			"no relay is given and discovery is off; write relays ="
			" [\"https://relay.example.com\"]");
	if (t->place.max_active_relays < 0 && !e->reader->source->is_lenient)
		return entry_refuse(e, "max_active_relays",
			"max_active_relays takes a number of relays, not %d",
			t->place.max_active_relays);
	if (t->place.max_active_relays <= 0)
		t->place.max_active_relays = RELAYS_DEFAULT;
	return ERR_OK;
}

/* ---- the service ---- */

enum err config_add_route(struct http_routes *routes, const struct route_config *route,
	struct why *why)
{
	struct why words = { "" };
	char shown[80], *text;
	enum err rc;

	if (route->prefix == NULL || route->upstream == NULL)
		return err_set(why, ERR_SYNTAX,
			"a route has a prefix and an upstream; write prefix = \"/\" and upstream"
			" = \"http://127.0.0.1:3000\"");
	str_quote(shown, sizeof(shown), span_str(route->prefix));
	if (strchr(route->prefix, '=') != NULL)
		return err_set(why, ERR_SYNTAX, "the prefix \"%s\" may not have '='",
			shown);
	text = str_printf("%s=%s", route->prefix, route->upstream);
	rc = text == NULL ? ERR_NOMEM : http_routes_add(routes, span_str(text), &words);
	free(text);
	if (rc == ERR_OK)
		return rc;
	return err_set(why, rc, "http_routes: prefix \"%s\": %s", shown,
		err_text(rc, &words));
}

/* Requests to a target are read, so that it can be seen who may send them. */
static enum err route_target(const struct entry *e, struct tunnel_config *t)
{
	char *text = str_printf("/=%s", t->service.target);
	enum err rc = text == NULL ?
		ERR_NOMEM :
		http_routes_add(&t->routes, span_str(text), e->reader->why);

	free(text);
	t->service.preserves_host = true;
	return rc;
}

static enum err check_route(const struct entry *e, struct tunnel_config *t,
	const struct route_config *route)
{
	struct why words;

	if (config_add_route(&t->routes, route, &words) == ERR_OK)
		return ERR_OK;
	return entry_refuse(e, "http_routes", "%s", words.text);
}

static enum err check_service(const struct entry *e, struct tunnel_config *t)
{
	const struct route_config *routes = t->service.http_routes.v;
	struct why words = { "" };
	char shown[80];
	enum err rc = ERR_OK;

	if (t->service.target != NULL && t->service.http_routes.n > 0)
		return entry_refuse(e, "http_routes",
			"a tunnel has a target or http_routes, not both");
	if (t->service.target == NULL && t->service.http_routes.n == 0)
		return entry_refuse(e, "target",
			"a tunnel has a target or http_routes; write target ="
			" \"127.0.0.1:3000\"");
	if (t->service.http_routes.n > 0 && t->lease.has_udp)
		return entry_refuse(e, "udp", "a tunnel with http_routes has no UDP");
	for (unsigned i = 0; i < t->service.http_routes.n && rc == ERR_OK; i++)
		rc = check_route(e, t, &routes[i]);
	if (t->service.target == NULL || rc != ERR_OK)
		return rc;
	rc = target_parse(span_str(t->service.target), &t->target, &words);
	if (rc == ERR_OK)
		return access_is_set(&t->service.access) ? route_target(e, t) : ERR_OK;
	return entry_refuse(e, "target", "target \"%s\": %s",
		str_quote(shown, sizeof(shown), span_str(t->service.target)),
		err_text(rc, &words));
}

/* ---- the lease ---- */

static enum err check_hops(const struct entry *e, struct tunnel_config *t)
{
	struct relay_urls hops = { .count = 0 };
	struct lease_config *l = &t->lease;
	bool has_hops = l->multi_hop.n > 0 || l->multi_hop_depth > 1;
	struct why words = { "" };
	enum err rc = ERR_OK;

	if (l->multi_hop_depth < 0)
		return entry_refuse(e, "multi_hop_depth",
			"multi_hop_depth takes a number of relays, not %d",
			l->multi_hop_depth);
	if (l->multi_hop.n > 0 && l->multi_hop_depth > 1)
		return entry_refuse(e, "multi_hop_depth",
			"a tunnel has multi_hop or multi_hop_depth, not both");
	if (has_hops && (l->has_udp || l->has_tcp))
		return entry_refuse(e, l->has_udp ? "udp" : "tcp",
			"a tunnel through several relays has no %s port",
			l->has_udp ? "UDP" : "TCP");
	for (unsigned i = 0; i < l->multi_hop.n && rc == ERR_OK; i++)
		rc = relay_urls_add(&hops, span_str(l->multi_hop.v[i]), &words);
	if (rc != ERR_OK)
		rc = entry_refuse(e, "multi_hop", "multi_hop: %s", err_text(rc, &words));
	else if (l->multi_hop.n > 0 && l->multi_hop.n < 2)
		rc = entry_refuse(e, "multi_hop",
			"multi_hop has at least two relays: the entry and the exit");
	else if (hops.count < l->multi_hop.n)
		rc = entry_refuse(e, "multi_hop", "multi_hop has a relay twice");
	else if (has_hops)
		entry_lacks(e, "publishing through several relays is");
	relay_urls_fini(&hops);
	return rc;
}

/* ERR_LIMIT: too long. */
static enum err make_absolute(const struct config_reader *r, char **path)
{
	char absolute[AGENT_PATH_MAX];
	char *copy;

	if (*path == NULL)
		return ERR_OK;
	if (agent_path_below(r->directory, *path, absolute) != ERR_OK)
		return err_set(r->why, ERR_SYNTAX, "the path %.60s... is too long",
			*path);
	copy = strdup(absolute);
	if (copy == NULL)
		return err_set(r->why, ERR_NOMEM, "out of memory");
	free(*path);
	*path = copy;
	return ERR_OK;
}

static enum err check_lease(const struct entry *e, struct tunnel_config *t)
{
	char label[NAMES_LABEL_MAX + 1], shown[80];
	struct why words = { "" };
	struct identity scratch;
	enum err rc = ERR_OK;

	if (t->lease.name != NULL)
		rc = names_parse_label(span_str(t->lease.name), label, NULL);
	if (rc != ERR_OK)
		rc = entry_refuse(e, "name",
			"\"%s\" cannot be a name; write letters, digits and hyphens, %d at"
			" most",
			str_quote(shown, sizeof(shown), span_str(t->lease.name)),
			NAMES_LABEL_MAX);
	if (rc != ERR_OK)
		return rc;
	if (t->lease.identity_json != NULL) {
		rc = identity_parse(IDENTITY_CLIENT, span_str(t->lease.identity_json),
			&scratch, &words);
		identity_wipe(&scratch);
	}
	if (rc != ERR_OK)
		return entry_refuse(e, "identity_json",
			"identity_json: %s; write the content of an identity file",
			err_text(rc, &words));
	rc = check_hops(e, t);
	if (rc == ERR_OK && t->lease.has_udp)
		entry_lacks(e, "UDP through a relay is");
	return rc == ERR_OK ? make_absolute(e->reader, &t->lease.identity_path) : rc;
}

/* ---- tunnels ---- */

/* No two have one id, or ask for one name. */
static enum err check_unique(const struct entry *e, const struct agent_config *c,
	unsigned number)
{
	const struct tunnel_config *t = agent_config_tunnel(c, number);
	struct why words;

	for (unsigned i = 0; i < number; i++) {
		const struct tunnel_config *other = agent_config_tunnel(c, i);

		if (strcmp(other->id, t->id) == 0) {
			err_set(&words, ERR_SYNTAX,
				"two tunnels have the id \"%.60s\"; write another",
				t->id);
			return refuse(e->reader, e->table, "id", &words);
		}
		if (t->lease.name != NULL && other->lease.name != NULL &&
			strcasecmp(t->lease.name, other->lease.name) == 0)
			return entry_refuse(e, "name",
				"the tunnel \"%.60s\" has the name \"%.60s\", too; only one"
				" of them can have it",
				other->id, t->lease.name);
	}
	return ERR_OK;
}

static enum err check_tunnel(struct config_reader *r, unsigned number,
	const struct toml_node *table)
{
	struct tunnel_config *t = agent_config_tunnel(r->config, number);
	struct entry e = { .reader = r,
		.table = table,
		.noun = "tunnel",
		.fault = &t->fault };
	enum err rc = check_id(&e, &t->id, t->lease.name, number + 1);

	e.id = t->id;
	if (rc == ERR_OK)
		rc = check_unique(&e, r->config, number);
	if (rc == ERR_OK)
		rc = check_service(&e, t);
	if (rc == ERR_OK)
		rc = check_relays(&e, t);
	return rc == ERR_OK ? check_lease(&e, t) : rc;
}

/* ---- links ---- */

static enum err check_remotes(const struct entry *e, struct link_config *l)
{
	const struct field_list *texts = &l->remote_texts;
	struct why words = { "" };
	char shown[80];

	if (texts->n == 0 && !l->is_managed)
		return entry_refuse(e, "remotes",
			"a link has remotes; write remotes = [\"R:3000:localhost:3000\"]");
	l->remotes = calloc(texts->n + 1, sizeof(*l->remotes));
	if (l->remotes == NULL)
		return err_set(e->reader->why, ERR_NOMEM, "out of memory");
	for (unsigned i = 0; i < texts->n; i++) {
		enum err rc = remote_parse(span_str(texts->v[i]), &l->remotes[i], &words);

		str_quote(shown, sizeof(shown), span_str(texts->v[i]));
		if (rc != ERR_OK)
			return entry_refuse(e, "remotes",
				"remote \"%s\": %s; write one such as R:3000:localhost:3000",
				shown, err_text(rc, &words));
		if (l->remotes[i].is_stdio)
			return entry_refuse(e, "remotes",
				"remote \"%s\": an agent has no standard input", shown);
	}
	l->options.remotes = l->remotes;
	l->options.remote_count = texts->n;
	return ERR_OK;
}

static enum err check_link_options(const struct entry *e, struct link_config *l)
{
	struct why words = { "" };
	enum err rc;

	if (l->server == NULL)
		return entry_refuse(e, "server",
			"a link has a server; write server = \"https://tunnel.example.com\"");
	rc = check_server(l->server, &words);
	if (rc != ERR_OK)
		return entry_refuse(e, "server", "server: %s", words.text);
	if (l->options.auth != NULL && l->auth_file != NULL)
		return entry_refuse(e, "auth_file",
			"a link has auth or auth_file, not both");
	if ((l->options.tls_key == NULL) != (l->options.tls_cert == NULL))
		return entry_refuse(e, "tls_key",
			"tls_key and tls_cert go together: give both files, or none");
	return ERR_OK;
}

static enum err check_managed(const struct entry *e, struct link_config *l)
{
	if (l->remote_texts.n > 0)
		return entry_refuse(e, "remotes",
			"a managed link gets its tunnels from the relay; leave remotes out");
	if (l->options.auth != NULL || l->auth_file != NULL)
		return entry_refuse(e, "auth",
			"a managed link logs in by its key; leave auth and auth_file out");
	l->options.is_managed = true;
	return ERR_OK;
}

static enum err check_link(struct config_reader *r, unsigned number,
	const struct toml_node *table)
{
	struct link_config *l = agent_config_link(r->config, number);
	struct entry e = { .reader = r,
		.table = table,
		.noun = "link",
		.fault = &l->fault };
	char **files[] = { &l->auth_file, &l->credentials, (char **)&l->options.tls_ca,
		(char **)&l->options.tls_key, (char **)&l->options.tls_cert };
	struct why words;
	enum err rc = check_id(&e, &l->id, NULL, number + 1);

	e.id = l->id;
	for (unsigned i = 0; i < number && rc == ERR_OK; i++) {
		if (strcmp(agent_config_link(r->config, i)->id, l->id) != 0)
			continue;
		err_set(&words, ERR_SYNTAX,
			"two links have the id \"%.60s\"; write another", l->id);
		rc = refuse(r, table, "id", &words);
	}
	if (rc == ERR_OK)
		rc = check_link_options(&e, l);
	if (rc == ERR_OK)
		rc = check_remotes(&e, l);
	for (size_t i = 0; i < mem_count(files) && rc == ERR_OK; i++)
		rc = make_absolute(r, files[i]);
	if (rc == ERR_OK && l->is_managed)
		rc = check_managed(&e, l);
	l->options.server = l->server;
	l->options.headers = (const char *const *)l->headers.v;
	l->options.max_retry_count = -1;
	l->options.uses_proxy_env = true;
	return rc;
}

/* ---- the agent ---- */

static enum err check_control(struct config_reader *r, const struct toml_node *agent)
{
	struct agent_config *c = r->config;
	struct addr_listen at = { .port = 0 };
	struct span host, port;
	struct why words;
	char shown[80];

	/* In many programs ":4018" is every interface: an address names its host. */
	if (c->control_addr != NULL &&
		addr_split(span_str(c->control_addr), &host, &port) == ERR_OK &&
		host.n > 0 && addr_parse_listen(c->control_addr, &at) == ERR_OK &&
		(strcasecmp(at.host, "localhost") == 0 ?
				addr_from_literal("127.0.0.1", at.port, &c->control) :
				addr_from_literal(at.host, at.port, &c->control)) ==
			ERR_OK &&
		addr_is_loopback(&c->control))
		return ERR_OK;
	str_quote(shown, sizeof(shown),
		span_str(c->control_addr != NULL ? c->control_addr : ""));
	err_set(&words, ERR_SYNTAX,
		"control_addr: \"%s\" is not a loopback address and port; write"
		" " AGENT_CONTROL_ADDR,
		shown);
	return refuse(r, agent, "control_addr", &words);
}

static enum err check_wallets(struct config_reader *r, const struct toml_node *agent)
{
	struct field_list *wallets = &r->config->allowed_wallets;
	char address[ADDRESS_TEXT_SIZE], shown[80];
	struct why words;

	for (unsigned i = 0; i < wallets->n; i++) {
		if (address_parse(span_str(wallets->v[i]), address) == ERR_OK)
			continue;
		err_set(&words, ERR_SYNTAX,
			"allowed_wallets: \"%s\" is not a wallet address; write 0x and 40"
			" hexadecimal digits as the wallet shows them",
			str_quote(shown, sizeof(shown), span_str(wallets->v[i])));
		return refuse(r, agent, "allowed_wallets", &words);
	}
	return ERR_OK;
}

static enum err check_agent(struct config_reader *r)
{
	const struct toml_node *agent = toml_find(r->root, "agent");
	struct agent_config *c = r->config;
	struct why words = { "" }, sentence;
	enum err rc;

	if (c->state_dir == NULL)
		c->state_dir = strdup(r->source->state_dir);
	if (c->service_name == NULL)
		c->service_name = strdup(r->source->names->service);
	if (c->state_dir == NULL || c->service_name == NULL)
		return err_set(r->why, ERR_NOMEM, "out of memory");
	rc = make_absolute(r, &c->state_dir);
	if (rc == ERR_OK && agent_id_check(c->service_name, &words) != ERR_OK) {
		err_set(&sentence, ERR_SYNTAX, "service_name: %s", words.text);
		rc = refuse(r, agent, "service_name", &sentence);
	}
	if (rc == ERR_OK)
		rc = check_control(r, agent);
	return rc == ERR_OK ? check_wallets(r, agent) : rc;
}

/* ---- all of it ---- */

/* The first element of the array @key; or the table, which a lenient reader takes for
 * one. */
static const struct toml_node *first_of(const struct toml_node *root, const char *key)
{
	const struct toml_node *n = toml_find(root, key);

	return n != NULL && n->kind == TOML_ARRAY ? n->first : n;
}

enum err config_check(struct config_reader *r)
{
	const struct toml_node *n = first_of(r->root, "tunnels");
	enum err rc = check_agent(r);

	for (unsigned i = 0; i < r->config->tunnels.n && rc == ERR_OK; i++) {
		rc = check_tunnel(r, i, n);
		n = n->next;
	}
	n = first_of(r->root, "links");
	for (unsigned i = 0; i < r->config->links.n && rc == ERR_OK; i++) {
		rc = check_link(r, i, n);
		n = n->next;
	}
	return rc;
}
