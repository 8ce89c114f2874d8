/* Metrics of a link server. */
#include "http/metrics.h"
#include "serve/link/link_priv.h"

static void link_put_metrics(void *arg, struct buf *out)
{
	struct link_server *s = arg;
	const struct metric metrics[] = {
		{ "adit_link_sessions", "gauge", "Sessions of clients now.",
			atomic_load(&s->open) },
		{ "adit_link_sessions_total", "counter", "Sessions of clients.",
			atomic_load(&s->numbers) },
		{ "adit_link_channels", "gauge", "Channels now: connections of visitors.",
			atomic_load(&s->channels) },
		{ "adit_link_sent_bytes_total", "counter",
			"Bytes to clients, in channels.", atomic_load(&s->sent_bytes) },
		{ "adit_link_received_bytes_total", "counter",
			"Bytes from clients, in channels.",
			atomic_load(&s->received_bytes) },
		{ "adit_link_logins_failed_total", "counter",
			"Logins with a wrong password.", atomic_load(&s->failed_logins) },
		metric_memory(),
	};

	for (size_t i = 0; i < mem_count(metrics); i++)
		metric_put(out, &metrics[i]);
	metric_put_cpu(out);
}

enum err link_metrics_open(struct link_server *s, struct why *why)
{
	struct http_metrics_options o = {
		.loop = s->control->loop,
		.pool = &s->control->blocks,
		.put = link_put_metrics,
		.arg = s,
	};

	return s->o->metrics == NULL ? ERR_OK :
				       http_metrics_open_local(&o, s->o->metrics,
					       "--metrics", &s->log, &s->metrics, why);
}
