/*
 * A span is a borrowed piece of memory; as a cursor, what is still to be read.
 *
 * The readers take from the front and say false, taking nothing, when there is too
 * little.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *p;
	size_t n;
};

/* The same, of bytes that may be changed in place. */
struct mspan {
	uint8_t *p;
	size_t n;
};

static inline struct span span_of(const void *p, size_t n)
{
	return (struct span){ .p = p, .n = n };
}

/* The bytes of @text without its terminator. */
static inline struct span span_str(const char *text)
{
	return span_of(text, strlen(text));
}

static inline bool span_cut(struct span *in, size_t n, struct span *out)
{
	if (in->n < n)
		return false;
	*out = span_of(in->p, n);
	in->p += n;
	in->n -= n;
	return true;
}

static inline bool span_u8(struct span *in, uint8_t *out)
{
	if (in->n < 1)
		return false;
	*out = in->p[0];
	in->p += 1;
	in->n -= 1;
	return true;
}

/* Big endian, as everything on these wires. */
static inline bool span_u16(struct span *in, uint16_t *out)
{
	if (in->n < 2)
		return false;
	*out = (uint16_t)(in->p[0] << 8 | in->p[1]);
	in->p += 2;
	in->n -= 2;
	return true;
}

static inline bool span_u32(struct span *in, uint32_t *out)
{
	if (in->n < 4)
		return false;
	*out = (uint32_t)in->p[0] << 24 | (uint32_t)in->p[1] << 16 |
		(uint32_t)in->p[2] << 8 | in->p[3];
	in->p += 4;
	in->n -= 4;
	return true;
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
	return span_eq(a, span_str(text));
}

/* Equal but for the case of ASCII letters. */
bool span_eq_nocase(struct span a, struct span b);
bool span_is_nocase(struct span a, const char *text);

/*
 * Takes the bytes before the first @c, and @c itself. False: there is no @c; all bytes
 * are taken.
 */
bool span_split(struct span *in, uint8_t c, struct span *front);

/* The last @c of @a, or NULL. */
const uint8_t *span_find_last(struct span a, uint8_t c);

/* Without spaces and tabs around it. */
struct span span_trim(struct span a);

/* An owned, terminated copy, or NULL when memory is out. Freed with free(). */
char *span_dup(struct span a);

#endif
