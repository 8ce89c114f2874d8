/* Texts and small drawings that several panes share. */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "tui/view_priv.h"

const char *view_print_bytes(uint64_t n, char to[VIEW_TEXT_MAX])
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB" };
	size_t unit = 0;
	uint64_t tenths;

	if (n < 1000) {
		snprintf(to, VIEW_TEXT_MAX, "%" PRIu64 " B", n);
		return to;
	}
	for (tenths = n / 100, unit = 1; tenths >= 10000 && unit + 1 < mem_count(units);
		unit++)
		tenths /= 1000;
	if (tenths < 100)
		snprintf(to, VIEW_TEXT_MAX, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10,
			tenths % 10, units[unit]);
	else
		snprintf(to, VIEW_TEXT_MAX, "%" PRIu64 " %s", tenths / 10, units[unit]);
	return to;
}

const char *view_print_span(int64_t seconds, char to[VIEW_TEXT_MAX])
{
	static const struct {
		int64_t seconds, below;
		const char *unit;
	} units[] = {
		{ 1, 120, "s" },
		{ 60, 120 * 60, "min" },
		{ 3600, 48 * 3600, "h" },
		{ 86400, INT64_MAX, "d" },
	};
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (seconds >= units[i].below)
		i++;
	snprintf(to, VIEW_TEXT_MAX, "%" PRId64 " %s", seconds / units[i].seconds,
		units[i].unit);
	return to;
}

int64_t view_age(const struct model *m, struct timestamp t)
{
	return (int64_t)(m->now_ms / 1000) - t.s;
}

/* ---- plots ---- */

/* The mean of the samples from @first on, at most @n; UINT64_MAX: none is known. */
static uint64_t mean_of(const struct model_history *h, unsigned first, unsigned n)
{
	uint64_t sum = 0;
	unsigned known = 0;

	for (unsigned i = first; i < first + n && i < h->count; i++) {
		if (h->in[i] == MODEL_UNKNOWN)
			continue;
		sum += (uint64_t)h->in[i] + h->out[i];
		known++;
	}
	return known > 0 ? sum / known : UINT64_MAX;
}

static void put_bar(struct grid_pen *p, uint64_t n, uint64_t most)
{
	static const char ascii[] = "_.:-=+*#";
	unsigned level;

	if (n == UINT64_MAX) {
		grid_pen_fill(p, GRID_DIM, ' ', 1);
		return;
	}
	level = n == 0 ? 0 : 1 + (unsigned)(n * 6 / most);
	grid_pen_fill(p, n == 0 ? GRID_DIM : GRID_ACCENT,
		p->g->is_ascii ? (uint32_t)ascii[level] : 0x2581 + level, 1);
}

/* A bar is the same samples each time it is drawn, so bars move and do not flicker. */
void view_put_plot(struct grid_pen *p, const struct model_history *h, unsigned columns)
{
	uint64_t means[MODEL_SAMPLES], most = 1;
	unsigned each = 1, first, count = 0;

	if (columns > grid_pen_room(p))
		columns = grid_pen_room(p);
	if (columns == 0)
		return;
	while (each < 4 && columns * each < MODEL_SAMPLES)
		each *= 2;
	first = h->count > columns * each ? h->count - columns * each : 0;
	first += (each - (h->total - h->count + first) % each) % each;
	for (unsigned i = first; i < h->count; i += each) {
		means[count] = mean_of(h, i, each);
		if (means[count] != UINT64_MAX && means[count] > most)
			most = means[count];
		count++;
	}
	for (unsigned i = 0; i < count; i++)
		put_bar(p, means[i], most);
}

/* ---- areas ---- */

struct area view_cut_top(struct area *a, unsigned rows)
{
	struct area top = *a;

	top.rows = rows < a->rows ? rows : a->rows;
	a->row += top.rows;
	a->rows -= top.rows;
	return top;
}

struct area view_cut_bottom(struct area *a, unsigned rows)
{
	struct area bottom = *a;

	bottom.rows = rows < a->rows ? rows : a->rows;
	a->rows -= bottom.rows;
	bottom.row += a->rows;
	return bottom;
}

struct grid_pen view_pen(const struct canvas *c, struct area a, unsigned row)
{
	if (row >= a.rows)
		return grid_pen(c->g, c->g->rows, 0, 0);
	return grid_pen(c->g, a.row + row, a.column, a.columns);
}

void view_add_hit(const struct canvas *c, struct view_hit hit)
{
	if (c->v->hit_count < VIEW_HITS_MAX)
		c->v->hits[c->v->hit_count++] = hit;
}

void view_draw_rule(const struct canvas *c, struct area a, unsigned style,
	const char *text)
{
	struct grid_pen p = view_pen(c, a, 0);
	uint32_t line = c->g->is_ascii ? '-' : 0x2500;

	grid_pen_fill(&p, GRID_DIM, line, 2);
	if (*text != '\0') {
		struct grid_pen inner = p;

		inner.end -= inner.end > inner.column + 3 ? 3 : 0;
		grid_pen_fill(&inner, GRID_PLAIN, ' ', 1);
		grid_pen_put(&inner, style, text);
		p.column = inner.column;
		grid_pen_fill(&p, GRID_PLAIN, ' ', 1);
	}
	grid_pen_fill(&p, GRID_DIM, line, grid_pen_room(&p));
}

/* The bytes of @text that fit into @columns, cut at a space if there is one. */
static size_t fitting(const char *text, unsigned columns)
{
	size_t n = strlen(text), at, space = 0;
	char piece[GRID_COLUMNS_MAX * 4 + 1];

	if (columns == 0 || grid_text_width(text) <= columns)
		return n;
	for (at = 0; at < n && at < sizeof(piece) - 1; at++) {
		piece[at] = text[at];
		piece[at + 1] = '\0';
		if (text[at] == ' ')
			space = at + 1;
		if (grid_text_width(piece) > columns)
			break;
	}
	if (space > 0)
		return space;
	while (at > 1 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	return at > 0 ? at : 1;
}

unsigned view_draw_wrapped(const struct canvas *c, struct area a, unsigned style,
	const char *text)
{
	char line[GRID_COLUMNS_MAX * 4 + 1];
	unsigned row;

	for (row = 0; row < a.rows && *text != '\0'; row++) {
		size_t n = row + 1 == a.rows ? strlen(text) : fitting(text, a.columns);

		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		text += n;
		for (n = strlen(line); n > 0 && line[n - 1] == ' '; n--)
			line[n - 1] = '\0'; /* there is no room for it */
		if (c != NULL) {
			struct grid_pen p = view_pen(c, a, row);

			grid_pen_put(&p, style, line);
		}
	}
	return row;
}

/* ---- rows ---- */

void view_put_mark(const struct canvas *c, struct grid_pen *p, enum model_pane pane,
	bool is_selected)
{
	bool is_active = c->m->pane == pane;

	grid_pen_put(p, is_active ? GRID_BOLD : GRID_DIM, is_selected ? "> " : "  ");
}

void view_mark_row(const struct canvas *c, struct area a, enum model_pane pane,
	bool is_selected)
{
	if (is_selected && c->m->pane == pane && c->m->dialog == MODEL_NO_DIALOG &&
		a.rows > 0)
		grid_mark(c->g, a.row, a.column, a.columns, GRID_REVERSE);
}

void view_put_state(const struct canvas *c, struct grid_pen *p, struct status_word w,
	unsigned columns)
{
	static const struct {
		unsigned style;
		char ascii;
		uint32_t symbol;
	} looks[] = {
		[STATUS_UNKNOWN] = { GRID_DIM, '?', '?' },
		[STATUS_OK] = { GRID_OK, '*', 0x25cf },
		[STATUS_DEGRADED] = { GRID_WARN, '!', 0x25d0 },
		[STATUS_DOWN] = { GRID_BAD, 'x', 0x2717 },
		[STATUS_PENDING] = { GRID_WARN, '~', 0x25cb },
		[STATUS_OFF] = { GRID_DIM, '-', '-' },
	};

	if (!model_is_live(c->m))
		w = (struct status_word){ "unknown", STATUS_UNKNOWN };
	grid_pen_fill(p, looks[w.health].style,
		c->g->is_ascii ? (uint32_t)looks[w.health].ascii : looks[w.health].symbol,
		1);
	grid_pen_fill(p, GRID_PLAIN, ' ', 1);
	grid_pen_field(p, looks[w.health].style, columns, w.text);
}

void view_put_reason(const struct canvas *c, struct area a, unsigned indent,
	const char *reason, struct timestamp next)
{
	struct grid_pen p = view_pen(c, a, 0);
	char when[VIEW_TEXT_MAX + 24] = "", span[VIEW_TEXT_MAX];
	int64_t left = -view_age(c->m, next);
	unsigned end = p.end;

	if (next.s != 0 && left > 0)
		snprintf(when, sizeof(when), "; next try in %s",
			view_print_span(left, span));
	else if (next.s != 0)
		snprintf(when, sizeof(when), "; trying now");
	if (a.columns < 50)
		indent = 4;
	grid_pen_fill(&p, GRID_PLAIN, ' ', indent);
	if (p.end > p.column + strlen(when) + 8)
		p.end -= (unsigned)strlen(when);
	grid_pen_put(&p, GRID_PLAIN, reason);
	p.end = end;
	p.has_left = false;
	grid_pen_put(&p, GRID_DIM, when);
}

/* ---- lists ---- */

/* Moves the top so that the selected row is visible, and no room is left unused. */
static unsigned find_top(const struct canvas *c, unsigned rows,
	const struct view_list *list)
{
	unsigned top = c->v->top[list->pane], used = 0;

	if (top > list->selected)
		top = list->selected;
	for (unsigned i = top; i <= list->selected && i < list->count; i++)
		used += list->height(c, i);
	while (used > rows && top < list->selected)
		used -= list->height(c, top++);
	for (unsigned i = list->selected + 1; i < list->count && used < rows; i++)
		used += list->height(c, i);
	while (top > 0 && used + list->height(c, top - 1) <= rows)
		used += list->height(c, --top);
	return top;
}

void view_draw_list(const struct canvas *c, struct area a, const struct view_list *list)
{
	unsigned top = find_top(c, a.rows, list);

	c->v->top[list->pane] = top;
	for (unsigned i = top; i < list->count && a.rows > 0; i++) {
		struct area row = view_cut_top(&a, list->height(c, i));

		for (unsigned k = 0; k < row.rows; k++)
			view_add_hit(c,
				(struct view_hit){ .row = row.row + k,
					.column = row.column,
					.columns = row.columns,
					.kind = VIEW_HIT_ROW,
					.pane = list->pane,
					.arg = i });
		list->draw(c, row, i);
	}
}
