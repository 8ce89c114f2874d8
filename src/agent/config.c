/* The config of an agent: its fields, and the reader of the file. */
#include "agent/config.h"

#include <stdlib.h>

#include "agent/config_priv.h"
#include "agent/link_fields.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/file.h"
#include "text/field_toml.h"
#include "tunnel/chisel/check.h"
#include "tunnel/chisel/config.h"

#define TEXT_MAX 4096
#define SECRET_MAX 65536

/* ---- tunnels ---- */

#define AT(member) FIELD_AT(struct route_config, member)

static const struct field route_rows[] = {
	{ "prefix", FIELD_TEXT, AT(prefix), .text_max = TEXT_MAX, .argument = "path",
		.help = "requests under this path" },
	{ "upstream", FIELD_TEXT, AT(upstream), .text_max = TEXT_MAX, .argument = "url",
		.help = "go to this service" },
};
static const struct field_table route_fields = FIELD_TABLE_OF(struct route_config,
	route_rows);

#undef AT
#define AT(member) FIELD_AT(struct service_config, member)

static const struct field service_rows[] = {
	{ "target", FIELD_TEXT, AT(target), .text_max = TEXT_MAX, .argument = "address",
		.help = "the service that visitors reach, as for adit expose" },
	{ "http_routes", FIELD_TABLES, AT(http_routes), .max = HTTP_ROUTES_MAX,
		.of = &route_fields,
		.help = "services by the path of a request, instead of a target" },
	{ "preserve_host", FIELD_BOOL, AT(preserves_host), .is_own = true,
		.help = "with http_routes, send the public name to upstreams as Host" },
	{ "access", FIELD_TABLE, AT(access), .of = &access_fields, .is_own = true,
		.help = "who may use the tunnel, which then speaks HTTP only" },
};
const struct field_table service_config_fields = FIELD_TABLE_OF(struct service_config,
	service_rows);

#undef AT
#define AT(member) FIELD_AT(struct place_config, member)

static const struct field place_rows[] = {
	{ "relays", FIELD_LIST, AT(relays), .text_max = TEXT_MAX, .max = RELAY_URLS_MAX,
		.argument = "urls", .help = "publish on these relays" },
	{ "discovery", FIELD_BOOL, AT(has_discovery), .initial = "true",
		.help = "look for relays, besides those" },
	{ "max_active_relays", FIELD_INT, AT(max_active_relays), .initial = "3",
		.argument = "number",
		.help = "use at most this many of the relays that were found" },
};
const struct field_table place_config_fields = FIELD_TABLE_OF(struct place_config,
	place_rows);

#undef AT
#define AT(member) FIELD_AT(struct lease_config, member)

static const struct field lease_rows[] = {
	{ "name", FIELD_TEXT, AT(name), .text_max = NAMES_INPUT_MAX, .argument = "name",
		.help = "publish as name.relay; without it, the identity's name" },
	{ "identity_path", FIELD_TEXT, AT(identity_path), .text_max = AGENT_PATH_MAX,
		.argument = "file", .help = "where the private key is stored" },
	{ "identity_json", FIELD_SECRET, AT(identity_json), .text_max = SECRET_MAX,
		.argument = "text", .help = "the identity itself; it is stored" },
	{ "udp", FIELD_BOOL, AT(has_udp), .help = "request a UDP port, too" },
	{ "udp_addr", FIELD_TEXT, AT(udp_addr), .text_max = TEXT_MAX,
		.argument = "host:port", .help = "the target of its datagrams" },
	{ "tcp", FIELD_BOOL, AT(has_tcp), .help = "request a TCP port, too" },
	{ "multi_hop", FIELD_LIST, AT(multi_hop), .text_max = TEXT_MAX,
		.max = RELAY_URLS_MAX, .argument = "urls",
		.help = "publish through these relays in a row" },
	{ "multi_hop_depth", FIELD_INT, AT(multi_hop_depth), .argument = "number",
		.help = "publish through this many relays in a row" },
	{ "ban_mitm", FIELD_BOOL, AT(bans_mitm), .initial = "true",
		.help = "leave a relay if a test visit shows that it terminates TLS itself" },
};
const struct field_table lease_config_fields = FIELD_TABLE_OF(struct lease_config,
	lease_rows);

#undef AT
#define AT(member) FIELD_AT(struct tunnel_config, member)

static const struct field tunnel_rows[] = {
	{ "id", FIELD_TEXT, AT(id), .text_max = AGENT_ID_MAX, .argument = "id",
		.help = "what the tunnel is called here; its name, unless given" },
	{ .kind = FIELD_TABLE, AT(service), .of = &service_config_fields },
	{ .kind = FIELD_TABLE, AT(place), .of = &place_config_fields },
	{ .kind = FIELD_TABLE, AT(lease), .of = &lease_config_fields },
	{ .kind = FIELD_TABLE, AT(metadata), .of = &message_metadata_fields },
};
static const struct field_table tunnel_fields = FIELD_TABLE_OF(struct tunnel_config,
	tunnel_rows);

/* ---- links ---- */

#undef AT
#define AT(member) FIELD_AT(struct link_config, member)

static const struct field link_rows[] = {
	{ "id", FIELD_TEXT, AT(id), .text_max = AGENT_ID_MAX, .argument = "id",
		.help = "what the link is called here" },
	{ "server", FIELD_TEXT, AT(server), .text_max = TEXT_MAX, .argument = "url",
		.help = "the server to connect to" },
	{ "auth_file", FIELD_TEXT, AT(auth_file), .text_max = AGENT_PATH_MAX,
		.argument = "file",
		.help = "a file with name:password, instead of auth" },
	{ "remotes", FIELD_REPEATED, AT(remote_texts), .text_max = REMOTE_TEXT_MAX,
		.max = CONFIG_REMOTES_MAX, .argument = "remotes",
		.help = "the tunnels of the link, as for adit client" },
	{ "headers", FIELD_REPEATED, AT(headers), .check = check_headers,
		.text_max = TEXT_MAX, .max = 64, .argument = "headers",
		.help = "HTTP headers to send, too" },
	{ "managed", FIELD_BOOL, AT(is_managed),
		.help = "get the tunnels from the relay at which this agent was enrolled" },
	{ "credentials", FIELD_TEXT, AT(credentials), .text_max = AGENT_PATH_MAX,
		.argument = "directory",
		.help = "of a managed link: where key.pem and cert.pem are; default:"
			" links/ID in the state directory" },
	{ .kind = FIELD_TABLE, AT(options), .of = &link_fields },
};
const struct field_table link_config_fields = FIELD_TABLE_OF(struct link_config,
	link_rows);

/* ---- the whole ---- */

#undef AT
#define AT(member) FIELD_AT(struct agent_config, member)

static const struct field agent_rows[] = {
	{ "state_dir", FIELD_TEXT, AT(state_dir), .text_max = AGENT_PATH_MAX,
		.argument = "directory", .help = "where the agent keeps its state" },
	{ "control_addr", FIELD_TEXT, AT(control_addr), .text_max = TEXT_MAX,
		.initial = AGENT_CONTROL_ADDR, .argument = "address:port",
		.help = "the loopback address of the control API; port 0: a free one" },
	{ "service_name", FIELD_TEXT, AT(service_name), .text_max = AGENT_ID_MAX,
		.argument = "name", .help = "the name of the system's service" },
	{ "allowed_wallets", FIELD_LIST, AT(allowed_wallets), .text_max = 64,
		.max = AGENT_WALLETS_MAX, .argument = "addresses",
		.help = "wallets that may read the status; empty: any" },
	{ "dial_targets", FIELD_BOOL, AT(dials_targets), .initial = "true",
		.is_own = true,
		.help = "connect to idle targets once a minute to see if they respond" },
	{ "metrics_without_token", FIELD_BOOL, AT(has_open_metrics), .is_own = true,
		.help = "serve /metrics on the control address without the token" },
};
static const struct field_table agent_fields = FIELD_TABLE_OF(struct agent_config,
	agent_rows);

/* The members of all three tables of the file are in one struct. */
static const struct field file_rows[] = {
	{ "agent", FIELD_TABLE, .size = sizeof(struct agent_config),
		.of = &agent_fields },
	{ "tunnels", FIELD_TABLES, AT(tunnels), .max = AGENT_TUNNELS_MAX,
		.of = &tunnel_fields },
	{ "links", FIELD_TABLES, AT(links), .max = AGENT_LINKS_MAX,
		.of = &link_config_fields },
};
static const struct field_table file_fields = FIELD_TABLE_OF(struct agent_config,
	file_rows);

/* ---- life ---- */

void tunnel_config_fini(struct tunnel_config *t)
{
	http_routes_fini(&t->routes);
	relay_urls_fini(&t->relays);
	field_fini(&tunnel_fields, t);
}

void link_config_fini(struct link_config *l)
{
	free(l->remotes);
	field_fini(&link_config_fields, l);
}

void agent_config_release(struct agent_config *c)
{
	for (unsigned i = 0; i < c->tunnels.n; i++)
		tunnel_config_fini(agent_config_tunnel(c, i));
	for (unsigned i = 0; i < c->links.n; i++)
		link_config_fini(agent_config_link(c, i));
	free(c->tunnels.v);
	free(c->links.v);
	c->tunnels = c->links = (struct field_tables){ .n = 0 };
}

void agent_config_free(struct agent_config *c)
{
	if (c == NULL)
		return;
	agent_config_release(c);
	field_fini(&agent_fields, c);
	free(c);
}

bool agent_config_has_secrets(const struct agent_config *c)
{
	bool found = false;

	for (unsigned i = 0; i < c->tunnels.n && !found; i++) {
		const struct tunnel_config *t = agent_config_tunnel(c, i);

		found = access_is_set(&t->service.access) ||
			t->lease.identity_json != NULL;
	}
	for (unsigned i = 0; i < c->links.n && !found; i++)
		found = agent_config_link(c, i)->options.auth != NULL;
	return found;
}

/* ---- reading ---- */

static void config_warn(void *arg, const char *text)
{
	const struct config_reader *r = arg;

	if (r->source->warn != NULL)
		r->source->warn(r->source->arg, text);
}

static enum err config_fill(struct config_reader *r)
{
	const struct field_toml_options o = {
		.file = r->source->path,
		.warn = r->source->is_lenient ? config_warn : NULL,
		.arg = r,
	};
	struct agent_config *c = r->config;
	enum err rc = field_defaults(&agent_fields, c, r->why);

	if (rc == ERR_OK)
		rc = field_read_toml(&file_fields, r->root, &o, c, r->why);
	return rc == ERR_OK ? config_check(r) : rc;
}

enum err agent_config_parse(const struct config_source *source, struct span text,
	struct agent_config **out, struct why *why)
{
	char *directory = file_directory(source->path);
	struct config_reader r = {
		.source = source,
		.directory = directory,
		.config = mem_new(r.config),
		.why = why,
	};
	struct toml *toml = NULL;
	enum err rc = ERR_NOMEM;

	if (directory == NULL || r.config == NULL)
		err_set(why, rc, "out of memory");
	else
		rc = toml_parse(text, source->path, &toml, why);
	if (rc == ERR_OK) {
		r.root = toml_root(toml);
		rc = config_fill(&r);
	}
	rc = rc == ERR_LIMIT ? ERR_SYNTAX : rc;
	if (rc == ERR_OK)
		*out = r.config;
	else
		agent_config_free(r.config);
	toml_free(toml);
	free(directory);
	return rc;
}

enum err agent_config_read(const struct config_source *source, struct buf *text,
	struct agent_config **out, struct why *why)
{
	struct buf own;
	enum err rc;

	buf_init(&own, TOML_BYTES_MAX + 1);
	rc = file_read(source->path, text != NULL ? text : &own, why);
	if (rc == ERR_OK)
		rc = agent_config_parse(source, buf_span(text != NULL ? text : &own), out,
			why);
	buf_wipe(&own);
	return rc;
}

/* ---- a text with a mistake ---- */

/* Cuts @n lines off its end. */
static struct span cut_lines(struct span text, unsigned n)
{
	while (n > 0 && text.n > 0) {
		text.n--;
		while (text.n > 0 && text.p[text.n - 1] != '\n')
			text.n--;
		n--;
	}
	return text;
}

/* The text @key of [agent], or NULL. */
static const char *setting_of(const struct toml *t, const char *key)
{
	const struct toml_node *n = t != NULL ? toml_find(toml_root(t), "agent") : NULL;

	if (n != NULL)
		n = n->kind == TOML_TABLE ? toml_find(n, key) : NULL;
	return n != NULL && n->kind == TOML_TEXT && n->text.n > 0 ?
		(const char *)n->text.p :
		NULL;
}

void agent_config_guess(const struct config_source *source, struct span text,
	struct config_places *out)
{
	char *directory = file_directory(source->path);
	const char *state_dir, *service;
	struct toml *toml = NULL;

	for (unsigned cut = 1; toml == NULL && text.n > 0; cut *= 2)
		if (toml_parse(text, source->path, &toml, NULL) != ERR_OK)
			text = cut_lines(text, cut);
	state_dir = setting_of(toml, "state_dir");
	service = setting_of(toml, "service_name");
	str_copy(out->state_dir, sizeof(out->state_dir), source->state_dir);
	if (state_dir != NULL && directory != NULL)
		(void)!agent_path_below(directory, state_dir, out->state_dir);
	str_copy(out->service_name, sizeof(out->service_name),
		service != NULL && agent_id_check(service, NULL) == ERR_OK ?
			service :
			source->names->service);
	toml_free(toml);
	free(directory);
}
