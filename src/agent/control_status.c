/* The status of an agent as JSON. portal-protocol 15.5; the rest is adit's own. */
#include "agent/control_priv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- what is written; texts are borrowed ---- */

struct relay_view {
	const char *url, *public_url, *version;
	bool is_explicit, is_connecting, is_bootstrap, is_banned;
	bool has_overlay, has_udp, has_tcp;
	const char *state, *error, *tcp_addr;
	struct timestamp since, next_try, checked, certificate_end;
	int64_t attempts, visitors, rtt_ms;
	bool is_verified;
};

struct tunnel_view {
	const char *id, *name, *address, *state, *target, *error;
	int64_t max_active_relays;
	struct message_metadata metadata;
	struct field_list multi_hop;
	struct field_series *relays;
	const char *health, *target_health, *target_error;
	struct timestamp since, next_try, target_checked;
	bool is_verified, has_discovery;
	int64_t visitors, visitors_now, received, sent;
	struct field_tables routes; /* struct route_config */
};

struct link_view {
	const char *id, *server, *state, *health, *error, *version, *local;
	bool is_managed;
	struct timestamp since, next_try, told;
	int64_t attempts, rtt_ms, channels, sent, received;
	struct field_list remotes;
	struct field_tables tunnels; /* struct managed_tunnel */
};

struct agent_view {
	const char *config_path;
	char control_addr[ADDR_TEXT_MAX];
	const char *wallet;
	struct field_series *tunnels, *links;
	const char *version, *state_dir, *service_name, *health, *config_error;
	int64_t pid;
	struct timestamp started, config_error_at;
};

#define OPTIONAL .is_optional = true

#undef AT
#define AT(member) FIELD_AT(struct relay_view, member)

static const struct field relay_rows[] = {
	{ "relay_url", FIELD_TEXT, AT(url) },
	{ "public_url", FIELD_TEXT, OPTIONAL, AT(public_url) },
	{ "version", FIELD_TEXT, OPTIONAL, AT(version) },
	{ "explicit", FIELD_BOOL, OPTIONAL, AT(is_explicit) },
	{ "connecting", FIELD_BOOL, AT(is_connecting) },
	{ "bootstrap", FIELD_BOOL, AT(is_bootstrap) },
	{ "banned", FIELD_BOOL, AT(is_banned) },
	{ "supports_overlay", FIELD_BOOL, AT(has_overlay) },
	{ "supports_udp", FIELD_BOOL, AT(has_udp) },
	{ "supports_tcp", FIELD_BOOL, AT(has_tcp) },
	{ "state", FIELD_TEXT, AT(state) },
	{ "since", FIELD_TIME, OPTIONAL, AT(since) },
	{ "last_error", FIELD_TEXT, OPTIONAL, AT(error) },
	{ "next_try_at", FIELD_TIME, OPTIONAL, AT(next_try) },
	{ "attempts", FIELD_NUMBER, OPTIONAL, AT(attempts) },
	{ "rtt_ms", FIELD_NUMBER, OPTIONAL, AT(rtt_ms) },
	{ "tcp_addr", FIELD_TEXT, OPTIONAL, AT(tcp_addr) },
	{ "verified", FIELD_BOOL, AT(is_verified) },
	{ "checked_at", FIELD_TIME, OPTIONAL, AT(checked) },
	{ "certificate_until", FIELD_TIME, OPTIONAL, AT(certificate_end) },
	{ "visitors", FIELD_NUMBER, AT(visitors) },
};
static const struct field_table relay_fields = FIELD_TABLE_OF(struct relay_view,
	relay_rows);

#undef AT
#define AT(member) FIELD_AT(struct route_config, member)

static const struct field route_rows[] = {
	{ "prefix", FIELD_TEXT, AT(prefix) },
	{ "upstream", FIELD_TEXT, AT(upstream) },
};
static const struct field_table route_fields = FIELD_TABLE_OF(struct route_config,
	route_rows);

#undef AT
#define AT(member) FIELD_AT(struct tunnel_view, member)

static const struct field tunnel_rows[] = {
	{ "id", FIELD_TEXT, AT(id) },
	{ "name", FIELD_TEXT, OPTIONAL, AT(name) },
	{ "address", FIELD_TEXT, OPTIONAL, AT(address) },
	{ "state", FIELD_TEXT, AT(state) },
	{ "target_addr", FIELD_TEXT, OPTIONAL, AT(target) },
	{ "last_error", FIELD_TEXT, OPTIONAL, AT(error) },
	{ "max_active_relays", FIELD_NUMBER, OPTIONAL, AT(max_active_relays) },
	{ "metadata", FIELD_TABLE, AT(metadata), .of = &message_metadata_fields },
	{ "multi_hop", FIELD_LIST, OPTIONAL, AT(multi_hop) },
	{ "relays", FIELD_SERIES, OPTIONAL, AT(relays), .of = &relay_fields },
	{ "health", FIELD_TEXT, AT(health) },
	{ "since", FIELD_TIME, AT(since) },
	{ "next_try_at", FIELD_TIME, OPTIONAL, AT(next_try) },
	{ "verified", FIELD_BOOL, AT(is_verified) },
	{ "discovery", FIELD_BOOL, AT(has_discovery) },
	{ "http_routes", FIELD_TABLES, OPTIONAL, AT(routes), .of = &route_fields },
	{ "target_health", FIELD_TEXT, AT(target_health) },
	{ "target_error", FIELD_TEXT, OPTIONAL, AT(target_error) },
	{ "target_checked_at", FIELD_TIME, OPTIONAL, AT(target_checked) },
	{ "visitors", FIELD_NUMBER, AT(visitors) },
	{ "visitors_now", FIELD_NUMBER, AT(visitors_now) },
	{ "received_bytes", FIELD_NUMBER, AT(received) },
	{ "sent_bytes", FIELD_NUMBER, AT(sent) },
};
static const struct field_table tunnel_fields = FIELD_TABLE_OF(struct tunnel_view,
	tunnel_rows);

#undef AT
#define AT(member) FIELD_AT(struct link_view, member)

static const struct field link_rows[] = {
	{ "id", FIELD_TEXT, AT(id) },
	{ "server", FIELD_TEXT, OPTIONAL, AT(server) },
	{ "state", FIELD_TEXT, AT(state) },
	{ "health", FIELD_TEXT, AT(health) },
	{ "since", FIELD_TIME, AT(since) },
	{ "last_error", FIELD_TEXT, OPTIONAL, AT(error) },
	{ "next_try_at", FIELD_TIME, OPTIONAL, AT(next_try) },
	{ "attempts", FIELD_NUMBER, OPTIONAL, AT(attempts) },
	{ "peer_version", FIELD_TEXT, OPTIONAL, AT(version) },
	{ "rtt_ms", FIELD_NUMBER, OPTIONAL, AT(rtt_ms) },
	{ "channels", FIELD_NUMBER, AT(channels) },
	{ "sent_bytes", FIELD_NUMBER, AT(sent) },
	{ "received_bytes", FIELD_NUMBER, AT(received) },
	{ "remotes", FIELD_LIST, AT(remotes) },
	{ "local_addr", FIELD_TEXT, OPTIONAL, AT(local) },
	{ "managed", FIELD_BOOL, OPTIONAL, AT(is_managed) },
	{ "tunnels_at", FIELD_TIME, OPTIONAL, AT(told) },
	{ "tunnels", FIELD_TABLES, OPTIONAL, AT(tunnels), .of = &managed_tunnel_fields },
};
static const struct field_table link_fields = FIELD_TABLE_OF(struct link_view, link_rows);

#undef AT
#define AT(member) FIELD_AT(struct agent_view, member)

static const struct field agent_rows[] = {
	{ "config_path", FIELD_TEXT, OPTIONAL, AT(config_path) },
	{ "control_addr", FIELD_CHARS, AT(control_addr) },
	{ "wallet_address", FIELD_TEXT, OPTIONAL, AT(wallet) },
	{ "tunnels", FIELD_SERIES, OPTIONAL, AT(tunnels), .of = &tunnel_fields },
	{ "links", FIELD_SERIES, OPTIONAL, AT(links), .of = &link_fields },
	{ "version", FIELD_TEXT, AT(version) },
	{ "pid", FIELD_NUMBER, AT(pid) },
	{ "started_at", FIELD_TIME, AT(started) },
	{ "state_dir", FIELD_TEXT, AT(state_dir) },
	{ "service_name", FIELD_TEXT, AT(service_name) },
	{ "health", FIELD_TEXT, AT(health) },
	{ "config_error", FIELD_TEXT, OPTIONAL, AT(config_error) },
	{ "config_error_at", FIELD_TIME, OPTIONAL, AT(config_error_at) },
};
static const struct field_table agent_fields = FIELD_TABLE_OF(struct agent_view,
	agent_rows);

/* JSON leaves out an optional text that is NULL. */
static const char *text_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NULL;
}

/* ---- relays ---- */

/*
 * A time of clock_now_ms() by the wall clock; none stays none. The difference of the
 * clocks is taken in microseconds: that of two that are cut to milliseconds changes by
 * one from status to status, and every time with it.
 */
static struct timestamp wall_time(uint64_t ms)
{
	uint64_t ahead_us = clock_wall_us() - clock_now_us();

	if (ms == 0)
		return (struct timestamp){ .s = 0 };
	return timefmt_of_ms((ms * 1000 + ahead_us) / 1000);
}

/* One at least: 0 is not known. */
static int64_t milliseconds(uint64_t us)
{
	return (int64_t)((us + 999) / 1000);
}

struct relay_series {
	struct field_series series; /* first */
	struct expose_relay relays[2 * RELAY_URLS_MAX];
	unsigned n, next;
	struct relay_view view;
};

static const char *relay_word(const struct expose_relay *r)
{
	static const char *const words[] = {
		[AGENT_WAITING] = "waiting",
		[AGENT_CONNECTING] = "connecting",
		[AGENT_OPEN] = "open",
		[AGENT_LEAVING] = "leaving",
		[AGENT_CLOSED] = "closed",
	};

	return words[r->is_closed ? AGENT_CLOSED : r->session.state];
}

/* With a public URL first, then those that connect, then by URL. */
static int compare_relays(const void *one, const void *other)
{
	const struct expose_relay *a = one, *b = other;

	if (a->is_open != b->is_open)
		return a->is_open ? -1 : 1;
	if (a->is_closed != b->is_closed)
		return a->is_closed ? 1 : -1;
	return strcmp(a->url, b->url);
}

static const void *next_relay(struct field_series *series)
{
	struct relay_series *s = (struct relay_series *)series;
	const struct expose_relay *r = &s->relays[s->next];

	if (s->next++ == s->n)
		return NULL;
	s->view = (struct relay_view){
		.url = r->url,
		.is_explicit = r->is_wanted,
		.is_bootstrap = r->is_wanted,
		.is_banned = r->is_banned,
		.state = relay_word(r),
		.error = text_or_null(r->error),
		.visitors = (int64_t)r->statistics.visitors,
		.is_verified = r->is_open && r->statistics.is_verified,
		.checked = wall_time(r->statistics.visited_ms),
		.certificate_end.s = r->statistics.certificate_end_s,
	};
	if (r->is_closed)
		return &s->view;
	s->view.public_url = r->is_open ? r->session.url : NULL;
	s->view.is_connecting = r->is_wanted && !r->is_open;
	s->view.version = text_or_null(r->session.peer_version);
	s->view.tcp_addr = r->is_open ? text_or_null(r->session.tcp) : NULL;
	s->view.has_tcp = r->is_open && r->session.tcp[0] != '\0';
	s->view.since = wall_time(r->session.since_ms);
	s->view.next_try = wall_time(r->session.next_ms);
	s->view.attempts = r->session.attempts;
	s->view.rtt_ms = milliseconds(r->session.rtt_us);
	return &s->view;
}

static void relays_of(const struct tunnel *t, struct relay_series *s)
{
	s->series.next = next_relay;
	s->n = s->next = 0;
	while (s->n < mem_count(s->relays) && tunnel_relay(t, s->n, &s->relays[s->n]))
		s->n++;
	qsort(s->relays, s->n, sizeof(s->relays[0]), compare_relays);
}

/* ---- tunnels ---- */

struct tunnel_series {
	struct field_series series;          /* first */
	const struct agent_tunnel **tunnels; /* owned */
	unsigned n, next;
	struct relay_series relays;
	struct tunnel_view view;
	char target[URL_TEXT_MAX];
};

static const char *target_word(enum target_state state)
{
	static const char *const words[] = {
		[TARGET_UNKNOWN] = "unknown",
		[TARGET_OK] = "ok",
		[TARGET_DOWN] = "down",
	};

	return words[state];
}

/* As it was written, if it could not be read. */
static const char *target_of(const struct tunnel_config *c, char shown[URL_TEXT_MAX])
{
	if (c->target.host[0] != '\0' || c->target.unix_path[0] != '\0')
		return target_print(&c->target, shown);
	return c->service.target;
}

static const void *next_tunnel(struct field_series *series)
{
	struct tunnel_series *s = (struct tunnel_series *)series;
	const struct agent_tunnel *t;
	const struct tunnel_config *c;
	struct tunnel_status status;

	if (s->next == s->n)
		return NULL;
	t = s->tunnels[s->next++];
	c = agent_tunnel_config(t);
	status = agent_tunnel_status(t);
	relays_of(t->tunnel, &s->relays);
	s->view = (struct tunnel_view){
		.id = c->id,
		.name = c->lease.name != NULL ? c->lease.name : text_or_null(status.name),
		.address = text_or_null(status.address),
		.state = agent_state_word(status.state),
		.target = target_of(c, s->target),
		.error = text_or_null(status.error),
		.max_active_relays = c->place.max_active_relays,
		.metadata = c->metadata,
		.multi_hop = c->lease.multi_hop,
		.relays = s->relays.n > 0 ? &s->relays.series : NULL,
		.health = agent_health_word(status.health),
		.target_health = target_word(status.target.state),
		.target_error = text_or_null(status.target.error),
		.since = wall_time(status.since_ms),
		.next_try = wall_time(status.next_ms),
		.target_checked = wall_time(status.target.checked_ms),
		.is_verified = status.is_verified,
		.has_discovery = c->place.has_discovery,
		.visitors = (int64_t)status.statistics.visitors,
		.visitors_now = (int64_t)status.statistics.visitors_now,
		.received = (int64_t)status.statistics.in_bytes,
		.sent = (int64_t)status.statistics.out_bytes,
		.routes = c->service.http_routes,
	};
	return &s->view;
}

static int compare_tunnels(const void *one, const void *other)
{
	const struct agent_tunnel *const *a = one, *const *b = other;

	return strcmp(tunnel_id((*a)->tunnel), tunnel_id((*b)->tunnel));
}

/* ERR_NOMEM. */
static enum err tunnels_of(const struct agent *a, struct tunnel_series *s)
{
	struct list *it, *tmp;
	unsigned n = 0;

	list_each(it, tmp, &a->tunnels)
		n++;
	s->series.next = next_tunnel;
	s->tunnels = calloc(n + 1, sizeof(*s->tunnels));
	if (s->tunnels == NULL)
		return ERR_NOMEM;
	list_each(it, tmp, &a->tunnels) {
		struct agent_tunnel *t = list_object(it, struct agent_tunnel, in_agent);

		if (t->is_wanted && t->tunnel != NULL)
			s->tunnels[s->n++] = t;
	}
	qsort(s->tunnels, s->n, sizeof(*s->tunnels), compare_tunnels);
	return ERR_OK;
}

/* ---- links ---- */

struct link_series {
	struct field_series series; /* first */
	const struct list *head, *at;
	struct link_view view;
};

static const void *next_link(struct field_series *series)
{
	struct link_series *s = (struct link_series *)series;
	const struct agent_link_entry *l;
	const struct link_config *c;
	struct agent_link_status status;

	if (s->at == s->head)
		return NULL;
	l = list_object(s->at, const struct agent_link_entry, in_agent);
	s->at = s->at->next;
	c = agent_link_config(l->link);
	status = agent_link_status(l->link);
	s->view = (struct link_view){
		.id = c->id,
		.server = c->server,
		.state = agent_state_word(status.state),
		.health = agent_health_word(status.health),
		.error = text_or_null(status.error),
		.version = text_or_null(status.session.peer_version),
		.since = wall_time(status.since_ms),
		.next_try = wall_time(status.next_ms),
		.attempts = status.session.attempts,
		.rtt_ms = milliseconds(status.session.rtt_us),
		.channels = (int64_t)status.session.visitors,
		.sent = (int64_t)status.session.sent_bytes,
		.received = (int64_t)status.session.received_bytes,
		.remotes = c->remote_texts,
		.local = text_or_null(status.session.local),
		.is_managed = c->is_managed,
		.told = wall_time(status.session.told_ms),
	};
	if (status.tunnels != NULL)
		s->view.tunnels = status.tunnels->tunnels;
	return &s->view;
}

/* ---- the operation ---- */

static void answer_status(void *context, struct api_call *call)
{
	struct control *c = context;
	struct agent *a = c->agent;
	struct link_series links = { .series.next = next_link,
		.head = &a->links,
		.at = a->links.next };
	struct tunnel_series *tunnels = mem_new(tunnels);
	struct agent_view view = {
		.config_path = a->o.config_path,
		.wallet = call->caller,
		.links = list_is_empty(&a->links) ? NULL : &links.series,
		.version = "adit/" ADIT_VERSION,
		.state_dir = a->config->state_dir,
		.service_name = a->config->service_name,
		.health = agent_health_word(agent_health(a)),
		.config_error = text_or_null(a->config_error.text),
		.pid = getpid(),
		.started = timefmt_of_ms(a->started_ms),
	};

	if (tunnels == NULL || tunnels_of(a, tunnels) != ERR_OK) {
		free(tunnels);
		call->envelope->refuse(call, API_NO_ROOM, ERR_NOMEM, NULL);
		return;
	}
	addr_print(&c->at, view.control_addr);
	view.tunnels = tunnels->n > 0 ? &tunnels->series : NULL;
	if (a->config_error.text[0] != '\0')
		view.config_error_at = timefmt_of_ms(a->config_error_ms);
	api_reply(call, &view);
	free(tunnels->tunnels);
	free(tunnels);
}

static const struct api_operation rows[] = {
	{ "GET", "/v1/agent/status", &control_reader, answer_status,
		.response = &agent_fields,
		.summary = "the state of the agent, its tunnels and its links",
		.is_at_once = true },
	{ .path = "/v1/agent/status",
		.authority = &control_reader,
		.fn = api_refuse_unknown, /* 405, also for a wallet */
		.is_at_once = true },
};

const struct api_table control_status_table = API_TABLE_OF(rows);
