/*
 * A writer of JSON that always writes the same bytes for the same values: compact,
 * members in the order in which they are put, strings and numbers as Go's encoder has
 * them. What is signed is written with it.
 *
 * Failures stick in the buf and are looked at once, at the end.
 */
#ifndef TEXT_JSON_H
#define TEXT_JSON_H

#include "base/buf.h"

/* Embedded; for one value and what is in it. */
struct json_writer {
	struct buf *out;  /* borrowed: the writer lives for one call */
	bool wants_comma; /* before the next key or element */
};

void json_writer_init(struct json_writer *w, struct buf *out);

void json_put_open(struct json_writer *w); /* an object */
void json_put_close(struct json_writer *w);
void json_put_open_list(struct json_writer *w);
void json_put_close_list(struct json_writer *w);

/* Before each value in an object. @key needs no escapes. */
void json_put_key(struct json_writer *w, const char *key);

/* What is not UTF-8 becomes U+FFFD; what could end a script in a page is escaped. */
void json_put_text(struct json_writer *w, struct span text);
void json_put_flag(struct json_writer *w, bool value);
void json_put_null(struct json_writer *w);
void json_put_int(struct json_writer *w, int64_t value);

#endif
