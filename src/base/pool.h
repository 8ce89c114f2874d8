/*
 * A pool lends blocks of one size to one worker, taken only while bytes move.
 *
 * Given-back blocks are kept for the next taker up to a bound, and the rest is freed.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

struct pool {
	size_t block_bytes;
	unsigned kept, kept_max; /* free blocks in stock */
	void *stock;             /* chained through their first word */
};

void pool_init(struct pool *pool, size_t block_bytes, unsigned kept_max);

/* Frees the stock. */
void pool_fini(struct pool *pool);

/* A block of pool->block_bytes, uninitialised; NULL when memory is out. */
void *pool_take(struct pool *pool);

/* NULL is fine. */
void pool_give(struct pool *pool, void *block);

#endif
