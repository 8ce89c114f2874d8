/*
 * The view draws a model into a grid. It does no I/O. With few rows it shows one pane in
 * full height, and tabs; with many rows it shows all panes.
 */
#ifndef TUI_VIEW_H
#define TUI_VIEW_H

#include "tui/grid.h"
#include "tui/model.h"

#define VIEW_HITS_MAX 512
#define VIEW_STACK_ROWS 30 /* from here on, all panes are shown */

enum view_hit_kind {
	VIEW_HIT_PANE, /* the pane is activated */
	VIEW_HIT_ROW,  /* and its row @arg is selected */
	VIEW_HIT_KEY,  /* the key @arg is pressed */
};

/* A part of a row that reacts to the mouse. */
struct view_hit {
	unsigned row, column, columns;
	enum view_hit_kind kind;
	enum model_pane pane;
	uint32_t arg;
};

/* Zeroes at first. */
struct view {
	unsigned top[MODEL_PANES]; /* the first row of each pane that is shown */
	struct view_hit hits[VIEW_HITS_MAX];
	unsigned hit_count;
	bool has_cursor;
	unsigned cursor_row, cursor_column;
};

/* Draws all of @g. */
void view_draw(struct view *v, const struct model *m, struct grid *g);

/* What is at a cell, or NULL; of the last drawing. */
const struct view_hit *view_find(const struct view *v, unsigned row, unsigned column);

#endif
