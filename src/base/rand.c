/* Randomness from the kernel. */
#include "base/rand.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define RAND_BYTES_AT_ONCE 256 /* getentropy(3) gives no more */

/* Mutable and global because only tests change them. */
static bool seeded;
static uint64_t state;

void rand_seed_for_tests(uint64_t seed)
{
	seeded = true;
	state = seed;
}

/* splitmix64: enough for tests. */
static uint64_t rand_test_next(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void rand_bytes(void *p, size_t n)
{
	uint8_t *to = p;

	while (n > 0) {
		uint64_t v = seeded ? rand_test_next() : 0;
		size_t most = seeded ? sizeof(v) : RAND_BYTES_AT_ONCE;
		size_t take = n < most ? n : most;

		if (seeded)
			memcpy(to, &v, take);
		else if (getentropy(to, take) != 0)
			abort();
		to += take;
		n -= take;
	}
}

uint32_t rand_below(uint32_t below)
{
	uint64_t v;

	if (below == 0)
		return 0;
	rand_bytes(&v, sizeof(v));
	return (uint32_t)(v % below); /* the bias of 64 bits over 32 is below 2^-32 */
}
