/*
 * A passage is one direction of a proxied exchange: a head, then pieces of a body, each
 * read, framed in place and written before the next is read. For proxy.c only.
 */
#ifndef HTTP_PASSAGE_H
#define HTTP_PASSAGE_H

#include "base/buf.h"
#include "base/pool.h"
#include "net/stream.h"

enum passage_state {
	PASSAGE_READING,
	PASSAGE_WRITING,
	PASSAGE_LAST_WRITING, /* nothing comes after this */
	PASSAGE_ENDED,
};

struct passage {
	enum passage_state state;
	struct pool *pool; /* borrowed: outlives us */
	struct stream *to; /* borrowed: the owner's; NULL until it is there */
	struct buf head;   /* goes before the block */
	uint8_t *block;    /* of the pool: only while bytes wait in it */
	size_t at, n;
	bool is_chunked; /* pieces become chunks */
};

void passage_init(struct passage *p, struct pool *pool, size_t head_max,
	enum passage_state state);
void passage_fini(struct passage *p);

static inline bool passage_is_reading(const struct passage *p)
{
	return p->state == PASSAGE_READING;
}

static inline bool passage_is_writing(const struct passage *p)
{
	return p->state == PASSAGE_WRITING || p->state == PASSAGE_LAST_WRITING;
}

/* Lends room for a piece. ERR_NOMEM. */
enum err passage_lend(struct passage *p, struct mspan *out) MUST_USE;

/* The piece has @n bytes, and is to be written;
 * or there is none, and the room comes back. */
void passage_commit(struct passage *p, size_t n);

/* There are no more pieces. @trailers are lines ending in CRLF that follow the last
 * chunk. */
enum err passage_finish(struct passage *p, struct span trailers) MUST_USE;

/* Writes what waits. ERR_OK: all of it, and the state has changed. */
enum err passage_write(struct passage *p) MUST_USE;

#endif
