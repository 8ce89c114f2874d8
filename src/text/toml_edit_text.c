/* The statements of a document, and changes to its text. */
#include <stdlib.h>

#include "base/mem.h"
#include "text/toml_edit_priv.h"

/* ---- the tree ---- */

bool toml_is_below(const struct toml_node *n, const struct toml_node *top)
{
	while (n != NULL && n != top)
		n = n->parent;
	return n != NULL;
}

const struct toml_node *toml_walk(const struct toml_node *n, const struct toml_node *top)
{
	if (n->first != NULL && (n == top || n->origin != TOML_INLINE))
		return n->first;
	while (n != top && n->next == NULL)
		n = n->parent;
	return n == top ? NULL : n->next;
}

const struct toml_node *toml_container_of(const struct toml_node *n)
{
	do {
		n = n->parent;
	} while (n != NULL && n->origin != TOML_INLINE);
	return n;
}

bool toml_is_own(const struct toml_node *n, const struct toml_node *table)
{
	do {
		n = n->parent;
	} while (n != table && n != NULL && n->kind == TOML_TABLE &&
		n->origin == TOML_BY_DOTS);
	return n == table;
}

/* A key with its value, not a table that dots or headers have made. */
static bool is_pair(const struct toml_node *n)
{
	return n->parent != NULL && !toml_is_element(n) && !toml_is_list(n) &&
		(n->kind != TOML_TABLE || n->origin == TOML_INLINE);
}

/* ---- the text ---- */

size_t toml_line_start(struct span text, size_t at)
{
	while (at > 0 && text.p[at - 1] != '\n')
		at--;
	return at;
}

size_t toml_line_end(struct span text, size_t at)
{
	while (at < text.n && text.p[at] != '\n')
		at++;
	return at < text.n ? at + 1 : at;
}

size_t toml_skip_space(struct span text, size_t at)
{
	while (at < text.n && (text.p[at] == ' ' || text.p[at] == '\t'))
		at++;
	return at;
}

/* The first byte of a line that is not white space; the end counts as a line end. */
static char first_of_line(struct span text, size_t start)
{
	size_t at = toml_skip_space(text, start);

	if (at < text.n && text.p[at] == '\r')
		at++;
	return at < text.n ? (char)text.p[at] : '\n';
}

bool toml_is_blank_line(struct span text, size_t start)
{
	return first_of_line(text, start) == '\n';
}

/* ---- statements ---- */

static int compare_items(const void *a, const void *b)
{
	const struct toml_item *one = a, *other = b;

	return one->from < other->from ? -1 : one->from > other->from;
}

static void collect_items(struct toml_edit *e)
{
	const struct toml_node *root = toml_root(e->t), *n;

	for (n = root; n != NULL; n = toml_walk(n, root)) {
		struct toml_item *item = &e->items[e->count];

		if (!toml_has_header(n) && !is_pair(n))
			continue;
		item->node = n;
		item->from = toml_line_start(e->text, n->key_at.at);
		if (item->from < e->start)
			item->from = e->start;
		item->to = toml_line_end(e->text, n->at.at + n->at.n);
		e->count++;
	}
	qsort(e->items, e->count, sizeof(*e->items), compare_items);
}

static unsigned count_nodes(const struct toml *t)
{
	const struct toml_node *root = toml_root(t), *n;
	unsigned count = 0;

	for (n = root; n != NULL; n = toml_walk(n, root))
		count++;
	return count;
}

void toml_edit_init(struct toml_edit *e, const struct toml *t)
{
	const uint8_t *line_end;

	*e = (struct toml_edit){ .t = t, .text = toml_text(t), .newline = "\n" };
	if (e->text.n >= 3 && memcmp(e->text.p, "\xef\xbb\xbf", 3) == 0)
		e->start = 3;
	line_end = e->text.n > 0 ? memchr(e->text.p, '\n', e->text.n) : NULL;
	if (line_end != NULL && line_end > e->text.p && line_end[-1] == '\r')
		e->newline = "\r\n";
	buf_init(&e->added, 2 * TOML_BYTES_MAX);
	e->items = calloc(count_nodes(t) + 1, sizeof(*e->items));
	if (e->items != NULL)
		collect_items(e);
	else
		e->failed = ERR_NOMEM;
}

void toml_edit_fini(struct toml_edit *e)
{
	free(e->items);
	free(e->changes);
	buf_wipe(&e->added);
}

size_t toml_lead_of(const struct toml_edit *e, unsigned item, bool with_blank)
{
	size_t floor = item > 0 ? e->items[item - 1].to : e->start;
	size_t at = e->items[item].from, above;

	while (at > floor) {
		above = toml_line_start(e->text, at - 1);
		if (above < floor)
			above = floor; /* behind a byte order mark */
		if (first_of_line(e->text, above) != '#')
			break;
		at = above;
	}
	while (with_blank && at > floor) {
		above = toml_line_start(e->text, at - 1);
		if (above < floor)
			above = floor;
		if (!toml_is_blank_line(e->text, above))
			break;
		at = above;
	}
	return at;
}

unsigned toml_first_item(const struct toml_edit *e, const struct toml_node *node)
{
	unsigned i = 0;

	while (i < e->count && !toml_is_below(e->items[i].node, node))
		i++;
	return i;
}

/* ---- changes ---- */

static struct toml_change *add_change(struct toml_edit *e, size_t from, size_t to)
{
	struct toml_change *next;

	next = realloc(e->changes, (e->change_count + 1) * sizeof(*next));
	if (next == NULL) {
		e->failed = ERR_NOMEM;
		return NULL;
	}
	e->changes = next;
	next += e->change_count;
	*next = (struct toml_change){ .from = from,
		.to = to,
		.at = e->added.n,
		.index = e->change_count++ };
	return next;
}

void toml_edit_cut(struct toml_edit *e, size_t from, size_t to)
{
	(void)add_change(e, from, to);
}

struct buf *toml_edit_insert(struct toml_edit *e, size_t at)
{
	(void)add_change(e, at, at);
	return &e->added;
}

/*
 * Of changes at one place, insertions come first, in the order in which they were made.
 */
static int compare_changes(const void *a, const void *b)
{
	const struct toml_change *one = a, *other = b;
	bool one_cuts = one->to > one->from, other_cuts = other->to > other->from;

	if (one->from != other->from)
		return one->from < other->from ? -1 : 1;
	if (one_cuts != other_cuts)
		return one_cuts ? 1 : -1;
	return one->index < other->index ? -1 : 1;
}

enum err toml_edit_apply(struct toml_edit *e, struct buf *removed, struct buf *out)
{
	size_t *ends = calloc(e->change_count + 1, sizeof(*ends)), at = 0;

	if (ends == NULL || e->failed != ERR_OK) {
		free(ends);
		return e->failed != ERR_OK ? e->failed : ERR_NOMEM;
	}
	for (unsigned i = 0; i < e->change_count; i++)
		ends[i] = i + 1 < e->change_count ? e->changes[i + 1].at : e->added.n;
	if (e->change_count > 0)
		qsort(e->changes, e->change_count, sizeof(*e->changes), compare_changes);
	for (unsigned i = 0; i < e->change_count; i++) {
		const struct toml_change *c = &e->changes[i];

		if (c->from > at) {
			buf_put(out, e->text.p + at, c->from - at);
			at = c->from;
		}
		if (ends[c->index] > c->at)
			buf_put(out, buf_front(&e->added) + c->at,
				ends[c->index] - c->at);
		if (c->to > at) {
			if (removed != NULL)
				buf_put(removed, e->text.p + at, c->to - at);
			at = c->to;
		}
	}
	if (e->text.n > at)
		buf_put(out, e->text.p + at, e->text.n - at);
	free(ends);
	if (e->failed == ERR_OK)
		e->failed = e->added.failed != ERR_OK ? e->added.failed : out->failed;
	if (e->failed == ERR_OK && removed != NULL)
		e->failed = removed->failed;
	return e->failed;
}

/* ---- putting text ---- */

enum err toml_put_text(struct buf *out, struct span text)
{
	static const char from[] = "\b\t\n\f\r\"\\", to[] = "btnfr\"\\";

	buf_put_u8(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		const char *found = c != 0 ? strchr(from, c) : NULL;

		if (found != NULL)
			buf_printf(out, "\\%c", to[found - from]);
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\u%04X", c);
		else
			buf_put_u8(out, c);
	}
	return buf_put_u8(out, '"');
}

enum err toml_put_key(struct buf *out, struct span key)
{
	static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_";
	size_t i = 0;

	while (i < key.n && key.p[i] != 0 && strchr(bare, key.p[i]) != NULL)
		i++;
	return i > 0 && i == key.n ? buf_put_span(out, key) : toml_put_text(out, key);
}

void toml_put_lines(const struct toml_edit *e, struct buf *to, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		bool is_bare_end = text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r');

		if (is_bare_end)
			buf_put_str(to, e->newline);
		else
			buf_put_u8(to, text.p[i]);
	}
}

void toml_put_path(struct buf *to, const struct toml_node *n, const struct toml_node *top)
{
	const struct toml_node *above[TOML_DEPTH_MAX + 1];
	unsigned depth = 0;

	for (; n != top && n->parent != NULL; n = n->parent) {
		if (!toml_is_element(n))
			above[depth++] = n;
	}
	while (depth > 0) {
		toml_put_key(to, above[--depth]->key);
		if (depth > 0)
			buf_put_u8(to, '.');
	}
}

void toml_put_value(const struct toml *t, struct buf *to, const struct toml_node *n)
{
	bool is_table = n->kind == TOML_TABLE;
	const struct toml_node *c;

	if ((!is_table && n->kind != TOML_ARRAY) || n->origin == TOML_INLINE) {
		buf_put(to, toml_text(t).p + n->at.at, n->at.n);
		return;
	}
	buf_put_str(to, is_table ? "{" : "[");
	for (c = n->first; c != NULL; c = c->next) {
		if (is_table) {
			buf_put_u8(to, ' ');
			toml_put_key(to, c->key);
			buf_put_str(to, " = ");
		}
		toml_put_value(t, to, c);
		buf_put_str(to, c->next != NULL ? (is_table ? "," : ", ") : "");
	}
	if (is_table && n->first != NULL)
		buf_put_u8(to, ' ');
	buf_put_str(to, is_table ? "}" : "]");
}
