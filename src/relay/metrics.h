/* A relay's metrics, and their text as Prometheus reads it (0.0.4).
 * On the control worker. */
#ifndef RELAY_METRICS_H
#define RELAY_METRICS_H

#include "http/metrics.h"

struct relay;

typedef void metrics_fn(void *arg, const struct metric *m);

/* Calls @fn for each that is a whole number. */
void metrics_each(struct relay *r, metrics_fn *fn, void *arg);

/* Failures stick in @out. */
void metrics_put(struct relay *r, struct buf *out);

#endif
