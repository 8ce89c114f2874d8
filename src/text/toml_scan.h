/* The words of TOML: white space, comments, keys and the values that hold no others. */
#ifndef TEXT_TOML_SCAN_H
#define TEXT_TOML_SCAN_H

#include "text/toml.h"

/* A place in a document. */
struct toml_scan {
	struct span in;        /* what is still to be read */
	const uint8_t *start;  /* of the document */
	const uint8_t *line_p; /* of the line */
	uint32_t line;
	uint8_t *free; /* room for decoded text, of which there is as much as text */
	const char *file;
	struct why *why;
};

/* Returns ERR_SYNTAX, with the place of what is read next before the sentence. */
enum err toml_scan_refuse(const struct toml_scan *s, const char *fmt, ...)
	PRINTF_LIKE(2, 3);

/* The same, with the place @p on the current line. */
enum err toml_scan_refuse_at(const struct toml_scan *s, const uint8_t *p, const char *fmt,
	...) PRINTF_LIKE(3, 4);

/* The next byte, or 0 at the end; no document has a byte of 0. */
uint8_t toml_scan_peek(const struct toml_scan *s);
bool toml_scan_take(struct toml_scan *s, char c);

struct toml_place toml_scan_here(const struct toml_scan *s);
void toml_scan_close_place(const struct toml_scan *s, struct toml_place *p);

/* Spaces and tabs. */
void toml_scan_space(struct toml_scan *s);

/* White space and comments over any number of lines. */
enum err toml_scan_lines(struct toml_scan *s) MUST_USE;

/* What is left of a line: white space and a comment. */
enum err toml_scan_line_end(struct toml_scan *s) MUST_USE;

/* A key without dots, bare or in quotes. */
enum err toml_scan_key(struct toml_scan *s, struct span *out) MUST_USE;

/* Anything but an array or an inline table: fills kind and value of @node. */
enum err toml_scan_value(struct toml_scan *s, struct toml_node *node) MUST_USE;

#endif
