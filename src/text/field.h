/*
 * Fields: a table that describes the text form of a struct of settings, arguments or a
 * message. A row has the name, kind, bounds and default of one member, and the texts for
 * command line, environment and help. Readers: cli/args.h, text/field_toml.h,
 * text/field_json.h.
 */
#ifndef TEXT_FIELD_H
#define TEXT_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define FIELD_DEPTH_MAX 4 /* of tables without a name */

enum field_kind {
	FIELD_BOOL,     /* bool */
	FIELD_CHARS,    /* char[size] */
	FIELD_TEXT,     /* char *, owned; NULL when it is empty */
	FIELD_SECRET,   /* the same; overwritten in argv */
	FIELD_PORT,     /* uint16_t */
	FIELD_INT,      /* int */
	FIELD_COUNT,    /* uint32_t */
	FIELD_BYTES,    /* uint64_t, at most INT64_MAX */
	FIELD_NUMBER,   /* int64_t */
	FIELD_DURATION, /* uint32_t, milliseconds; a text such as "25s" */
	FIELD_TIME,     /* struct timestamp, as RFC 3339 text; zero is 1970 */
	FIELD_LIST, /* struct field_list; an array of texts, or one text with commas */
	FIELD_REPEATED, /* struct field_list; on the command line each use adds a text */
	/* struct field_list; in JSON one text may replace the array */
	FIELD_LIST_OR_ONE,
	FIELD_TABLE,  /* a struct of the table @of; see field_first() */
	FIELD_TABLES, /* struct field_tables: structs of the table @of */
	/* struct field_series *: the same, or texts if @of is NULL; written only */
	FIELD_SERIES,
};

struct field_list {
	char **v; /* owned, with its texts; a NULL follows the last; NULL when empty */
	unsigned n;
};

struct field_tables {
	void *v; /* owned: an array of @n structs */
	unsigned n;
};

/* Elements that are made one by one while they are written. */
struct field_series {
	/* Returns a struct or a text, good until the next call; NULL: there are no
	 * more. */
	const void *(*next)(struct field_series *s);
};

struct field {
	const char *name; /* with "_" between words; NULL: only in the environment */
	enum field_kind kind;
	bool is_optional; /* JSON omits it when it is zero */
	bool is_nullable; /* JSON has null when it is zero */
	bool is_live;     /* a change takes effect without a restart */
	bool is_own;      /* adit's own: the help of other personas does not show it */
	size_t at, size;  /* of the member; FIELD_AT() */
	size_t text_max;  /* bytes of a text with its terminator; 0: no bound */
	int64_t min, max; /* of a number, milliseconds, entries; both 0: no bound */

	/* The default, as a word of the command line; or NULL. */
	const char *initial;

	/* Set if it is not supported yet: then only @initial is accepted, and nothing is
	 * stored. The beginning of the message: "discovery is". */
	const char *lacks;

	/* Makes the member canonical, or reports what is wrong and what to write
	 * instead; or NULL. */
	enum err (*check)(void *member, struct why *why);
	const struct field_table *of;

	const char *alias; /* another flag; if both are given, @name is used; or NULL */
	const char *env;   /* variable in the environment; or NULL */
	const char *env_alias; /* another; if both are set, @env is used; or NULL */
	const char *argument;  /* the name of the value in help; NULL for a switch */
	const char *help;      /* a line or more, without a full stop */
};

struct field_table {
	size_t bytes; /* of the struct */
	const struct field *rows;
	unsigned count;
};

/* For the tables. */
#define FIELD_TABLE_OF(type, table) \
	{ \
		.bytes = sizeof(type), .rows = (table), \
		.count = sizeof(table) / sizeof((table)[0]) \
	}
#define FIELD_AT(type, member) \
	.at = offsetof(type, member), .size = sizeof(((type *)NULL)->member)

/* A value from a reader. */
struct field_value {
	enum field_form {
		FIELD_WORD,   /* from the command line: the text of a value of any kind */
		FIELD_STRING, /* a text in quotes */
		FIELD_BOOLEAN, /* @number is 0 or 1 */
		FIELD_INTEGER,
		FIELD_OTHER, /* an array if it has @next, which returns its elements */
	} form;
	struct span text;
	int64_t number;
	/* for messages about FIELD_OTHER: "an array" */
	const char *noun;
	const void *node; /* of the reader */
	size_t index;
	bool (*next)(struct field_value *array, struct field_value *element);
};

/*
 * Sets the member at @at, of any kind but a table. @label is the place of the value:
 * "--port", "relay.toml:3:8: port". On failure the member does not change.
 *
 * ERR_USAGE: a word is invalid.  ERR_SYNTAX: another value is invalid.
 * ERR_LIMIT: it is too long.  ERR_NOMEM.
 */
enum err field_set(const struct field *f, const char *label, const struct field_value *v,
	void *at, struct why *why) MUST_USE;

/* Read and write a bool or number in a struct. */
int64_t field_number(const struct field *f, const void *at);
void field_set_number(const struct field *f, void *at, int64_t number);

static inline void *field_at(const struct field *f, void *object)
{
	return (char *)object + f->at;
}

/* Fills a zeroed struct with the defaults. ERR_NOMEM. */
enum err field_defaults(const struct field_table *t, void *object,
	struct why *why) MUST_USE;

/* Frees what the struct owns, and wipes it. */
void field_fini(const struct field_table *t, void *object);

/* The same for one member. */
void field_member_fini(const struct field *f, void *at);

/* Do all members have the same values? Tables are compared in their order. */
bool field_equal(const struct field_table *t, const void *a, const void *b);

/*
 * Swaps the live fields of @object and @next. Prints the names of the other fields that
 * differ to @restart, with commas, cut to @size.
 */
void field_reload(const struct field_table *t, void *object, void *next, char *restart,
	size_t size);

/* ---- the rows of a table ---- */

/* A row. The rows of a FIELD_TABLE without a name are rows of the table around it. */
struct field_cursor {
	const struct field *row; /* NULL at the end */
	size_t at;               /* of its member in the outermost struct */
	unsigned index;
	struct {
		const struct field_table *table;
		size_t at;
		unsigned next;
	} levels[FIELD_DEPTH_MAX];
	unsigned depth;
};

void field_first(struct field_cursor *c, const struct field_table *t);
void field_next(struct field_cursor *c);

#endif
