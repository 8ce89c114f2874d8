/* Hexadecimal. */
#include "text/hex.h"

#include "base/rand.h"

char *hex_encode(struct span in, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < in.n; i++) {
		uint8_t byte = in.p[i];

		out[2 * i] = digits[byte >> 4];
		out[2 * i + 1] = digits[byte & 15];
	}
	out[2 * in.n] = '\0';
	return out;
}

void hex_random(size_t n, char *out)
{
	/* In the second half of their digits no byte is overwritten before it is read. */
	rand_bytes(out + n, n);
	hex_encode(span_of(out + n, n), out);
}

/* The value of one digit, or -1. */
static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum err hex_decode(struct span text, uint8_t *out, size_t size, size_t *n)
{
	if (text.n % 2 != 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < text.n; i++)
		if (hex_value(text.p[i]) < 0)
			return ERR_SYNTAX;
	if (text.n / 2 > size)
		return ERR_LIMIT;
	for (size_t i = 0; i < text.n / 2; i++)
		out[i] = (uint8_t)((unsigned)hex_value(text.p[2 * i]) << 4 |
			(unsigned)hex_value(text.p[2 * i + 1]));
	*n = text.n / 2;
	return ERR_OK;
}

int hex_escape(struct span text)
{
	int high, low;

	if (text.n < 3 || text.p[0] != '%')
		return -1;
	high = hex_value(text.p[1]);
	low = hex_value(text.p[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}
