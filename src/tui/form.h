/*
 * A form is a few lines of text that are edited with a cursor. It remembers the text that
 * each line began with, so it can tell what was changed.
 */
#ifndef TUI_FORM_H
#define TUI_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FORM_LINES_MAX 8
#define FORM_TEXT_MAX 4096 /* bytes of a line, with the terminator */

enum form_kind {
	FORM_TEXT,
	FORM_FLAG, /* "yes" or "no" */
};

struct form_line {
	const char *label, *hint; /* constant; the hint is shown in an empty line */
	enum form_kind kind;
	char *text, *original; /* owned */
	size_t cursor;         /* in bytes, between characters */
	bool is_locked;        /* it is too long to be edited */
};

struct form {
	struct form_line lines[FORM_LINES_MAX];
	unsigned count, focus;
};

/* A zeroed form has no lines. */
void form_fini(struct form *f);

/* @label and @hint are constant. @text is copied; NULL is an empty one. ERR_NOMEM. */
enum err form_add(struct form *f, enum form_kind kind, const char *label,
	const char *hint, const char *text) MUST_USE;

/*
 * The original of a line is another text now: a line that was not changed shows it.
 * ERR_NOMEM.
 */
enum err form_rebase(struct form_line *l, const char *text) MUST_USE;

bool form_line_is_changed(const struct form_line *l);
unsigned form_count_changed(const struct form *f);

/* Makes a line as it was. */
void form_revert(struct form_line *l);

/* Goes to another line, round the ends. */
void form_move(struct form *f, int by);

/* Edits the line that has the focus. False: the key is none of editing. */
bool form_press(struct form *f, uint32_t key);

/* Without white space at the ends. Copies to @to, cut to @size. Returns @to. */
const char *form_trimmed(const struct form_line *l, char *to, size_t size);

#endif
