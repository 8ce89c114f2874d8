/* The nearest known word to one that is not known: for "did you mean". */
#ifndef TEXT_NEAREST_H
#define TEXT_NEAREST_H

#define NEAREST_WORD_MAX 32 /* longer words are near to nothing */

struct nearest {
	const char *word; /* borrowed: what the user wrote */
	const char *best; /* borrowed: the nearest of those tried, NULL if none is near */
	unsigned distance;
};

void nearest_init(struct nearest *n, const char *word);

/* Keeps @known if it is nearer than what was tried before. NULL is passed over. */
void nearest_try(struct nearest *n, const char *known);

#endif
