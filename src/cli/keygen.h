/* Key generation: what "adit server --keygen" does. */
#ifndef CLI_KEYGEN_H
#define CLI_KEYGEN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct keygen_options {
	const char *path; /* "-": @out */
	const char *seed; /* the key is computed from it; NULL: a new one */
	bool replaces;    /* a file that is there */
	FILE *out, *err;
};

/*
 * Writes a host key, as a "ck-" string, to a file with mode 0600, and its fingerprint to
 * @err. A file that is there stays as it is until the new one is complete.
 * ERR_EXISTS: there is one.  ERR_SYS.  @why says which file, and what to do.
 */
enum err keygen_write(const struct keygen_options *o, struct why *why) MUST_USE;

#endif
