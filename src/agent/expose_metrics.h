/* Figures of an exposure for Prometheus, at http://ADDR/metrics. */
#ifndef AGENT_EXPOSE_METRICS_H
#define AGENT_EXPOSE_METRICS_H

#include "agent/expose.h"

struct expose_metrics;

struct metrics_addr {
	char host[256];
	uint16_t port;
};

/* "host:port", or ":port" on the loopback address. ERR_SYNTAX: @why says what to write. */
enum err expose_metrics_parse(const char *text, struct metrics_addr *out,
	struct why *why) MUST_USE;

/* Listens at @addr. @expose is borrowed, and so is the worker: they outlive it. */
enum err expose_metrics_open(struct worker *worker, const struct expose *expose,
	const struct metrics_addr *addr, struct expose_metrics **out,
	struct why *why) MUST_USE;
void expose_metrics_close(struct expose_metrics *m); /* NULL is fine */

/* The text itself. */
enum err expose_metrics_print(const struct expose *e, struct buf *out) MUST_USE;

#endif
