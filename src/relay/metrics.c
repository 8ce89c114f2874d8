/* Statistics: of all workers together, of leases and policy, and of the process. */
#include "relay/metrics.h"

#include "base/clock.h"
#include "relay/relay_priv.h"

#define ROW(name, member, text) \
	{ \
		name, FIELD_BYTES, FIELD_AT(struct relay_statistics, member), \
			.help = (text) \
	}

/* A counter is a row whose name ends in "_total"; the others are gauges. */
static const struct field rows[] = {
	{ .kind = FIELD_TABLE,
		FIELD_AT(struct relay_statistics, totals),
		.of = &data_totals_fields },
	ROW("adit_relay_signatures_total", signatures, "Signatures made for leases."),
	ROW("adit_relay_signatures_refused_total", signatures_refused,
		"Signatures refused to leases."),
	ROW("adit_relay_workers", workers, "Data workers."),
	ROW("adit_relay_leases", leases, "Leases."),
	ROW("adit_relay_leases_live", leases_live, "Leases that policy lets be served."),
	ROW("adit_relay_leases_tcp", leases_tcp, "Leases with a TCP port."),
	ROW("adit_relay_names_reserved", names,
		"Names that are reserved for their holders."),
	ROW("adit_relay_policy_approved", approved, "Identities approved."),
	ROW("adit_relay_policy_denied", denied, "Identities denied."),
	ROW("adit_relay_policy_banned", banned, "Identities banned."),
	ROW("adit_relay_policy_limited", limited, "Identities with a rate limit."),
	ROW("adit_relay_policy_prefixes_banned", prefixes,
		"Addresses and prefixes banned."),
	ROW("process_resident_memory_bytes", memory, "Memory in use."),
};

const struct field_table relay_statistics_fields = FIELD_TABLE_OF(struct relay_statistics,
	rows);

void metrics_read(struct relay *r, struct relay_statistics *out)
{
	struct relay_statistics s = {
		.totals = data_workers_sum(&r->shared),
		.signatures = atomic_load(&r->leases.signatures),
		.signatures_refused = atomic_load(&r->leases.signatures_refused),
		.workers = r->shared.count,
		.names = reservations_total(r->names),
		.prefixes = policy_banned(r->policy)->n,
		.memory = metric_memory().value,
	};
	struct policy_entry e = { .node = NULL };
	const uint64_t now_ms = clock_wall_ms();
	struct list *it, *tmp;

	list_each(it, tmp, lease_table_all(r->table)) {
		const struct lease *l = list_object(it, struct lease, in_table);

		s.leases++;
		s.leases_live += route_is_live(l->route, now_ms);
		s.leases_tcp += l->route->tcp_port != 0;
	}
	while (policy_next(r->policy, &e)) {
		s.approved += e.record.is_approved;
		s.denied += e.record.is_denied;
		s.banned += e.record.is_banned;
		s.limited += e.record.bytes_per_s > 0;
	}
	*out = s;
}

void metrics_put(void *relay, struct buf *out)
{
	struct relay_statistics s;
	struct field_cursor c;

	metrics_read(relay, &s);
	for (field_first(&c, &relay_statistics_fields); c.row != NULL; field_next(&c)) {
		const char *name = c.row->name;
		const struct metric m = {
			.name = name,
			.type = strstr(name, "_total") != NULL ? "counter" : "gauge",
			.help = c.row->help,
			.value = (uint64_t)field_number(c.row, (char *)&s + c.at),
		};

		metric_put(out, &m);
	}
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
