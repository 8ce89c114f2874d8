/*
 * A fifo holds bytes that could not be forwarded yet, in chunks. Memory is allocated when
 * bytes are added and freed when they are removed. The owner limits the size.
 */
#ifndef BASE_FIFO_H
#define BASE_FIFO_H

#include "base/err.h"
#include "base/span.h"

struct fifo_chunk;

struct fifo {
	struct fifo_chunk *head, *tail;
	size_t n; /* bytes inside */
};

void fifo_init(struct fifo *f);
void fifo_fini(struct fifo *f);

/* All of @s or, on ERR_NOMEM, nothing. */
enum err fifo_put(struct fifo *f, struct span s) MUST_USE;

/* The oldest bytes that lie together: empty if there are none.
 * Good until the next change. */
struct span fifo_peek(const struct fifo *f);

/* Takes @n bytes, at most all, from the front. */
void fifo_consume(struct fifo *f, size_t n);

#endif
