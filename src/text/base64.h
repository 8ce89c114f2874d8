/*
 * Base64, RFC 4648, strict: a decoder takes exactly what its encoder writes, so that a
 * value has one text. No white space, no stray bits behind the last byte.
 */
#ifndef TEXT_BASE64_H
#define TEXT_BASE64_H

#include "base/err.h"
#include "base/span.h"

enum base64_form {
	BASE64_PADDED,   /* the standard alphabet, '=' to a multiple of four */
	BASE64_UNPADDED, /* the standard alphabet, no '=' */
	BASE64_URL,      /* '-' and '_' for '+' and '/', no '=' */
};

/* Room for the text of @n bytes and a terminator; and for the bytes of @n characters. */
#define BASE64_TEXT_SIZE(n) (((n) + 2) / 3 * 4 + 1)
#define BASE64_BYTES_MAX(n) (((n) + 3) / 4 * 3)

/* Writes terminated text; @out has BASE64_TEXT_SIZE(in.n) bytes. Returns its length. */
size_t base64_encode(enum base64_form form, struct span in, char *out);

/*
 * Decodes all of @text into the @size bytes at @out and sets @n.
 * ERR_SYNTAX: not that form.  ERR_LIMIT: more than @size bytes.  @out may be written to
 * even then.
 */
enum err base64_decode(enum base64_form form, struct span text, uint8_t *out, size_t size,
	size_t *n) MUST_USE;

#endif
