/* What administrators are told of the relay as a whole, and of whom policy knows. */
#include <unistd.h>

#include "base/clock.h"
#include "http/openapi.h"
#include "relay/admin.h"
#include "relay/metrics.h"
#include "relay/relay_priv.h"
#include "tunnel/portal/message.h"

#define POLICY_BYTES_LEFT 4096 /* in an answer: enough for one more identity */

/* ---- values ---- */

/* NULL: there is none. */
static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_put_key(w, key);
	if (text != NULL)
		json_put_text(w, span_str(text));
	else
		json_put_null(w);
}

static void put_int(struct json_writer *w, const char *key, int64_t value)
{
	json_put_key(w, key);
	json_put_int(w, value);
}

static void put_flag(struct json_writer *w, const char *key, bool value)
{
	json_put_key(w, key);
	json_put_flag(w, value);
}

static void put_time(struct json_writer *w, const char *key, int64_t at_s)
{
	const struct timestamp t = { .s = at_s };
	char text[TIMEFMT_TEXT_MAX];

	put_text(w, key, timefmt_print(t, text));
}

/* ---- the relay ---- */

static void put_name(void *arg, struct span name)
{
	json_put_text(arg, name);
}

static void put_certificate(const struct relay *r, struct json_writer *w)
{
	const struct certificate_time t = certificate_time(r->certificate);
	const int64_t left_s = t.ends_s - (int64_t)(clock_wall_ms() / 1000);

	json_put_key(w, "certificate");
	json_put_open(w);
	json_put_key(w, "names");
	json_put_open_list(w);
	certificate_each_name(r->certificate, put_name, w);
	json_put_close_list(w);
	put_time(w, "from", t.begins_s);
	put_time(w, "until", t.ends_s);
	put_int(w, "days", left_s >= 0 ? left_s / 86400 : -((-left_s + 86399) / 86400));
	json_put_close(w);
}

static void put_settings(const struct relay *r, struct json_writer *w)
{
	const struct policy_settings *s = policy_settings(r->policy);

	put_text(w, "approval", s->is_manual ? "manual" : "auto");
	put_flag(w, "landing_page", s->has_landing_page);
	json_put_key(w, "tcp");
	if (!r->options.has_tcp) {
		json_put_null(w);
		return;
	}
	json_put_open(w);
	put_flag(w, "enabled", s->tcp_enabled);
	put_int(w, "min_port", r->options.port_min);
	put_int(w, "max_port", r->options.port_max);
	put_int(w, "max_leases", s->tcp_max_leases);
	json_put_close(w);
}

static void put_metric(void *arg, const struct metric *m)
{
	put_int(arg, m->name, (int64_t)m->value);
}

static uint16_t port_of(const struct listener *l)
{
	struct addr a = { .n = 0 };

	if (l != NULL)
		listener_addr(l, &a);
	return addr_port(&a);
}

static void admin_status(void *context, struct api_call *call)
{
	struct relay *r = context;
	struct json_writer w;

	envelope_open(call, &w);
	json_put_open(&w);
	put_text(&w, "url", r->options.url);
	put_text(&w, "release", "adit/" ADIT_VERSION);
	put_text(&w, "protocol", MESSAGE_PROTOCOL);
	put_text(&w, "identity", r->identity.address);
	put_int(&w, "pid", getpid());
	put_time(&w, "since", (int64_t)(r->began_ms / 1000));
	put_text(&w, "host", r->options.host);
	put_int(&w, "api_port", port_of(r->api));
	put_int(&w, "sni_port", port_of(r->sni));
	put_text(&w, "metrics_address", r->options.metrics);
	put_certificate(r, &w);
	put_settings(r, &w);
	json_put_key(&w, "metrics");
	json_put_open(&w);
	metrics_each(r, put_metric, &w);
	json_put_close(&w);
	json_put_close(&w);
	envelope_close(call, &w);
}

/* ---- policy ---- */

static void put_identity(void *arg, const struct policy_entry *e)
{
	struct json_writer *w = arg;

	if (w->out->n + POLICY_BYTES_LEFT > API_ANSWER_MAX)
		return;
	json_put_open(w);
	put_text(w, "identity_key", e->identity_key);
	put_flag(w, "approved", e->is_approved);
	put_flag(w, "denied", e->is_denied);
	put_flag(w, "banned", e->is_banned);
	put_int(w, "bytes_per_s", (int64_t)e->bytes_per_s);
	json_put_close(w);
}

static void put_banned(const struct prefix_set *banned, struct json_writer *w)
{
	char text[PREFIX_TEXT_MAX];

	json_put_key(w, "banned_networks");
	json_put_open_list(w);
	for (unsigned i = 0; i < banned->n; i++)
		json_put_text(w, span_str(prefix_print(&banned->v[i], text)));
	json_put_close_list(w);
}

static void admin_policy(void *context, struct api_call *call)
{
	struct relay *r = context;
	struct json_writer w;

	envelope_open(call, &w);
	json_put_open(&w);
	put_banned(policy_banned(r->policy), &w);
	json_put_key(&w, "identities");
	json_put_open_list(&w);
	policy_each(r->policy, put_identity, &w);
	json_put_close_list(&w);
	json_put_close(&w);
	envelope_close(call, &w);
}

/* ---- the API itself ---- */

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
		.summary = "Says how the relay is." },
	{ "GET", "/admin/policy/", &administrator, admin_policy, .is_own = true,
		.summary = "Lists banned networks, and identities that policy knows." },
};

const struct api_table admin_status_table = API_TABLE_OF(rows);
