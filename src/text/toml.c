/*
 * TOML 1.0: tables, and what may be added to which.
 *
 * A header opens a table once. Dots in a key open tables too, but those of a header are
 * closed to them, and the other way about. An inline table and an array are whole as they
 * are.
 */
#include "text/toml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/toml_scan.h"

struct toml {
	struct toml_node *root;
	struct toml_node *newest; /* and all the others behind it */
	unsigned count;
	uint8_t *text; /* the document; what is decoded stands behind it */
	size_t n, size;
};

struct parser {
	struct toml *t;
	struct toml_scan scan;
	struct toml_place key_at; /* of the newest key, without the keys before its dot */
};

static const char byte_order_mark[] = "\xef\xbb\xbf";

/* ---- places ---- */

const char *toml_print_place(char to[TOML_PLACE_MAX], const char *file,
	const struct toml_place *at)
{
	size_t n = strlen(file);
	bool is_cut = n > TOML_FILE_SHOWN;

	snprintf(to, TOML_PLACE_MAX, "%s%s:%u:%u", is_cut ? "..." : "",
		is_cut ? file + n - TOML_FILE_SHOWN + 3 : file, at->line, at->column);
	return to;
}

enum err toml_refuse(const char *file, const struct toml_place *at, struct why *why,
	const char *fmt, ...)
{
	char place[TOML_PLACE_MAX], text[sizeof(why->text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return err_set(why, ERR_SYNTAX, "%s: %s", toml_print_place(place, file, at),
		text);
}

/* ---- nodes ---- */

static enum err refuse_limit(const struct parser *p, const char *what, int max)
{
	(void)toml_scan_refuse(&p->scan, "%s %d", what, max);
	return ERR_LIMIT;
}

static enum err node_new(struct parser *p, struct toml_node *parent, struct span key,
	struct toml_node **out)
{
	struct toml *t = p->t;
	struct toml_node *n;

	if (parent != NULL && parent->depth == TOML_DEPTH_MAX)
		return refuse_limit(p, "tables and arrays are nested deeper than",
			TOML_DEPTH_MAX);
	if (t->count == TOML_NODES_MAX)
		return refuse_limit(p, "the file has more keys and values than",
			TOML_NODES_MAX);
	if (parent != NULL && parent->kind == TOML_TABLE &&
		parent->count == TOML_KEYS_MAX)
		return refuse_limit(p, "the table has more keys than", TOML_KEYS_MAX);
	n = mem_new(n);
	if (n == NULL)
		return err_set(p->scan.why, ERR_NOMEM, "no memory for a document");
	n->kind = TOML_TABLE;
	n->key = key;
	n->older = t->newest;
	t->newest = n;
	t->count++;
	n->parent = parent;
	if (parent != NULL) {
		n->depth = parent->depth + 1;
		if (parent->last != NULL)
			parent->last->next = n;
		else
			parent->first = n;
		parent->last = n;
		parent->count++;
	}
	*out = n;
	return ERR_OK;
}

static struct toml_node *find(const struct toml_node *table, struct span key)
{
	struct toml_node *n;

	for (n = table->first; n != NULL; n = n->next) {
		if (span_eq(n->key, key))
			return n;
	}
	return NULL;
}

/* Of the newest key: it names what is there. */
static enum err refuse_again(const struct parser *p, const struct toml_node *there)
{
	char shown[64];

	str_quote(shown, sizeof(shown), there->key);
	return toml_refuse(p->scan.file, &p->key_at, p->scan.why,
		"\"%s\" is already set on line %u", shown, there->at.line);
}

/* ---- values ---- */

static enum err parse_value(struct parser *p, struct toml_node *node);
static enum err parse_pair(struct parser *p, struct toml_node *table);

static enum err refuse_unclosed(const struct parser *p, const char *what,
	const struct toml_node *node, char bracket)
{
	return toml_scan_refuse(&p->scan,
		"the %s that begins on line %u needs a comma or %c here%s", what,
		node->at.line, bracket, bracket == '}' ? "; it must be on one line" : "");
}

static enum err parse_array(struct parser *p, struct toml_node *array)
{
	struct toml_node *element = NULL;
	enum err rc = toml_scan_lines(&p->scan);

	array->kind = TOML_ARRAY;
	array->origin = TOML_INLINE;
	while (rc == ERR_OK && !toml_scan_take(&p->scan, ']')) {
		rc = node_new(p, array, span_of(NULL, 0), &element);
		if (rc == ERR_OK)
			rc = parse_value(p, element);
		if (rc == ERR_OK)
			rc = toml_scan_lines(&p->scan);
		if (rc != ERR_OK)
			break;
		if (toml_scan_take(&p->scan, ','))
			rc = toml_scan_lines(&p->scan);
		else if (toml_scan_peek(&p->scan) != ']')
			rc = refuse_unclosed(p, "array", array, ']');
	}
	return rc;
}

static enum err parse_inline(struct parser *p, struct toml_node *table)
{
	enum err rc = ERR_OK;

	table->kind = TOML_TABLE;
	table->origin = TOML_INLINE;
	toml_scan_space(&p->scan);
	if (toml_scan_take(&p->scan, '}'))
		return ERR_OK;
	do {
		toml_scan_space(&p->scan);
		rc = parse_pair(p, table);
		toml_scan_space(&p->scan);
	} while (rc == ERR_OK && toml_scan_take(&p->scan, ','));
	if (rc == ERR_OK && !toml_scan_take(&p->scan, '}'))
		rc = refuse_unclosed(p, "inline table", table, '}');
	return rc;
}

static enum err parse_value(struct parser *p, struct toml_node *node)
{
	enum err rc;

	node->at = toml_scan_here(&p->scan);
	if (toml_scan_take(&p->scan, '['))
		rc = parse_array(p, node);
	else if (toml_scan_take(&p->scan, '{'))
		rc = parse_inline(p, node);
	else
		rc = toml_scan_value(&p->scan, node);
	toml_scan_close_place(&p->scan, &node->at);
	return rc;
}

/* ---- keys ---- */

/* The member @key of @table, which is made if there is none. */
static enum err find_or_add(struct parser *p, struct toml_node *table, struct span key,
	struct toml_place place, struct toml_node **out)
{
	enum err rc;

	*out = find(table, key);
	if (*out != NULL)
		return ERR_OK;
	rc = node_new(p, table, key, out);
	if (rc == ERR_OK)
		(*out)->key_at = (*out)->at = place;
	return rc;
}

/* Into the table "a" of "a.b = 1". */
static enum err enter_by_dots(struct parser *p, struct span key, struct toml_node **table)
{
	struct toml_node *next;
	enum err rc = find_or_add(p, *table, key, p->key_at, &next);

	if (rc != ERR_OK)
		return rc;
	if (next->kind != TOML_TABLE || next->origin == TOML_BY_HEADER ||
		next->origin == TOML_INLINE)
		return refuse_again(p, next);
	next->origin = TOML_BY_DOTS;
	*table = next;
	return ERR_OK;
}

/* "a.b.c": enters the tables before @key, the last. @place ends behind it. */
static enum err parse_path(struct parser *p,
	enum err (*enter)(struct parser *p, struct span key, struct toml_node **table),
	struct toml_node **table, struct span *key, struct toml_place *place)
{
	enum err rc;

	do {
		toml_scan_space(&p->scan);
		p->key_at = toml_scan_here(&p->scan);
		rc = toml_scan_key(&p->scan, key);
		toml_scan_close_place(&p->scan, place);
		toml_scan_space(&p->scan);
	} while (rc == ERR_OK && toml_scan_take(&p->scan, '.') &&
		(rc = enter(p, *key, table)) == ERR_OK);
	return rc;
}

/* "a.b = value", into @table. */
static enum err parse_pair(struct parser *p, struct toml_node *table)
{
	struct toml_place place = toml_scan_here(&p->scan);
	struct toml_node *node;
	struct span key;
	enum err rc = parse_path(p, enter_by_dots, &table, &key, &place);

	if (rc == ERR_OK && find(table, key) != NULL)
		return refuse_again(p, find(table, key));
	if (rc == ERR_OK && !toml_scan_take(&p->scan, '='))
		return toml_scan_refuse(&p->scan, "a key is followed by = and its value");
	if (rc == ERR_OK)
		rc = node_new(p, table, key, &node);
	if (rc != ERR_OK)
		return rc;
	toml_scan_space(&p->scan);
	node->key_at = place;
	return parse_value(p, node);
}

/* ---- headers ---- */

/* Into the table "a" of "[a.b]"; of an array of tables, into the newest. */
static enum err enter_by_header(struct parser *p, struct span key,
	struct toml_node **table)
{
	struct toml_node *next;
	enum err rc = find_or_add(p, *table, key, p->key_at, &next);

	if (rc != ERR_OK)
		return rc;
	if (next->kind == TOML_ARRAY && next->origin != TOML_INLINE)
		next = next->last;
	if (next->kind != TOML_TABLE || next->origin == TOML_INLINE)
		return refuse_again(p, next->key.n > 0 ? next : next->parent);
	*table = next;
	return ERR_OK;
}

/* The table of "[key]" in @table. */
static enum err open_table(struct parser *p, struct toml_node *table, struct span key,
	struct toml_node **out)
{
	struct toml_node *there = find(table, key);

	if (there == NULL)
		return node_new(p, table, key, out);
	if (there->kind != TOML_TABLE || there->origin != TOML_IMPLIED)
		return refuse_again(p, there);
	*out = there;
	return ERR_OK;
}

/* One more table of "[[key]]" in @table. */
static enum err open_element(struct parser *p, struct toml_node *table, struct span key,
	struct toml_place place, struct toml_node **out)
{
	bool is_there = find(table, key) != NULL;
	struct toml_node *array;
	enum err rc = find_or_add(p, table, key, place, &array);

	if (rc != ERR_OK)
		return rc;
	if (!is_there) {
		array->kind = TOML_ARRAY;
		array->origin = TOML_BY_HEADER;
	} else if (array->kind != TOML_ARRAY || array->origin == TOML_INLINE) {
		return refuse_again(p, array);
	}
	return node_new(p, array, span_of(NULL, 0), out);
}

static enum err close_header(struct parser *p, bool is_element)
{
	if (toml_scan_take(&p->scan, ']') &&
		(!is_element || toml_scan_take(&p->scan, ']')))
		return ERR_OK;
	return toml_scan_refuse(&p->scan, "the header is not closed; %s is missing",
		is_element ? "]]" : "]");
}

/* "[a.b]" or "[[a.b]]": the table that the lines behind it fill. */
static enum err parse_header(struct parser *p, struct toml_node **out)
{
	struct toml_place place = toml_scan_here(&p->scan);
	struct toml_node *table = p->t->root;
	struct span key;
	bool is_element;
	enum err rc;

	(void)toml_scan_take(&p->scan, '[');
	is_element = toml_scan_take(&p->scan, '[');
	rc = parse_path(p, enter_by_header, &table, &key, &place);
	if (rc == ERR_OK)
		rc = close_header(p, is_element);
	toml_scan_close_place(&p->scan, &place);
	if (rc == ERR_OK && is_element)
		rc = open_element(p, table, key, place, &table);
	else if (rc == ERR_OK)
		rc = open_table(p, table, key, &table);
	if (rc != ERR_OK)
		return rc;
	table->origin = TOML_BY_HEADER;
	table->key_at = table->at = place;
	*out = table;
	return ERR_OK;
}

/* ---- documents ---- */

static enum err parse_document(struct parser *p)
{
	struct toml_node *table = p->t->root;
	enum err rc = toml_scan_lines(&p->scan);

	while (rc == ERR_OK && p->scan.in.n > 0) {
		if (toml_scan_peek(&p->scan) == '[')
			rc = parse_header(p, &table);
		else
			rc = parse_pair(p, table);
		if (rc == ERR_OK)
			rc = toml_scan_line_end(&p->scan);
		if (rc == ERR_OK)
			rc = toml_scan_lines(&p->scan);
	}
	return rc;
}

/* No zero bytes either, so that a zero can stand for the end. */
static enum err check_characters(const struct toml_scan *s)
{
	struct toml_scan at = *s;
	uint32_t c;

	while (at.in.n > 0) {
		const uint8_t *p = at.in.p;

		if (!utf8_take(&at.in, &c))
			return toml_scan_refuse_at(&at, p, "the file is not UTF-8 text");
		if (c == 0)
			return toml_scan_refuse_at(&at, p, "the file has a zero byte");
		if (c == '\n') {
			at.line++;
			at.line_p = at.in.p;
		}
	}
	return ERR_OK;
}

/* Decoded text is never longer than what it was, but the last has a terminator. */
static enum err document_new(struct span text, struct toml **out)
{
	struct toml *t = mem_new(t);

	if (t == NULL)
		return ERR_NOMEM;
	t->n = text.n;
	t->size = text.n * 2 + 2;
	t->text = malloc(t->size);
	if (t->text == NULL) {
		free(t);
		return ERR_NOMEM;
	}
	if (text.n > 0)
		memcpy(t->text, text.p, text.n);
	*out = t;
	return ERR_OK;
}

enum err toml_parse(struct span text, const char *file, struct toml **out,
	struct why *why)
{
	struct parser p = { .scan = { .file = file, .why = why, .line = 1 } };
	enum err rc;

	if (text.n > TOML_BYTES_MAX)
		return err_set(why, ERR_LIMIT, "%.100s: the file is longer than %d bytes",
			file, TOML_BYTES_MAX);
	if (document_new(text, &p.t) != ERR_OK)
		return err_set(why, ERR_NOMEM, "no memory for a document");
	p.scan.in = span_of(p.t->text, text.n);
	p.scan.start = p.t->text;
	if (text.n >= 3 && memcmp(text.p, byte_order_mark, 3) == 0)
		p.scan.in = span_of(p.t->text + 3, text.n - 3);
	p.scan.line_p = p.scan.in.p;
	p.scan.free = p.t->text + text.n;
	rc = check_characters(&p.scan);
	if (rc == ERR_OK)
		rc = node_new(&p, NULL, span_of(NULL, 0), &p.t->root);
	if (rc == ERR_OK)
		rc = parse_document(&p);
	if (rc == ERR_OK)
		*out = p.t;
	else
		toml_free(p.t);
	return rc;
}

void toml_free(struct toml *t)
{
	struct toml_node *n;

	if (t == NULL)
		return;
	while ((n = t->newest) != NULL) {
		t->newest = n->older;
		free(n);
	}
	mem_free_secret(t->text, t->size);
	free(t);
}

const struct toml_node *toml_root(const struct toml *t)
{
	return t->root;
}

struct span toml_text(const struct toml *t)
{
	return span_of(t->text, t->n);
}

const struct toml_node *toml_find(const struct toml_node *table, const char *key)
{
	return find(table, span_str(key));
}

const char *toml_kind_name(enum toml_kind kind)
{
	static const char *const names[] = {
		[TOML_TEXT] = "a text",
		[TOML_INT] = "a number",
		[TOML_FLOAT] = "a number with a fraction",
		[TOML_FLAG] = "true or false",
		[TOML_TIME] = "a time",
		[TOML_ARRAY] = "an array",
		[TOML_TABLE] = "a table",
	};

	return names[kind];
}
