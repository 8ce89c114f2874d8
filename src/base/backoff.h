/*
 * How long to wait between attempts at what has failed: not at all at first, then at
 * random below a bound that doubles, so that clients that lost the same peer do not come
 * back together.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

/*
 * It ends below 4 s, not 5, so that pause and attempt together stay below 5 s. It begins
 * to grow at 200 ms.
 */
#define BACKOFF_MAX_MS 4000
#define BACKOFF_FIRST_MS 200

/*
 * The pause after @failures attempts in a row, the last one included: at least @min_ms,
 * which is all there is after the first, and never more than @max_ms; 0 is
 * BACKOFF_MAX_MS.
 */
uint32_t backoff_pause_ms(int failures, uint32_t min_ms, uint32_t max_ms);

#endif
