/* Where the relay's metrics can be had. */
#include "relay/relay_metrics.h"

#include "relay/metrics.h"
#include "relay/relay_inside.h"

static void metrics_on_put(void *arg, struct buf *out)
{
	metrics_put(arg, out);
}

/* Metrics are for this machine only:
 * a scraper on another one needs a proxy before them. */
static enum err metrics_listen(struct relay *r, const char *where, struct why *why)
{
	struct http_metrics_options o = {
		.loop = r->control->loop,
		.pool = &r->control->blocks,
		.put = metrics_on_put,
		.arg = r,
	};
	struct addr_listen at;
	struct addr addr;
	char text[ADDR_TEXT_MAX];
	enum err rc;

	if (addr_parse_listen(where, &at) != ERR_OK || !names_host_is_local(at.host))
		return err_set(why, ERR_USAGE,
			"metrics = \"%.60s\": it must be a port of this machine's own, as "
			"127.0.0.1:9464",
			where);
	o.host = at.host;
	o.port = at.port;
	rc = http_metrics_open(&o, &r->metrics, why);
	if (rc != ERR_OK)
		return rc;
	http_metrics_addr(r->metrics, &addr);
	log_info(&r->log, "Listening on http://%s/metrics for figures",
		addr_print(&addr, text));
	return ERR_OK;
}

enum err relay_metrics_open(struct relay *r, struct why *why)
{
	return r->options.metrics == NULL ? ERR_OK :
					    metrics_listen(r, r->options.metrics, why);
}
