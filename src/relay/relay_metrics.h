/* Where the relay's metrics can be had: on a listener of their own, GET /metrics. */
#ifndef RELAY_RELAY_METRICS_H
#define RELAY_RELAY_METRICS_H

#include "http/metrics.h"

struct relay;

/*
 * Listens where the relay's options say, if they do, on its control worker; it is then
 * r->metrics. ERR_USAGE: not an address of this machine's loopback interface.
 */
enum err relay_metrics_open(struct relay *r, struct why *why) MUST_USE;

#endif
