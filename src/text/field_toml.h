/* Fields read from TOML. */
#ifndef TEXT_FIELD_TOML_H
#define TEXT_FIELD_TOML_H

#include "text/field.h"
#include "text/toml.h"

/*
 * Sets the members that @table has, in a struct with its defaults; @file is the name of
 * the text.
 * ERR_SYNTAX: an unknown key or an invalid value; @why begins with the place,
 * "relay.toml:12:5: ".  ERR_NOMEM. Call field_fini() also after an error.
 */
enum err field_read_toml(const struct field_table *t, const struct toml_node *table,
	const char *file, void *object, struct why *why) MUST_USE;

#endif
