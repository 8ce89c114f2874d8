/* Statistics: of all workers together, of leases and policy, and of the process. */
#include "http/metrics.h"
#include "base/clock.h"
#include "relay/relay_priv.h"

#define ROW(name, member, text) \
	{ \
		"adit_relay_" name, FIELD_BYTES, \
			FIELD_AT(struct relay_statistics, member), .help = (text) \
	}

/* A counter is a row whose name ends in "_total"; the others are gauges. */
static const struct field rows[] = {
	ROW("visitors_total", totals.visitors, "Visitors that were bridged."),
	ROW("visitors_unknown_total", totals.unknown,
		"Visitors without a server name, or with an unknown one."),
	ROW("visitors_unserved_total", totals.unserved,
		"Visitors that found no session in time."),
	ROW("bytes_up_total", totals.bytes_up, "Bytes from visitors."),
	ROW("bytes_down_total", totals.bytes_down, "Bytes to visitors."),
	ROW("bridges", totals.bridges, "Bridges now."),
	ROW("sessions_ready", totals.sessions, "Idle reverse sessions now."),
	ROW("signatures_total", signatures, "Signatures made for leases."),
	ROW("signatures_refused_total", signatures_refused,
		"Signatures refused to leases."),
	ROW("workers", workers, "Data workers."),
	ROW("leases", leases, "Leases."),
	ROW("leases_live", leases_live, "Leases that policy allows to be served."),
	ROW("leases_tcp", leases_tcp, "Leases with a TCP port."),
	ROW("names_reserved", names, "Names that are reserved for their holders."),
	ROW("policy_approved", approved, "Identities approved."),
	ROW("policy_denied", denied, "Identities denied."),
	ROW("policy_banned", banned, "Identities banned."),
	ROW("policy_limited", limited, "Identities with a rate limit."),
	ROW("policy_prefixes_banned", prefixes, "Addresses and prefixes banned."),
	{ "process_resident_memory_bytes", FIELD_BYTES,
		FIELD_AT(struct relay_statistics, memory), .help = "Memory in use." },
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

	metrics_read(relay, &s);
	for (size_t i = 0; i < mem_count(rows); i++) {
		const char *name = rows[i].name;
		const struct metric m = {
			.name = name,
			.type = strstr(name, "_total") != NULL ? "counter" : "gauge",
			.help = rows[i].help,
			.value = (uint64_t)field_number(&rows[i], field_at(&rows[i], &s)),
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
