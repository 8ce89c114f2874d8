/* Figures: of all workers together, of leases and policy, and of the process. */
#include "relay/metrics.h"

#include <stddef.h>

#include "base/clock.h"
#include "relay/relay_priv.h"

/* ---- workers ---- */

static const struct figure {
	const char *name, *type, *help;
	size_t at; /* in struct relay_figures */
} figures[] = {
#define FIGURE(name, type, member, help) \
	{ \
		name, type, help, offsetof(struct relay_figures, member) \
	}
	FIGURE("adit_relay_visitors_total", "counter", visitors,
		"Visitors that were bridged."),
	FIGURE("adit_relay_visitors_unknown_total", "counter", unknown,
		"Visitors that asked for nobody known."),
	FIGURE("adit_relay_visitors_unserved_total", "counter", unserved,
		"Visitors that found no session in time."),
	FIGURE("adit_relay_bytes_up_total", "counter", bytes_up, "Bytes from visitors."),
	FIGURE("adit_relay_bytes_down_total", "counter", bytes_down,
		"Bytes to visitors."),
	FIGURE("adit_relay_signatures_total", "counter", signatures,
		"Signatures made for leases."),
	FIGURE("adit_relay_signatures_refused_total", "counter", signatures_refused,
		"Signatures refused to leases."),
	FIGURE("adit_relay_bridges", "gauge", bridges, "Bridges now."),
	FIGURE("adit_relay_sessions_ready", "gauge", sessions,
		"Idle reverse sessions now."),
#undef FIGURE
};

static uint64_t figure_sum(const struct relay *r, size_t at)
{
	uint64_t sum = 0;

	for (unsigned k = 0; k < r->shared.count; k++) {
		char *base = (char *)&r->shared.workers[k].figures;

		sum += atomic_load((atomic_uint_fast64_t *)(void *)(base + at));
	}
	return sum;
}

/* ---- all of them ---- */

void metrics_each(struct relay *r, metrics_fn *fn, void *arg)
{
	const struct policy_counts c = policy_count(r->policy);
	uint64_t now_ms = clock_wall_ms(), live = 0, all = 0, with_port = 0;
	struct list *it, *tmp;

	list_each(it, tmp, lease_book_all(r->book)) {
		const struct lease *l = list_object(it, struct lease, in_book);

		all++;
		live += route_is_live(l->route, now_ms);
		with_port += l->route->tcp_port != 0;
	}
	for (size_t i = 0; i < mem_count(figures); i++) {
		const struct metric m = { figures[i].name, figures[i].type,
			figures[i].help, figure_sum(r, figures[i].at) };

		fn(arg, &m);
	}
	const struct metric others[] = {
		{ "adit_relay_workers", "gauge", "Data workers.", r->shared.count },
		{ "adit_relay_leases", "gauge", "Leases.", all },
		{ "adit_relay_leases_live", "gauge", "Leases that policy lets be served.",
			live },
		{ "adit_relay_leases_tcp", "gauge", "Leases with a TCP port.",
			with_port },
		{ "adit_relay_names_reserved", "gauge",
			"Names that are reserved for their holders.",
			reservations_total(r->names) },
		{ "adit_relay_policy_approved", "gauge", "Identities approved.",
			c.approved },
		{ "adit_relay_policy_denied", "gauge", "Identities denied.", c.denied },
		{ "adit_relay_policy_banned", "gauge", "Identities banned.", c.banned },
		{ "adit_relay_policy_limited", "gauge", "Identities with a rate limit.",
			c.limited },
		{ "adit_relay_policy_prefixes_banned", "gauge",
			"Addresses and prefixes banned.", c.prefixes },
		metric_memory(),
	};

	for (size_t i = 0; i < mem_count(others); i++)
		fn(arg, &others[i]);
}

/* ---- as Prometheus reads them ---- */

static void put_text(void *arg, const struct metric *m)
{
	metric_put(arg, m);
}

void metrics_put(void *relay, struct buf *out)
{
	metrics_each(relay, put_text, out);
	metric_put_cpu(out);
}

enum err metrics_open(struct relay *r, struct why *why)
{
	const struct http_metrics_options o = {
		.loop = r->control->loop,
		.pool = &r->control->blocks,
		.put = metrics_put,
		.arg = r,
	};

	return r->options.metrics == NULL ?
		ERR_OK :
		http_metrics_open_local(&o, r->options.metrics, "metrics", &r->log,
			&r->metrics, why);
}
