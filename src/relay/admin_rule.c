/* What administrators see, and what they say. */
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/metrics.h"
#include "relay/admin.h"
#include "relay/metrics.h"
#include "relay/relay_inside.h"
#include "tunnel/portal/message_listing.h"

#define SNAPSHOT_PICTURES_MAX (2u << 20) /* from there on, leases have none */
#define SNAPSHOT_LEASE_MAX 65536         /* what one without may take */

/* ---- all of it ---- */

static void put_port(struct json_writer *w, const char *key, bool enabled, uint32_t max)
{
	json_put_key(w, key);
	json_put_open(w);
	json_put_key(w, "enabled");
	json_put_flag(w, enabled);
	json_put_key(w, "max_leases");
	json_put_int(w, max);
	json_put_close(w);
}

static void put_lease(struct relay *r, const struct lease *l, struct json_writer *w)
{
	struct policy_verdict v = policy_judge(r->policy, l->route->owner);
	struct message_admin_lease row = {
		.bytes_per_s = (int64_t)v.bytes_per_s,
		.is_approved = v.is_approved,
		.is_banned = v.is_banned,
		.is_denied = v.is_denied,
	};
	struct addr client;

	lease_describe(l, r->options.root, &row.lease);
	if (w->out->n > SNAPSHOT_PICTURES_MAX)
		row.lease.metadata.thumbnail = NULL;
	str_copy(row.identity_key, sizeof(row.identity_key), l->route->owner);
	str_copy(row.address, sizeof(row.address), l->address);
	str_copy(row.client_ip, sizeof(row.client_ip), l->client_ip);
	str_copy(row.reported_ip, sizeof(row.reported_ip), l->reported_ip);
	row.is_ip_banned = addr_from_literal(l->client_ip, 0, &client) == ERR_OK &&
		prefix_set_has(policy_banned(r->policy), &client);
	field_put_json(&message_admin_lease_fields, &row, w);
}

static void admin_snapshot(struct relay *r, struct api_call *call,
	const struct span *parts)
{
	const struct policy_settings *s = policy_settings(r->policy);
	struct list *it, *tmp;
	struct json_writer w;

	(void)parts;
	if (admin_enter(r, call) == NULL)
		return;
	api_open_reply(call, &w);
	json_put_open(&w);
	json_put_key(&w, "approval_mode");
	json_put_text(&w, span_str(s->is_manual ? "manual" : "auto"));
	json_put_key(&w, "landing_page_enabled");
	json_put_flag(&w, s->has_landing_page);
	json_put_key(&w, "leases");
	json_put_open_list(&w);
	list_each(it, tmp, lease_book_all(r->book)) {
		if (call->answer.n + SNAPSHOT_LEASE_MAX < API_ANSWER_MAX)
			put_lease(r, list_object(it, struct lease, in_book), &w);
	}
	json_put_close_list(&w);
	put_port(&w, "udp", s->udp_enabled, s->udp_max_leases);
	put_port(&w, "tcp_port", s->tcp_enabled, s->tcp_max_leases);
	json_put_close(&w);
	api_close_reply(call, 200, &w);
}

static void admin_metrics(struct relay *r, struct api_call *call,
	const struct span *parts)
{
	struct buf text;

	(void)parts;
	if (admin_enter(r, call) == NULL)
		return;
	buf_init(&text, HTTP_METRICS_BYTES_MAX);
	metrics_put(r, &text);
	if (text.failed == ERR_OK)
		api_reply_text(call, 200, HTTP_METRICS_TYPE, buf_span(&text));
	else
		api_refuse(call, MESSAGE_INTERNAL, "no room for the figures");
	buf_fini(&text);
}

/* ---- settings ---- */

struct admin_mode {
	char mode[32];
};

static const struct field mode_rows[] = {
	{ "mode", FIELD_CHARS, FIELD_AT(struct admin_mode, mode) },
};

static const struct field_table mode_fields = FIELD_TABLE_OF(struct admin_mode,
	mode_rows);

struct admin_answer {
	char approval_mode[32];
};

static const struct field answer_rows[] = {
	{ "approval_mode", FIELD_CHARS, FIELD_AT(struct admin_answer, approval_mode) },
};

static const struct field_table answer_fields = FIELD_TABLE_OF(struct admin_answer,
	answer_rows);

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

/* False: it is not kept, and the call is answered. */
static bool set_settings(struct relay *r, struct api_call *call,
	const struct policy_settings *s, const char *who)
{
	struct why why = { "" };
	enum err rc = policy_set_settings(r->policy, s, who, &why);

	if (rc != ERR_OK)
		admin_end(call, rc, &why);
	return rc == ERR_OK;
}

static void admin_set_mode(struct relay *r, struct api_call *call,
	const struct span *parts)
{
	struct policy_settings s = *policy_settings(r->policy);
	const char *who = admin_enter(r, call);
	struct admin_mode req = { .mode = "" };
	struct admin_answer answer = { .approval_mode = "" };

	(void)parts;
	if (who == NULL || !admin_read(call, &mode_fields, &req))
		return;
	s.is_manual = strcmp(req.mode, "manual") == 0;
	if (!s.is_manual && strcmp(req.mode, "auto") != 0) {
		api_refuse(call, MESSAGE_INVALID_MODE, "mode must be auto or manual");
		return;
	}
	str_copy(answer.approval_mode, sizeof(answer.approval_mode), req.mode);
	if (set_settings(r, call, &s, who))
		api_reply(call, 200, &answer_fields, &answer);
}

static void admin_set_page(struct relay *r, struct api_call *call,
	const struct span *parts)
{
	struct policy_settings s = *policy_settings(r->policy);
	const char *who = admin_enter(r, call);
	struct admin_switch req = { .enabled = false };

	(void)parts;
	if (who == NULL || !admin_read(call, &flag_fields, &req))
		return;
	s.has_landing_page = req.enabled;
	if (set_settings(r, call, &s, who))
		api_reply(call, 200, &flag_fields, &req);
}

static void set_port(struct relay *r, struct api_call *call, bool is_udp)
{
	struct policy_settings s = *policy_settings(r->policy);
	const char *who = admin_enter(r, call);
	struct admin_switch req = { .enabled = false };

	if (who == NULL || !admin_read(call, &switch_fields, &req))
		return;
	if (req.max_leases < 0 || req.max_leases > UINT32_MAX) {
		api_refuse(call, MESSAGE_INVALID_REQUEST,
			"max_leases must not be below 0");
		return;
	}
	*(is_udp ? &s.udp_enabled : &s.tcp_enabled) = req.enabled;
	*(is_udp ? &s.udp_max_leases : &s.tcp_max_leases) = (uint32_t)req.max_leases;
	if (set_settings(r, call, &s, who))
		api_reply(call, 200, &switch_fields, &req);
}

static void admin_set_udp(struct relay *r, struct api_call *call,
	const struct span *parts)
{
	(void)parts;
	set_port(r, call, true);
}

static void admin_set_tcp(struct relay *r, struct api_call *call,
	const struct span *parts)
{
	(void)parts;
	set_port(r, call, false);
}

/* ---- identities ---- */

/* Who asks, about whom. NULL: the call is answered. */
static const char *enter_about(struct relay *r, struct api_call *call,
	const struct span *parts, char key[IDENTITY_KEY_SIZE])
{
	const char *who = admin_enter(r, call), *text;
	enum message_error error;

	if (who == NULL ||
		admin_parse_identity(parts, key, IDENTITY_KEY_SIZE, &error, &text))
		return who;
	api_refuse(call, error, text);
	return NULL;
}

static void mark(struct relay *r, struct api_call *call, const struct span *parts,
	enum policy_mark what)
{
	char key[IDENTITY_KEY_SIZE];
	const char *who = enter_about(r, call, parts, key);
	struct why why = { "" };
	enum err rc;

	if (who == NULL)
		return;
	rc = policy_mark(r->policy, key, what, strcmp(call->method, "POST") == 0, who,
		&why);
	admin_end(call, rc, &why);
}

static void admin_ban(struct relay *r, struct api_call *call, const struct span *parts)
{
	mark(r, call, parts, POLICY_BANNED);
}

static void admin_approve(struct relay *r, struct api_call *call,
	const struct span *parts)
{
	mark(r, call, parts, POLICY_APPROVED);
}

static void admin_deny(struct relay *r, struct api_call *call, const struct span *parts)
{
	mark(r, call, parts, POLICY_DENIED);
}

struct admin_rate {
	int64_t bps;
};

static const struct field rate_rows[] = {
	{ "bps", FIELD_NUMBER, FIELD_AT(struct admin_rate, bps) },
};

static const struct field_table rate_fields = FIELD_TABLE_OF(struct admin_rate,
	rate_rows);

static void admin_limit(struct relay *r, struct api_call *call, const struct span *parts)
{
	char key[IDENTITY_KEY_SIZE];
	const char *who = enter_about(r, call, parts, key);
	struct admin_rate req = { .bps = 0 };
	struct why why = { "" };
	bool is_set = strcmp(call->method, "POST") == 0;
	enum err rc;

	if (who == NULL || (is_set && !admin_read(call, &rate_fields, &req)))
		return;
	if (is_set && req.bps <= 0) {
		api_refuse(call, MESSAGE_INVALID_REQUEST, "bps must be above 0");
		return;
	}
	rc = policy_set_rate(r->policy, key, (uint64_t)req.bps, who, &why);
	admin_end(call, rc, &why);
}

/* ---- addresses ---- */

static void admin_ban_prefix(struct relay *r, struct api_call *call,
	const struct span *parts)
{
	const char *who = admin_enter(r, call);
	char text[PREFIX_TEXT_MAX];
	struct prefix prefix;
	struct why why = { "" };
	enum err rc;

	if (who == NULL)
		return;
	if (!api_decode(parts[0], API_PATH, text, sizeof(text)) ||
		prefix_parse(span_str(text), &prefix) != ERR_OK) {
		api_refuse(call, MESSAGE_INVALID_IP, "invalid ip address");
		return;
	}
	rc = policy_ban_prefix(r->policy, &prefix, strcmp(call->method, "POST") == 0, who,
		&why);
	admin_end(call, rc, &why);
}

static const struct api_operation rows[] = {
	{ "GET", "/admin/snapshot/", admin_snapshot },
	{ "GET", "/admin/metrics/", admin_metrics },
	{ "POST", "/admin/settings/approval-mode/", admin_set_mode },
	{ "POST", "/admin/settings/landing-page/", admin_set_page },
	{ "POST", "/admin/settings/udp/", admin_set_udp },
	{ "POST", "/admin/settings/tcp-port/", admin_set_tcp },
	{ "POST", "/admin/leases/*/*/ban/", admin_ban },
	{ "DELETE", "/admin/leases/*/*/ban/", admin_ban },
	{ "POST", "/admin/leases/*/*/approve/", admin_approve },
	{ "DELETE", "/admin/leases/*/*/approve/", admin_approve },
	{ "POST", "/admin/leases/*/*/deny/", admin_deny },
	{ "DELETE", "/admin/leases/*/*/deny/", admin_deny },
	{ "POST", "/admin/leases/*/*/bps/", admin_limit },
	{ "DELETE", "/admin/leases/*/*/bps/", admin_limit },
	{ "POST", "/admin/ips/*/ban/", admin_ban_prefix },
	{ "DELETE", "/admin/ips/*/ban/", admin_ban_prefix },
};

const struct api_table admin_rule_table = API_TABLE_OF(rows);
