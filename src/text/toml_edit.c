/* Edits of a TOML document. */
#include "text/toml_edit.h"

#include <stdlib.h>

#include "text/toml_edit_priv.h"

enum err toml_edit_finish(struct toml_edit *e, const struct toml_difference *d,
	struct buf *removed, struct buf *out)
{
	enum err rc = toml_edit_apply(e, removed, out);

	if (rc == ERR_OK)
		rc = toml_edit_check(e->t, buf_span(out), d);
	if (rc != ERR_OK) {
		buf_reset(out);
		if (removed != NULL)
			buf_reset(removed);
	}
	toml_edit_fini(e);
	return rc;
}

/* ---- lines ---- */

/*
 * Inserts lines at the beginning of a line, or at the end of the text; if that has no
 * line end, the new text has none, either. close_lines() follows.
 */
static struct buf *open_lines(struct toml_edit *e, size_t at)
{
	struct buf *to = toml_edit_insert(e, at);

	if (at > e->start && e->text.p[at - 1] != '\n')
		buf_put_str(to, e->newline);
	return to;
}

static void close_lines(struct toml_edit *e, size_t at)
{
	if (at <= e->start || e->text.p[at - 1] == '\n')
		buf_put_str(&e->added, e->newline);
}

static void put_indent_of(const struct toml_edit *e, const struct toml_item *item,
	struct buf *to)
{
	buf_put(to, e->text.p + item->from,
		toml_skip_space(e->text, item->from) - item->from);
}

/* ---- setting ---- */

/* The last line that sets something in @table under the same header; or its header. */
static const struct toml_item *last_own_item(const struct toml_edit *e,
	const struct toml_node *table)
{
	const struct toml_item *found = NULL;

	for (unsigned i = 0; i < e->count; i++) {
		const struct toml_node *n = e->items[i].node;

		if (n == table || (!toml_has_header(n) && toml_is_own(n, table)))
			found = &e->items[i];
	}
	return found;
}

/*
 * A table that no line mentions alone, such as the root: before the first of its
 * tables.
 */
static void add_first_line(struct toml_edit *e, const struct toml_node *table,
	const char *key, struct span literal)
{
	unsigned first = toml_first_item(e, table);
	bool is_root = table->parent == NULL;
	size_t at = first < e->count ? toml_lead_of(e, first, !is_root) : e->text.n;
	struct buf *to = open_lines(e, at);

	if (!is_root && at > e->start)
		buf_put_str(to, e->newline);
	if (!is_root) {
		buf_put_u8(to, '[');
		toml_put_path(to, table, NULL);
		buf_put_u8(to, ']');
		buf_put_str(to, e->newline);
	}
	toml_put_key(to, span_str(key));
	buf_put_str(to, " = ");
	toml_put_lines(e, to, literal);
	close_lines(e, at);
	if (first < e->count && (is_root || at <= e->start))
		buf_put_str(to, e->newline);
}

static void add_line(struct toml_edit *e, const struct toml_node *table, const char *key,
	struct span literal)
{
	const struct toml_item *last = last_own_item(e, table);
	const struct toml_node *section = table;
	struct buf *to;

	if (last == NULL) {
		add_first_line(e, table, key, literal);
		return;
	}
	while (section->parent != NULL && section->origin == TOML_BY_DOTS)
		section = section->parent;
	to = open_lines(e, last->to);
	put_indent_of(e, last, to);
	if (table != section) {
		toml_put_path(to, table, section);
		buf_put_u8(to, '.');
	}
	toml_put_key(to, span_str(key));
	buf_put_str(to, " = ");
	toml_put_lines(e, to, literal);
	close_lines(e, last->to);
}

static bool is_written_as_value(const struct toml_node *n)
{
	return n->origin == TOML_INLINE ||
		(n->kind != TOML_TABLE && n->kind != TOML_ARRAY);
}

static void remove_items(struct toml_edit *e, const struct toml_node *node);

static void set_member(struct toml_edit *e, const struct toml_node *table,
	const struct toml_node *there, const char *key, struct span literal)
{
	const struct toml_node *container = table->origin == TOML_INLINE ?
		table :
		toml_container_of(table);

	if (there != NULL && is_written_as_value(there)) {
		toml_edit_cut(e, there->at.at, there->at.at + there->at.n);
		toml_put_lines(e, toml_edit_insert(e, there->at.at), literal);
		return;
	}
	if (there != NULL && container != NULL)
		toml_inline_remove(e, container, there);
	else if (there != NULL)
		remove_items(e, there);
	if (container != NULL)
		toml_inline_add(e, container, table, key, literal);
	else
		add_line(e, table, key, literal);
}

enum err toml_edit_set(const struct toml *t, const struct toml_node *table,
	const char *key, struct span literal, struct buf *out)
{
	const struct toml_node *there = toml_find(table, key);
	const struct toml_difference d = { .gone = there, .table = table, .key = key };
	struct toml_edit e;

	if (table->kind != TOML_TABLE)
		return ERR_USAGE;
	toml_edit_init(&e, t);
	set_member(&e, table, there, key, literal);
	return toml_edit_finish(&e, &d, NULL, out);
}

/* ---- removing ---- */

/* Cuts the lines of all that is below @node, with what stands between two of them. */
static void remove_items(struct toml_edit *e, const struct toml_node *node)
{
	for (unsigned i = 0; i < e->count; i++) {
		size_t from = e->items[i].from, to;

		if (!toml_is_below(e->items[i].node, node))
			continue;
		if (toml_has_header(e->items[i].node))
			from = toml_lead_of(e, i, true);
		while (i + 1 < e->count && toml_is_below(e->items[i + 1].node, node))
			i++;
		to = e->items[i].to;
		while (from == e->start && to < e->text.n &&
			toml_is_blank_line(e->text, to))
			to = toml_line_end(e->text, to);
		toml_edit_cut(e, from, to);
	}
}

enum err toml_edit_remove(const struct toml *t, const struct toml_node *node,
	struct buf *removed, struct buf *out)
{
	const struct toml_node *container = toml_container_of(node);
	const struct toml_difference d = { .gone = node };
	struct toml_edit e;

	if (node->parent == NULL)
		return ERR_USAGE;
	toml_edit_init(&e, t);
	if (container != NULL)
		toml_inline_remove(&e, container, node);
	else
		remove_items(&e, node);
	return toml_edit_finish(&e, &d, removed, out);
}
