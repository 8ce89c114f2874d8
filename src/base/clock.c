/* Clocks: monotonic ones and the wall clock. */
#include "base/clock.h"

#include <stdbool.h>

#include "base/clock_priv.h"

/* Mutable and global because time is: only tests change them. */
static bool frozen;
static uint64_t frozen_ms;
static int64_t wall_step_ms; /* of the wall clock against the others */

static uint64_t clock_us(clockid_t id)
{
	struct timespec ts;

	if (frozen)
		return frozen_ms * 1000;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_now_us(void)
{
	return clock_us(clock_awake);
}

uint64_t clock_now_ms(void)
{
	return clock_us(clock_awake) / 1000;
}

uint64_t clock_boot_ms(void)
{
	return clock_us(clock_always) / 1000;
}

uint64_t clock_wall_us(void)
{
	return clock_us(CLOCK_REALTIME) + (uint64_t)wall_step_ms * 1000;
}

uint64_t clock_wall_ms(void)
{
	return clock_wall_us() / 1000;
}

void clock_freeze(uint64_t now_ms)
{
	frozen = true;
	frozen_ms = now_ms;
	wall_step_ms = 0;
}

void clock_advance(uint64_t by_ms)
{
	frozen_ms += by_ms;
}

void clock_step_wall(int64_t by_ms)
{
	wall_step_ms += by_ms;
}
