/*
 * A sink is where an engine puts the bytes it makes: its owner lends the memory, so that
 * a packet is built, encrypted and sent without being copied.
 */
#ifndef BASE_SINK_H
#define BASE_SINK_H

#include "base/buf.h"

struct sink {
	/*
	 * Lends from @min to @max contiguous bytes at the end. The loan ends with
	 * commit() or the next reserve().  ERR_LIMIT, ERR_NOMEM: there is no room.
	 */
	enum err (*reserve)(struct sink *s, size_t min, size_t max, struct mspan *out);

	/* Keeps the first @n bytes of the loan. */
	void (*commit)(struct sink *s, size_t n);
};

#endif
