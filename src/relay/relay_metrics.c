/* Where the relay's figures can be had. */
#include "relay/relay_metrics.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "http/server.h"
#include "net/socket.h"
#include "relay/metrics.h"
#include "relay/relay_inside.h"

#define METRICS_CONNECTIONS_MAX 16
#define METRICS_HEADERS "Content-Type: " METRICS_TYPE "\r\n"

struct relay_metrics {
	struct relay *relay; /* borrowed: it owns us */
	struct listener *listener;
	struct http_server *http;
};

static void metrics_on_request(void *arg, struct http_exchange *x)
{
	struct relay_metrics *m = arg;
	const struct http1_head *head = http_request(x);
	struct buf text;

	if (!span_is(http1_path(head), "/metrics")) {
		http_reply(x, 404, NULL, span_str("Not found: ask for /metrics\n"));
		return;
	}
	if (!span_is(head->method, "GET") && !span_is(head->method, "HEAD")) {
		http_reply(x, 405, "Allow: GET, HEAD\r\n", span_str(""));
		return;
	}
	buf_init(&text, METRICS_BYTES_MAX);
	metrics_put(m->relay, &text);
	http_reply(x, text.failed == ERR_OK ? 200 : 500, METRICS_HEADERS,
		buf_span(&text));
	buf_fini(&text);
}

static void metrics_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct relay_metrics *m = arg;
	struct stream *stream;

	if (socket_open_take(m->relay->control.loop, fd, &stream) == ERR_OK)
		http_server_serve_take(m->http, stream, peer);
	else
		close(fd);
}

/* Figures are for the machine's own: whoever scrapes from afar puts a proxy before it. */
static enum err metrics_listen(struct relay_metrics *m, const char *where,
	struct why *why)
{
	struct span host_text, port_text;
	unsigned long port = 0;
	char *host = NULL, *digits = NULL;
	char text[ADDR_TEXT_MAX];
	struct addr addr;
	enum err rc = addr_split(span_str(where), &host_text, &port_text);

	if (rc == ERR_OK) {
		host = span_dup(host_text);
		digits = span_dup(port_text);
	}
	if (host == NULL || digits == NULL || !str_to_uint(digits, 65535, &port) ||
		!names_host_is_local(host) || host[0] == '\0')
		rc = err_set(why, ERR_USAGE,
			"metrics = \"%.60s\": it must be a port of this machine's own, as "
			"127.0.0.1:9464",
			where);
	if (rc == ERR_OK)
		rc = listener_open(m->relay->control.loop, host, (uint16_t)port,
			metrics_on_accept, m, &m->listener, why);
	if (rc == ERR_OK) {
		listener_addr(m->listener, &addr);
		log_info(&m->relay->log, "Listening on http://%s/metrics for figures",
			addr_print(&addr, text));
	}
	free(host);
	free(digits);
	return rc;
}

enum err relay_metrics_open(struct relay *r, struct why *why)
{
	struct relay_metrics *m;
	struct http_server_options o = {
		.loop = r->control.loop,
		.pool = &r->control.blocks,
		.connections_max = METRICS_CONNECTIONS_MAX,
		.on_request = metrics_on_request,
	};
	enum err rc;

	if (r->options.metrics == NULL)
		return ERR_OK;
	m = mem_new(m);
	if (m == NULL)
		return err_set(why, ERR_NOMEM, "no memory for metrics");
	m->relay = r;
	o.arg = m;
	rc = http_server_new(&o, &m->http);
	if (rc == ERR_OK)
		rc = metrics_listen(m, r->options.metrics, why);
	if (rc == ERR_OK)
		r->metrics = m;
	else
		relay_metrics_close(m);
	return rc;
}

void relay_metrics_close(struct relay_metrics *m)
{
	if (m == NULL)
		return;
	listener_close(m->listener);
	http_server_free(m->http);
	free(m);
}
