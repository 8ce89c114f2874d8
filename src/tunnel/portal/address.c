/* Addresses, EIP-55. */
#include "tunnel/portal/address.h"

#include "base/str.h"
#include "crypto/keccak.h"
#include "text/hex.h"

#define DIGITS (2 * ADDRESS_BYTES)

/* A letter is a capital when the digest of the lower-case digits has 8 or more in its
 * place. */
static void set_case(char digits[DIGITS])
{
	uint8_t digest[KECCAK_BYTES];

	keccak_256(span_of(digits, DIGITS), digest);
	for (size_t i = 0; i < DIGITS; i++) {
		unsigned nibble = i % 2 == 0 ? digest[i / 2] >> 4 : digest[i / 2] & 15;

		if (digits[i] >= 'a' && nibble >= 8)
			digits[i] = (char)(digits[i] - 'a' + 'A');
	}
}

static void address_print(const uint8_t bytes[ADDRESS_BYTES], char to[ADDRESS_TEXT_SIZE])
{
	to[0] = '0';
	to[1] = 'x';
	hex_encode(span_of(bytes, ADDRESS_BYTES), to + 2);
	set_case(to + 2);
}

static bool has_range(struct span text, char from, char to)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] >= (uint8_t)from && text.p[i] <= (uint8_t)to)
			return true;
	return false;
}

enum err address_parse(struct span text, char out[ADDRESS_TEXT_SIZE])
{
	uint8_t bytes[ADDRESS_BYTES];
	char checked[ADDRESS_TEXT_SIZE];
	struct span digits;
	size_t n;

	if (text.n != DIGITS + 2 || text.p[0] != '0' ||
		(text.p[1] != 'x' && text.p[1] != 'X'))
		return ERR_SYNTAX;
	digits = span_of(text.p + 2, DIGITS);
	if (hex_decode(digits, bytes, sizeof(bytes), &n) != ERR_OK)
		return ERR_SYNTAX;
	address_print(bytes, checked);
	if (has_range(digits, 'a', 'f') && has_range(digits, 'A', 'F') &&
		!span_is(digits, checked + 2))
		return ERR_SYNTAX;
	memcpy(out, checked, sizeof(checked));
	return ERR_OK;
}

const char *address_of_key(const struct k1_public *key, char to[ADDRESS_TEXT_SIZE])
{
	uint8_t digest[KECCAK_BYTES];

	keccak_256(span_of(key->point + 1, sizeof(key->point) - 1), digest);
	address_print(digest + KECCAK_BYTES - ADDRESS_BYTES, to);
	return to;
}
