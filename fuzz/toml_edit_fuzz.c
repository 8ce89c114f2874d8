/*
 * Edits of TOML: the first bytes choose a node and an edit, the rest is a document.
 * Each edit is possible, or refused for a reason that is known here; what it makes is a
 * document, in which the edit can be undone. toml_edit_check(), which each edit calls,
 * must find nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "text/toml_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct toml_node *next_of(const struct toml_node *n)
{
	if (n->first != NULL)
		return n->first;
	while (n != NULL && n->next == NULL)
		n = n->parent;
	return n != NULL ? n->next : NULL;
}

static unsigned count_nodes(const struct toml *t)
{
	const struct toml_node *n;
	unsigned count = 0;

	for (n = toml_root(t); n != NULL; n = next_of(n))
		count++;
	return count;
}

static const struct toml_node *node_at(const struct toml *t, unsigned i)
{
	const struct toml_node *n = toml_root(t);

	for (; i > 0; i--)
		n = next_of(n);
	return n;
}

/* The document that an edit has made; NULL if a bound was reached. */
static struct toml *parse_edited(enum err rc, struct buf *out)
{
	struct toml *t = NULL;

	if (rc == ERR_OK)
		rc = toml_parse(buf_span(out), "edited", &t, NULL);
	if (rc != ERR_OK && rc != ERR_LIMIT && rc != ERR_NOMEM)
		abort();
	buf_fini(out);
	return t;
}

static const struct toml_node *find(const struct toml_node *table, const char *key)
{
	return table->kind == TOML_TABLE ? toml_find(table, key) : NULL;
}

/* A key of the table, so that values are replaced, too; or a new one. */
static const char *pick_key(const struct toml_node *table, uint8_t how)
{
	const struct toml_node *n = table->first;

	for (; n != NULL && how > 1; how /= 2)
		n = n->next;
	if (n == NULL || strlen((const char *)n->key.p) != n->key.n)
		return "new key";
	return (const char *)n->key.p;
}

static void set(const struct toml *t, const struct toml_node *table, uint8_t how)
{
	static const char *const literals[] = { "'new'", "[\n1,\n]", "{ a = 1 }", "1.5" };
	struct toml *edited;
	struct buf out;

	buf_init(&out, 2 * TOML_BYTES_MAX);
	edited = parse_edited(toml_edit_set(t, table, pick_key(table, how),
				      span_str(literals[how % 4]), &out),
		&out);
	toml_free(edited);
}

static bool is_array_of_tables(const struct toml_node *n)
{
	const struct toml_node *c = n->first;

	while (c != NULL && c->kind == TOML_TABLE)
		c = c->next;
	return n->kind == TOML_ARRAY && c == NULL;
}

/* What was appended is removed again, and nothing but space is left of it. */
static void append(const struct toml *t, const struct toml_node *table, uint8_t how)
{
	const char *key = pick_key(table, how);
	const struct toml_node *array = find(table, key);
	struct span pairs = span_str("a = 1\n'b c'.d = [{ e = 2 }] # f\n");
	enum err rc;
	struct buf out;

	buf_init(&out, 2 * TOML_BYTES_MAX);
	rc = toml_edit_append(t, table, key, pairs, &out);
	if (array != NULL && !is_array_of_tables(array)) {
		if (rc != ERR_USAGE || out.n != 0)
			abort();
		buf_fini(&out);
		return;
	}
	toml_free(parse_edited(rc, &out));
}

static void restore(const struct toml *t, const struct toml_node *table, const char *key,
	unsigned index, struct span removed, unsigned count)
{
	struct toml *restored;
	struct buf out;

	buf_init(&out, 2 * TOML_BYTES_MAX);
	restored = parse_edited(toml_edit_restore(t, table, key, index, removed, &out),
		&out);
	if (restored != NULL && count_nodes(restored) != count)
		abort();
	toml_free(restored);
}

/* The node of another document that has the place of @n; NULL if there is none. */
static const struct toml_node *counterpart(const struct toml *t,
	const struct toml_node *n)
{
	const struct toml_node *above, *c;

	if (n->parent == NULL)
		return toml_root(t);
	above = counterpart(t, n->parent);
	if (above == NULL || n->parent->kind != above->kind)
		return NULL;
	if (n->parent->kind == TOML_TABLE) {
		for (c = above->first; c != NULL && !span_eq(c->key, n->key);)
			c = c->next;
		return c;
	}
	c = above->first;
	for (const struct toml_node *i = n->parent->first; c != NULL && i != n;
		i = i->next)
		c = c->next;
	return c;
}

static void remove_and_restore(const struct toml *t, const struct toml_node *n)
{
	const struct toml_node *array = n->parent, *table;
	struct buf out, removed;
	struct toml *edited;
	unsigned index = 0;

	buf_init(&out, 2 * TOML_BYTES_MAX);
	buf_init(&removed, 2 * TOML_BYTES_MAX);
	edited = parse_edited(toml_edit_remove(t, n, &removed, &out), &out);
	if (edited != NULL && array->kind == TOML_ARRAY && array->parent != NULL &&
		array->parent->kind == TOML_TABLE && is_array_of_tables(array) &&
		strlen((const char *)array->key.p) == array->key.n) {
		table = counterpart(edited, array->parent);
		for (const struct toml_node *c = array->first; c != n; c = c->next)
			index++;
		if (table != NULL)
			restore(edited, table, (const char *)array->key.p, index,
				buf_span(&removed), count_nodes(t));
	}
	toml_free(edited);
	buf_fini(&removed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct toml_node *n;
	struct toml *t;

	if (size < 4 ||
		toml_parse(span_of(data + 4, size - 4), "file", &t, NULL) != ERR_OK)
		return 0;
	n = node_at(t, (data[0] | (unsigned)data[1] << 8) % count_nodes(t));
	if (data[2] % 3 == 0 && n->parent != NULL)
		remove_and_restore(t, n);
	else if (data[2] % 3 == 1 && n->kind == TOML_TABLE)
		set(t, n, data[3]);
	else if (n->kind == TOML_TABLE)
		append(t, n, data[3]);
	toml_free(t);
	return 0;
}
