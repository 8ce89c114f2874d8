/* Edits in brackets and braces. */
#include <stdlib.h>

#include "text/toml_edit_priv.h"

#define NONE SIZE_MAX

/* What stands between two commas, without the space around it. */
struct piece {
	size_t from, to;
	bool is_gone;
};

static size_t close_of(const struct toml_node *container)
{
	return container->at.at + container->at.n - 1;
}

/* The comma between two elements, which is not in a comment; or NONE. */
static size_t find_comma(struct span text, size_t from, size_t to)
{
	while (from < to) {
		if (text.p[from] == ',')
			return from;
		if (text.p[from] == '#')
			from = toml_line_end(text, from);
		else
			from++;
	}
	return NONE;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *one = a, *other = b;

	return one->from < other->from ? -1 : one->from > other->from;
}

/*
 * The elements of an array, or the pairs in braces, of which dots may have made tables,
 * in the order of the text; @gone marks those below it. Returns how many. *@out is
 * freed by the caller.
 */
static unsigned collect(struct toml_edit *e, const struct toml_node *container,
	const struct toml_node *gone, struct piece **out)
{
	const struct toml_node *first = toml_walk(container, container), *n;
	bool has_keys = container->kind == TOML_TABLE;
	unsigned count = 0;

	for (n = first; n != NULL; n = toml_walk(n, container))
		count++;
	*out = calloc(count + 1, sizeof(**out));
	if (*out == NULL) {
		e->failed = ERR_NOMEM;
		return 0;
	}
	count = 0;
	for (n = first; n != NULL; n = toml_walk(n, container)) {
		if (n->kind == TOML_TABLE && n->origin != TOML_INLINE)
			continue;
		(*out)[count++] = (struct piece){
			.from = has_keys ? n->key_at.at : n->at.at,
			.to = n->at.at + n->at.n,
			.is_gone = toml_is_below(n, gone),
		};
	}
	qsort(*out, count, sizeof(**out), compare_pieces);
	return count;
}

/* ---- adding ---- */

void toml_inline_add(struct toml_edit *e, const struct toml_node *container,
	const struct toml_node *table, const char *key, struct span literal)
{
	size_t open = container->at.at + 1;
	struct piece *pieces;
	unsigned count = collect(e, container, toml_find(table, key), &pieces), kept = 0;
	struct buf *to;

	for (unsigned i = 0; i < count; i++)
		kept += !pieces[i].is_gone;
	if (count == 0)
		toml_edit_cut(e, open, close_of(container));
	to = toml_edit_insert(e, count > 0 ? pieces[count - 1].to : open);
	buf_put_str(to, kept > 0 ? ", " : count > 0 ? "" : " ");
	if (table != container) {
		toml_put_path(to, table, container);
		buf_put_u8(to, '.');
	}
	toml_put_key(to, span_str(key));
	buf_put_str(to, " = ");
	toml_put_lines(e, to, literal);
	buf_put_str(to, count > 0 ? "" : " ");
	free(pieces);
}

/* Does nothing but white space stand between the beginning of the line and @at? */
static bool is_first_of_line(struct span text, size_t at)
{
	return toml_skip_space(text, toml_line_start(text, at)) == at;
}

/* A line of its own, as deep as the one of the last element. */
static void append_line(struct toml_edit *e, size_t close, size_t last, bool has_comma,
	struct span literal)
{
	size_t line = toml_line_start(e->text, close), model = line;
	struct buf *to;

	if (last != NONE && is_first_of_line(e->text, last))
		model = toml_line_start(e->text, last);
	to = toml_edit_insert(e, line);
	buf_put(to, e->text.p + model, toml_skip_space(e->text, model) - model);
	buf_put_str(to, model == line ? "  " : "");
	toml_put_lines(e, to, literal);
	buf_put_str(to, has_comma ? "," : "");
	buf_put_str(to, e->newline);
}

void toml_inline_append(struct toml_edit *e, const struct toml_node *array,
	struct span literal)
{
	size_t open = array->at.at + 1, close = close_of(array);
	size_t last = array->last != NULL ? array->last->at.at : NONE;
	size_t end = last != NONE ? last + array->last->at.n : open;
	size_t comma = last != NONE ? find_comma(e->text, end, close) : NONE;
	struct buf *to;

	if (last != NONE && comma == NONE)
		buf_put_u8(toml_edit_insert(e, end), ',');
	if (is_first_of_line(e->text, close) && toml_line_start(e->text, close) > end) {
		append_line(e, close, last, comma != NONE, literal);
		return;
	}
	to = toml_edit_insert(e, comma != NONE ? comma + 1 : end);
	buf_put_str(to, last != NONE ? " " : "");
	toml_put_lines(e, to, literal);
	buf_put_str(to, comma != NONE ? "," : "");
}

/* ---- removing ---- */

/*
 * The lines of an element, with the comments above it, if it has them for itself and its
 * comma is on them or needs not go. False: it shares them.
 */
static bool own_lines(const struct toml_edit *e, const struct toml_node *array,
	const struct piece *p, const struct piece *before, const struct piece *next,
	struct piece *out)
{
	struct span text = e->text;
	size_t open = array->at.at + 1;
	size_t limit = next != NULL ? next->from : close_of(array);
	size_t comma = find_comma(text, p->to, limit), end = toml_line_end(text, p->to);
	size_t floor = before != NULL ? before->to : open;

	if (!is_first_of_line(text, p->from) || end > limit ||
		(comma != NONE && comma >= end) || (comma == NONE && next != NULL))
		return false;
	*out = (struct piece){ .from = toml_line_start(text, p->from), .to = end };
	if (out->from <= floor)
		return false;
	while (out->from > floor) {
		size_t above = toml_line_start(text, out->from - 1);

		if (above <= floor || text.p[toml_skip_space(text, above)] != '#')
			break;
		out->from = above;
	}
	return true;
}

static bool has_line_end(struct span text, size_t from, size_t to)
{
	return memchr(text.p + from, '\n', to - from) != NULL;
}

/*
 * The last one: with the comma before it, unless that is on another line, or behind it.
 */
static void cut_last(struct toml_edit *e, const struct piece *p,
	const struct piece *before, size_t close)
{
	bool is_table = e->text.p[close] == '}'; /* no line ends between its pairs */
	size_t comma = find_comma(e->text, p->to, close);
	size_t to = comma != NONE ? comma + 1 : p->to;

	if (before != NULL && comma == NONE &&
		(is_table || !has_line_end(e->text, before->to, p->from)))
		toml_edit_cut(e, before->to, to);
	else
		toml_edit_cut(e, p->from, to);
}

static void cut_piece(struct toml_edit *e, const struct piece *pieces, unsigned count,
	unsigned i, const struct toml_node *container)
{
	const struct piece *p = &pieces[i], *next = i + 1 < count ? p + 1 : NULL;
	size_t close = close_of(container), comma;
	unsigned kept = i;
	struct piece lines;

	if (container->kind == TOML_ARRAY &&
		own_lines(e, container, p, i > 0 ? p - 1 : NULL, next, &lines)) {
		toml_edit_cut(e, lines.from, lines.to);
	} else if (next != NULL && has_line_end(e->text, p->to, next->from)) {
		comma = find_comma(e->text, p->to, next->from);
		toml_edit_cut(e, p->from, toml_skip_space(e->text, comma + 1));
	} else if (next != NULL) {
		toml_edit_cut(e, p->from, next->from);
	} else {
		while (kept > 0 && pieces[kept - 1].is_gone)
			kept--;
		cut_last(e, p, kept > 0 ? &pieces[kept - 1] : NULL, close);
	}
}

void toml_inline_remove(struct toml_edit *e, const struct toml_node *container,
	const struct toml_node *node)
{
	struct piece *pieces;
	unsigned count = collect(e, container, node, &pieces);

	for (unsigned i = 0; i < count; i++) {
		if (pieces[i].is_gone)
			cut_piece(e, pieces, count, i, container);
	}
	free(pieces);
}
