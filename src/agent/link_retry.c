/* When a link tries again. */
#include "agent/link_retry.h"

#include "base/backoff.h"

bool link_retry_is_due(const struct link_client_options *o, int failures)
{
	return o->max_retry_count < 0 || failures <= o->max_retry_count;
}

uint32_t link_retry_pause_ms(const struct link_client_options *o, int failures,
	bool is_denied)
{
	uint32_t ms = backoff_pause_ms(failures, o->min_retry_ms, o->max_retry_ms);

	if (is_denied && ms < LINK_RETRY_DENIED_MS)
		ms = LINK_RETRY_DENIED_MS;
	return o->max_retry_ms > 0 && ms > o->max_retry_ms ? o->max_retry_ms : ms;
}
