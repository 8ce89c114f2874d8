/* A relay's metrics, and their text for Prometheus (0.0.4). On the control worker. */
#ifndef RELAY_METRICS_H
#define RELAY_METRICS_H

#include "http/metrics.h"
#include "serve/data_worker.h"
#include "text/field.h"

struct relay;

/* Those that are whole numbers. relay/metrics.c has their names and what they mean. */
struct relay_statistics {
	struct data_totals totals;
	uint64_t signatures, signatures_refused;
	uint64_t workers, leases, leases_live, leases_tcp, names;
	uint64_t approved, denied, banned, limited, prefixes;
	uint64_t memory;
};

extern const struct field_table relay_statistics_fields;

void metrics_read(struct relay *r, struct relay_statistics *out);

/* Failures stick in @out. */
void metrics_put(void *relay, struct buf *out);

/*
 * Listens where the relay's options say, if they do: r->metrics. ERR_USAGE: not an
 * address of this machine's loopback interface.
 */
enum err metrics_open(struct relay *r, struct why *why) MUST_USE;

#endif
