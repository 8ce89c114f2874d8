/*
 * Fields read from JSON objects, and written as JSON objects. Missing and null members
 * have their zero value. Keys match without regard to case; unknown keys are ignored. The
 * table bounds everything.
 */
#ifndef TEXT_FIELD_JSON_H
#define TEXT_FIELD_JSON_H

#include "text/field.h"
#include "text/json.h"
#include "text/timefmt.h"

/*
 * Reads the object at the front of @text into @out; text after the object is ignored. If
 * @key is not NULL, the member of that name is read instead. Free the members of @out
 * with field_fini().
 *
 * ERR_SYNTAX: not JSON, or a member has another type.  ERR_LIMIT: too long, or too many.
 */
enum err field_read_json(const struct field_table *t, const char *key, struct span text,
	void *out, struct why *why) MUST_USE;

struct json_t; /* of jansson */

/*
 * Sets the members that the object @value has, in a struct with its defaults; others
 * keep their value. Errors as above. Call field_fini() also after an error.
 */
enum err field_read_json_value(const struct field_table *t, const struct json_t *value,
	void *object, struct why *why) MUST_USE;

/* Writes @object without its secrets. Members in the order of the table. */
void field_put_json(const struct field_table *t, const void *object,
	struct json_writer *w);

#endif
