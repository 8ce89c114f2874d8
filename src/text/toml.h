/*
 * TOML 1.0: a document as a tree, in which everything knows its place in the text, so
 * that a person can be told the line, and so that one value can be changed and every
 * other byte of the file left as it is (text/toml_edit.h).
 */
#ifndef TEXT_TOML_H
#define TEXT_TOML_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define TOML_BYTES_MAX (1 << 20)
#define TOML_DEPTH_MAX 32
#define TOML_NODES_MAX 32768 /* keys, elements and tables */
#define TOML_KEYS_MAX 4096   /* of one table: each new key is compared with all */

enum toml_kind {
	TOML_TEXT,
	TOML_INT,
	TOML_FLOAT,
	TOML_FLAG,
	TOML_TIME,
	TOML_ARRAY,
	TOML_TABLE,
};

enum toml_time {
	TOML_TIME_OFFSET, /* 1979-05-27T07:32:00Z */
	TOML_TIME_LOCAL,  /* 1979-05-27T07:32:00 */
	TOML_TIME_DATE,   /* 1979-05-27 */
	TOML_TIME_CLOCK,  /* 07:32:00 */
};

/* What has made a table, which decides what may still be added to it. */
enum toml_origin {
	TOML_IMPLIED,   /* [a.b] has made "a" */
	TOML_BY_HEADER, /* [a], and an element made by [[a]] */
	TOML_BY_DOTS,   /* a.b = 1 has made "a" */
	TOML_INLINE,    /* a = { b = 1 }, and an array a = [1] */
};

struct toml_place {
	uint32_t at, n;        /* bytes in the document */
	uint32_t line, column; /* counted from 1; columns are bytes */
};

/* A value, with its key if it is in a table. All is const, and as old as the document. */
struct toml_node {
	enum toml_kind kind;
	/* decoded; a terminator follows; empty for elements and the root */
	struct span key;

	/* TOML_TEXT: decoded. TOML_TIME: as it is written. A terminator follows. */
	struct span text;
	union {
		int64_t number;
		double real;
		bool flag;
		enum toml_time time;
	};

	struct toml_place key_at; /* all of "a.b"; of a table with a header, the header */
	struct toml_place at;     /* the value; of a table with a header, the header */

	struct toml_node *first, *next; /* of a table or an array; of its parent */
	struct toml_node *last, *parent;
	unsigned count, depth;
	enum toml_origin origin;
	struct toml_node *older; /* of the document: all there are */
};

struct toml;

/*
 * Reads a whole document, of which it keeps a copy. @file is the name of the text, for
 * messages.
 *
 * ERR_SYNTAX: @why begins with "relay.toml:12:5: ".  ERR_LIMIT: one of the bounds above;
 * @why has the name of the file.  ERR_NOMEM.
 */
enum err toml_parse(struct span text, const char *file, struct toml **out,
	struct why *why) MUST_USE;
void toml_free(struct toml *t); /* wiped: it may have secrets; NULL is fine */

/* A table. Never NULL. */
const struct toml_node *toml_root(const struct toml *t);
struct span toml_text(const struct toml *t);

/* The member of @table that is called @key, or NULL. */
const struct toml_node *toml_find(const struct toml_node *table, const char *key);

/*
 * Prints "relay.toml:12:5", as compilers do, so that editors find the place. A name of
 * more than TOML_FILE_SHOWN bytes is cut at its beginning. Returns @to.
 */
#define TOML_FILE_SHOWN 100
#define TOML_PLACE_MAX (TOML_FILE_SHOWN + 24)
const char *toml_print_place(char to[TOML_PLACE_MAX], const char *file,
	const struct toml_place *at);

/* Returns ERR_SYNTAX, with the place before the sentence. */
enum err toml_refuse(const char *file, const struct toml_place *at, struct why *why,
	const char *fmt, ...) PRINTF_LIKE(4, 5);

/* "a text", "a table", for sentences. */
const char *toml_kind_name(enum toml_kind kind);

#endif
