/* The view: where everything is, the header, the tabs and the lines at the bottom. */
#include "tui/view.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "tui/keys.h"
#include "tui/view_priv.h"

#define MESSAGE_ROWS_MAX 3
#define SIDE_BY_SIDE_COLUMNS 100

const struct view_hit *view_find(const struct view *v, unsigned row, unsigned column)
{
	for (unsigned i = v->hit_count; i-- > 0;) {
		const struct view_hit *h = &v->hits[i];

		if (h->row == row && column >= h->column &&
			column < h->column + h->columns)
			return h;
	}
	return NULL;
}

/* ---- the header ---- */

/* A path is cut at its front. */
static void put_path(struct grid_pen *p, const char *path)
{
	unsigned room = grid_pen_room(p), width = grid_text_width(path);

	if (room < 8)
		return;
	if (width > room) {
		grid_pen_put(p, GRID_DIM, p->g->is_ascii ? "~" : "…");
		for (width -= 1; width > room - 2 && *path != '\0'; path++)
			width -= ((unsigned char)*path & 0xc0) != 0x80;
	}
	grid_pen_put(p, GRID_DIM, path);
}

/* "4 tunnels: 2 degraded, 1 down" */
static void put_counts(const struct canvas *c, struct grid_pen *p)
{
	static const struct {
		enum status_health health;
		unsigned style;
		const char *word;
	} kinds[] = {
		{ STATUS_DOWN, GRID_BAD, "down" },
		{ STATUS_DEGRADED, GRID_WARN, "degraded" },
		{ STATUS_PENDING, GRID_WARN, "starting" },
		{ STATUS_OFF, GRID_DIM, "stopped" },
	};
	const struct status *s = &c->m->status;
	unsigned counts[STATUS_OFF + 1] = { 0 }, shown = 0;

	for (unsigned i = 0; i < s->tunnels.n; i++)
		counts[status_of_tunnel(status_tunnel(s, i), status_is_ours(s)).health]++;
	grid_pen_printf(p, GRID_PLAIN, "%u tunnel%s", s->tunnels.n,
		s->tunnels.n == 1 ? "" : "s");
	for (size_t i = 0; i < mem_count(kinds) && model_is_live(c->m); i++)
		if (counts[kinds[i].health] > 0)
			grid_pen_printf(p, kinds[i].style, "%s%u %s",
				shown++ > 0 ? ", " : ": ", counts[kinds[i].health],
				kinds[i].word);
	if (shown == 0 && model_is_live(c->m) && s->tunnels.n > 0)
		grid_pen_put(p, GRID_OK,
			s->tunnels.n > 1 ? ": all running" : ": running");
	grid_pen_put(p, GRID_PLAIN, "  ");
}

static void draw_header(const struct canvas *c, struct area a)
{
	const struct status *s = &c->m->status;
	struct grid_pen p = view_pen(c, a, 0);

	grid_pen_printf(&p, GRID_BOLD, "%.40s  ",
		s->version != NULL              ? s->version :
			s->control_addr != NULL ? "portal agent" :
						  "adit dashboard");
	if (c->m->contact == MODEL_GONE)
		grid_pen_put(&p, GRID_BAD | GRID_BOLD, "gone  ");
	if (s->control_addr == NULL)
		return;
	put_counts(c, &p);
	if (s->links.n > 0)
		grid_pen_printf(&p, GRID_PLAIN, "%u link%s  ", s->links.n,
			s->links.n == 1 ? "" : "s");
	if (grid_pen_room(&p) > 24)
		grid_pen_printf(&p, GRID_DIM, "%s  ", s->control_addr);
	if (s->config_path != NULL)
		put_path(&p, s->config_path);
}

/* ---- banners ---- */

/* What stays on the screen while it is true. Returns its style, or GRID_PLAIN: none. */
static unsigned banner_text(const struct model *m, char to[MODEL_MESSAGE_MAX + 128])
{
	char span[VIEW_TEXT_MAX];

	to[0] = '\0';
	if (m->contact == MODEL_GONE) {
		view_print_span((int64_t)(m->now_ms - m->gone_ms) / 1000, span);
		snprintf(to, MODEL_MESSAGE_MAX + 128,
			"The agent is gone for %s. Start it: %.100s. (%s)", span,
			m->start_command, m->gone_why);
		return GRID_BAD | GRID_BOLD;
	}
	if (m->status.config_error != NULL) {
		snprintf(to, MODEL_MESSAGE_MAX + 128,
			"The file on the disk is not what runs: %s",
			m->status.config_error);
		return GRID_WARN | GRID_BOLD;
	}
	return GRID_PLAIN;
}

static void draw_banner(const struct canvas *c, struct area *a)
{
	char text[MODEL_MESSAGE_MAX + 128];
	unsigned style = banner_text(c->m, text);
	struct area room = *a;

	if (style == GRID_PLAIN)
		return;
	room.rows = a->rows >= 16 ? 3 : 2;
	view_cut_top(a, view_draw_wrapped(c, room, style, text));
}

/* ---- tabs, and titles of panes ---- */

static void print_title(const struct model *m, enum model_pane pane, char to[128])
{
	unsigned rows = model_rows(m, pane);
	const struct status_tunnel *t = model_tunnel(m);
	bool is_active = m->pane == pane;
	const char *name = model_pane_name(pane);
	int n = snprintf(to, 128, is_active ? "[%s]" : "%s", name);

	if (pane == MODEL_TUNNELS && rows > 1 && model_at(m, pane) + 1 < rows)
		snprintf(to + n, 128 - (size_t)n, " %u/%u", model_at(m, pane) + 1,
			rows - 1);
	else if ((pane == MODEL_RELAYS || pane == MODEL_LINKS) && rows > 0)
		snprintf(to + n, 128 - (size_t)n, " %u/%u", model_at(m, pane) + 1, rows);
	else if (pane == MODEL_SETTINGS && t != NULL)
		snprintf(to + n, 128 - (size_t)n, " %.60s",
			t->name != NULL ? t->name : t->id);
}

/* The active pane has its whole name; others are shortened if there is little room. */
static bool has_short_tabs(const struct model *m, unsigned columns)
{
	unsigned used = 0;

	for (unsigned pane = 0; pane < MODEL_PANES; pane++)
		if (model_has_pane(m, (enum model_pane)pane))
			used += (unsigned)strlen(model_pane_name((enum model_pane)pane)) +
				2;
	return used > columns + 1;
}

static void draw_tabs(const struct canvas *c, struct area a)
{
	static const char *const brief[MODEL_PANES] = { "Tun", "Set", "Rel", "Hops",
		"Link", "Log" };
	bool is_short = has_short_tabs(c->m, a.columns);
	struct grid_pen p = view_pen(c, a, 0);

	for (unsigned i = 0; i < MODEL_PANES; i++) {
		enum model_pane pane = (enum model_pane)i;
		bool is_active = c->m->pane == pane;
		const char *name = model_pane_name(pane);
		struct view_hit hit = { .row = p.row,
			.column = p.column,
			.kind = VIEW_HIT_PANE,
			.pane = pane };

		if (!model_has_pane(c->m, pane))
			continue;
		if (is_active)
			grid_pen_printf(&p, GRID_BOLD | GRID_ACCENT, "[%s]", name);
		else
			grid_pen_printf(&p, GRID_PLAIN, " %s ",
				is_short ? brief[pane] : name);
		hit.columns = p.column - hit.column;
		view_add_hit(c, hit);
	}
	if (c->m->pane == MODEL_TUNNELS && c->m->status.tunnels.n > a.rows &&
		c->m->tunnel_at < c->m->status.tunnels.n && grid_pen_room(&p) > 9)
		grid_pen_printf(&p, GRID_DIM, "  %u/%u", c->m->tunnel_at + 1,
			c->m->status.tunnels.n);
}

static void draw_pane(const struct canvas *c, struct area a, enum model_pane pane)
{
	static void (*const panes[MODEL_PANES])(const struct canvas *,
		struct area) = { view_draw_tunnels, view_draw_settings, view_draw_relays,
		view_draw_hops, view_draw_links, view_draw_log };

	if (a.rows > 0)
		panes[pane](c, a);
}

static void draw_titled(const struct canvas *c, struct area a, enum model_pane pane)
{
	bool is_active = c->m->pane == pane;
	struct area title = view_cut_top(&a, 1);
	char text[128];

	print_title(c->m, pane, text);
	view_draw_rule(c, title, is_active ? GRID_BOLD | GRID_ACCENT : GRID_PLAIN, text);
	view_add_hit(c,
		(struct view_hit){ .row = title.row,
			.column = title.column,
			.columns = title.columns,
			.kind = VIEW_HIT_PANE,
			.pane = pane });
	for (unsigned i = 0; i < a.rows; i++)
		view_add_hit(c,
			(struct view_hit){ .row = a.row + i,
				.column = a.column,
				.columns = a.columns,
				.kind = VIEW_HIT_PANE,
				.pane = pane });
	draw_pane(c, a, pane);
}

/* ---- all panes ---- */

static void draw_lower(const struct canvas *c, struct area a)
{
	struct area left = a, right = a;

	if (c->m->pane == MODEL_LOG) {
		draw_titled(c, a, MODEL_LOG);
		return;
	}
	if (a.columns >= SIDE_BY_SIDE_COLUMNS) {
		left.columns = a.columns / 2 - 1;
		right.column += left.columns + 2;
		right.columns -= left.columns + 2;
	} else {
		left = view_cut_top(&right, CHANGE_SETTINGS + 2);
	}
	draw_titled(c, left, MODEL_SETTINGS);
	draw_titled(c, right, MODEL_HOPS);
}

static void draw_stack(const struct canvas *c, struct area a)
{
	unsigned lower = CHANGE_SETTINGS + 2, links, spare;
	struct area below;

	if (a.columns < SIDE_BY_SIDE_COLUMNS)
		lower += 4;
	below = view_cut_bottom(&a, lower);
	links = c->m->status.links.n;
	if (links > 0) {
		struct area part = view_cut_bottom(&a, 1 + (links < 4 ? links : 4));

		draw_titled(c, part, MODEL_LINKS);
	}
	spare = a.rows > 15 ? a.rows - 15 : 0;
	draw_titled(c, view_cut_top(&a, a.rows - 5 - spare / 3), MODEL_TUNNELS);
	draw_titled(c, a, MODEL_RELAYS);
	draw_lower(c, below);
}

/* ---- the lines at the bottom ---- */

/* There is a status, perhaps an old one. */
static bool is_known(const struct model *m)
{
	return m->contact == MODEL_LIVE || m->contact == MODEL_GONE;
}

/* A key that writes text into the pane's form has no function there. */
static bool is_in_line(const struct model *m, const struct keys_row *k)
{
	bool is_form = m->pane == MODEL_SETTINGS || m->dialog != MODEL_NO_DIALOG;

	if ((k->panes & keys_place(m)) == 0 || k->brief == NULL)
		return false;
	if (!is_known(m))
		return k->key == 'q';
	if (k->key == '+' && m->pane == MODEL_TUNNELS && model_tunnel(m) == NULL)
		return false; /* enter does the same there */
	return !is_form || !press_is_text(k->key);
}

static void put_key(const struct canvas *c, struct grid_pen *p, const char *label,
	const struct keys_row *k)
{
	const char *brief = k->brief;
	unsigned begin = p->column;

	if (k->key == PRESS_ENTER && c->m->pane == MODEL_TUNNELS &&
		c->m->dialog == MODEL_NO_DIALOG && model_tunnel(c->m) == NULL)
		brief = "add";
	if (k->key == PRESS_RIGHT && c->m->is_editing)
		brief = "cursor";
	if (begin > 0)
		grid_pen_put(p, GRID_PLAIN, "  ");
	grid_pen_put(p, GRID_BOLD, label);
	grid_pen_printf(p, GRID_DIM, " %s", brief);
	view_add_hit(c,
		(struct view_hit){ .row = p->row,
			.column = begin,
			.columns = p->column - begin,
			.kind = VIEW_HIT_KEY,
			.pane = c->m->pane,
			.arg = k->key });
}

/* The keys of the pane as far as there is room, and the one that shows all. */
static void draw_keys(const struct canvas *c, struct area a)
{
	bool is_form = c->m->pane == MODEL_SETTINGS || c->m->dialog != MODEL_NO_DIALOG;
	static const struct keys_row form_help = { .key = PRESS_F1, .brief = "help" };
	const struct keys_row *k, *help = &form_help;
	struct grid_pen p = view_pen(c, a, 0);
	unsigned end = p.end;

	if (c->m->has_help) {
		grid_pen_put(&p, GRID_BOLD, "up down");
		grid_pen_put(&p, GRID_DIM, " scroll  ");
		grid_pen_put(&p, GRID_BOLD, "esc");
		grid_pen_put(&p, GRID_DIM, " back");
		return;
	}
	for (unsigned i = 0; (k = keys_row(i)) != NULL; i++) {
		if (!is_form && k->key == '?')
			help = k;
		else if (is_in_line(c->m, k) &&
			p.column + strlen(k->label) + strlen(k->brief) + 3 + 9 <= end)
			put_key(c, &p, k->label, k);
	}
	put_key(c, &p, is_form ? "F1" : "?", help);
}

static void draw_message(const struct canvas *c, struct area a)
{
	static const unsigned styles[] = { [MODEL_NEUTRAL] = GRID_ACCENT,
		[MODEL_GOOD] = GRID_OK,
		[MODEL_BAD] = GRID_BAD | GRID_BOLD };

	view_draw_wrapped(c, a, styles[c->m->tone], c->m->message);
}

static unsigned message_rows(const struct canvas *c, struct area a)
{
	unsigned needed;

	a.rows = a.rows >= 16 ? MESSAGE_ROWS_MAX : 2;
	needed = view_draw_wrapped(NULL, a, GRID_PLAIN, c->m->message);
	return needed > 0 ? needed : 1;
}

/* ---- everything ---- */

static void draw_body(const struct canvas *c, struct area a)
{
	if (c->m->has_help)
		view_draw_help(c, a);
	else if (!is_known(c->m))
		view_draw_absent(c, a);
	else if (c->g->rows >= VIEW_STACK_ROWS)
		draw_stack(c, a);
	else
		draw_pane(c, a, c->m->pane);
}

void view_draw(struct view *v, const struct model *m, struct grid *g)
{
	const struct canvas c = { .v = v, .m = m, .g = g };
	struct area a = { .rows = g->rows, .columns = g->columns };
	struct area all = a;

	grid_clear(g);
	v->hit_count = 0;
	v->has_cursor = false;
	if (a.rows < 3 || a.columns < 10)
		return;
	draw_keys(&c, view_cut_bottom(&a, 1));
	draw_message(&c, view_cut_bottom(&a, message_rows(&c, all)));
	if (g->rows >= 16 || !model_is_live(m))
		draw_header(&c, view_cut_top(&a, 1));
	draw_banner(&c, &a);
	if (g->rows < VIEW_STACK_ROWS && !m->has_help && is_known(m))
		draw_tabs(&c, view_cut_top(&a, 1));
	draw_body(&c, a);
	if (m->dialog != MODEL_NO_DIALOG && !m->has_help)
		view_draw_dialog(&c, a);
}
