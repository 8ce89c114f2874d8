/* A span is a borrowed piece of memory. */
#include "base/span.h"

#include <stdlib.h>
#include <strings.h>

bool span_eq_nocase(struct span a, struct span b)
{
	return a.n == b.n &&
		(a.n == 0 || strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0);
}

bool span_is_nocase(struct span a, const char *text)
{
	return span_eq_nocase(a, span_str(text));
}

bool span_split(struct span *in, uint8_t c, struct span *front)
{
	const uint8_t *at = in->n > 0 ? memchr(in->p, c, in->n) : NULL;

	(void)span_cut(in, at != NULL ? (size_t)(at - in->p) : in->n, front);
	return at != NULL && span_cut(in, 1, &(struct span){ 0 });
}

const uint8_t *span_find_last(struct span a, uint8_t c)
{
	while (a.n > 0)
		if (a.p[--a.n] == c)
			return a.p + a.n;
	return NULL;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span a)
{
	while (a.n > 0 && is_blank(a.p[0])) {
		a.p++;
		a.n--;
	}
	while (a.n > 0 && is_blank(a.p[a.n - 1]))
		a.n--;
	return a;
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
