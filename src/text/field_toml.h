/* Fields read from TOML. */
#ifndef TEXT_FIELD_TOML_H
#define TEXT_FIELD_TOML_H

#include "text/field.h"
#include "text/toml.h"

struct field_toml_options {
	const char *file; /* the name of the text, for messages */

	/*
	 * NULL: unknown keys and values of another kind are errors. Otherwise the reading
	 * is lenient, for files of programs that read them as Go's mapstructure does with
	 * weak types. Each difference is a call with one sentence, which begins with its
	 * place:
	 *
	 * - An unknown key is ignored, with all below it. A known one may be in any case.
	 * - A text may be a number, or true or false, which are "1" and "0".
	 * - A bool may be a number, which is true unless 0, or a word: "true", "false",
	 *   "1", "0", "t", "f", "".
	 * - A number may be a text in the notation of Go ("2", "0x1f"; "" is 0), or a
	 *   bool; a fraction is cut off.
	 * - An array of texts may be a single text, which is not split at commas, or {};
	 *   elements may be what a text may be.
	 * - An array of tables may be a single table.
	 *
	 * What cannot be converted is an error.
	 */
	void (*warn)(void *arg, const char *text);
	void *arg;
};

/*
 * Sets the members that @table has, in a struct with its defaults.
 *
 * ERR_SYNTAX: an unknown key or an invalid value; @why begins with the place,
 * "relay.toml:12:5: ".  ERR_NOMEM. Call field_fini() also after an error.
 */
enum err field_read_toml(const struct field_table *t, const struct toml_node *table,
	const struct field_toml_options *o, void *object, struct why *why) MUST_USE;

#endif
