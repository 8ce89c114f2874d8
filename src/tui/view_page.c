/* What covers the panes: help, a dialog, and what to do without an agent. */
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "tui/keys.h"
#include "tui/view_priv.h"

#define KEY_COLUMNS 10
#define LABEL_COLUMNS 10

/* ---- help ---- */

/* Rows from the first visible one on are drawn; all are counted. */
struct page {
	const struct canvas *c;
	struct area a;
	unsigned row, top;
};

static struct area page_row(struct page *p)
{
	struct area a = p->a;

	a.rows = 0;
	if (p->row >= p->top && p->row - p->top < p->a.rows) {
		a.row += p->row - p->top;
		a.rows = 1;
	}
	p->row++;
	return a;
}

static void page_title(struct page *p, const char *text)
{
	struct area a = page_row(p);

	if (a.rows > 0)
		view_draw_rule(p->c, a, GRID_BOLD, text);
}

static void page_pair(struct page *p, const char *label, const char *text)
{
	struct area a = page_row(p), column = a;
	struct grid_pen pen = view_pen(p->c, a, 0);
	unsigned used;

	grid_pen_put(&pen, GRID_PLAIN, " ");
	grid_pen_field(&pen, GRID_BOLD, KEY_COLUMNS, label);
	column.column += KEY_COLUMNS + 2;
	column.columns -= column.columns > KEY_COLUMNS + 2 ? KEY_COLUMNS + 2 : 0;
	column.rows = 4;
	used = view_draw_wrapped(NULL, column, GRID_PLAIN, text);
	for (unsigned i = 1; i < used; i++)
		(void)page_row(p);
	if (a.rows == 0)
		return;
	column.rows = used;
	if (column.row + used > p->a.row + p->a.rows)
		column.rows = p->a.row + p->a.rows - column.row;
	(void)view_draw_wrapped(p->c, column, GRID_PLAIN, text);
}

static void page_keys(struct page *p, unsigned panes)
{
	const struct keys_row *k;

	for (unsigned i = 0; (k = keys_row(i)) != NULL; i++) {
		bool is_of_pane = panes == KEYS_ALL ?
			(k->panes & KEYS_ALL) == KEYS_ALL :
			(k->panes & panes) != 0 && (k->panes & KEYS_ALL) != KEYS_ALL;

		if (is_of_pane && k->label != NULL)
			page_pair(p, k->label, k->help);
	}
}

static void page_about(struct page *p)
{
	const struct status *s = &p->c->m->status;
	const struct {
		const char *label, *text;
	} rows[] = {
		{ "file", s->config_path },
		{ "API", s->control_addr },
		{ "state", s->state_dir },
		{ "service", s->service_name },
		{ "wallet", s->wallet_address },
		{ "agent", s->version },
		{ "dashboard", "adit/" ADIT_VERSION },
	};

	page_title(p, "This agent");
	for (size_t i = 0; i < mem_count(rows); i++)
		if (rows[i].text != NULL)
			page_pair(p, rows[i].label, rows[i].text);
}

/* The active pane first. Drawn twice: the first time tells how long it is. */
static unsigned draw_help(const struct canvas *c, struct area a, unsigned top)
{
	struct page p = { .c = c, .a = a, .top = top };

	page_title(&p, model_pane_name(c->m->pane));
	page_keys(&p, 1u << c->m->pane);
	page_title(&p, "Everywhere");
	page_keys(&p, KEYS_ALL);
	for (unsigned pane = 0; pane < MODEL_PANES; pane++) {
		if (pane == c->m->pane || pane == MODEL_LINKS || pane == MODEL_LOG)
			continue;
		page_title(&p, model_pane_name((enum model_pane)pane));
		page_keys(&p, 1u << pane);
	}
	page_about(&p);
	return p.row;
}

void view_draw_help(const struct canvas *c, struct area a)
{
	struct area none = a;
	unsigned count, top = c->m->help_top;

	none.rows = 0;
	count = draw_help(c, none, 0);
	if (count <= a.rows)
		top = 0;
	else if (top > count - a.rows)
		top = count - a.rows;
	draw_help(c, a, top);
}

/* ---- no agent ---- */

void view_draw_absent(const struct canvas *c, struct area a)
{
	const struct model *m = c->m;
	char command[MODEL_MESSAGE_MAX + 32];
	const struct {
		unsigned style;
		const char *format;
	} lines[] = {
		{ GRID_PLAIN, "Start it as a service:" },
		{ GRID_BOLD, "  %s" },
		{ GRID_PLAIN, "or in a terminal:" },
		{ GRID_BOLD, "  %s --foreground" },
	};

	if (m->contact == MODEL_CONNECTING) {
		view_draw_wrapped(c, a, GRID_DIM, "  Waiting for the agent ...");
		return;
	}
	view_cut_top(&a, a.rows > 12 ? 1 : 0);
	a.column += 2;
	a.columns -= a.columns > 4 ? 4 : 0;
	view_draw_wrapped(c, view_cut_top(&a, 1), GRID_BAD | GRID_BOLD,
		"The agent is not running.");
	view_cut_top(&a, view_draw_wrapped(c, a, GRID_PLAIN, m->gone_why));
	view_cut_top(&a, a.rows > 5 ? 1 : 0);
	for (size_t i = 0; i < mem_count(lines) && m->start_command[0] != '\0'; i++) {
		snprintf(command, sizeof(command), i % 2 == 0 ? "%s" : lines[i].format,
			i % 2 == 0 ? lines[i].format : m->start_command);
		view_cut_top(&a, view_draw_wrapped(c, a, lines[i].style, command));
	}
}

/* ---- dialogs ---- */

static void draw_frame(const struct canvas *c, struct area a, const char *title)
{
	struct area rule = a;

	for (unsigned i = 0; i < a.rows; i++) {
		struct grid_pen p = view_pen(c, a, i);

		grid_pen_fill(&p, GRID_PLAIN, ' ', a.columns);
	}
	view_draw_rule(c, view_cut_top(&rule, 1), GRID_BOLD | GRID_ACCENT, title);
	view_draw_rule(c, view_cut_bottom(&rule, 1), GRID_PLAIN, "");
}

void view_draw_dialog(const struct canvas *c, struct area a)
{
	static const struct {
		const char *title, *about;
	} texts[] = {
		[MODEL_ADD_TUNNEL] = { "Add Tunnel",
			"The last word is the port or host:port to publish." },
		[MODEL_EDIT_TUNNEL] = { "Edit Tunnel",
			"A tunnel has a target or routes, not both." },
		[MODEL_ADD_RELAY] = { "Connect Relay",
			"Until the agent restarts. Edit the tunnel to keep the relay." },
	};
	const struct form *f = &c->m->dialog_form;
	unsigned rows = f->count + 3;

	if (rows < a.rows) {
		a.row += (a.rows - rows) / 3;
		a.rows = rows;
	}
	draw_frame(c, a, texts[c->m->dialog].title);
	view_cut_top(&a, 1);
	view_cut_bottom(&a, 1);
	for (unsigned i = 0; i < f->count && a.rows > 0; i++) {
		struct grid_pen p = view_pen(c, view_cut_top(&a, 1), 0);
		bool has_focus = i == f->focus;

		grid_pen_put(&p, GRID_BOLD, has_focus ? "> " : "  ");
		grid_pen_field(&p, has_focus ? GRID_BOLD : GRID_DIM, LABEL_COLUMNS,
			f->lines[i].label);
		view_put_field(c, &p, &f->lines[i], has_focus);
	}
	if (a.rows > 0) {
		struct grid_pen p = view_pen(c, a, 0);

		grid_pen_printf(&p, GRID_DIM, "  %s", texts[c->m->dialog].about);
	}
}
