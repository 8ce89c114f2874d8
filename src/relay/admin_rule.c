/* Leases, settings and policy, for administrators. */
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/metrics.h"
#include "relay/admin.h"
#include "relay/relay_priv.h"
#include "tunnel/portal/message.h"

#define SNAPSHOT_PICTURES_MAX (2u << 20) /* bytes, after which pictures are left out */
#define SNAPSHOT_LEASE_MAX 65536         /* bytes of a lease without its picture */

/* ---- settings ---- */

struct admin_switch {
	bool enabled;
	int64_t max_leases;
};

static const struct field switch_rows[] = {
	{ "enabled", FIELD_BOOL, FIELD_AT(struct admin_switch, enabled) },
	{ "max_leases", FIELD_NUMBER, FIELD_AT(struct admin_switch, max_leases) },
};

static const struct field_table switch_fields = FIELD_TABLE_OF(struct admin_switch,
	switch_rows);

static const struct field_table flag_fields = {
	.bytes = sizeof(struct admin_switch),
	.rows = switch_rows,
	.count = 1,
};

struct admin_mode {
	char mode[32];
};

static const struct field mode_rows[] = {
	{ "mode", FIELD_CHARS, FIELD_AT(struct admin_mode, mode) },
	{ "approval_mode", FIELD_CHARS, FIELD_AT(struct admin_mode, mode) },
};

/* The request has the first, and the response the second. */
static const struct field_table mode_fields[] = {
	{ sizeof(struct admin_mode), &mode_rows[0], 1 },
	{ sizeof(struct admin_mode), &mode_rows[1], 1 },
};

/* ---- the snapshot ---- */

struct lease_series {
	struct field_series series;
	struct relay *relay;
	struct list *at;
	const struct buf *answer;
	struct message_admin_lease row;
};

static const void *lease_next(struct field_series *series)
{
	struct lease_series *s = mem_container(series, struct lease_series, series);
	struct message_admin_lease *row = &s->row;
	struct relay *r = s->relay;
	struct policy_verdict v;
	const struct lease *l;
	struct addr client;

	s->at = s->at->next;
	if (s->at == lease_table_all(r->table) ||
		s->answer->n + SNAPSHOT_LEASE_MAX >= API_ANSWER_MAX)
		return NULL;
	l = list_object(s->at, struct lease, in_table);
	v = policy_judge(r->policy, l->route->owner);
	*row = (struct message_admin_lease){
		.bytes_per_s = (int64_t)v.bytes_per_s,
		.is_approved = v.is_approved,
		.is_banned = v.is_banned,
		.is_denied = v.is_denied,
	};
	lease_describe(l, r->options.root, &row->lease);
	if (s->answer->n > SNAPSHOT_PICTURES_MAX)
		row->lease.metadata.thumbnail = NULL;
	str_copy(row->identity_key, sizeof(row->identity_key), l->route->owner);
	str_copy(row->address, sizeof(row->address), l->address);
	str_copy(row->client_ip, sizeof(row->client_ip), l->client_ip);
	str_copy(row->reported_ip, sizeof(row->reported_ip), l->reported_ip);
	row->is_ip_banned = addr_from_literal(l->client_ip, 0, &client) == ERR_OK &&
		prefix_set_has(policy_banned(r->policy), &client);
	return row;
}

struct admin_snapshot {
	char approval_mode[8];
	bool has_landing_page;
	struct field_series *leases;
	struct admin_switch udp, tcp;
};

static const struct field snapshot_rows[] = {
#define AT(member) FIELD_AT(struct admin_snapshot, member)
	{ "approval_mode", FIELD_CHARS, AT(approval_mode) },
	{ "landing_page_enabled", FIELD_BOOL, AT(has_landing_page) },
	{ "leases", FIELD_SERIES, AT(leases), .of = &message_admin_lease_fields },
	{ "udp", FIELD_TABLE, AT(udp), .of = &switch_fields },
	{ "tcp_port", FIELD_TABLE, AT(tcp), .of = &switch_fields },
#undef AT
};

static const struct field_table snapshot_fields = FIELD_TABLE_OF(struct admin_snapshot,
	snapshot_rows);

static void admin_snapshot(void *context, struct api_call *call)
{
	struct relay *r = context;
	const struct policy_settings *p = policy_settings(r->policy);
	struct lease_series leases = {
		.series.next = lease_next,
		.relay = r,
		.at = lease_table_all(r->table),
		.answer = &call->answer,
	};
	struct admin_snapshot s = {
		.has_landing_page = p->has_landing_page,
		.leases = &leases.series,
		.udp = { p->udp_enabled, p->udp_max_leases },
		.tcp = { p->tcp_enabled, p->tcp_max_leases },
	};

	str_copy(s.approval_mode, sizeof(s.approval_mode), policy_approval(p));
	api_reply(call, &s);
}

static void admin_metrics(void *context, struct api_call *call)
{
	metrics_put(context, &call->answer);
	api_reply_text(call, span_of(NULL, 0));
}

/* ---- changes ---- */

static void end_change(struct api_call *call, enum err rc, const struct why *why,
	const void *answer)
{
	if (rc == ERR_OK)
		api_reply(call, answer);
	else
		envelope_refuse(call,
			rc == ERR_LIMIT ? MESSAGE_INVALID_REQUEST : MESSAGE_INTERNAL,
			err_text(rc, why));
}

/* The answer is the request. */
static void set_settings(struct relay *r, struct api_call *call,
	const struct policy_settings *s)
{
	struct why why = { "" };
	enum err rc = policy_set_settings(r->policy, s, call->caller, &why);

	end_change(call, rc, &why, call->request);
}

static void admin_set_mode(void *context, struct api_call *call)
{
	struct relay *r = context;
	struct policy_settings s = *policy_settings(r->policy);
	const struct admin_mode *req = call->request;

	s.is_manual = strcmp(req->mode, "manual") == 0;
	if (s.is_manual || strcmp(req->mode, "auto") == 0)
		set_settings(r, call, &s);
	else
		envelope_refuse(call, MESSAGE_INVALID_MODE,
			"mode must be auto or manual");
}

static void admin_set_page(void *context, struct api_call *call)
{
	struct relay *r = context;
	struct policy_settings s = *policy_settings(r->policy);
	const struct admin_switch *req = call->request;

	s.has_landing_page = req->enabled;
	set_settings(r, call, &s);
}

static void admin_set_ports(void *context, struct api_call *call)
{
	struct relay *r = context;
	const bool is_udp = strstr(call->row->path, "/udp") != NULL;
	struct policy_settings s = *policy_settings(r->policy);
	const struct admin_switch *req = call->request;

	if (req->max_leases < 0 || req->max_leases > UINT32_MAX) {
		envelope_refuse(call, MESSAGE_INVALID_REQUEST,
			"max_leases must be between 0 and 4294967295");
		return;
	}
	*(is_udp ? &s.udp_enabled : &s.tcp_enabled) = req->enabled;
	*(is_udp ? &s.udp_max_leases : &s.tcp_max_leases) = (uint32_t)req->max_leases;
	set_settings(r, call, &s);
}

/* ---- identities ---- */

static void set_rule(struct relay *r, struct api_call *call, enum policy_rule rule,
	uint64_t value)
{
	char key[IDENTITY_KEY_SIZE];
	struct why why = { "" };
	enum err rc;

	if (!admin_parse_identity(call, key))
		return;
	rc = policy_set(r->policy, key, rule, value, call->caller, &why);
	end_change(call, rc, &why, NULL);
}

/* The path names the rule. */
static void admin_set_rule(void *context, struct api_call *call)
{
	static const char *const ends[] = {
		[POLICY_APPROVED] = "/approve/",
		[POLICY_DENIED] = "/deny/",
		[POLICY_BANNED] = "/ban/",
	};

	for (unsigned rule = 0; rule < mem_count(ends); rule++)
		if (strstr(call->row->path, ends[rule]) != NULL)
			set_rule(context, call, rule, strcmp(call->method, "POST") == 0);
}

struct admin_rate {
	int64_t bps;
};

static const struct field rate_rows[] = {
	{ "bps", FIELD_NUMBER, FIELD_AT(struct admin_rate, bps) },
};

static const struct field_table rate_fields = FIELD_TABLE_OF(struct admin_rate,
	rate_rows);

static bool identity_check(void *context, struct api_call *call)
{
	char key[IDENTITY_KEY_SIZE];

	(void)context;
	return admin_parse_identity(call, key);
}

/* DELETE has no body, and ends the limit. */
static void admin_set_rate(void *context, struct api_call *call)
{
	const struct admin_rate *req = call->request;

	if (req != NULL && req->bps <= 0)
		envelope_refuse(call, MESSAGE_INVALID_REQUEST, "bps must be positive");
	else
		set_rule(context, call, POLICY_RATE,
			req != NULL ? (uint64_t)req->bps : 0);
}

/* ---- addresses ---- */

static void admin_ban_prefix(void *context, struct api_call *call)
{
	struct relay *r = context;
	char text[PREFIX_TEXT_MAX];
	struct prefix prefix;
	struct why why = { "" };
	enum err rc;

	if (!api_decode(call->parts[0], API_PATH, text, sizeof(text)) ||
		prefix_parse(span_str(text), &prefix) != ERR_OK) {
		envelope_refuse(call, MESSAGE_INVALID_IP, "invalid ip address");
		return;
	}
	rc = policy_ban_prefix(r->policy, &prefix, strcmp(call->method, "POST") == 0,
		call->caller, &why);
	end_change(call, rc, &why, NULL);
}

#define SETTING(name, function, fields, answer, text) \
	{ \
		ADMIN_WITH_BODY, .method = "POST", .path = "/admin/settings/" name "/", \
				 .authority = &administrator, .fn = (function), \
				 .request = (fields), .response = (answer), \
				 .summary = (text) \
	}
#define RULE(verb, pattern, function, text) \
	{ \
		.method = (verb), .path = (pattern), .authority = &administrator, \
		.fn = (function), .summary = (text) \
	}
#define LEASE "/admin/leases/*/*/"

static const struct api_operation rows[] = {
	{ "GET", "/admin/snapshot/", &administrator, admin_snapshot,
		.response = &snapshot_fields, .summary = "Lists leases and settings." },
	{ "GET", "/admin/metrics/", &administrator, admin_metrics,
		.type = HTTP_METRICS_TYPE, .summary = "Metrics for Prometheus." },
	SETTING("approval-mode", admin_set_mode, &mode_fields[0], &mode_fields[1],
		"Sets whether new identities wait for approval."),
	SETTING("landing-page", admin_set_page, &flag_fields, &flag_fields,
		"Sets whether / is a landing page."),
	SETTING("udp", admin_set_ports, &switch_fields, &switch_fields,
		"Sets whether leases may have UDP ports."),
	SETTING("tcp-port", admin_set_ports, &switch_fields, &switch_fields,
		"Sets whether leases may have TCP ports."),
	RULE("POST", LEASE "ban/", admin_set_rule, "Bans an identity."),
	RULE("DELETE", LEASE "ban/", admin_set_rule, "Ends the ban of an identity."),
	RULE("POST", LEASE "approve/", admin_set_rule, "Approves an identity."),
	RULE("DELETE", LEASE "approve/", admin_set_rule,
		"Ends the approval of an identity."),
	RULE("POST", LEASE "deny/", admin_set_rule, "Denies an identity."),
	RULE("DELETE", LEASE "deny/", admin_set_rule, "Ends the denial of an identity."),
	{ "POST", LEASE "bps/", &administrator, admin_set_rate, ADMIN_WITH_BODY,
		.check = identity_check, .request = &rate_fields,
		.summary = "Limits the rate of an identity." },
	RULE("DELETE", LEASE "bps/", admin_set_rate, "Ends the limit of an identity."),
	RULE("POST", "/admin/ips/*/ban/", admin_ban_prefix, "Bans a network."),
	RULE("DELETE", "/admin/ips/*/ban/", admin_ban_prefix,
		"Ends the ban of a network."),
};

const struct api_table admin_rule_table = API_TABLE_OF(rows);
