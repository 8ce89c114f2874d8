/*
 * A binding says how a struct of settings is written down: one row for each key, from which
 * tables of TOML are read, and single texts too, such as flags and environment variables
 * have. What cannot be applied is an error, in words that name the place and say what to
 * write.
 */
#ifndef TEXT_BIND_H
#define TEXT_BIND_H

#include "text/toml.h"

enum bind_kind {
	BIND_TEXT,     /* char *, owned; NULL when it is empty */
	BIND_FLAG,     /* bool */
	BIND_PORT,     /* uint16_t */
	BIND_COUNT,    /* uint32_t */
	BIND_DURATION, /* uint32_t, milliseconds; a text such as "25s" */
	BIND_LIST,     /* struct bind_list; an array of texts, or one text with commas */
	BIND_TABLE,    /* a struct of the binding @of */
	BIND_TABLES,   /* struct bind_tables of such structs: [[key]] */
};

struct bind_list {
	char **v; /* owned, and each of them; none is empty */
	unsigned n;
};

struct bind_tables {
	void *v; /* owned: @n structs, one behind the other */
	unsigned n;
};

struct bind_row {
	const char *key; /* with "_" between its words */
	enum bind_kind kind;
	size_t at;          /* where in the struct */
	uint32_t min, max;  /* of a number, of milliseconds, of how many; 0: no bound */
	const char *preset; /* the value when there is none, as a text has it; or NULL */
	const char *env;    /* for whoever reads the environment; or NULL */

	/* The only value that can be applied yet, as a text has it, or NULL; and what is
	 * missing for others: "discovery is". */
	const char *only, *lacks;

	/* Says what is wrong with the value in @field, and what to write; or NULL. */
	enum err (*check)(const void *field, struct why *why);
	const struct bind *of;
};

struct bind {
	size_t bytes; /* of the struct */
	const struct bind_row *rows;
	unsigned count;
};

/* For the tables. */
#define BIND_OF(type, table) \
	{ \
		.bytes = sizeof(type), .rows = (table), \
		.count = sizeof(table) / sizeof((table)[0]) \
	}

/* The row of @key, in which "-" may stand for "_"; or NULL. */
const struct bind_row *bind_find(const struct bind *b, const char *key);

/* Fills in the presets of a zeroed struct. ERR_NOMEM. */
enum err bind_presets(const struct bind *b, void *object, struct why *why) MUST_USE;

/*
 * Sets what @table has, in a struct with its presets; @file is what the text is called.
 * ERR_SYNTAX: an unknown key, or a value that does not fit: @why has file and line.
 * ERR_NOMEM. Either way bind_fini() is due.
 */
enum err bind_table(const struct bind *b, const struct toml_node *table, const char *file,
	void *object, struct why *why) MUST_USE;

/*
 * Sets one value, no table, from @text; @label is where it was written: "--port", "PORT".
 * ERR_USAGE: it does not fit.  ERR_NOMEM.
 */
enum err bind_text(const struct bind_row *row, const char *label, const char *text,
	void *object, struct why *why) MUST_USE;

/* Frees what the struct owns, and wipes it. */
void bind_fini(const struct bind *b, void *object);

#endif
