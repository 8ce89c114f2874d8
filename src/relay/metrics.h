/* A relay's figures as Prometheus reads them (text format 0.0.4). On the control worker. */
#ifndef RELAY_METRICS_H
#define RELAY_METRICS_H

#include "base/buf.h"

struct relay;

/* Failures stick in @out. */
void metrics_put(struct relay *r, struct buf *out);

#endif
