/* Figures: of all workers together, of leases and policy, and of the process. */
#include "relay/metrics.h"

#include <stddef.h>

#include "base/clock.h"
#include "relay/relay_inside.h"

/* Where the figures go. */
struct visit {
	metrics_fn *fn;
	void *arg;
};

static void put(const struct visit *to, const char *name, const char *type,
	const char *help, uint64_t value)
{
	const struct metric m = {
		.name = name,
		.type = type,
		.help = help,
		.value = value,
	};

	to->fn(to->arg, &m);
}

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

static void put_workers(struct relay *r, const struct visit *out)
{
	for (size_t i = 0; i < mem_count(figures); i++) {
		uint64_t sum = 0;

		for (unsigned k = 0; k < r->shared.count; k++) {
			char *base = (char *)&r->shared.workers[k].figures;

			sum += atomic_load(
				(atomic_uint_fast64_t *)(void *)(base + figures[i].at));
		}
		put(out, figures[i].name, figures[i].type, figures[i].help, sum);
	}
	put(out, "adit_relay_workers", "gauge", "Data workers.", r->shared.count);
}

/* ---- leases and policy ---- */

static void put_leases(struct relay *r, const struct visit *out)
{
	uint64_t now_ms = clock_wall_ms(), live = 0, all = 0, with_port = 0;
	struct list *it, *tmp;

	list_each(it, tmp, lease_book_all(r->book)) {
		const struct lease *l = list_object(it, struct lease, in_book);

		all++;
		live += route_is_live(l->route, now_ms);
		with_port += l->route->tcp_port != 0;
	}
	put(out, "adit_relay_leases", "gauge", "Leases.", all);
	put(out, "adit_relay_leases_live", "gauge", "Leases that policy lets be served.",
		live);
	put(out, "adit_relay_leases_tcp", "gauge", "Leases with a TCP port.", with_port);
	put(out, "adit_relay_names_reserved", "gauge",
		"Names that are reserved for their holders.",
		reservations_total(r->names));
}

static void put_policy(struct relay *r, const struct visit *out)
{
	struct policy_counts c = policy_count(r->policy);

	put(out, "adit_relay_policy_approved", "gauge", "Identities approved.",
		c.approved);
	put(out, "adit_relay_policy_denied", "gauge", "Identities denied.", c.denied);
	put(out, "adit_relay_policy_banned", "gauge", "Identities banned.", c.banned);
	put(out, "adit_relay_policy_limited", "gauge", "Identities with a rate limit.",
		c.limited);
	put(out, "adit_relay_policy_prefixes_banned", "gauge",
		"Addresses and prefixes banned.", c.prefixes);
}

void metrics_each(struct relay *r, metrics_fn *fn, void *arg)
{
	const struct visit to = { .fn = fn, .arg = arg };
	struct metric m;

	put_workers(r, &to);
	put_leases(r, &to);
	put_policy(r, &to);
	m = metric_memory();
	fn(arg, &m);
}

/* ---- as Prometheus reads them ---- */

static void put_text(void *arg, const struct metric *m)
{
	metric_put(arg, m);
}

void metrics_put(struct relay *r, struct buf *out)
{
	metrics_each(r, put_text, out);
	metric_put_cpu(out);
}
