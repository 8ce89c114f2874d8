/*
 * Edits of a TOML document that leave every other byte as it is: comments, order and
 * layout are its owner's. Each writes the whole new document into an empty buf; it is to
 * be parsed again, which also shows whether the new value was one.
 *
 * ERR_USAGE: not possible at this place.  ERR_LIMIT, ERR_NOMEM: the buf's.
 */
#ifndef TEXT_TOML_EDIT_H
#define TEXT_TOML_EDIT_H

#include "base/buf.h"
#include "text/toml.h"

/* Replaces a value, which is no table with a header, by @literal, which is TOML. */
enum err toml_edit_value(const struct toml *t, const struct toml_node *value,
	struct span literal, struct buf *out) MUST_USE;

/* Adds a line "@key = @literal" to the root or a table with a header, behind its
 * others. */
enum err toml_edit_add(const struct toml *t, const struct toml_node *table,
	const char *key, struct span literal, struct buf *out) MUST_USE;

/*
 * Removes a key and its value, with their line; or a table with a header, an element of
 * [[these]] also, with everything below it. Not what is inside an inline table or an
 * array.
 */
enum err toml_edit_remove(const struct toml *t, const struct toml_node *node,
	struct buf *out) MUST_USE;

/* @text, which is UTF-8, as a literal in quotes. */
enum err toml_put_text(struct buf *out, struct span text);

#endif
