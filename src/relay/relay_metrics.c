/* Where the relay's metrics can be had. */
#include "relay/relay_metrics.h"

#include <stdlib.h>

#include "base/str.h"
#include "relay/metrics.h"
#include "relay/relay_inside.h"

static void metrics_on_put(void *arg, struct buf *out)
{
	metrics_put(arg, out);
}

/* Metrics are for this machine only: a scraper on another one needs a proxy before them. */
static enum err metrics_listen(struct relay *r, const char *where, struct why *why)
{
	struct http_metrics_options o = {
		.loop = r->control.loop,
		.pool = &r->control.blocks,
		.put = metrics_on_put,
		.arg = r,
	};
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
	o.host = host;
	o.port = (uint16_t)port;
	if (rc == ERR_OK)
		rc = http_metrics_open(&o, &r->metrics, why);
	if (rc == ERR_OK) {
		http_metrics_addr(r->metrics, &addr);
		log_info(&r->log, "Listening on http://%s/metrics for figures",
			addr_print(&addr, text));
	}
	free(host);
	free(digits);
	return rc;
}

enum err relay_metrics_open(struct relay *r, struct why *why)
{
	return r->options.metrics == NULL ? ERR_OK :
					    metrics_listen(r, r->options.metrics, why);
}
