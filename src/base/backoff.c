/* How long to wait between attempts. */
#include "base/backoff.h"

#include "base/rand.h"

uint32_t backoff_pause_ms(int failures, uint32_t min_ms, uint32_t max_ms)
{
	uint32_t max = max_ms > 0 ? max_ms : BACKOFF_MAX_MS;
	uint32_t min = min_ms < max ? min_ms : max;
	uint64_t top = BACKOFF_FIRST_MS;

	if (failures <= 1)
		return min;
	for (int i = 2; i < failures && top < max; i++)
		top *= 2;
	if (top > max)
		top = max;
	return top <= min ? min : min + rand_below((uint32_t)top - min + 1);
}
