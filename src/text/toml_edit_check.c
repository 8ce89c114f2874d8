/*
 * Checking an edit: the new document has the old values, but for the one that was
 * meant.
 */
#include "text/toml_edit_priv.h"

static bool is_same_value(const struct toml_node *a, const struct toml_node *b)
{
	switch (a->kind) {
	case TOML_TEXT:
		return span_eq(a->text, b->text);
	case TOML_FLAG:
		return a->flag == b->flag;
	case TOML_TIME:
		return a->time == b->time && span_eq(a->text, b->text);
	default: /* numbers: also of one that is not a number */
		return memcmp(&a->number, &b->number, sizeof(a->number)) == 0;
	}
}

/* Are tables that are nowhere written themselves gone with what is below them? */
static bool is_gone(const struct toml_node *n, const struct toml_node *gone)
{
	const struct toml_node *c;

	if (n == gone)
		return true;
	if (n->first == NULL || n->origin == TOML_INLINE || toml_has_header(n))
		return false;
	for (c = n->first; c != NULL; c = c->next) {
		if (!is_gone(c, gone))
			return false;
	}
	return true;
}

static const struct toml_node *find(const struct toml_node *table, struct span key,
	const struct toml_node *guess)
{
	if (guess != NULL && span_eq(guess->key, key))
		return guess;
	for (guess = table->first; guess != NULL; guess = guess->next) {
		if (span_eq(guess->key, key))
			break;
	}
	return guess;
}

static bool is_same(const struct toml_node *a, const struct toml_node *b,
	const struct toml_difference *d);

static bool is_same_table(const struct toml_node *a, const struct toml_node *b,
	const struct toml_difference *d)
{
	const struct toml_node *c, *other = b->first;
	unsigned same = 0, added = 0;

	if (a == d->table && d->key != NULL) {
		added = 1;
		if (toml_find(b, d->key) == NULL)
			return false;
	}
	for (c = a->first; c != NULL; c = c->next) {
		if (c == d->gone || (added != 0 && span_is(c->key, d->key)))
			continue;
		other = find(b, c->key, other);
		if (other == NULL && is_gone(c, d->gone))
			continue;
		if (other == NULL || !is_same(c, other, d))
			return false;
		other = other->next;
		same++;
	}
	return b->count == same + added;
}

static bool is_same_array(const struct toml_node *a, const struct toml_node *b,
	const struct toml_difference *d)
{
	const struct toml_node *c = a->first, *other = b->first;
	unsigned i = 0;

	for (; other != NULL; other = other->next, i++) {
		if (a == d->array && i == d->index)
			continue;
		if (c != NULL && c == d->gone)
			c = c->next;
		if (c == NULL || !is_same(c, other, d))
			return false;
		c = c->next;
	}
	if (c != NULL && c == d->gone)
		c = c->next;
	return c == NULL;
}

static bool is_same(const struct toml_node *a, const struct toml_node *b,
	const struct toml_difference *d)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == TOML_TABLE)
		return is_same_table(a, b, d);
	if (a->kind == TOML_ARRAY)
		return is_same_array(a, b, d);
	return is_same_value(a, b);
}

enum err toml_edit_check(const struct toml *t, struct span edited,
	const struct toml_difference *d)
{
	struct toml *next;
	enum err rc = toml_parse(edited, "edited", &next, NULL);

	if (rc != ERR_OK)
		return rc;
	if (!is_same(toml_root(t), toml_root(next), d))
		rc = ERR_SYNTAX;
	toml_free(next);
	return rc;
}
