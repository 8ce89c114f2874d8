/*
 * A buf is a growing run of bytes with a bound, given when it is made.
 *
 * Bytes are added at the end and taken from the front. A put that would pass the bound or
 * finds no memory fails with ERR_LIMIT or ERR_NOMEM and changes nothing. The first
 * failure sticks in @failed, so that a long run of puts may be checked once, at its end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"
#include "base/span.h"

struct buf {
	uint8_t *p;      /* start of the memory */
	size_t at;       /* where the unread bytes begin */
	size_t n;        /* how many unread bytes there are */
	size_t cap;      /* size of the memory */
	size_t max;      /* bound on cap */
	enum err failed; /* the first failure, or ERR_OK */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);

/* The same, and overwrites the memory: it has held secrets. */
void buf_wipe(struct buf *b);

/* Drops the bytes and the memory, and forgets a failure; the bound stays. */
void buf_reset(struct buf *b);

enum err buf_put(struct buf *b, const void *p, size_t n);
enum err buf_put_str(struct buf *b, const char *text);
enum err buf_put_span(struct buf *b, struct span s);
enum err buf_put_u8(struct buf *b, uint8_t v);
enum err buf_put_u32(struct buf *b, uint32_t v); /* big endian */
enum err buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Lends room for @n bytes at the end; buf_commit() keeps the first of them. */
enum err buf_reserve(struct buf *b, size_t n, uint8_t **out) MUST_USE;
void buf_commit(struct buf *b, size_t n);

/* Takes @n bytes (at most all) from the front. */
void buf_consume(struct buf *b, size_t n);

/* NULL while there is no memory: adding nothing to NULL is undefined, too. */
static inline uint8_t *buf_front(const struct buf *b)
{
	return b->at > 0 ? b->p + b->at : b->p;
}

/* The unread bytes; good until the next call that changes the buf. */
static inline struct span buf_span(const struct buf *b)
{
	return (struct span){ .p = buf_front(b), .n = b->n };
}

static inline struct mspan buf_mspan(struct buf *b)
{
	return (struct mspan){ .p = buf_front(b), .n = b->n };
}

#endif
