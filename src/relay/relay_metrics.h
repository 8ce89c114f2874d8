/* Where the relay's figures can be had: on a listener of their own, GET /metrics. */
#ifndef RELAY_RELAY_METRICS_H
#define RELAY_RELAY_METRICS_H

#include "base/buf.h"

struct relay;
struct relay_metrics;

/*
 * Listens where the relay's options say, if they do, on its control worker; it is then
 * r->metrics. ERR_USAGE: not an address of this machine's loopback interface.
 */
enum err relay_metrics_open(struct relay *r, struct why *why) MUST_USE;
void relay_metrics_close(struct relay_metrics *m); /* NULL is fine */

#endif
