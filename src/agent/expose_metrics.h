/* Metrics of an exposure for Prometheus, at http://ADDR/metrics. */
#ifndef AGENT_EXPOSE_METRICS_H
#define AGENT_EXPOSE_METRICS_H

#include "agent/expose.h"
#include "http/metrics.h"

struct metrics_addr {
	char host[256];
	uint16_t port;
	bool is_public; /* other machines may reach it */
};

/*
 * "host:port"; "port" and ":port" are on the loopback address.
 * ERR_SYNTAX: @why says what to write.
 */
enum err expose_metrics_parse(const char *text, struct metrics_addr *out,
	struct why *why) MUST_USE;

/* Listens at @addr. @expose is borrowed, and so is the worker: they outlive the endpoint. */
enum err expose_metrics_open(struct worker *worker, struct expose *expose,
	const struct metrics_addr *addr, struct http_metrics **out,
	struct why *why) MUST_USE;

#endif
