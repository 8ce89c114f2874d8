/* A span is a borrowed piece of memory. */
#include "base/span.h"

#include <stdlib.h>
#include <strings.h>

bool span_is_nocase(struct span a, const char *text)
{
	return a.n == strlen(text) &&
		(a.n == 0 || strncasecmp((const char *)a.p, text, a.n) == 0);
}

char *span_dup(struct span a)
{
	char *copy = malloc(a.n + 1);

	if (copy == NULL)
		return NULL;
	if (a.n > 0)
		memcpy(copy, a.p, a.n);
	copy[a.n] = '\0';
	return copy;
}
