/*
 * The config of an agent: config.toml as structs. portal-agent "Tunnel Config Fields",
 * portal-protocol 15.2; [[links]] are adit's own.
 *
 * A file with a mistake is refused. Read leniently, as a stock agent does, unknown keys
 * and values of other types are reported and accepted, and a mistake in one tunnel is a
 * fault of that tunnel only.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include "agent/access.h"
#include "agent/http_routes.h"
#include "agent/link.h"
#include "agent/paths.h"
#include "net/addr.h"
#include "text/relay_url.h"
#include "tunnel/portal/message.h"

#define AGENT_TUNNELS_MAX 4096
#define AGENT_LINKS_MAX 256
#define AGENT_WALLETS_MAX 256
#define AGENT_ID_MAX 128
#define AGENT_CONTROL_ADDR "127.0.0.1:4018"

/* A row of http_routes. */
struct route_config {
	char *prefix, *upstream;
};

/* What visitors reach: may change while the lease stays. */
struct service_config {
	char *target;
	struct field_tables http_routes; /* struct route_config */
	bool preserves_host;
	struct access access; /* without a credential: anyone */
};

/* Where it is published: likewise. */
struct place_config {
	struct field_list relays;
	bool has_discovery;
	int max_active_relays; /* more than 0 */
};

/* What a lease depends on: a change needs another one. */
struct lease_config {
	char *name;
	char *identity_path; /* absolute; NULL: a default, see agent/identity_place.h */
	char *identity_json;
	bool has_udp, has_tcp, bans_mitm;
	char *udp_addr;
	struct field_list multi_hop;
	int multi_hop_depth;
};

struct tunnel_config {
	char *id; /* unique */
	struct service_config service;
	struct place_config place;
	struct lease_config lease;
	struct message_metadata metadata;

	/* What they mean. */
	/* A target with @access is the upstream of a route "/" instead. */
	struct target target; /* unless there are routes */
	struct http_routes routes;
	struct relay_urls relays;
	struct why fault; /* why it cannot run; "": it can */
};

struct link_config {
	char *id; /* unique */
	char *server;
	char *auth_file; /* absolute; read when the link opens */
	struct field_list headers, remote_texts;
	bool is_managed;
	/* Of a managed link: absolute, the directory of its key and certificate. */
	char *credentials;
	struct link_client_options options; /* its texts are owned */

	/* What they mean. */
	struct remote *remotes;
	struct why fault;
};

struct agent_config {
	char *state_dir; /* absolute */
	char *control_addr;
	char *service_name;
	struct field_list allowed_wallets;
	bool dials_targets;    /* a dial a minute shows whether an idle target responds */
	bool has_open_metrics; /* GET /metrics needs no token */
	struct field_tables tunnels, links;

	/* What they mean. */
	struct addr control;
};

extern const struct field_table service_config_fields, place_config_fields,
	lease_config_fields, link_config_fields;

struct config_source {
	const char *path; /* absolute */
	const struct agent_names *names;
	const char *state_dir; /* used unless the file has one */
	bool is_lenient;
	/* Gets each thing that is accepted and perhaps not meant; or NULL. */
	void (*warn)(void *arg, const char *text);
	void *arg;
};

/*
 * Reads @text, of the file at @path.
 * ERR_SYNTAX: @why has file and line.  ERR_NOMEM.
 */
enum err agent_config_parse(const struct config_source *source, struct span text,
	struct agent_config **out, struct why *why) MUST_USE;

/* The same for the file. ERR_NOENT: it does not exist.  ERR_SYS. Its text goes to @text,
 * unless NULL; its bound is TOML_BYTES_MAX. */
enum err agent_config_read(const struct config_source *source, struct buf *text,
	struct agent_config **out, struct why *why) MUST_USE;

/* Does it have passwords, tokens or keys? Before its tunnels and links are moved. */
bool agent_config_has_secrets(const struct agent_config *c);

struct config_places {
	char state_dir[AGENT_PATH_MAX];
	char service_name[AGENT_ID_MAX];
};

/* Where the agent of a text with a mistake is: what the text sets before the mistake, or
 * the defaults. */
void agent_config_guess(const struct config_source *source, struct span text,
	struct config_places *out);

/* Frees its tunnels and links, which were moved; the rest stays. */
void agent_config_release(struct agent_config *c);

void agent_config_free(struct agent_config *c); /* NULL is fine */

static inline struct tunnel_config *agent_config_tunnel(const struct agent_config *c,
	unsigned i)
{
	return (struct tunnel_config *)c->tunnels.v + i;
}

static inline struct link_config *agent_config_link(const struct agent_config *c,
	unsigned i)
{
	return (struct link_config *)c->links.v + i;
}

void tunnel_config_fini(struct tunnel_config *t);
void link_config_fini(struct link_config *l);

/* May ids and the service's name have this form? ERR_SYNTAX: @why says what is wrong.
 * portal-protocol 15.2. */
enum err agent_id_check(const char *id, struct why *why) MUST_USE;

#endif
