/* Metrics for Prometheus: GET /metrics, on a listener of their own. */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "base/buf.h"
#include "base/log.h"
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

/*
 * The same at @where, a loopback "address:port": a scraper on another machine needs a
 * proxy. @setting is its name in errors; the address is logged to @log. ERR_USAGE: it is
 * another address.
 */
enum err http_metrics_open_local(const struct http_metrics_options *o, const char *where,
	const char *setting, const struct log *log, struct http_metrics **out,
	struct why *why) MUST_USE;
void http_metrics_close(struct http_metrics *m); /* NULL is fine */

/* Where it listens. */
void http_metrics_addr(const struct http_metrics *m, struct addr *out);

/* ---- their text (Prometheus 0.0.4); failures stick in @out ---- */

struct metric {
	const char *name, *type, *help; /* static */
	uint64_t value;
};

/* What describes it, and the line behind that, of a metric without labels. */
void metric_put_head(struct buf *out, const char *name, const char *type,
	const char *help);
void metric_put(struct buf *out, const struct metric *m);

/* Of this process: memory, and CPU time, which is no whole number. */
struct metric metric_memory(void);
void metric_put_cpu(struct buf *out);

#endif
