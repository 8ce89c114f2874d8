/*
 * A grid is what a screen is to show: rows of cells, each with a character and a style.
 * Everything that is drawn goes through pens, which replace control characters and
 * characters of unknown width, so that text from relays cannot reach the terminal as
 * commands.
 */
#ifndef TUI_GRID_H
#define TUI_GRID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define GRID_ROWS_MAX 300
#define GRID_COLUMNS_MAX 600
#define GRID_REPLACEMENT 0xfffd

/* The low bits of a style are a colour, and the others are marks. */
enum grid_style {
	GRID_PLAIN,
	GRID_DIM,
	GRID_OK,
	GRID_WARN,
	GRID_BAD,
	GRID_ACCENT,
	GRID_COLOURS,
	GRID_COLOUR_MASK = 0x0f,
	GRID_BOLD = 0x10,
	GRID_REVERSE = 0x20,
	GRID_UNDERLINE = 0x40,
};

struct grid_cell {
	uint32_t c; /* 0: the right half of the character on its left */
	uint8_t style;
};

struct grid {
	unsigned rows, columns;
	struct grid_cell *cells; /* owned */
	bool is_ascii;           /* other characters are replaced */
};

/* Spaces everywhere. Both sizes are cut to the bounds above. ERR_NOMEM: nothing changes.
 */
enum err grid_resize(struct grid *g, unsigned rows, unsigned columns) MUST_USE;
void grid_fini(struct grid *g);
void grid_clear(struct grid *g);

/* NULL: outside. */
struct grid_cell *grid_at(const struct grid *g, unsigned row, unsigned column);

/* Adds marks to @columns cells. */
void grid_mark(struct grid *g, unsigned row, unsigned column, unsigned columns,
	unsigned marks);

/*
 * The columns of a character: 1 or 2. 0: it is a control character, changes its
 * neighbours, or terminals do not agree on its width.
 */
unsigned grid_width(uint32_t c);

/* The columns of UTF-8 text as a pen writes it. */
unsigned grid_text_width(const char *text);

/* ---- pens ---- */

/* Writes from left to right in one row. Text that does not fit ends in an ellipsis. */
struct grid_pen {
	struct grid *g; /* borrowed: a pen lives for one call */
	unsigned row, column;
	unsigned end;  /* the first column that it does not write to */
	bool has_left; /* something did not fit: nothing more is written */
};

struct grid_pen grid_pen(struct grid *g, unsigned row, unsigned column, unsigned columns);

void grid_pen_put(struct grid_pen *p, unsigned style, const char *text);
void grid_pen_printf(struct grid_pen *p, unsigned style, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* A character @n times. */
void grid_pen_fill(struct grid_pen *p, unsigned style, uint32_t c, unsigned n);

/* Text in a field of @columns, and a space; text that is longer is cut. */
void grid_pen_field(struct grid_pen *p, unsigned style, unsigned columns,
	const char *text);

/* The columns that are left. */
unsigned grid_pen_room(const struct grid_pen *p);

#endif
