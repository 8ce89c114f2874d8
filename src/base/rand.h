/* Randomness from the kernel; tests may seed it instead. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* Fills @p. Never fails: a machine without randomness ends the program. */
void rand_bytes(void *p, size_t n);

/* Even over 0 .. @below - 1; 0 when @below is 0. */
uint32_t rand_below(uint32_t below);

/* From now on the same numbers for the same @seed. For tests and fuzzers only. */
void rand_seed_for_tests(uint64_t seed);

#endif
