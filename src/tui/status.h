/*
 * The status of an agent, as its control API reports it (portal-protocol 15.5), and what
 * it means. A stock agent reports only some of the members: the others are zero then, and
 * is_ours is false.
 */
#ifndef TUI_STATUS_H
#define TUI_STATUS_H

#include "text/field.h"
#include "text/timefmt.h"

#define STATUS_REASON_MAX 512
#define STATUS_TUNNELS_MAX 4096
#define STATUS_RELAYS_MAX 256

enum status_health {
	STATUS_UNKNOWN,
	STATUS_OK,
	STATUS_DEGRADED,
	STATUS_DOWN,
	STATUS_PENDING, /* it is starting */
	STATUS_OFF,     /* it is not to run */
};

struct status_relay {
	char *relay_url, *public_url, *version, *tcp_addr;
	char *state, *last_error;
	bool is_explicit, is_connecting, is_bootstrap, is_banned;
	bool has_overlay, has_udp, has_tcp;
	bool is_verified;
	struct timestamp since, next_try_at, checked_at, certificate_until;
	int64_t attempts, rtt_ms, visitors;
};

struct status_route {
	char *prefix, *upstream;
};

struct status_metadata {
	char *description, *owner, *thumbnail;
	struct field_list tags;
	bool is_hidden;
};

struct status_tunnel {
	char *id, *name, *address;
	char *state, *health, *last_error;
	char *target_addr, *target_health, *target_error;
	bool has_discovery, is_verified;
	struct timestamp since, next_try_at, target_checked_at;
	int64_t max_active_relays, visitors, visitors_now, received_bytes, sent_bytes;
	struct status_metadata metadata;
	struct field_tables http_routes; /* of struct status_route */
	struct field_list multi_hop;
	struct field_tables relays; /* of struct status_relay */
};

struct status_link {
	char *id, *server, *peer_version;
	char *state, *health, *last_error;
	struct timestamp since, next_try_at;
	int64_t attempts, rtt_ms, sent_bytes, received_bytes;
	struct field_list remotes;
};

struct status {
	char *config_path, *control_addr, *wallet_address;
	char *version, *state_dir, *service_name, *health, *config_error;
	int64_t pid;
	struct timestamp started_at, config_error_at;
	struct field_tables tunnels; /* of struct status_tunnel */
	struct field_tables links;   /* of struct status_link */
};

extern const struct field_table status_fields;

/*
 * Reads the envelope of a status. @out is freed with field_fini(&status_fields, out).
 * ERR_SYNTAX: it is not a status.  ERR_LIMIT: it has too many tunnels.
 */
enum err status_parse(struct span body, struct status *out, struct why *why) MUST_USE;

/* The error's message in an envelope, owned; NULL: there is none. */
char *status_parse_error(struct span body);

/* Texts that are missing are empty. */
static inline const char *status_text(const char *text)
{
	return text != NULL ? text : "";
}

static inline const struct status_tunnel *status_tunnel(const struct status *s,
	unsigned i)
{
	return (const struct status_tunnel *)s->tunnels.v + i;
}

static inline const struct status_relay *status_relay(const struct status_tunnel *t,
	unsigned i)
{
	return (const struct status_relay *)t->relays.v + i;
}

static inline const struct status_link *status_link(const struct status *s, unsigned i)
{
	return (const struct status_link *)s->links.v + i;
}

/* The status has the members that a stock agent does not report. */
bool status_is_ours(const struct status *s);

/* ---- what it means ---- */

/* A word for people, and its health. */
struct status_word {
	const char *text;
	enum status_health health;
};

/* @is_ours: see status_is_ours(). The words are constant, and at most 10 characters. */
struct status_word status_of_tunnel(const struct status_tunnel *t, bool is_ours);
struct status_word status_of_relay(const struct status_tunnel *t,
	const struct status_relay *r);
struct status_word status_of_link(const struct status_link *l);

/*
 * Why a tunnel is not well, as one sentence; "" if it is. @next is when it tries again,
 * zero if it does not say. Returns @to.
 */
const char *status_reason(const struct status_tunnel *t, bool is_ours,
	char to[STATUS_REASON_MAX], struct timestamp *next);

/* The URL that the tunnel is visited at, or NULL; *@others is how many more it has. */
const char *status_public_url(const struct status_tunnel *t, unsigned *others);

/* The place of a relay in the multi-hop route, from 1; 0: it is not on it. */
unsigned status_hop_of(const struct status_tunnel *t, const char *relay_url);

/* A URL without its scheme and final slash, for narrow columns. Returns @to. */
const char *status_short_url(const char *url, char *to, size_t size);

#endif
