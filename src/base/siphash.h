/*
 * SipHash-2-4 (Aumasson, Bernstein 2012): a hash for tables of names that remote
 * peers choose. Without the key, names that collide cannot be found.
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
