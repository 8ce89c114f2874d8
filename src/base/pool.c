/* A pool lends blocks of one size to one worker. */
#include "base/pool.h"

#include <stdlib.h>

void pool_init(struct pool *pool, size_t block_bytes, unsigned kept_max)
{
	*pool = (struct pool){ .block_bytes = block_bytes, .kept_max = kept_max };
}

void *pool_take(struct pool *pool)
{
	void *block = pool->stock;

	if (block == NULL)
		return malloc(pool->block_bytes);
	pool->stock = *(void **)block;
	pool->kept--;
	return block;
}

void pool_give(struct pool *pool, void *block)
{
	if (block == NULL)
		return;
	if (pool->kept >= pool->kept_max) {
		free(block);
		return;
	}
	*(void **)block = pool->stock;
	pool->stock = block;
	pool->kept++;
}

void pool_fini(struct pool *pool)
{
	while (pool->stock != NULL) {
		void *block = pool->stock;

		pool->stock = *(void **)block;
		free(block);
	}
	pool->kept = 0;
}
