/*
 * SipHash-2-4 (Aumasson, Bernstein 2012): a hash for tables of names that strangers
 * choose. Who does not know the key cannot choose names that all lie in one bucket.
 */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stdint.h>

#include "base/span.h"

struct siphash_key {
	uint8_t bytes[16];
};

/* A random one: each table has its own. */
void siphash_key_make(struct siphash_key *key);

uint64_t siphash(const struct siphash_key *key, struct span in);

#endif
