/*
 * Clocks: one that only goes forward, for waiting, and one for people.
 *
 * Tests own both: after clock_freeze() time stands still but for clock_advance() and
 * clock_step_wall().
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since some start; does not count time asleep. */
uint64_t clock_now_ms(void);

/* Microseconds of the same clock. */
uint64_t clock_now_us(void);

/* Milliseconds of the clock that goes on while the machine sleeps. */
uint64_t clock_boot_ms(void);

/* Milliseconds since 1970, by the wall clock. */
uint64_t clock_wall_ms(void);

void clock_freeze(uint64_t now_ms);
void clock_advance(uint64_t by_ms);

/* Somebody sets the wall clock; the others do not notice. */
void clock_step_wall(int64_t by_ms);

#endif
