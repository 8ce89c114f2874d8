/* Where the relay's metrics can be had. */
#include "relay/relay_metrics.h"

#include "relay/metrics.h"
#include "relay/relay_inside.h"

static void metrics_on_put(void *arg, struct buf *out)
{
	metrics_put(arg, out);
}

enum err relay_metrics_open(struct relay *r, struct why *why)
{
	struct http_metrics_options o = {
		.loop = r->control->loop,
		.pool = &r->control->blocks,
		.put = metrics_on_put,
		.arg = r,
	};

	return r->options.metrics == NULL ?
		ERR_OK :
		http_metrics_open_local(&o, r->options.metrics, "metrics", &r->log,
			&r->metrics, why);
}
