/*
 * A shape is how a struct looks as a JSON object: one table, from which it is read and
 * written. Members have their zero value when they are missing or null; keys are known in
 * any case, and unknown ones are ignored. Everything is bounded by the table.
 */
#ifndef TEXT_SHAPE_H
#define TEXT_SHAPE_H

#include "text/json.h"
#include "text/timefmt.h"

enum shape_kind {
	SHAPE_TEXT, /* char[bytes] */
	SHAPE_OWNED, /* char *, owned, NULL when empty; with its terminator at most @bytes */
	SHAPE_LIST,        /* struct shape_list of at most @count texts like that */
	SHAPE_LIST_OR_ONE, /* the same; one that is not in a list is read, too */
	SHAPE_FLAG,        /* bool */
	SHAPE_NUMBER,      /* int64_t */
	SHAPE_TIME,        /* struct timestamp, as RFC 3339 text; zero is 1970 */
	SHAPE_OBJECT,      /* a struct of the shape @of */
};

struct shape_list {
	char **v; /* owned, and each of them */
	size_t n;
};

struct shape_field {
	const char *key;
	enum shape_kind kind;
	bool is_optional; /* left out when it is zero */
	size_t at;        /* where in the struct */
	size_t bytes, count;
	const struct shape *of;
};

struct shape {
	size_t bytes; /* of the struct */
	const struct shape_field *fields;
	unsigned count;
};

/* For the tables. */
#define SHAPE_OF(type, table) \
	{ \
		.bytes = sizeof(type), .fields = (table), \
		.count = sizeof(table) / sizeof((table)[0]) \
	}
#define SHAPE_AT(type, member) \
	.at = offsetof(type, member), .bytes = sizeof(((type *)NULL)->member)

/*
 * Reads the object at the front of @text into @out, a struct of this shape; what follows the
 * object is ignored. If @key is not NULL, the object of that name in it is read instead.
 * What the struct owns is freed with shape_fini().
 *
 * ERR_SYNTAX: no JSON, or a member of another type.  ERR_LIMIT: too long, or too many.
 */
enum err shape_parse(const struct shape *shape, const char *key, struct span text,
	void *out, struct why *why) MUST_USE;

/* Frees what a struct owns that shape_parse() has filled; it is zero then. */
void shape_fini(const struct shape *shape, void *object);

/* Writes @object. Members in the order of the table. */
void shape_put(const struct shape *shape, const void *object, struct json_writer *w);

#endif
