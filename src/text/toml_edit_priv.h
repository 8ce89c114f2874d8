/*
 * What edits of TOML are made of: the statements of a document, and changes to its
 * text.
 */
#ifndef TEXT_TOML_EDIT_PRIV_H
#define TEXT_TOML_EDIT_PRIV_H

#include "text/toml_edit.h"

/* A header, or a key with its value on lines of its own. */
struct toml_item {
	size_t from, to; /* its lines */
	const struct toml_node *node;
};

/* The bytes from @from to @to are replaced by added ones, which end where those of the
 * change that was made next begin. */
struct toml_change {
	size_t from, to;
	size_t at;      /* in the added bytes */
	unsigned index; /* in the order in which they were made */
};

/* An edit that is being made. Failures stick, as in a buf. */
struct toml_edit {
	const struct toml *t; /* borrowed: for the call */
	struct span text;     /* borrowed: of t */
	size_t start;         /* behind a byte order mark */
	const char *newline;

	struct toml_item *items; /* in the order of the text */
	unsigned count;

	struct toml_change *changes;
	unsigned change_count;
	struct buf added;
	enum err failed;
};

/* What may differ between a document and the edited one. */
struct toml_difference {
	const struct toml_node *gone;  /* this is not there any more; or NULL */
	const struct toml_node *table; /* this has the member @key; or NULL */
	const char *key;
	const struct toml_node *array; /* this has one more element, at @index; or NULL */
	unsigned index;
};

void toml_edit_init(struct toml_edit *e, const struct toml *t);
void toml_edit_fini(struct toml_edit *e);

/*
 * Makes the changes in @out, compares the new document with the old one, and frees the
 * edit. @removed, which may be NULL, gets what has been cut. Both are empty after a
 * failure.
 */
enum err toml_edit_finish(struct toml_edit *e, const struct toml_difference *d,
	struct buf *removed, struct buf *out) MUST_USE;

/* ---- changes ---- */

void toml_edit_cut(struct toml_edit *e, size_t from, size_t to);

/* What is put into the buf until the next change comes before the byte @at. */
struct buf *toml_edit_insert(struct toml_edit *e, size_t at);

enum err toml_edit_apply(struct toml_edit *e, struct buf *removed,
	struct buf *out) MUST_USE;

/* ---- the tree ---- */

static inline bool toml_has_header(const struct toml_node *n)
{
	return n->kind == TOML_TABLE && n->origin == TOML_BY_HEADER;
}

/* [[a]] itself, which has no text of its own: its elements have. */
static inline bool toml_is_list(const struct toml_node *n)
{
	return n->kind == TOML_ARRAY && n->origin == TOML_BY_HEADER;
}

static inline bool toml_is_element(const struct toml_node *n)
{
	return n->parent != NULL && n->parent->kind == TOML_ARRAY;
}

bool toml_is_below(const struct toml_node *n, const struct toml_node *top);

/*
 * The next node in the order of the tree, of those below @top; NULL at the end. What is
 * in brackets or braces is passed over, unless it is @top.
 */
const struct toml_node *toml_walk(const struct toml_node *n, const struct toml_node *top);

/* The table or array in braces or brackets that @n is in, or NULL. */
const struct toml_node *toml_container_of(const struct toml_node *n);

/* Is @n a member of @table, perhaps by dots? */
bool toml_is_own(const struct toml_node *n, const struct toml_node *table);

/* ---- the text ---- */

size_t toml_line_start(struct span text, size_t at);
size_t toml_line_end(struct span text, size_t at);   /* behind the line end */
size_t toml_skip_space(struct span text, size_t at); /* spaces and tabs */
bool toml_is_blank_line(struct span text, size_t start);

/* Of an item that is a header: where the comments above it begin, or with @with_blank the
 * blank lines above these. */
size_t toml_lead_of(const struct toml_edit *e, unsigned item, bool with_blank);

/*
 * The index of the item of @node, or of the first one below it; count if there is none.
 */
unsigned toml_first_item(const struct toml_edit *e, const struct toml_node *node);

/* ---- putting text ---- */

/* With the line ends of the document. */
void toml_put_lines(const struct toml_edit *e, struct buf *to, struct span text);

/* The keys that lead from @top, which is above @n, to @n, with dots. */
void toml_put_path(struct buf *to, const struct toml_node *n,
	const struct toml_node *top);

/* The value of a node of the document @t, in braces if it is a table. */
void toml_put_value(const struct toml *t, struct buf *to, const struct toml_node *n);

/* ---- in brackets and braces (toml_edit_inline.c) ---- */

/* Puts "key = literal" into a table in braces, which @table is, or made by dots in it. A
 * member of that name has been removed. */
void toml_inline_add(struct toml_edit *e, const struct toml_node *container,
	const struct toml_node *table, const char *key, struct span literal);

void toml_inline_append(struct toml_edit *e, const struct toml_node *array,
	struct span literal);
void toml_inline_remove(struct toml_edit *e, const struct toml_node *container,
	const struct toml_node *node);

/* ---- checking (toml_edit_check.c) ---- */

/* ERR_SYNTAX: there is another difference. */
enum err toml_edit_check(const struct toml *t, struct span edited,
	const struct toml_difference *d) MUST_USE;

#endif
