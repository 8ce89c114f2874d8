/* A relay's metrics, and their text as Prometheus reads it (0.0.4).
 * On the control worker. */
#ifndef RELAY_METRICS_H
#define RELAY_METRICS_H

#include "http/metrics.h"

struct relay;

/* Calls @fn for each that is a whole number. */
void metrics_each(struct relay *r, metric_fn *fn, void *arg);

/* Failures stick in @out. */
void metrics_put(void *relay, struct buf *out);

/*
 * Listens where the relay's options say, if they do: r->metrics. ERR_USAGE: not an
 * address of this machine's loopback interface.
 */
enum err metrics_open(struct relay *r, struct why *why) MUST_USE;

#endif
