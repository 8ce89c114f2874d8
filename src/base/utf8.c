/* UTF-8, RFC 3629. */
#include "base/utf8.h"

/* How long a character is that begins with @first, and the least one of that length. */
static size_t utf8_length(uint8_t first, uint32_t *bits, uint32_t *least)
{
	if (first < 0x80) {
		*bits = first;
		*least = 0;
		return 1;
	}
	if ((first & 0xe0) == 0xc0) {
		*bits = first & 0x1f;
		*least = 0x80;
		return 2;
	}
	if ((first & 0xf0) == 0xe0) {
		*bits = first & 0x0f;
		*least = 0x800;
		return 3;
	}
	*bits = first & 0x07;
	*least = 0x10000;
	return (first & 0xf8) == 0xf0 ? 4 : 0;
}

bool utf8_take(struct span *in, uint32_t *out)
{
	uint32_t c, least;
	size_t n = utf8_length(in->p[0], &c, &least), i;
	struct span taken;

	for (i = 1; i < n && i < in->n && (in->p[i] & 0xc0) == 0x80; i++)
		c = c << 6 | (in->p[i] & 0x3f);
	if (n == 0 || i < n || c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
		(void)span_cut(in, 1, &taken);
		return false;
	}
	(void)span_cut(in, n, &taken);
	*out = c;
	return true;
}

void utf8_put(struct utf8_text *to, uint32_t c)
{
	uint8_t *p = to->bytes;

	if (c < 0x80) {
		p[0] = (uint8_t)c;
		to->n = 1;
	} else if (c < 0x800) {
		p[0] = (uint8_t)(0xc0 | c >> 6);
		to->n = 2;
	} else if (c < 0x10000) {
		p[0] = (uint8_t)(0xe0 | c >> 12);
		to->n = 3;
	} else {
		p[0] = (uint8_t)(0xf0 | c >> 18);
		to->n = 4;
	}
	for (unsigned i = 1; i < to->n; i++)
		p[i] = (uint8_t)(0x80 | (c >> 6 * (to->n - 1 - i) & 0x3f));
}
