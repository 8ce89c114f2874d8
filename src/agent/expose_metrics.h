/* Metrics of an exposure for Prometheus, at http://ADDR/metrics. */
#ifndef AGENT_EXPOSE_METRICS_H
#define AGENT_EXPOSE_METRICS_H

#include "agent/expose.h"
#include "http/metrics.h"
#include "net/addr.h"

/* Listens at @addr. @expose is borrowed, and so is the worker:
 * they outlive the endpoint. */
enum err expose_metrics_open(struct worker *worker, struct expose *expose,
	const struct addr_listen *addr, struct http_metrics **out,
	struct why *why) MUST_USE;

#endif
