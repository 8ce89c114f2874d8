/* Header lines as text, each ending in CRLF, as callers give them. For http/ only. */
#ifndef HTTP_LINES_H
#define HTTP_LINES_H

#include <stdbool.h>

#include "base/span.h"

/* True if one of @lines, which may be NULL, has that name, in any case of letters. */
bool lines_have(const char *lines, struct span name);

#endif
