/* Metrics of an exposure. */
#include "agent/expose_metrics.h"

#include "base/mem.h"

/* A metric that each relay has. */
struct relay_metric {
	const char *name, *type, *help;
	uint64_t (*get)(const struct lease_session_statistics *f);
};

static uint64_t get_open(const struct lease_session_statistics *f)
{
	return f->is_open;
}

static uint64_t get_ready(const struct lease_session_statistics *f)
{
	return f->ready;
}

static uint64_t get_registrations(const struct lease_session_statistics *f)
{
	return f->registrations;
}

static uint64_t get_visitors(const struct lease_session_statistics *f)
{
	return f->visitors;
}

static uint64_t get_failed(const struct lease_session_statistics *f)
{
	return f->handshakes_failed;
}

static uint64_t get_signatures(const struct lease_session_statistics *f)
{
	return f->signer.signatures;
}

static uint64_t get_unsigned(const struct lease_session_statistics *f)
{
	return f->signer.failures;
}

static const struct relay_metric metrics[] = {
	{ "adit_expose_open", "gauge", "Whether there is a lease at the relay",
		get_open },
	{ "adit_expose_ready_sessions", "gauge",
		"Reverse sessions that wait for visitors", get_ready },
	{ "adit_expose_registrations_total", "counter", "Leases that the relay gave",
		get_registrations },
	{ "adit_expose_visitors_total", "counter", "Visitors that came through the relay",
		get_visitors },
	{ "adit_expose_handshakes_failed_total", "counter",
		"Visitors whose TLS handshake failed", get_failed },
	{ "adit_expose_signatures_total", "counter", "Handshakes that the relay signed",
		get_signatures },
	{ "adit_expose_signatures_failed_total", "counter",
		"Handshakes that the relay did not sign", get_unsigned },
};

struct printing {
	struct buf *out;
	const struct relay_metric *metric;
};

/* A URL in form has no quotes or backslashes in it. */
static void print_relay(void *arg, const struct agent_session *s)
{
	struct printing *p = arg;
	struct lease_session_statistics f = lease_session_statistics(s);

	buf_printf(p->out, "%s{relay=\"%s\"} %llu\n", p->metric->name,
		agent_session_status(s).peer, (unsigned long long)p->metric->get(&f));
}

static void print_total(struct buf *out, const char *name, const char *type,
	const char *help, uint64_t value)
{
	const struct metric m = {
		.name = name,
		.type = type,
		.help = help,
		.value = value,
	};

	metric_put(out, &m);
}

static void print_all(const struct expose *e, struct buf *out)
{
	struct expose_statistics f = expose_statistics(e);

	print_total(out, "adit_expose_all_visitors_total", "counter", "Visitors so far",
		f.visitors);
	print_total(out, "adit_expose_all_visitors", "gauge",
		"Visitors who are being served", f.visitors_now);
	print_total(out, "adit_expose_received_bytes_total", "counter",
		"What visitors who have left had sent", f.in_bytes);
	print_total(out, "adit_expose_sent_bytes_total", "counter",
		"What visitors who have left had got", f.out_bytes);
	for (size_t i = 0; i < mem_count(metrics); i++) {
		struct printing p = { .out = out, .metric = &metrics[i] };

		metric_put_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
		expose_each(e, print_relay, &p);
	}
}

static void metrics_on_put(void *arg, struct buf *out)
{
	print_all(arg, out);
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
