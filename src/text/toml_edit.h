/*
 * Edits of a TOML document that leave every other byte as it is: comments, order, line
 * ends and layout are its owner's. Each writes the whole new document into the empty buf
 * @out, and parses it again: unless all else has the same values as before, the edit
 * fails. After a failure @out is empty.
 *
 * A table may be written in any form: with a header, with dots, in braces, or not at all
 * (as "a" in [a.b]). An array of tables may be [[a]] or a = [{...}, {...}]; what is added
 * is written in the form that is there.
 *
 * ERR_USAGE: the call does not fit the document, as each call says.  ERR_SYNTAX: a text
 * from the caller is not TOML of the required kind.  ERR_LIMIT, ERR_NOMEM.
 */
#ifndef TEXT_TOML_EDIT_H
#define TEXT_TOML_EDIT_H

#include "base/buf.h"
#include "text/toml.h"

/*
 * Sets the member @key of @table to @literal, a value in TOML. A value that is there is
 * replaced in its place, and the comment behind it stays. A table or an array of tables
 * with headers, or one made by dots, is replaced by a line "key = literal". A new key
 * comes behind the other keys of the table.
 */
enum err toml_edit_set(const struct toml *t, const struct toml_node *table,
	const char *key, struct span literal, struct buf *out) MUST_USE;

/*
 * Adds a table behind the last one of the array @key of @table; if there is no array,
 * below a header [[key]] if @table has a header, and else in brackets. @pairs are lines
 * "key = value", whose comments are dropped.
 *
 * ERR_USAGE: @key is something else; @pairs has headers.
 */
enum err toml_edit_append(const struct toml *t, const struct toml_node *table,
	const char *key, struct span pairs, struct buf *out) MUST_USE;

/*
 * Removes @node and all that is below it: a member of a table with its line, or with
 * its comma; an element of an array; a table, wherever its parts are, or all tables of
 * [[these]]. With a header go the comment lines directly above it and the blank lines
 * above these; all other comments between statements stay.
 *
 * @removed, which is empty, gets the text for toml_edit_restore(); it may be NULL.
 * ERR_USAGE: @node is the root.
 */
enum err toml_edit_remove(const struct toml *t, const struct toml_node *node,
	struct buf *removed, struct buf *out) MUST_USE;

/*
 * Puts back a table that was removed from the array @key of @table, also if the document
 * has changed since: as the element @index, or as the last one if there are fewer. If
 * nothing has changed, the document is again as it was, unless comments stood directly
 * behind the table. In brackets it becomes the last element, and comments are dropped.
 * A table [key], which was no array, may be put back, too.
 *
 * ERR_USAGE: @removed is not of that array; @key is no array of tables any more.
 */
enum err toml_edit_restore(const struct toml *t, const struct toml_node *table,
	const char *key, unsigned index, struct span removed, struct buf *out) MUST_USE;

/* @text, which is UTF-8, as a literal in quotes. */
enum err toml_put_text(struct buf *out, struct span text);

/* @key as a key, bare if possible. */
enum err toml_put_key(struct buf *out, struct span key);

#endif
