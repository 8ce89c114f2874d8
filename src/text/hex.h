/* Hexadecimal: two characters a byte, written in lower case and read in either. */
#ifndef TEXT_HEX_H
#define TEXT_HEX_H

#include "base/err.h"
#include "base/span.h"

/* Writes 2 * in.n characters and a terminator. Returns @out. */
char *hex_encode(struct span in, char *out);

/* Writes @n random bytes so; they may be a secret. */
void hex_random(size_t n, char *out);

/*
 * Decodes all of @text into the @size bytes at @out and sets @n.
 * ERR_SYNTAX: not pairs of digits.  ERR_LIMIT: more than @size bytes.
 */
enum err hex_decode(struct span text, uint8_t *out, size_t size, size_t *n) MUST_USE;

/* The byte that an escape such as "%41" at the front of @text stands for, or -1. */
int hex_escape(struct span text);

#endif
