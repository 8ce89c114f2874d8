/* Fields read from TOML. */
#ifndef TEXT_FIELD_TOML_H
#define TEXT_FIELD_TOML_H

#include "text/field.h"
#include "text/toml.h"

/*
 * Sets what @table has, in a struct with its defaults; @file is what the text is called.
 * ERR_SYNTAX: an unknown key, or a value that does not fit: @why has file and line.
 * ERR_NOMEM. Either way field_fini() is due.
 */
enum err field_read_toml(const struct field_table *t, const struct toml_node *table,
	const char *file, void *object, struct why *why) MUST_USE;

#endif
