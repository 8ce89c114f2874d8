/*
 * Fields read from JSON objects, and written as such. Members have their zero value when
 * they are missing or null; keys are known in any case, and unknown ones are ignored.
 * Everything is bounded by the table.
 */
#ifndef TEXT_FIELD_JSON_H
#define TEXT_FIELD_JSON_H

#include "text/field.h"
#include "text/json.h"
#include "text/timefmt.h"

/*
 * Reads the object at the front of @text into @out; what follows the object is ignored.
 * If @key is not NULL, the object of that name in it is read instead. What the struct
 * owns is freed with field_fini().
 *
 * ERR_SYNTAX: no JSON, or a member of another type.  ERR_LIMIT: too long, too many.
 */
enum err field_read_json(const struct field_table *t, const char *key, struct span text,
	void *out, struct why *why) MUST_USE;

struct json_t; /* of jansson */

/*
 * Sets what the object @value has, in a struct with its defaults; what is missing or null
 * stays. Errors as above; either way field_fini() is due.
 */
enum err field_read_json_value(const struct field_table *t, const struct json_t *value,
	void *object, struct why *why) MUST_USE;

/* Writes @object without its secrets. Members in the order of the table. */
void field_put_json(const struct field_table *t, const void *object,
	struct json_writer *w);

#endif
