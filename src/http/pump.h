/*
 * A pump moves one message of a proxy, a request or an answer, from where it is read to a
 * stream. For http/ only.
 */
#ifndef HTTP_PUMP_H
#define HTTP_PUMP_H

#include "base/pool.h"
#include "http/incoming.h"

/*
 * A pump is one direction: a head, then pieces of a body, each read, framed in place
 * and written before the next is read.
 */
enum pump_state {
	PUMP_READING,
	PUMP_WRITING,
	PUMP_LAST_WRITING, /* nothing comes after this */
	PUMP_ENDED,
};

struct pump {
	enum pump_state state;
	struct pool *pool;           /* borrowed: outlives us, as all here */
	struct incoming *in;         /* where the message comes from */
	struct http1_reader *reader; /* of the message */
	struct stream *to;           /* the owner's; NULL until it is there */
	struct buf head;             /* goes before the block */
	uint8_t *block;              /* of the pool: only while bytes wait in it */
	size_t at, n;
	bool is_chunked;           /* pieces become chunks */
	uint64_t body_n, body_max; /* bytes so far, and at most; 0: no limit */
	bool is_too_long;          /* there were more */
};

void pump_fini(struct pump *p);

/*
 * Reads a piece, or the end of the message with its trailers. ERR_OK: the state has
 * changed.  ERR_NOMEM.  ERR_LIMIT, and is_too_long: the body is longer than body_max.
 * Others are those of incoming_read_body().
 */
enum err pump_read(struct pump *p, struct why *why) MUST_USE;

/* Writes what waits. ERR_OK: all of it, and the state has changed. */
enum err pump_write(struct pump *p) MUST_USE;

static inline bool pump_is_reading(const struct pump *p)
{
	return p->state == PUMP_READING;
}

static inline bool pump_is_writing(const struct pump *p)
{
	return p->state == PUMP_WRITING || p->state == PUMP_LAST_WRITING;
}

#endif
