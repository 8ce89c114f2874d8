/* Edits of a TOML document: the bytes before, what is new, the bytes behind. */
#include "text/toml_edit.h"

/* Where the line of @at begins, and where the next one does. */
static size_t line_start(struct span text, size_t at)
{
	while (at > 0 && text.p[at - 1] != '\n')
		at--;
	return at;
}

static size_t line_end(struct span text, size_t at)
{
	while (at < text.n && text.p[at] != '\n')
		at++;
	return at < text.n ? at + 1 : at;
}

static enum err splice(const struct toml *t, size_t from, size_t to, struct span text,
	struct buf *out)
{
	struct span all = toml_text(t);

	buf_put(out, all.p, from);
	buf_put_span(out, text);
	buf_put(out, all.p + to, all.n - to);
	return out->failed;
}

static bool has_header(const struct toml_node *n)
{
	return n->kind == TOML_TABLE && n->origin == TOML_BY_HEADER;
}

/* [[a]] itself, which has no place of its own: its elements have. */
static bool is_list_of_tables(const struct toml_node *n)
{
	return n->kind == TOML_ARRAY && n->origin == TOML_BY_HEADER;
}

/* A key with its value on lines of its own, not part of another value. */
static bool is_pair(const struct toml_node *n)
{
	return n->parent != NULL && n->key_at.n > 0 && n->parent->origin != TOML_INLINE &&
		!is_list_of_tables(n) &&
		(n->kind != TOML_TABLE || n->origin == TOML_INLINE);
}

static bool is_below(const struct toml_node *n, const struct toml_node *top)
{
	while (n != NULL && n != top)
		n = n->parent;
	return n != NULL;
}

/* The next one in the order of the tree, of those below @top; NULL at the end. */
static const struct toml_node *walk(const struct toml_node *n,
	const struct toml_node *top)
{
	if (n->first != NULL)
		return n->first;
	while (n != top && n->next == NULL)
		n = n->parent;
	return n == top ? NULL : n->next;
}

/* An inline table with dots inside is a pair; what is in it is none, at any depth. */
static bool is_inside_value(const struct toml_node *n)
{
	for (n = n->parent; n != NULL; n = n->parent) {
		if (n->origin == TOML_INLINE)
			return true;
	}
	return false;
}

enum err toml_edit_value(const struct toml *t, const struct toml_node *value,
	struct span literal, struct buf *out)
{
	if (value->at.n == 0 || has_header(value) || is_list_of_tables(value))
		return ERR_USAGE;
	return splice(t, value->at.at, value->at.at + value->at.n, literal, out);
}

/* Behind the last line that sets something in @table by itself, not under another
 * header. */
static size_t end_of_own_lines(struct span text, const struct toml_node *table)
{
	size_t end = has_header(table) ? line_end(text, table->at.at + table->at.n) : 0;
	const struct toml_node *n;

	for (n = walk(table, table); n != NULL; n = walk(n, table)) {
		const struct toml_node *up = n->parent;
		size_t after;

		while (up != table && up->origin == TOML_BY_DOTS)
			up = up->parent;
		if (up != table || !is_pair(n))
			continue;
		after = line_end(text, n->at.at + n->at.n);
		if (after > end)
			end = after;
	}
	return end;
}

static bool is_bare_key(const char *key)
{
	return key[0] != '\0' &&
		key[strspn(key,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789-_")] == '\0';
}

enum err toml_edit_add(const struct toml *t, const struct toml_node *table,
	const char *key, struct span literal, struct buf *out)
{
	struct span all = toml_text(t);
	size_t at = end_of_own_lines(all, table);
	bool is_first = at == 0;

	if (table->parent != NULL && !has_header(table))
		return ERR_USAGE;
	if (is_first && all.n >= 3 && memcmp(all.p, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	buf_put(out, all.p, at);
	if (!is_first && all.p[at - 1] != '\n')
		buf_put_u8(out, '\n');
	if (is_bare_key(key))
		buf_put_str(out, key);
	else
		toml_put_text(out, span_str(key));
	buf_put_str(out, " = ");
	buf_put_span(out, literal);
	buf_put_u8(out, '\n');
	buf_put(out, all.p + at, all.n - at);
	return out->failed;
}

/* A section is in one piece if nothing else stands between its first and its last
 * line. */
static bool is_one_piece(const struct toml *t, const struct toml_node *section,
	size_t from, size_t to)
{
	const struct toml_node *root = toml_root(t), *n;

	for (n = walk(root, root); n != NULL; n = walk(n, root)) {
		if ((has_header(n) || is_pair(n)) && !is_below(n, section) &&
			n->key_at.at >= from && n->key_at.at < to)
			return false;
	}
	return true;
}

static enum err remove_section(const struct toml *t, const struct toml_node *section,
	struct buf *out)
{
	struct span all = toml_text(t);
	size_t from = line_start(all, section->at.at);
	size_t to = line_end(all, section->at.at + section->at.n);
	const struct toml_node *n;

	for (n = walk(section, section); n != NULL; n = walk(n, section)) {
		size_t end;

		if (!has_header(n) && !is_pair(n))
			continue;
		end = line_end(all, n->at.at + n->at.n);
		if (end > to)
			to = end;
		if (n->key_at.at < from)
			return ERR_USAGE;
	}
	if (!is_one_piece(t, section, from, to))
		return ERR_USAGE;
	return splice(t, from, to, span_of(NULL, 0), out);
}

enum err toml_edit_remove(const struct toml *t, const struct toml_node *node,
	struct buf *out)
{
	struct span all = toml_text(t);

	if (is_inside_value(node))
		return ERR_USAGE;
	if (has_header(node))
		return remove_section(t, node, out);
	if (!is_pair(node))
		return ERR_USAGE;
	return splice(t, line_start(all, node->key_at.at),
		line_end(all, node->at.at + node->at.n), span_of(NULL, 0), out);
}

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
