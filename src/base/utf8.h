/* UTF-8: characters taken from text and put into it (RFC 3629). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/span.h"

/*
 * Takes a character of @in, which is not empty. False: it is none; one byte is taken
 * then, and @out left alone.
 */
bool utf8_take(struct span *in, uint32_t *out);

struct utf8_text {
	uint8_t bytes[4];
	unsigned n;
};

/* @c is a character: at most 0x10ffff, and no surrogate. */
void utf8_put(struct utf8_text *to, uint32_t c);

#endif
