/* Random ids. */
#include "tunnel/portal/random_id.h"

#include <assert.h>

#include "base/rand.h"
#include "base/str.h"
#include "text/hex.h"

const char *random_id_make(const char *prefix, char to[RANDOM_ID_SIZE])
{
	uint8_t bytes[RANDOM_ID_DIGITS / 2];

	assert(strlen(prefix) + RANDOM_ID_DIGITS < RANDOM_ID_SIZE);
	rand_bytes(bytes, sizeof(bytes));
	str_copy(to, RANDOM_ID_SIZE, prefix);
	hex_encode(span_of(bytes, sizeof(bytes)), to + strlen(prefix));
	return to;
}
