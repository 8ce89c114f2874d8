/* Metrics of an exposure. */
#include "agent/expose_metrics.h"

#include "base/mem.h"

/* What each relay has, in the order of the values in print_relay(). */
static const struct relay_metric {
	const char *name, *type, *help;
} metrics[] = {
	{ "adit_expose_open", "gauge", "Whether there is a lease at the relay" },
	{ "adit_expose_ready_sessions", "gauge",
		"Reverse sessions that wait for visitors" },
	{ "adit_expose_registrations_total", "counter", "Leases that the relay gave" },
	{ "adit_expose_visitors_total", "counter",
		"Visitors that came through the relay" },
	{ "adit_expose_handshakes_failed_total", "counter",
		"Visitors whose TLS handshake failed" },
	{ "adit_expose_signatures_total", "counter", "Handshakes that the relay signed" },
	{ "adit_expose_signatures_failed_total", "counter",
		"Handshakes that the relay did not sign" },
};

struct printing {
	struct buf *out;
	size_t metric;
};

/* A URL in form has no quotes or backslashes in it. */
static void print_relay(void *arg, const struct agent_session *s)
{
	struct printing *p = arg;
	const struct lease_session_statistics f = lease_session_statistics(s);
	const uint64_t values[] = { f.is_open, f.ready, f.registrations, f.visitors,
		f.handshakes_failed, f.signer.signatures, f.signer.failures };

	buf_printf(p->out, "%s{relay=\"%s\"} %llu\n", metrics[p->metric].name,
		agent_session_status(s).peer, (unsigned long long)values[p->metric]);
}

static void metrics_on_put(void *arg, struct buf *out)
{
	const struct expose *e = arg;
	const struct expose_statistics f = expose_statistics(e);
	const struct metric totals[] = {
		{ "adit_expose_all_visitors_total", "counter", "Visitors so far",
			f.visitors },
		{ "adit_expose_all_visitors", "gauge", "Visitors who are being served",
			f.visitors_now },
		{ "adit_expose_received_bytes_total", "counter",
			"What visitors who have left had sent", f.in_bytes },
		{ "adit_expose_sent_bytes_total", "counter",
			"What visitors who have left had got", f.out_bytes },
	};

	for (size_t i = 0; i < mem_count(totals); i++)
		metric_put(out, &totals[i]);
	for (size_t i = 0; i < mem_count(metrics); i++) {
		struct printing p = { .out = out, .metric = i };

		metric_put_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
		expose_each(e, print_relay, &p);
	}
}

enum err expose_metrics_open(struct worker *worker, struct expose *expose,
	const struct addr_listen *addr, struct http_metrics **out, struct why *why)
{
	struct http_metrics_options o = {
		.loop = worker->loop,
		.pool = &worker->blocks,
		.host = addr->host,
		.port = addr->port,
		.put = metrics_on_put,
		.arg = expose,
	};
	struct why words = { "" };
	enum err rc = http_metrics_open(&o, out, &words);

	return rc == ERR_OK ?
		rc :
		err_set(why, rc, "--metrics-addr: %s", err_text(rc, &words));
}
