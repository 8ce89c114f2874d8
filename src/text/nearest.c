/* The nearest known word: Levenshtein's distance, with a small limit. */
#include "text/nearest.h"

#include <stddef.h>
#include <string.h>

/* Two slips of the finger are forgiven, but a word must not become quite another one. */
#define NEAREST_DISTANCE_MAX 2

void nearest_init(struct nearest *n, const char *word)
{
	*n = (struct nearest){ .word = word, .distance = NEAREST_DISTANCE_MAX + 1 };
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Row by row: row[j] is the distance of a[0..i] and b[0..j]. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned row[NEAREST_WORD_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned above = row[j];
			unsigned swap = diagonal + (a[i - 1] != b[j - 1]);

			row[j] = min3(above + 1, row[j - 1] + 1, swap);
			diagonal = above;
		}
	}
	return row[m];
}

void nearest_try(struct nearest *n, const char *known)
{
	size_t word_len = strlen(n->word), known_len;
	unsigned d;

	if (known == NULL || word_len > NEAREST_WORD_MAX)
		return;
	known_len = strlen(known);
	if (known_len > NEAREST_WORD_MAX)
		return;
	d = distance(n->word, word_len, known, known_len);
	if (d < n->distance && d < known_len) {
		n->distance = d;
		n->best = known;
	}
}
