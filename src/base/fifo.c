/* A fifo holds bytes that could not be passed on yet, in chunks. */
#include "base/fifo.h"

#include <stdlib.h>

#define FIFO_CHUNK_BYTES 2048 /* at least: small pieces share a chunk */

struct fifo_chunk {
	struct fifo_chunk *next;
	size_t at, end, cap; /* unread bytes lie from at to end */
	uint8_t bytes[];
};

void fifo_init(struct fifo *f)
{
	*f = (struct fifo){ 0 };
}

void fifo_fini(struct fifo *f)
{
	fifo_consume(f, f->n);
}

static struct fifo_chunk *fifo_add_chunk(struct fifo *f, size_t n)
{
	size_t cap = n > FIFO_CHUNK_BYTES ? n : FIFO_CHUNK_BYTES;
	struct fifo_chunk *chunk = malloc(sizeof(*chunk) + cap);

	if (chunk == NULL)
		return NULL;
	chunk->next = NULL;
	chunk->at = chunk->end = 0;
	chunk->cap = cap;
	if (f->tail != NULL)
		f->tail->next = chunk;
	else
		f->head = chunk;
	f->tail = chunk;
	return chunk;
}

enum err fifo_put(struct fifo *f, struct span s)
{
	struct fifo_chunk *tail = f->tail;

	if (s.n == 0)
		return ERR_OK;
	if (tail == NULL || tail->cap - tail->end < s.n)
		tail = fifo_add_chunk(f, s.n);
	if (tail == NULL)
		return ERR_NOMEM;
	memcpy(tail->bytes + tail->end, s.p, s.n);
	tail->end += s.n;
	f->n += s.n;
	return ERR_OK;
}

struct span fifo_peek(const struct fifo *f)
{
	if (f->head == NULL)
		return (struct span){ 0 };
	return span_of(f->head->bytes + f->head->at, f->head->end - f->head->at);
}

static void fifo_drop_head(struct fifo *f)
{
	struct fifo_chunk *head = f->head;

	f->head = head->next;
	if (f->head == NULL)
		f->tail = NULL;
	free(head);
}

void fifo_consume(struct fifo *f, size_t n)
{
	while (n > 0 && f->head != NULL) {
		struct fifo_chunk *head = f->head;
		size_t take = head->end - head->at < n ? head->end - head->at : n;

		head->at += take;
		f->n -= take;
		n -= take;
		if (head->at == head->end)
			fifo_drop_head(f);
	}
}
