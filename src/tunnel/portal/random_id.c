/* Random ids. */
#include "tunnel/portal/random_id.h"

#include <assert.h>

#include "base/str.h"
#include "text/hex.h"

const char *random_id_make(const char *prefix, char to[RANDOM_ID_SIZE])
{
	assert(strlen(prefix) + RANDOM_ID_DIGITS < RANDOM_ID_SIZE);
	str_copy(to, RANDOM_ID_SIZE, prefix);
	hex_random(RANDOM_ID_DIGITS / 2, to + strlen(prefix));
	return to;
}
