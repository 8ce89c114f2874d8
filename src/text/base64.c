/* Base64: three bytes are four characters of six bits. */
#include "text/base64.h"

static const char alphabet_std[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64_encode(enum base64_form form, struct span in, char *out)
{
	const char *alphabet = form == BASE64_URL ? alphabet_url : alphabet_std;
	char *to = out;
	uint32_t bits = 0;
	unsigned held = 0; /* how many of the low bits are still to be written */

	for (size_t i = 0; i < in.n; i++) {
		bits = bits << 8 | in.p[i];
		for (held += 8; held >= 6; held -= 6)
			*to++ = alphabet[bits >> (held - 6) & 63];
	}
	if (held > 0)
		*to++ = alphabet[bits << (6 - held) & 63];
	while (form == BASE64_PADDED && (to - out) % 4 != 0)
		*to++ = '=';
	*to = '\0';
	return (size_t)(to - out);
}

/* The six bits that @c stands for, or -1. */
static int base64_value(enum base64_form form, uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (form == BASE64_URL ? '-' : '+'))
		return 62;
	if (c == (form == BASE64_URL ? '_' : '/'))
		return 63;
	return -1;
}

/* Takes the one or two '=' off. False: there are too many characters, or too few. */
static bool base64_strip_padding(struct span *text)
{
	if (text->n % 4 != 0)
		return false;
	for (int i = 0; i < 2 && text->n > 0 && text->p[text->n - 1] == '='; i++)
		text->n--;
	return true;
}

enum err base64_decode(enum base64_form form, struct span text, uint8_t *out, size_t size,
	size_t *n)
{
	uint32_t bits = 0;
	unsigned held = 0;
	size_t used = 0;

	if (form == BASE64_PADDED && !base64_strip_padding(&text))
		return ERR_SYNTAX;
	if (text.n % 4 == 1)
		return ERR_SYNTAX;
	for (size_t i = 0; i < text.n; i++) {
		int v = base64_value(form, text.p[i]);

		if (v < 0)
			return ERR_SYNTAX;
		bits = bits << 6 | (uint32_t)v;
		held += 6;
		if (held < 8)
			continue;
		if (used == size)
			return ERR_LIMIT;
		held -= 8;
		out[used++] = (uint8_t)(bits >> held);
	}
	if ((bits & ((1U << held) - 1)) != 0)
		return ERR_SYNTAX;
	*n = used;
	return ERR_OK;
}
