/* Metrics for Prometheus: GET /metrics, on a listener of their own. */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "base/buf.h"
#include "base/pool.h"
#include "net/addr.h"

#define HTTP_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define HTTP_METRICS_BYTES_MAX (256 * 1024)

struct loop;
struct http_metrics;

struct http_metrics_options {
	struct loop *loop; /* borrowed, as @pool: both outlive the endpoint */
	struct pool *pool;
	const char *host; /* see listener_open(); copied. A request may name it in Host */
	uint16_t port;
	/* Appends the text; failures stick in @out. */
	void (*put)(void *arg, struct buf *out);
	void *arg;
};

/* Errors are those of listener_open(). */
enum err http_metrics_open(const struct http_metrics_options *o,
	struct http_metrics **out, struct why *why) MUST_USE;
void http_metrics_close(struct http_metrics *m); /* NULL is fine */

/* Where it listens. */
void http_metrics_addr(const struct http_metrics *m, struct addr *out);

#endif
