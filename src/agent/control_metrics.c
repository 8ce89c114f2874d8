/* Metrics of an agent for Prometheus: GET /metrics. */
#include "agent/control_priv.h"

#include "base/mem.h"
#include "http/metrics.h"

/* Ids have neither quotes nor backslashes (agent_id_check()). */

static void put_value(struct buf *out, const char *name, const char *label,
	const char *value, uint64_t number)
{
	buf_printf(out, "%s{%s=\"%s\"} %llu\n", name, label, value,
		(unsigned long long)number);
}

/* ---- tunnels ---- */

#define UNKNOWN UINT64_MAX /* there is no sample */

static uint64_t open_relays(const struct tunnel *t, const struct tunnel_status *s)
{
	struct expose_relay r;
	uint64_t open = 0;

	(void)s;
	for (unsigned i = 0; tunnel_relay(t, i, &r); i++)
		open += r.is_open;
	return open;
}

static uint64_t visitors(const struct tunnel *t, const struct tunnel_status *s)
{
	(void)t;
	return s->statistics.visitors;
}

static uint64_t visitors_now(const struct tunnel *t, const struct tunnel_status *s)
{
	(void)t;
	return s->statistics.visitors_now;
}

static uint64_t received(const struct tunnel *t, const struct tunnel_status *s)
{
	(void)t;
	return s->statistics.in_bytes;
}

static uint64_t sent(const struct tunnel *t, const struct tunnel_status *s)
{
	(void)t;
	return s->statistics.out_bytes;
}

static uint64_t is_verified(const struct tunnel *t, const struct tunnel_status *s)
{
	(void)t;
	return s->is_verified;
}

static uint64_t target_responds(const struct tunnel *t, const struct tunnel_status *s)
{
	(void)t;
	return s->target.state == TARGET_UNKNOWN ? UNKNOWN : s->target.state == TARGET_OK;
}

static const struct {
	const char *name, *type, *help;
	uint64_t (*value)(const struct tunnel *t, const struct tunnel_status *s);
} tunnel_metrics[] = {
	{ "adit_agent_tunnel_relays_open", "gauge", "Relays that publish the tunnel.",
		open_relays },
	{ "adit_agent_tunnel_verified", "gauge",
		"1 if visits to its own name reach the tunnel at all open relays.",
		is_verified },
	{ "adit_agent_tunnel_target_up", "gauge",
		"1 if the target accepted the last connection.", target_responds },
	{ "adit_agent_tunnel_visitors_total", "counter", "Visitors so far.", visitors },
	{ "adit_agent_tunnel_visitors", "gauge", "Visitors that are being served.",
		visitors_now },
	{ "adit_agent_tunnel_received_bytes_total", "counter",
		"Bytes received from visitors.", received },
	{ "adit_agent_tunnel_sent_bytes_total", "counter", "Bytes sent to visitors.",
		sent },
};

static const struct agent_tunnel *entry_of(struct list *it)
{
	const struct agent_tunnel *t = list_object(it, const struct agent_tunnel,
		in_agent);

	return t->is_wanted && t->tunnel != NULL ? t : NULL;
}

static void put_states(const struct agent *a, struct buf *out)
{
	static const char name[] = "adit_agent_tunnels";
	uint64_t counts[AGENT_STATE_ERROR + 1] = { 0 };
	struct list *it, *tmp;

	list_each(it, tmp, &a->tunnels) {
		const struct agent_tunnel *t = entry_of(it);

		if (t != NULL)
			counts[agent_tunnel_status(t).state]++;
	}
	metric_put_head(out, name, "gauge", "Tunnels by state.");
	for (unsigned i = 0; i < mem_count(counts); i++)
		put_value(out, name, "state", agent_state_word(i), counts[i]);
}

static void put_tunnels(const struct agent *a, struct buf *out)
{
	struct list *it, *tmp;

	for (size_t i = 0; i < mem_count(tunnel_metrics); i++) {
		const char *name = tunnel_metrics[i].name;

		metric_put_head(out, name, tunnel_metrics[i].type,
			tunnel_metrics[i].help);
		list_each(it, tmp, &a->tunnels) {
			const struct agent_tunnel *t = entry_of(it);
			struct tunnel_status s;
			uint64_t value;

			if (t == NULL)
				continue;
			s = tunnel_status(t->tunnel);
			value = tunnel_metrics[i].value(t->tunnel, &s);
			if (value != UNKNOWN)
				put_value(out, name, "tunnel", tunnel_id(t->tunnel),
					value);
		}
	}
}

/* ---- links ---- */

static uint64_t link_is_open(const struct agent_link_status *s)
{
	return s->state == AGENT_STATE_RUNNING;
}

static uint64_t link_channels(const struct agent_link_status *s)
{
	return s->session.visitors;
}

static uint64_t link_received(const struct agent_link_status *s)
{
	return s->session.received_bytes;
}

static uint64_t link_sent(const struct agent_link_status *s)
{
	return s->session.sent_bytes;
}

static const struct {
	const char *name, *type, *help;
	uint64_t (*value)(const struct agent_link_status *s);
} link_metrics[] = {
	{ "adit_agent_link_open", "gauge", "1 if the link is connected.", link_is_open },
	{ "adit_agent_link_channels", "gauge", "Open channels.", link_channels },
	{ "adit_agent_link_received_bytes_total", "counter",
		"Bytes received in this connection.", link_received },
	{ "adit_agent_link_sent_bytes_total", "counter", "Bytes sent in this connection.",
		link_sent },
};

static void put_links(const struct agent *a, struct buf *out)
{
	struct list *it, *tmp;

	for (size_t i = 0; i < mem_count(link_metrics); i++) {
		metric_put_head(out, link_metrics[i].name, link_metrics[i].type,
			link_metrics[i].help);
		list_each(it, tmp, &a->links) {
			const struct agent_link_entry *l = list_object(it,
				const struct agent_link_entry, in_agent);
			struct agent_link_status s = agent_link_status(l->link);

			put_value(out, link_metrics[i].name, "link",
				agent_link_config(l->link)->id,
				link_metrics[i].value(&s));
		}
	}
}

/* ---- the operation ---- */

static void answer_metrics(void *context, struct api_call *call)
{
	const struct control *c = context;
	const struct agent *a = c->agent;
	const struct metric error = { "adit_agent_config_error", "gauge",
		"1 if the config file has a mistake, and an earlier one is used.",
		a->config_error.text[0] != '\0' };
	const struct metric memory = metric_memory();

	put_states(a, &call->answer);
	put_tunnels(a, &call->answer);
	put_links(a, &call->answer);
	metric_put(&call->answer, &error);
	metric_put(&call->answer, &memory);
	metric_put_cpu(&call->answer);
	api_reply_text(call, span_of(NULL, 0)); /* it is in the answer */
}

static bool scraper_check(void *context, struct api_call *call)
{
	const struct control *c = context;

	return c->agent->config->has_open_metrics || control_bearer.check(context, call);
}

static const struct api_authority scraper = {
	.name = "scraper",
	.meaning = "the token in agent-endpoint.json, unless metrics_without_token is"
		   " set",
	.in = "header",
	.key = "Authorization",
	.check = scraper_check,
};

static const struct api_operation rows[] = {
	{ "GET", "/metrics", &scraper, answer_metrics, .type = HTTP_METRICS_TYPE,
		.summary = "metrics for Prometheus", .is_at_once = true, .is_own = true },
};

const struct api_table control_metrics_table = API_TABLE_OF(rows);
