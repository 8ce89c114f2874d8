/* A grid of cells, and the pens that write to it. */
#include "tui/grid.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/span.h"
#include "base/utf8.h"

#define ELLIPSIS 0x2026
#define PRINTF_MAX 1024

enum err grid_resize(struct grid *g, unsigned rows, unsigned columns)
{
	struct grid_cell *cells;

	rows = rows < GRID_ROWS_MAX ? rows : GRID_ROWS_MAX;
	columns = columns < GRID_COLUMNS_MAX ? columns : GRID_COLUMNS_MAX;
	cells = calloc((size_t)rows * columns + 1, sizeof(*cells));
	if (cells == NULL)
		return ERR_NOMEM;
	free(g->cells);
	g->cells = cells;
	g->rows = rows;
	g->columns = columns;
	grid_clear(g);
	return ERR_OK;
}

void grid_fini(struct grid *g)
{
	free(g->cells);
	*g = (struct grid){ .rows = 0 };
}

void grid_clear(struct grid *g)
{
	for (size_t i = 0; i < (size_t)g->rows * g->columns; i++)
		g->cells[i] = (struct grid_cell){ .c = ' ' };
}

struct grid_cell *grid_at(const struct grid *g, unsigned row, unsigned column)
{
	if (row >= g->rows || column >= g->columns)
		return NULL;
	return &g->cells[(size_t)row * g->columns + column];
}

void grid_mark(struct grid *g, unsigned row, unsigned column, unsigned columns,
	unsigned marks)
{
	for (unsigned i = 0; i < columns; i++) {
		struct grid_cell *cell = grid_at(g, row, column + i);

		if (cell != NULL)
			cell->style = (uint8_t)(cell->style | marks);
	}
}

/*
 * Ranges of characters that terminals agree on. All others are replaced: combining and
 * right-to-left characters, joiners, emoji that may have either width.
 */
unsigned grid_width(uint32_t c)
{
	static const struct {
		uint32_t first, last;
		unsigned columns;
	} ranges[] = {
		{ 0x20, 0x7e, 1 },
		{ 0xa0, 0xac, 1 },
		{ 0xae, 0x2ff, 1 },
		{ 0x370, 0x377, 1 },
		{ 0x37a, 0x37f, 1 },
		{ 0x384, 0x482, 1 },
		{ 0x48a, 0x52f, 1 },
		{ 0x531, 0x556, 1 },
		{ 0x561, 0x587, 1 },
		{ 0x10d0, 0x10ff, 1 },
		{ 0x1e00, 0x1fff, 1 },
		{ 0x2010, 0x2027, 1 },
		{ 0x2030, 0x205e, 1 },
		{ 0x20a0, 0x20bf, 1 },
		{ 0x2100, 0x2319, 1 },
		{ 0x2460, 0x25fc, 1 },
		{ 0x2713, 0x2718, 1 },
		{ 0x2800, 0x28ff, 1 },
		{ 0x2e80, 0x2e99, 2 },
		{ 0x3001, 0x3029, 2 },
		{ 0x3030, 0x303e, 2 },
		{ 0x3041, 0x3096, 2 },
		{ 0x309b, 0x30ff, 2 },
		{ 0x3131, 0x318e, 2 },
		{ 0x3400, 0x4dbf, 2 },
		{ 0x4e00, 0x9fff, 2 },
		{ 0xac00, 0xd7a3, 2 },
		{ 0xf900, 0xfa6d, 2 },
		{ 0xff01, 0xff60, 2 },
		{ 0xff61, 0xff9f, 1 },
		{ 0xfffd, 0xfffd, 1 },
		{ 0x20000, 0x2a6df, 2 },
	};

	for (size_t i = 0; i < mem_count(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return ranges[i].columns;
	return 0;
}

/* What a pen writes in the place of the next character of @in. */
static uint32_t take_clean(struct span *in, bool is_ascii, unsigned *columns)
{
	uint32_t c = GRID_REPLACEMENT;

	if (!utf8_take(in, &c) || grid_width(c) == 0)
		c = GRID_REPLACEMENT;
	*columns = grid_width(c);
	if (is_ascii && c > 0x7e) {
		*columns = 1;
		return c == ELLIPSIS ? '~' : '?';
	}
	return c;
}

unsigned grid_text_width(const char *text)
{
	struct span in = span_str(text);
	unsigned total = 0, columns;

	while (in.n > 0) {
		(void)take_clean(&in, false, &columns);
		total += columns;
	}
	return total;
}

/* ---- pens ---- */

struct grid_pen grid_pen(struct grid *g, unsigned row, unsigned column, unsigned columns)
{
	struct grid_pen p = { .g = g, .row = row, .column = column };

	p.end = column + columns < g->columns ? column + columns : g->columns;
	p.has_left = row >= g->rows || column >= p.end;
	return p;
}

unsigned grid_pen_room(const struct grid_pen *p)
{
	return p->has_left || p->column >= p->end ? 0 : p->end - p->column;
}

static void put_cell(struct grid_pen *p, unsigned style, uint32_t c, unsigned columns)
{
	struct grid_cell *cell = grid_at(p->g, p->row, p->column);

	if (cell == NULL)
		return;
	cell[0] = (struct grid_cell){ .c = c, .style = (uint8_t)style };
	if (columns == 2)
		cell[1] = (struct grid_cell){ .c = 0, .style = (uint8_t)style };
	p->column += columns;
}

/* Replaces what is in the last column of the pen by an ellipsis. */
static void put_ellipsis(struct grid_pen *p, unsigned style)
{
	struct grid_cell *cell;
	unsigned at = p->end - 1;

	cell = grid_at(p->g, p->row, at);
	if (cell == NULL)
		return;
	if (cell->c == 0 && at > 0)
		cell[-1] = (struct grid_cell){ .c = ' ', .style = (uint8_t)style };
	*cell = (struct grid_cell){ .c = p->g->is_ascii ? '~' : ELLIPSIS,
		.style = (uint8_t)style };
	p->column = p->end;
	p->has_left = true;
}

void grid_pen_put(struct grid_pen *p, unsigned style, const char *text)
{
	struct span in = span_str(text);
	unsigned columns;

	if (p->has_left)
		return;
	while (in.n > 0) {
		uint32_t c = take_clean(&in, p->g->is_ascii, &columns);

		if (p->column + columns > p->end) {
			put_ellipsis(p, style);
			return;
		}
		put_cell(p, style, c, columns);
	}
}

void grid_pen_printf(struct grid_pen *p, unsigned style, const char *fmt, ...)
{
	char text[PRINTF_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	grid_pen_put(p, style, text);
}

void grid_pen_fill(struct grid_pen *p, unsigned style, uint32_t c, unsigned n)
{
	for (; n > 0 && grid_pen_room(p) > 0; n--)
		put_cell(p, style, c, 1);
}

void grid_pen_field(struct grid_pen *p, unsigned style, unsigned columns,
	const char *text)
{
	struct grid_pen field = *p;
	unsigned room = grid_pen_room(p), begin = p->column;

	if (columns > room)
		columns = room;
	field.end = begin + columns;
	if (columns > 0)
		grid_pen_put(&field, style, text);
	field.has_left = false;
	grid_pen_fill(&field, style & GRID_REVERSE, ' ', field.end - field.column);
	p->column = field.end;
	grid_pen_fill(p, style & GRID_REVERSE, ' ', 1);
}
