/*
 * A probe asks a relay on this machine how it is: health and version from its API, figures
 * from its metrics if it serves them, and its certificate from the state directory if that
 * may be read.
 */
#ifndef CLI_RELAY_PROBE_H
#define CLI_RELAY_PROBE_H

#include <stdio.h>

#include "base/buf.h"
#include "relay/relay.h"
#include "tunnel/portal/message_domain.h"

#define RELAY_FIGURES_MAX 64
#define RELAY_CERT_NAMES_MAX 256

/* A metric, summed up over its labels. */
struct relay_figure {
	char name[64];
	double value;
};

struct relay_probe {
	char where[ADDR_TEXT_MAX]; /* what was asked */
	uint64_t answer_us;        /* of the first question, connecting included */
	struct message_domain domain;
	char cert_names[RELAY_CERT_NAMES_MAX]; /* "a, b"; empty: it could not be read */
	char cert_until[32];                   /* "2026-12-24T10:00:00Z" */
	int cert_days;                         /* until then; below zero: it is over */
	struct relay_figure figures[RELAY_FIGURES_MAX];
	unsigned figures_n;
	struct why metrics; /* why there are none, though they are configured; or empty */
};

/*
 * Asks, and waits for the answers, some seconds at most.
 * ERR_USAGE: the settings do not say where it is. Others: it is not there, or is no relay.
 */
enum err relay_probe_run(const struct relay_options *o, struct relay_probe *out,
	struct why *why) MUST_USE;

void relay_probe_print(FILE *out, const struct relay_options *o,
	const struct relay_probe *p);
void relay_probe_print_json(FILE *out, const struct relay_options *o,
	const struct relay_probe *p);

/* For tests: adds the figures of a page of metrics; lines that are none are passed over. */
void relay_probe_read_metrics(struct relay_probe *p, struct span page);

#endif
