/* Key generation: what "adit server --keygen" does. */
#ifndef CLI_KEYGEN_H
#define CLI_KEYGEN_H

#include <stdio.h>

#include "base/err.h"

/*
 * Writes a host key, as a "ck-" string, to the file @path (mode 0600, replaced if it is
 * there), or to @out if @path is "-". The key is that of @seed, or a new one if it is NULL.
 */
enum err keygen_write(const char *path, const char *seed, FILE *out,
	struct why *why) MUST_USE;

#endif
