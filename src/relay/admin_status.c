/* The state of the relay, and its policy, for administrators. */
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/openapi.h"
#include "relay/admin.h"
#include "relay/relay_priv.h"
#include "tunnel/portal/message.h"

#define POLICY_BYTES_LEFT 4096 /* of an answer: enough for another identity */

#define TABLE(type, rows) FIELD_TABLE_OF(struct type, rows)

/* ---- the relay ---- */

struct status_certificate {
	struct field_list names; /* borrowed, as all texts here */
	struct timestamp begins, ends;
	int64_t days;
};

static const struct field certificate_rows[] = {
#define AT(member) FIELD_AT(struct status_certificate, member)
	{ "names", FIELD_LIST, AT(names) },
	{ "from", FIELD_TIME, AT(begins) },
	{ "until", FIELD_TIME, AT(ends) },
	{ "days", FIELD_NUMBER, AT(days) },
#undef AT
};

static const struct field_table certificate_fields = TABLE(status_certificate,
	certificate_rows);

struct status_tcp {
	bool enabled;
	uint16_t port_min, port_max;
	uint32_t leases_max;
};

static const struct field tcp_rows[] = {
#define AT(member) FIELD_AT(struct status_tcp, member)
	{ "enabled", FIELD_BOOL, AT(enabled) },
	{ "min_port", FIELD_PORT, AT(port_min) },
	{ "max_port", FIELD_PORT, AT(port_max) },
	{ "max_leases", FIELD_COUNT, AT(leases_max) },
#undef AT
};

static const struct field_table tcp_fields = TABLE(status_tcp, tcp_rows);

struct status {
	char *url, *identity, *host, *metrics_address;
	char release[32], protocol[16], approval[8];
	int pid;
	struct timestamp since;
	uint16_t api_port, sni_port;
	struct status_certificate certificate;
	bool has_landing_page;
	struct status_tcp tcp; /* zero without TCP ports */
	struct relay_statistics statistics;
};

static const struct field status_rows[] = {
#define AT(member) FIELD_AT(struct status, member)
	{ "url", FIELD_TEXT, AT(url) },
	{ "release", FIELD_CHARS, AT(release) },
	{ "protocol", FIELD_CHARS, AT(protocol) },
	{ "identity", FIELD_TEXT, AT(identity) },
	{ "pid", FIELD_INT, AT(pid) },
	{ "since", FIELD_TIME, AT(since) },
	{ "host", FIELD_TEXT, AT(host), .is_nullable = true },
	{ "api_port", FIELD_PORT, AT(api_port) },
	{ "sni_port", FIELD_PORT, AT(sni_port) },
	{ "metrics_address", FIELD_TEXT, AT(metrics_address), .is_nullable = true },
	{ "certificate", FIELD_TABLE, AT(certificate), .of = &certificate_fields },
	{ "approval", FIELD_CHARS, AT(approval) },
	{ "landing_page", FIELD_BOOL, AT(has_landing_page) },
	{ "tcp", FIELD_TABLE, AT(tcp), .of = &tcp_fields, .is_nullable = true },
	{ "metrics", FIELD_TABLE, AT(statistics), .of = &relay_statistics_fields },
#undef AT
};

static const struct field_table status_fields = TABLE(status, status_rows);

static void admin_status(void *context, struct api_call *call)
{
	struct relay *r = context;
	const struct policy_settings *p = policy_settings(r->policy);
	const struct certificate_pair *pair = certificate_current(r->certificate);
	const int64_t left_s = pair->ends_s - (int64_t)(clock_wall_ms() / 1000);
	struct status s = {
		.url = r->options.url,
		.release = "adit/" ADIT_VERSION,
		.protocol = MESSAGE_PROTOCOL,
		.identity = r->identity.address,
		.pid = getpid(),
		.since.s = (int64_t)(r->began_ms / 1000),
		.host = r->options.host,
		.api_port = listener_port(r->api),
		.sni_port = listener_port(r->sni),
		.metrics_address = r->options.metrics,
		.certificate = {
			.names = pair->names,
			.begins.s = pair->begins_s,
			.ends.s = pair->ends_s,
			.days = left_s >= 0 ? left_s / 86400 :
					      -((-left_s + 86399) / 86400),
		},
		.has_landing_page = p->has_landing_page,
	};

	str_copy(s.approval, sizeof(s.approval), policy_approval(p));
	if (r->options.has_tcp)
		s.tcp = (struct status_tcp){ p->tcp_enabled, r->options.port_min,
			r->options.port_max, p->tcp_max_leases };
	metrics_read(r, &s.statistics);
	api_reply(call, &s);
}

/* ---- policy ---- */

static const struct field identity_rows[] = {
#define AT(member) FIELD_AT(struct policy_entry, member)
	{ "identity_key", FIELD_TEXT, AT(identity_key) },
	{ "approved", FIELD_BOOL, AT(record.is_approved) },
	{ "denied", FIELD_BOOL, AT(record.is_denied) },
	{ "banned", FIELD_BOOL, AT(record.is_banned) },
	{ "bytes_per_s", FIELD_BYTES, AT(record.bytes_per_s) },
#undef AT
};

static const struct field_table identity_fields = TABLE(policy_entry, identity_rows);

struct policy_lists {
	struct field_series *networks, *identities;
};

static const struct field policy_rows[] = {
#define AT(member) FIELD_AT(struct policy_lists, member)
	{ "banned_networks", FIELD_SERIES, AT(networks) },
	{ "identities", FIELD_SERIES, AT(identities), .of = &identity_fields },
#undef AT
};

static const struct field_table policy_fields = TABLE(policy_lists, policy_rows);

struct network_series {
	struct field_series series;
	const struct prefix_set *banned;
	unsigned next;
	char text[PREFIX_TEXT_MAX];
};

static const void *network_next(struct field_series *series)
{
	struct network_series *s = mem_container(series, struct network_series, series);

	return s->next < s->banned->n ? prefix_print(&s->banned->v[s->next++], s->text) :
					NULL;
}

struct identity_series {
	struct field_series series;
	const struct policy *policy;
	const struct buf *answer;
	struct policy_entry entry;
};

static const void *identity_next(struct field_series *series)
{
	struct identity_series *s = mem_container(series, struct identity_series, series);

	return s->answer->n + POLICY_BYTES_LEFT <= API_ANSWER_MAX &&
			policy_next(s->policy, &s->entry) ?
		&s->entry :
		NULL;
}

static void admin_policy(void *context, struct api_call *call)
{
	struct relay *r = context;
	struct network_series networks = {
		.series.next = network_next,
		.banned = policy_banned(r->policy),
	};
	struct identity_series identities = {
		.series.next = identity_next,
		.policy = r->policy,
		.answer = &call->answer,
	};
	const struct policy_lists lists = { &networks.series, &identities.series };

	api_reply(call, &lists);
}

/* ---- the description of the API ---- */

static void admin_describe(void *context, struct api_call *call)
{
	struct relay *r = context;
	enum err rc = openapi_put(&r->operations.o, "adit relay", ADIT_VERSION,
		&call->answer);

	api_reply_json(call, 200, rc);
}

static const struct api_operation rows[] = {
	{ "GET", "/admin/openapi.json", &administrator, admin_describe,
		.type = "application/json", .is_own = true,
		.summary = "Describes the API." },
	{ "GET", "/admin/status/", &administrator, admin_status, .is_own = true,
		.response = &status_fields, .summary = "Returns the relay's state." },
	{ "GET", "/admin/policy/", &administrator, admin_policy, .is_own = true,
		.response = &policy_fields,
		.summary = "Lists banned networks, and identities with rules." },
};

const struct api_table admin_status_table = API_TABLE_OF(rows);
