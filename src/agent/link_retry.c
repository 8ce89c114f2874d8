/* When a link tries again. */
#include "agent/link_retry.h"

#include "base/rand.h"

/*
 * The pause ends below 4 s, not 5, so that pause and connection together stay below 5 s.
 * It begins to grow at 200 ms.
 */
#define RETRY_MAX_MS 4000
#define RETRY_FIRST_MS 200

bool link_retry_is_due(const struct link_client_options *o, int failures)
{
	return o->max_retry_count < 0 || failures <= o->max_retry_count;
}

uint32_t link_retry_pause_ms(const struct link_client_options *o, int failures)
{
	uint32_t max = o->max_retry_ms > 0 ? o->max_retry_ms : RETRY_MAX_MS;
	uint32_t min = o->min_retry_ms < max ? o->min_retry_ms : max;
	uint64_t top = RETRY_FIRST_MS;

	if (failures <= 1)
		return min;
	for (int i = 2; i < failures && top < max; i++)
		top *= 2;
	if (top > max)
		top = max;
	return top <= min ? min : min + rand_below((uint32_t)top - min + 1);
}
