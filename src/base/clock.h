/*
 * Clocks: monotonic ones, for waiting, and the wall clock, for printing.
 *
 * Tests control both: after clock_freeze() time changes only by clock_advance() and
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

/* Microseconds of the same clock. */
uint64_t clock_wall_us(void);

void clock_freeze(uint64_t now_ms);
void clock_advance(uint64_t by_ms);

/* Sets the wall clock by so much; the other clocks stay. */
void clock_step_wall(int64_t by_ms);

#endif
