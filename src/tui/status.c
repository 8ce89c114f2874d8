/* The status of an agent: its members, and what they mean. */
#include "tui/status.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/field_json.h"

/* ---- the members ---- */

#define TEXT(type, member) \
	{ \
#member, FIELD_TEXT, FIELD_AT(struct type, member) \
	}
#define FLAG(type, name, member) \
	{ \
		name, FIELD_BOOL, FIELD_AT(struct type, member) \
	}
#define NUMBER(type, member) \
	{ \
#member, FIELD_NUMBER, FIELD_AT(struct type, member) \
	}
#define TIME(type, member) \
	{ \
#member, FIELD_TIME, FIELD_AT(struct type, member) \
	}

static const struct field relay_rows[] = {
	TEXT(status_relay, relay_url),
	TEXT(status_relay, public_url),
	TEXT(status_relay, version),
	TEXT(status_relay, tcp_addr),
	TEXT(status_relay, state),
	TEXT(status_relay, last_error),
	FLAG(status_relay, "explicit", is_explicit),
	FLAG(status_relay, "connecting", is_connecting),
	FLAG(status_relay, "bootstrap", is_bootstrap),
	FLAG(status_relay, "banned", is_banned),
	FLAG(status_relay, "supports_overlay", has_overlay),
	FLAG(status_relay, "supports_udp", has_udp),
	FLAG(status_relay, "supports_tcp", has_tcp),
	FLAG(status_relay, "verified", is_verified),
	TIME(status_relay, since),
	TIME(status_relay, next_try_at),
	TIME(status_relay, checked_at),
	TIME(status_relay, certificate_until),
	NUMBER(status_relay, attempts),
	NUMBER(status_relay, rtt_ms),
	NUMBER(status_relay, visitors),
};

static const struct field_table relay_table = FIELD_TABLE_OF(struct status_relay,
	relay_rows);

static const struct field route_rows[] = {
	TEXT(status_route, prefix),
	TEXT(status_route, upstream),
};

static const struct field_table route_table = FIELD_TABLE_OF(struct status_route,
	route_rows);

static const struct field metadata_rows[] = {
	TEXT(status_metadata, description),
	TEXT(status_metadata, owner),
	TEXT(status_metadata, thumbnail),
	{ "tags", FIELD_LIST, FIELD_AT(struct status_metadata, tags), .max = 1024 },
	FLAG(status_metadata, "hide", is_hidden),
};

static const struct field_table metadata_table = FIELD_TABLE_OF(struct status_metadata,
	metadata_rows);

static const struct field tunnel_rows[] = {
	TEXT(status_tunnel, id),
	TEXT(status_tunnel, name),
	TEXT(status_tunnel, address),
	TEXT(status_tunnel, state),
	TEXT(status_tunnel, health),
	TEXT(status_tunnel, last_error),
	TEXT(status_tunnel, target_addr),
	TEXT(status_tunnel, target_health),
	TEXT(status_tunnel, target_error),
	FLAG(status_tunnel, "discovery", has_discovery),
	FLAG(status_tunnel, "verified", is_verified),
	TIME(status_tunnel, since),
	TIME(status_tunnel, next_try_at),
	TIME(status_tunnel, target_checked_at),
	NUMBER(status_tunnel, max_active_relays),
	NUMBER(status_tunnel, visitors),
	NUMBER(status_tunnel, visitors_now),
	NUMBER(status_tunnel, received_bytes),
	NUMBER(status_tunnel, sent_bytes),
	{ "metadata", FIELD_TABLE, FIELD_AT(struct status_tunnel, metadata),
		.of = &metadata_table },
	{ "http_routes", FIELD_TABLES, FIELD_AT(struct status_tunnel, http_routes),
		.max = 1024, .of = &route_table },
	{ "multi_hop", FIELD_LIST, FIELD_AT(struct status_tunnel, multi_hop), .max = 64 },
	{ "relays", FIELD_TABLES, FIELD_AT(struct status_tunnel, relays),
		.max = STATUS_RELAYS_MAX, .of = &relay_table },
};

static const struct field_table tunnel_table = FIELD_TABLE_OF(struct status_tunnel,
	tunnel_rows);

static const struct field link_rows[] = {
	TEXT(status_link, id),
	TEXT(status_link, server),
	TEXT(status_link, peer_version),
	TEXT(status_link, state),
	TEXT(status_link, health),
	TEXT(status_link, last_error),
	TIME(status_link, since),
	TIME(status_link, next_try_at),
	NUMBER(status_link, attempts),
	NUMBER(status_link, rtt_ms),
	NUMBER(status_link, sent_bytes),
	NUMBER(status_link, received_bytes),
	{ "remotes", FIELD_LIST, FIELD_AT(struct status_link, remotes), .max = 1024 },
};

static const struct field_table link_table = FIELD_TABLE_OF(struct status_link,
	link_rows);

static const struct field status_rows[] = {
	TEXT(status, config_path),
	TEXT(status, control_addr),
	TEXT(status, wallet_address),
	TEXT(status, version),
	TEXT(status, state_dir),
	TEXT(status, service_name),
	TEXT(status, health),
	TEXT(status, config_error),
	NUMBER(status, pid),
	TIME(status, started_at),
	TIME(status, config_error_at),
	{ "tunnels", FIELD_TABLES, FIELD_AT(struct status, tunnels),
		.max = STATUS_TUNNELS_MAX, .of = &tunnel_table },
	{ "links", FIELD_TABLES, FIELD_AT(struct status, links),
		.max = STATUS_TUNNELS_MAX, .of = &link_table },
};

const struct field_table status_fields = FIELD_TABLE_OF(struct status, status_rows);

/* Every command finds a tunnel by its id. */
static bool has_ids(const struct status *s)
{
	for (unsigned i = 0; i < s->tunnels.n; i++) {
		const struct status_tunnel *t = status_tunnel(s, i);

		if (t->id == NULL)
			return false;
		for (unsigned k = 0; k < t->relays.n; k++)
			if (status_relay(t, k)->relay_url == NULL)
				return false;
	}
	return true;
}

enum err status_parse(struct span body, struct status *out, struct why *why)
{
	struct status s;
	enum err rc = field_read_json(&status_fields, "data", body, &s, why);

	if (rc != ERR_OK)
		return rc;
	if (!has_ids(&s)) {
		field_fini(&status_fields, &s);
		return err_set(why, ERR_SYNTAX, "a tunnel or relay has no id");
	}
	*out = s;
	return ERR_OK;
}

struct api_error {
	char *message;
};

char *status_parse_error(struct span body)
{
	static const struct field rows[] = { TEXT(api_error, message) };
	static const struct field_table table = FIELD_TABLE_OF(struct api_error, rows);
	struct api_error e;

	if (field_read_json(&table, "error", body, &e, NULL) != ERR_OK)
		return NULL;
	return e.message;
}

bool status_is_ours(const struct status *s)
{
	return s->version != NULL;
}

/* ---- what it means ---- */

static bool is_word(const char *text, const char *word)
{
	return text != NULL && strcmp(text, word) == 0;
}

static enum status_health read_health(const char *health)
{
	if (is_word(health, "ok"))
		return STATUS_OK;
	if (is_word(health, "degraded"))
		return STATUS_DEGRADED;
	return is_word(health, "down") ? STATUS_DOWN : STATUS_UNKNOWN;
}

/* Of the four words of a tunnel's and a link's state, the health being known or not. */
static struct status_word judge(const char *state, enum status_health health)
{
	if (is_word(state, "stopped"))
		return (struct status_word){ "stopped", STATUS_OFF };
	if (is_word(state, "starting"))
		return (struct status_word){ "starting", STATUS_PENDING };
	if (is_word(state, "error"))
		return (struct status_word){ "error", STATUS_DOWN };
	if (!is_word(state, "running"))
		return (struct status_word){ "unknown", STATUS_UNKNOWN };
	if (health == STATUS_DOWN)
		return (struct status_word){ "down", STATUS_DOWN };
	if (health == STATUS_DEGRADED)
		return (struct status_word){ "degraded", STATUS_DEGRADED };
	return (struct status_word){ "running", STATUS_OK };
}

const char *status_public_url(const struct status_tunnel *t, unsigned *others)
{
	const char *first = NULL;

	*others = 0;
	for (unsigned i = 0; i < t->relays.n; i++) {
		const char *url = status_relay(t, i)->public_url;

		if (url != NULL && first != NULL)
			*others += 1;
		else if (url != NULL)
			first = url;
	}
	return first;
}

/*
 * A stock agent says "running" also when no relay has the tunnel (agent-observed 8.3);
 * then its relays have no public URL, if it has noticed.
 */
struct status_word status_of_tunnel(const struct status_tunnel *t, bool is_ours)
{
	enum status_health health = read_health(t->health);
	unsigned others;

	if (!is_ours && is_word(t->state, "running") &&
		status_public_url(t, &others) == NULL)
		return (struct status_word){ "no relay", STATUS_DOWN };
	return judge(t->state, health);
}

struct status_word status_of_link(const struct status_link *l)
{
	return judge(l->state, read_health(l->health));
}

struct status_word status_of_relay(const struct status_tunnel *t,
	const struct status_relay *r)
{
	static const struct status_word words[] = {
		{ "open", STATUS_OK },
		{ "connecting", STATUS_PENDING },
		{ "waiting", STATUS_DOWN },
		{ "leaving", STATUS_OFF },
		{ "closed", STATUS_OFF },
	};

	if (r->is_banned)
		return (struct status_word){ "banned", STATUS_DOWN };
	for (size_t i = 0; i < mem_count(words); i++)
		if (is_word(r->state, words[i].text))
			return words[i];
	if (r->public_url != NULL)
		return words[0];
	if (r->is_connecting)
		return words[1];
	if (status_hop_of(t, r->relay_url) > 0)
		return (struct status_word){ "hop", STATUS_OK };
	if (r->is_explicit)
		return (struct status_word){ "failed", STATUS_DOWN };
	return (struct status_word){ "unused", STATUS_OFF };
}

const char *status_reason(const struct status_tunnel *t, bool is_ours,
	char to[STATUS_REASON_MAX], struct timestamp *next)
{
	enum status_health health = status_of_tunnel(t, is_ours).health;
	char shown[128];

	to[0] = '\0';
	*next = t->next_try_at;
	if (health != STATUS_DOWN && health != STATUS_DEGRADED &&
		health != STATUS_PENDING)
		return to;
	if (t->last_error != NULL) {
		snprintf(to, STATUS_REASON_MAX, "%s", t->last_error);
		return to;
	}
	for (unsigned i = 0; i < t->relays.n; i++) {
		const struct status_relay *r = status_relay(t, i);

		if (r->last_error == NULL || status_of_relay(t, r).health == STATUS_OK)
			continue;
		if (next->s == 0)
			*next = r->next_try_at;
		snprintf(to, STATUS_REASON_MAX, "%s: %s",
			status_short_url(r->relay_url, shown, sizeof(shown)),
			r->last_error);
		return to;
	}
	if (is_word(t->target_health, "down"))
		snprintf(to, STATUS_REASON_MAX, "target%s%s: %s",
			t->http_routes.n == 0 ? " " : "",
			t->http_routes.n == 0 ? status_text(t->target_addr) : "",
			t->target_error != NULL ? t->target_error : "does not answer");
	else if (health == STATUS_DOWN && t->relays.n > 0)
		snprintf(to, STATUS_REASON_MAX, "no relay has registered the tunnel");
	else if (health == STATUS_DOWN)
		snprintf(to, STATUS_REASON_MAX,
			"it has no relay: c in Relays connects one");
	return to;
}

unsigned status_hop_of(const struct status_tunnel *t, const char *relay_url)
{
	for (unsigned i = 0; i < t->multi_hop.n; i++)
		if (strcmp(t->multi_hop.v[i], relay_url) == 0)
			return i + 1;
	return 0;
}

const char *status_short_url(const char *url, char *to, size_t size)
{
	const char *scheme = strstr(url, "://");
	size_t n;

	str_copy(to, size, scheme != NULL ? scheme + 3 : url);
	n = strlen(to);
	if (n > 1 && to[n - 1] == '/')
		to[n - 1] = '\0';
	return to;
}
