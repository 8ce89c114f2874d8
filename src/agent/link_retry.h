/* When a link tries again: a pure decision, from the options and the failures so far. */
#ifndef AGENT_LINK_RETRY_H
#define AGENT_LINK_RETRY_H

#include "agent/link.h"

/* After @failures attempts in a row, the last one included: shall there be another? */
bool link_retry_is_due(const struct link_client_options *o, int failures);

#define LINK_RETRY_DENIED_MS 30000

/*
 * How long to wait for it. The first is due at once (or after o->min_retry_ms); later ones
 * after a random pause (base/backoff.h). Its bound doubles, up to o->max_retry_ms, which is
 * never exceeded. If @is_denied, the pause is LINK_RETRY_DENIED_MS at least.
 */
uint32_t link_retry_pause_ms(const struct link_client_options *o, int failures,
	bool is_denied);

#endif
