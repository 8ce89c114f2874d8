/* A buf is a growing run of bytes with a bound. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

#define BUF_FIRST_BYTES 256

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_fini(struct buf *b)
{
	free(b->p);
	b->p = NULL;
	b->at = b->n = b->cap = 0;
}

void buf_wipe(struct buf *b)
{
	mem_wipe(b->p, b->cap);
	buf_fini(b);
}

void buf_reset(struct buf *b)
{
	buf_fini(b);
	b->failed = ERR_OK;
}

static enum err buf_fail(struct buf *b, enum err rc)
{
	if (b->failed == ERR_OK)
		b->failed = rc;
	return rc;
}

static enum err buf_grow(struct buf *b, size_t need)
{
	size_t cap = b->cap < BUF_FIRST_BYTES ? BUF_FIRST_BYTES : b->cap;
	uint8_t *p;

	while (cap < need)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	p = realloc(b->p, cap);
	if (p == NULL)
		return ERR_NOMEM;
	b->p = p;
	b->cap = cap;
	return ERR_OK;
}

enum err buf_reserve(struct buf *b, size_t n, uint8_t **out)
{
	enum err rc;

	if (n > b->max || b->n > b->max - n)
		return buf_fail(b, ERR_LIMIT);
	if (b->at > 0 && b->at + b->n + n > b->cap) {
		memmove(b->p, b->p + b->at, b->n);
		b->at = 0;
	}
	if (b->at + b->n + n > b->cap) {
		rc = buf_grow(b, b->n + n);
		if (rc != ERR_OK)
			return buf_fail(b, rc);
	}
	*out = b->p + b->at + b->n;
	return ERR_OK;
}

void buf_commit(struct buf *b, size_t n)
{
	b->n += n;
}

enum err buf_put(struct buf *b, const void *p, size_t n)
{
	uint8_t *to;
	enum err rc;

	if (n == 0)
		return ERR_OK;
	rc = buf_reserve(b, n, &to);
	if (rc != ERR_OK)
		return rc;
	memcpy(to, p, n);
	buf_commit(b, n);
	return ERR_OK;
}

enum err buf_put_str(struct buf *b, const char *text)
{
	return buf_put(b, text, strlen(text));
}

enum err buf_put_span(struct buf *b, struct span s)
{
	return buf_put(b, s.p, s.n);
}

enum err buf_put_u8(struct buf *b, uint8_t v)
{
	return buf_put(b, &v, 1);
}

enum err buf_put_u32(struct buf *b, uint32_t v)
{
	uint8_t be[4];

	mem_put_u32(be, v);
	return buf_put(b, be, sizeof(be));
}

enum err buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	uint8_t *to;
	int n;
	enum err rc;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0)
		return buf_fail(b, ERR_SYNTAX);

	/* Room for the terminator too, which is then not kept. */
	rc = buf_reserve(b, (size_t)n + 1, &to);
	if (rc != ERR_OK)
		return rc;
	va_start(args, fmt);
	vsnprintf((char *)to, (size_t)n + 1, fmt, args);
	va_end(args);
	buf_commit(b, (size_t)n);
	return ERR_OK;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->at = b->n = 0;
		return;
	}
	b->at += n;
	b->n -= n;
}
