/* Figures of an exposure for Prometheus. */
#include "agent/expose_metrics.h"

#include "base/mem.h"
#include "base/str.h"
#include "http/server.h"
#include "net/listener.h"
#include "net/socket.h"

#include <string.h>
#include <unistd.h>

#define METRICS_MAX (256 * 1024)

struct expose_metrics {
	struct loop *loop; /* borrowed: outlives us */
	const struct expose *expose;
	struct http_server *server;
	struct listener *listener;
};

/* ---- the text ---- */

/* A figure that each relay has. */
struct figure {
	const char *name, *type, *help;
	uint64_t (*get)(const struct lease_session_figures *f);
};

static uint64_t get_open(const struct lease_session_figures *f)
{
	return f->is_open;
}

static uint64_t get_ready(const struct lease_session_figures *f)
{
	return f->ready;
}

static uint64_t get_registrations(const struct lease_session_figures *f)
{
	return f->registrations;
}

static uint64_t get_visitors(const struct lease_session_figures *f)
{
	return f->visitors;
}

static uint64_t get_failed(const struct lease_session_figures *f)
{
	return f->handshakes_failed;
}

static uint64_t get_signatures(const struct lease_session_figures *f)
{
	return f->signer.signatures;
}

static uint64_t get_unsigned(const struct lease_session_figures *f)
{
	return f->signer.failures;
}

static const struct figure figures[] = {
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
	const struct figure *figure;
};

/* A URL in form has no quotes or backslashes in it. */
static void print_relay(void *arg, const struct lease_session *s)
{
	struct printing *p = arg;
	struct lease_session_figures f = lease_session_figures(s);

	buf_printf(p->out, "%s{relay=\"%s\"} %llu\n", p->figure->name,
		lease_session_relay(s), (unsigned long long)p->figure->get(&f));
}

static void print_total(struct buf *out, const char *name, const char *type,
	const char *help, uint64_t value)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type,
		name, (unsigned long long)value);
}

enum err expose_metrics_print(const struct expose *e, struct buf *out)
{
	struct expose_figures f = expose_figures(e);

	print_total(out, "adit_expose_all_visitors_total", "counter", "Visitors so far",
		f.visitors);
	print_total(out, "adit_expose_all_visitors", "gauge",
		"Visitors who are being served", f.visitors_now);
	print_total(out, "adit_expose_received_bytes_total", "counter",
		"What visitors who have left had sent", f.in_bytes);
	print_total(out, "adit_expose_sent_bytes_total", "counter",
		"What visitors who have left had got", f.out_bytes);
	for (size_t i = 0; i < mem_count(figures); i++) {
		struct printing p = { .out = out, .figure = &figures[i] };

		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", figures[i].name,
			figures[i].help, figures[i].name, figures[i].type);
		expose_each(e, print_relay, &p);
	}
	return out->failed;
}

/* ---- the server ---- */

static void metrics_on_request(void *arg, struct http_exchange *x)
{
	struct expose_metrics *m = arg;
	struct buf text;
	enum err rc;

	if (!span_is(http1_path(http_request(x)), "/metrics")) {
		http_reply(x, 404, NULL, span_str("not here, but at /metrics\n"));
		return;
	}
	buf_init(&text, METRICS_MAX);
	rc = expose_metrics_print(m->expose, &text);
	if (rc == ERR_OK)
		http_reply(x, 200,
			"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
			buf_span(&text));
	else
		http_reply(x, 500, NULL, span_str(err_name(rc)));
	buf_fini(&text);
}

static void metrics_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct expose_metrics *m = arg;
	struct stream *stream;

	if (socket_open_take(m->loop, fd, &stream) == ERR_OK)
		http_server_serve_take(m->server, stream, peer);
	else
		close(fd);
}

static bool addr_read(const char *text, struct metrics_addr *out)
{
	struct span host, port;
	unsigned long number = 0;

	if (addr_split(span_str(text), &host, &port) != ERR_OK ||
		host.n >= sizeof(out->host) ||
		!str_to_uint((const char *)port.p, UINT16_MAX, &number) || number == 0)
		return false;
	if (host.n == 0)
		host = span_str("127.0.0.1");
	memcpy(out->host, host.p, host.n);
	out->host[host.n] = '\0';
	out->port = (uint16_t)number;
	return true;
}

enum err expose_metrics_parse(const char *text, struct metrics_addr *out, struct why *why)
{
	struct metrics_addr addr;
	char shown[80];

	if (!addr_read(text, &addr))
		return err_set(why, ERR_SYNTAX,
			"\"%s\" is no address; write host:port, such as 127.0.0.1:9100",
			str_quote(shown, sizeof(shown), span_str(text)));
	*out = addr;
	return ERR_OK;
}

enum err expose_metrics_open(struct worker *worker, const struct expose *expose,
	const struct metrics_addr *addr, struct expose_metrics **out, struct why *why)
{
	struct expose_metrics *m = mem_new(m);
	struct http_server_options o = {
		.loop = worker->loop,
		.pool = &worker->blocks,
		.connections_max = 64,
		.on_request = metrics_on_request,
		.arg = m,
	};
	struct why words = { "" };
	enum err rc;

	if (m == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	m->loop = worker->loop;
	m->expose = expose;
	rc = http_server_new(&o, &m->server);
	if (rc == ERR_OK)
		rc = listener_open(m->loop, addr->host, addr->port, metrics_on_accept, m,
			&m->listener, &words);
	if (rc == ERR_OK) {
		*out = m;
		return ERR_OK;
	}
	expose_metrics_close(m);
	return err_set(why, rc, "--metrics-addr: %s", err_text(rc, &words));
}

void expose_metrics_close(struct expose_metrics *m)
{
	if (m == NULL)
		return;
	listener_close(m->listener);
	http_server_free(m->server);
	free(m);
}
