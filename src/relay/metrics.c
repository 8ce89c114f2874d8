/* Statistics: of all workers together, of leases and policy, and of the process. */
#include "relay/metrics.h"

#include "base/clock.h"
#include "relay/relay_priv.h"

void metrics_each(struct relay *r, metric_fn *fn, void *arg)
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
	const struct metric metrics[] = {
		{ "adit_relay_signatures_total", "counter", "Signatures made for leases.",
			atomic_load(&r->leases.signatures) },
		{ "adit_relay_signatures_refused_total", "counter",
			"Signatures refused to leases.",
			atomic_load(&r->leases.signatures_refused) },
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

	data_workers_each_metric(&r->shared, fn, arg);
	for (size_t i = 0; i < mem_count(metrics); i++)
		fn(arg, &metrics[i]);
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
