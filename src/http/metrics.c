/* Metrics for Prometheus. */
#include "http/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/head.h"
#include "http/server.h"
#include "text/names.h"

#define METRICS_CONNECTIONS_MAX 64
#define METRICS_HEADERS "Content-Type: " HTTP_METRICS_TYPE "\r\n"

struct http_metrics {
	struct http_server *server;
	struct addr at; /* where it listens */
	char *host;
	void (*put)(void *arg, struct buf *out);
	void *arg; /* borrowed: the owner's */
};

static void metrics_answer(struct http_metrics *m, struct http_exchange *x)
{
	struct buf text;

	buf_init(&text, HTTP_METRICS_BYTES_MAX);
	m->put(m->arg, &text);
	http_reply(x, text.failed == ERR_OK ? 200 : 500, METRICS_HEADERS,
		buf_span(&text));
	buf_fini(&text);
}

static void metrics_on_request(void *arg, struct http_exchange *x)
{
	struct http_metrics *m = arg;
	const struct http1_head *head = http_request(x);

	if (!http_host_is_local(head, m->host))
		http_reply(x, 421, NULL,
			span_str(
				"Unknown host: use an address, localhost or the configured"
				" name\n"));
	else if (!span_is(http1_path(head), "/metrics"))
		http_reply(x, 404, NULL, span_str("Not found: ask for /metrics\n"));
	else if (!span_is(head->method, "GET") && !span_is(head->method, "HEAD"))
		http_reply(x, 405, "Allow: GET, HEAD\r\n", span_str(""));
	else
		metrics_answer(m, x);
}

enum err http_metrics_open(const struct http_metrics_options *o,
	struct http_metrics **out, struct why *why)
{
	struct http_metrics *m = mem_new(m);
	struct http_server_options server = {
		.loop = o->loop,
		.pool = o->pool,
		.connections_max = METRICS_CONNECTIONS_MAX,
		.on_request = metrics_on_request,
		.arg = m,
	};
	enum err rc = ERR_NOMEM;

	if (m != NULL)
		m->host = strdup(o->host);
	if (m != NULL && m->host != NULL) {
		m->put = o->put;
		m->arg = o->arg;
		rc = http_server_new(&server, &m->server);
	}
	if (rc != ERR_OK)
		err_set(why, rc, "no memory for metrics");
	else
		rc = http_server_listen(m->server, m->host, o->port, &m->at, why);
	if (rc == ERR_OK)
		*out = m;
	else
		http_metrics_close(m);
	return rc;
}

void http_metrics_close(struct http_metrics *m)
{
	if (m == NULL)
		return;
	http_server_free(m->server);
	free(m->host);
	free(m);
}

void http_metrics_addr(const struct http_metrics *m, struct addr *out)
{
	*out = m->at;
}

enum err http_metrics_open_local(const struct http_metrics_options *options,
	const char *where, const char *setting, const struct log *log,
	struct http_metrics **out, struct why *why)
{
	struct http_metrics_options o = *options;
	struct addr_listen at;
	struct addr addr;
	char text[ADDR_TEXT_MAX];
	enum err rc;

	if (addr_parse_listen(where, &at) != ERR_OK || !names_host_is_local(at.host))
		return err_set(why, ERR_USAGE,
			"%s: \"%.60s\" is not a loopback address and port; write"
			" 127.0.0.1:9464",
			setting, where);
	o.host = at.host;
	o.port = at.port;
	rc = http_metrics_open(&o, out, why);
	if (rc != ERR_OK)
		return rc;
	http_metrics_addr(*out, &addr);
	log_info(log, "Listening on http://%s/metrics for metrics",
		addr_print(&addr, text));
	return ERR_OK;
}

/* ---- the text ---- */

void metric_put_head(struct buf *out, const char *name, const char *type,
	const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_put(struct buf *out, const struct metric *m)
{
	metric_put_head(out, m->name, m->type, m->help);
	buf_printf(out, "%s %llu\n", m->name, (unsigned long long)m->value);
}

struct metric metric_memory(void)
{
	struct metric m = {
		.name = "process_resident_memory_bytes",
		.type = "gauge",
		.help = "Memory in use.",
	};
	char line[128] = "";
	const char *resident; /* the second number, in pages */
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return m;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	resident = strchr(line, ' ');
	if (resident != NULL)
		m.value = (uint64_t)strtoul(resident, NULL, 10) *
			(uint64_t)sysconf(_SC_PAGESIZE);
	return m;
}

void metric_put_cpu(struct buf *out)
{
	const char *name = "process_cpu_seconds_total";
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) != 0)
		return;
	metric_put_head(out, name, "counter", "CPU time used.");
	buf_printf(out, "%s %.2f\n", name,
		(double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}
