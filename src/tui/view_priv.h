/* The parts of the view: view.c places them, the other files draw them. */
#ifndef TUI_VIEW_PRIV_H
#define TUI_VIEW_PRIV_H

#include "tui/view.h"

#define VIEW_TEXT_MAX 80

/* What all drawing needs. */
struct canvas {
	struct view *v;
	const struct model *m;
	struct grid *g;
};

struct area {
	unsigned row, column, rows, columns;
};

/* Takes rows from the top, or the bottom, of an area; at most all. */
struct area view_cut_top(struct area *a, unsigned rows);
struct area view_cut_bottom(struct area *a, unsigned rows);

/* A pen for a row of an area; a row that is not in it is not written. */
struct grid_pen view_pen(const struct canvas *c, struct area a, unsigned row);

void view_add_hit(const struct canvas *c, struct view_hit hit);

/* A rule with @text in it. */
void view_draw_rule(const struct canvas *c, struct area a, unsigned style,
	const char *text);

/* Wraps @text at spaces into at most a.rows rows; returns how many it needs of them.
 * @c NULL: only counts. */
unsigned view_draw_wrapped(const struct canvas *c, struct area a, unsigned style,
	const char *text);

/* ---- panes ---- */

/*
 * The rows of a pane, of which the selected one stays visible. @height returns how many
 * lines a row takes, and @draw draws it; its first line may be the last of the area.
 */
struct view_list {
	enum model_pane pane;
	unsigned count, selected;
	unsigned (*height)(const struct canvas *c, unsigned i);
	void (*draw)(const struct canvas *c, struct area a, unsigned i);
};

void view_draw_list(const struct canvas *c, struct area a, const struct view_list *list);

/* "> " before the selected row; ">" is bold in the active pane. */
void view_put_mark(const struct canvas *c, struct grid_pen *p, enum model_pane pane,
	bool is_selected);

/* The selected row of the active pane is reversed. */
void view_mark_row(const struct canvas *c, struct area a, enum model_pane pane,
	bool is_selected);

/* The symbol and word of a state. */
void view_put_state(const struct canvas *c, struct grid_pen *p, struct status_word w,
	unsigned columns);

/* "reason; next try in 4 s", below the columns of a row. */
void view_put_reason(const struct canvas *c, struct area a, unsigned indent,
	const char *reason, struct timestamp next);

void view_draw_tunnels(const struct canvas *c, struct area a);
void view_draw_settings(const struct canvas *c, struct area a);
void view_draw_relays(const struct canvas *c, struct area a);
void view_draw_hops(const struct canvas *c, struct area a);
void view_draw_links(const struct canvas *c, struct area a);
void view_draw_log(const struct canvas *c, struct area a);
void view_draw_help(const struct canvas *c, struct area a);
void view_draw_absent(const struct canvas *c, struct area a);
void view_draw_dialog(const struct canvas *c, struct area a);

/* A line of a form; the cursor is shown if it @has_cursor. */
void view_put_field(const struct canvas *c, struct grid_pen *p, const struct form_line *l,
	bool has_cursor);

/* ---- texts; all return @to ---- */

const char *view_print_bytes(uint64_t n, char to[VIEW_TEXT_MAX]);

/* "4 s", "12 min", "3 h", "5 d" */
const char *view_print_span(int64_t seconds, char to[VIEW_TEXT_MAX]);

/* The seconds from a time to now; below zero: it is still to come. */
int64_t view_age(const struct model *m, struct timestamp t);

/* Bars of the last minutes; traffic in and out together. */
void view_put_plot(struct grid_pen *p, const struct model_history *h, unsigned columns);

#endif
