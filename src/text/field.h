/*
 * Fields: one table says how a struct of settings, arguments or a message is written
 * down. A row has the name, kind, bounds and default of one member, and what the command
 * line, the environment and help need. Readers: cli/args.h, text/field_toml.h,
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
	FIELD_LIST,     /* struct field_list; an array of texts, or one with commas */
	FIELD_REPEATED, /* struct field_list; on the command line each use adds a text */
	/* struct field_list; in JSON one text may stand without array */
	FIELD_LIST_OR_ONE,
	FIELD_TABLE,  /* a struct of the table @of; see field_first() */
	FIELD_TABLES, /* struct field_tables: structs of the table @of */
	/* struct field_series *: the same, or texts if @of is NULL; written only */
	FIELD_SERIES,
};

struct field_list {
	char **v; /* owned, and each of them; a NULL follows the last; NULL when empty */
	unsigned n;
};

struct field_tables {
	void *v; /* owned: @n structs, one behind the other */
	unsigned n;
};

/* Elements that are made one after the other while they are written. */
struct field_series {
	/* A struct or a text, good until the next call; NULL: there are no more. */
	const void *(*next)(struct field_series *s);
};

struct field {
	const char *name; /* with "_" between its words; NULL: in the environment only */
	enum field_kind kind;
	bool is_optional; /* JSON leaves it out when it is zero */
	bool is_nullable; /* JSON has null when it is zero */
	bool is_live;     /* a change takes effect without a restart */
	bool is_own;      /* adit's own: the help of other personas does not show it */
	size_t at, size;  /* of the member; FIELD_AT() */
	size_t text_max;  /* bytes of a text with its terminator; 0: no bound */
	int64_t min, max; /* of a number, milliseconds, entries; both 0: no bound */

	/* The value when there is none, as a word of the command line; or NULL. */
	const char *initial;

	/* Not supported yet: no other value than @initial is accepted, and nothing is
	 * stored. The beginning of the sentence: "discovery is". */
	const char *lacks;

	/* Brings the member into its canonical form, or says what is wrong and what to
	 * write instead; or NULL. */
	enum err (*check)(void *member, struct why *why);
	const struct field_table *of;

	const char *alias;    /* another flag; the name wins if both are given; or NULL */
	const char *env;      /* variable in the environment; or NULL */
	const char *argument; /* what help calls the value; NULL for a switch */
	const char *help;     /* a line or more, without a full stop */
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

/* A value as a reader has found it. */
struct field_value {
	enum field_form {
		FIELD_WORD,   /* from the command line: a text that stands for any kind */
		FIELD_STRING, /* a text in quotes */
		FIELD_BOOLEAN, /* @number is 0 or 1 */
		FIELD_INTEGER,
		FIELD_OTHER, /* an array if it has @next, which gets its elements */
	} form;
	struct span text;
	int64_t number;
	/* for sentences, when it is none of the first four: "an array" */
	const char *noun;
	const void *node; /* of the reader */
	size_t index;
	bool (*next)(struct field_value *array, struct field_value *element);
};

/*
 * Sets the member at @at, of any kind but a table. @label says where the value was
 * written: "--port", "relay.toml: line 3: port". On failure the member is as it was.
 *
 * ERR_USAGE: a word does not fit.  ERR_SYNTAX: another value does not fit.
 * ERR_LIMIT: it is too long.  ERR_NOMEM.
 */
enum err field_set(const struct field *f, const char *label, const struct field_value *v,
	void *at, struct why *why) MUST_USE;

/* A bool or number, and its place in a struct. */
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

/*
 * Takes the live fields of @next over to @object; @next gets the previous values. Puts
 * the names of the other fields that differ into @restart, with commas; cut to fit @size.
 */
void field_reload(const struct field_table *t, void *object, void *next, char *restart,
	size_t size);

/* ---- the rows of a table ---- */

/* A row; the rows of a FIELD_TABLE without a name belong to the table that it is in. */
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
