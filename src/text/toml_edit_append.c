/* Edits of arrays of tables. */
#include <stdlib.h>

#include "text/toml_edit_priv.h"

/* ---- what is added ---- */

static bool has_only_tables(const struct toml_node *array)
{
	const struct toml_node *n = array->first;

	while (n != NULL && n->kind == TOML_TABLE)
		n = n->next;
	return array->kind == TOML_ARRAY && n == NULL;
}

/* Is or would the array @key of @table be below headers in double brackets? */
static bool has_headers(const struct toml_node *table, const struct toml_node *array)
{
	if (array != NULL)
		return toml_is_list(array);
	return table->origin != TOML_INLINE && table->origin != TOML_BY_DOTS &&
		toml_container_of(table) == NULL;
}

/* The line that is before @at, which begins one, is blank. */
static bool is_behind_blank(const struct toml_edit *e, size_t at)
{
	return at <= e->start ||
		toml_is_blank_line(e->text, toml_line_start(e->text, at - 1));
}

/*
 * Where a section behind the last line of @node begins: comments behind that stay with
 * it, unless they are directly above the next header.
 */
static size_t end_of_section(const struct toml_edit *e, const struct toml_node *node)
{
	size_t at = e->start, limit, line;
	unsigned next = 0;

	for (unsigned i = 0; i < e->count; i++) {
		if (toml_is_below(e->items[i].node, node))
			next = i + 1;
	}
	if (next > 0)
		at = e->items[next - 1].to;
	limit = next < e->count ? toml_lead_of(e, next, false) : e->text.n;
	for (line = at; line < limit; line = toml_line_end(e->text, line)) {
		if (!toml_is_blank_line(e->text, line))
			at = toml_line_end(e->text, line);
	}
	return at;
}

/* The space before the header of the last table, or before its pairs. */
static struct span indent_of(const struct toml_edit *e, const struct toml_node *array,
	bool is_pair)
{
	unsigned i = array != NULL ? toml_first_item(e, array->last) : e->count;
	const struct toml_item *item;

	if (i == e->count)
		return span_of(NULL, 0);
	if (is_pair && i + 1 < e->count && toml_is_own(e->items[i + 1].node, array->last))
		i++;
	item = &e->items[i];
	return span_of(e->text.p + item->from,
		toml_skip_space(e->text, item->from) - item->from);
}

static void put_header(struct toml_edit *e, const struct toml_node *table,
	const struct toml_node *array, const char *key, struct buf *to)
{
	if (array != NULL) { /* as the last one is written */
		buf_put_span(to, indent_of(e, array, false));
		buf_put(to, e->text.p + array->last->at.at, array->last->at.n);
		return;
	}
	buf_put_str(to, "[[");
	toml_put_path(to, table, NULL);
	buf_put_str(to, table->parent != NULL ? "." : "");
	toml_put_key(to, span_str(key));
	buf_put_str(to, "]]");
}

static void append_section(struct toml_edit *e, const struct toml_node *table,
	const char *key, const struct toml_edit *pairs)
{
	const struct toml_node *array = toml_find(table, key);
	size_t at = end_of_section(e, array != NULL ? array->last : table);
	bool ends_line = at <= e->start || e->text.p[at - 1] == '\n';
	struct buf *to = toml_edit_insert(e, at);

	buf_put_str(to, ends_line ? "" : e->newline);
	buf_put_str(to, is_behind_blank(e, at) ? "" : e->newline);
	put_header(e, table, array, key, to);
	for (unsigned i = 0; i < pairs->count; i++) {
		const struct toml_node *n = pairs->items[i].node;

		buf_put_str(to, e->newline);
		buf_put_span(to, indent_of(e, array, true));
		toml_put_lines(e, to,
			span_of(pairs->text.p + n->key_at.at,
				n->at.at + n->at.n - n->key_at.at));
	}
	buf_put_str(to, ends_line ? e->newline : "");
	if (at < e->text.n && !toml_is_blank_line(e->text, at))
		buf_put_str(to, e->newline);
}

static enum err append(const struct toml *t, const struct toml_node *table,
	const char *key, const struct toml_edit *pairs, struct buf *out)
{
	const struct toml_node *array = toml_find(table, key);
	const struct toml_difference d = { .table = array == NULL ? table : NULL,
		.key = key,
		.array = array,
		.index = array != NULL ? array->count : 0 };
	struct toml_edit e;
	struct buf literal;
	enum err rc;

	buf_init(&literal, 2 * TOML_BYTES_MAX);
	buf_put_str(&literal, array == NULL ? "[" : "");
	toml_put_value(pairs->t, &literal, toml_root(pairs->t));
	buf_put_str(&literal, array == NULL ? "]" : "");
	if (array == NULL && !has_headers(table, array)) {
		rc = toml_edit_set(t, table, key, buf_span(&literal), out);
	} else {
		toml_edit_init(&e, t);
		if (has_headers(table, array))
			append_section(&e, table, key, pairs);
		else
			toml_inline_append(&e, array, buf_span(&literal));
		rc = toml_edit_finish(&e, &d, NULL, out);
	}
	buf_wipe(&literal);
	return rc;
}

enum err toml_edit_append(const struct toml *t, const struct toml_node *table,
	const char *key, struct span pairs, struct buf *out)
{
	const struct toml_node *array = toml_find(table, key);
	struct toml_edit lines;
	struct toml *p;
	enum err rc;

	if (table->kind != TOML_TABLE || (array != NULL && !has_only_tables(array)))
		return ERR_USAGE;
	rc = toml_parse(pairs, "pairs", &p, NULL);
	if (rc != ERR_OK)
		return rc;
	toml_edit_init(&lines, p);
	rc = lines.failed;
	for (unsigned i = 0; i < lines.count; i++) {
		if (toml_has_header(lines.items[i].node))
			rc = ERR_USAGE;
	}
	if (rc == ERR_OK)
		rc = append(t, table, key, &lines, out);
	toml_edit_fini(&lines);
	toml_free(p);
	return rc;
}

/* ---- putting back ---- */

/* The node of another document that has the name and place of @n. */
static const struct toml_node *counterpart(const struct toml *t,
	const struct toml_node *n)
{
	const struct toml_node *above;

	if (n->parent == NULL)
		return toml_root(t);
	above = counterpart(t, n->parent);
	if (above == NULL || toml_is_element(n))
		return above != NULL && above->kind == TOML_ARRAY ? above->last : above;
	return above->kind == TOML_TABLE ? toml_find(above, (const char *)n->key.p) :
					   NULL;
}

/* In sections as they were: the only table of [[key]], or [key] itself. */
static const struct toml_node *find_section(const struct toml *removed,
	const struct toml_node *table, const char *key)
{
	const struct toml_node *above = counterpart(removed, table), *n = NULL;

	if (above != NULL && above->kind == TOML_TABLE)
		n = toml_find(above, key);
	if (n != NULL && toml_is_list(n) && n->count == 1)
		n = n->first;
	return n != NULL && n->kind == TOML_TABLE && n->origin != TOML_INLINE ? n : NULL;
}

/* May a section stand beside the tables that are there, if there are any? */
static bool fits(const struct toml_node *section, const struct toml_node *table,
	const struct toml_node *array)
{
	if (!has_headers(table, array))
		return false;
	return toml_is_element(section) || (array == NULL && toml_has_header(section));
}

/* "{...}," with its comments, as the only element of an array. */
static enum err parse_element(struct span removed, struct toml **out)
{
	const struct toml_node *array;
	struct buf text;
	enum err rc;

	while (removed.n > 0 && (removed.p[0] == ',' || removed.p[0] == ' '))
		removed = span_of(removed.p + 1, removed.n - 1);
	buf_init(&text, TOML_BYTES_MAX);
	buf_put_str(&text, "x = [\n");
	buf_put_span(&text, removed);
	buf_put_str(&text, "\n]\n");
	rc = text.failed;
	if (rc == ERR_OK)
		rc = toml_parse(buf_span(&text), "removed", out, NULL);
	buf_wipe(&text);
	if (rc != ERR_OK)
		return rc;
	array = toml_root(*out)->first;
	return array->next == NULL && array->count == 1 && has_only_tables(array) ?
		ERR_OK :
		ERR_USAGE;
}

/* As it was, before the element @index or behind the last one. */
static enum err restore_section(const struct toml *t, const struct toml_node *table,
	const char *key, unsigned index, struct span removed, struct buf *out)
{
	const struct toml_node *array = toml_find(table, key), *next = NULL;
	struct toml_difference d = { .table = array == NULL ? table : NULL,
		.key = key,
		.array = array };
	struct toml_edit e;
	struct buf *to;
	size_t at;

	if (array != NULL)
		next = array->first;
	for (; next != NULL && d.index < index; d.index++)
		next = next->next;
	toml_edit_init(&e, t);
	if (e.failed != ERR_OK)
		return toml_edit_finish(&e, &d, NULL, out);
	if (next != NULL)
		at = toml_lead_of(&e, toml_first_item(&e, next), true);
	else
		at = end_of_section(&e, array != NULL ? array->last : table);
	to = toml_edit_insert(&e, at);
	if (at > e.start && e.text.p[at - 1] != '\n')
		buf_put_str(to, e.newline);
	if (!is_behind_blank(&e, at) && !toml_is_blank_line(removed, 0))
		buf_put_str(to, e.newline);
	buf_put_span(to, removed);
	if (at < e.text.n && removed.p[removed.n - 1] != '\n')
		buf_put_str(to, e.newline);
	return toml_edit_finish(&e, &d, NULL, out);
}

/* In the form that the array has now. */
static enum err restore_pairs(const struct toml *t, const struct toml_node *table,
	const char *key, const struct toml *removed, const struct toml_node *element,
	struct buf *out)
{
	const struct toml_node *n;
	struct buf pairs;
	enum err rc;

	buf_init(&pairs, 2 * TOML_BYTES_MAX);
	for (n = element->first; n != NULL; n = n->next) {
		toml_put_key(&pairs, n->key);
		buf_put_str(&pairs, " = ");
		toml_put_value(removed, &pairs, n);
		buf_put_u8(&pairs, '\n');
	}
	rc = pairs.failed;
	if (rc == ERR_OK)
		rc = toml_edit_append(t, table, key, buf_span(&pairs), out);
	buf_wipe(&pairs);
	return rc;
}

enum err toml_edit_restore(const struct toml *t, const struct toml_node *table,
	const char *key, unsigned index, struct span removed, struct buf *out)
{
	const struct toml_node *element = NULL, *array = toml_find(table, key);
	struct toml *r = NULL;
	enum err rc;

	if (table->kind != TOML_TABLE || (array != NULL && !has_only_tables(array)))
		return ERR_USAGE;
	rc = toml_parse(removed, "removed", &r, NULL);
	if (rc == ERR_OK)
		element = find_section(r, table, key);
	if (element != NULL && fits(element, table, array)) {
		rc = restore_section(t, table, key, index, removed, out);
		toml_free(r);
		return rc;
	}
	if (element == NULL) {
		toml_free(r);
		r = NULL;
		rc = parse_element(removed, &r);
		if (rc == ERR_OK)
			element = toml_root(r)->first->first;
	}
	if (rc == ERR_OK)
		rc = restore_pairs(t, table, key, r, element, out);
	toml_free(r);
	return rc;
}
