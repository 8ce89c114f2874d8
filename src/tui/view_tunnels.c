/* The pane of tunnels: a table, and details of the selected one. */
#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"
#include "tui/view_priv.h"

#define STATE_COLUMNS 8
#define NAME_AT 13 /* the column of the name */
#define DETAIL_LABEL 9

/* Which columns there are, by the width. */
struct columns {
	unsigned name, url, target, now; /* 0: it is left out */
};

static struct columns columns_of(unsigned width)
{
	struct columns k = { .name = 8 };
	unsigned used = NAME_AT;

	if (width >= 100)
		k = (struct columns){ .name = 20, .target = 22, .now = 4 };
	else if (width >= 70)
		k = (struct columns){ .name = 13, .target = 15, .now = 4 };
	else if (width >= 50)
		k = (struct columns){ .name = 11, .now = 4 };
	used += k.name + 1;
	used += k.target > 0 ? k.target + 1 : 0;
	used += k.now > 0 ? k.now + 1 : 0;
	used += k.now > 0 || k.target > 0; /* a space behind the URL */
	k.url = width > used ? width - used : 0;
	return k;
}

/* ---- the table ---- */

static const char *print_target(const struct status_tunnel *t, char to[VIEW_TEXT_MAX])
{
	if (t->http_routes.n > 0)
		snprintf(to, VIEW_TEXT_MAX, "%u route%s", t->http_routes.n,
			t->http_routes.n == 1 ? "" : "s");
	else
		str_copy(to, VIEW_TEXT_MAX, status_text(t->target_addr));
	return to;
}

static void put_url(struct grid_pen *p, const struct status_tunnel *t, unsigned columns)
{
	struct grid_pen inner = *p;
	unsigned others, room = columns;
	const char *url = status_public_url(t, &others);
	char shown[512], more[16] = "";

	if (columns > grid_pen_room(p))
		columns = grid_pen_room(p);
	if (others > 0)
		snprintf(more, sizeof(more), " +%u", others);
	room -= strlen(more) < room ? (unsigned)strlen(more) : 0;
	inner.end = inner.column + room;
	if (url != NULL && grid_text_width(url) > room)
		url = status_short_url(url, shown, sizeof(shown));
	grid_pen_put(&inner, url != NULL ? GRID_PLAIN : GRID_DIM,
		url != NULL ? url : "-");
	inner.end = p->column + columns;
	inner.has_left = false;
	grid_pen_put(&inner, GRID_DIM, more);
	p->column += columns;
	grid_pen_fill(p, GRID_PLAIN, ' ', 1);
}

static bool needs_reason(const struct canvas *c, unsigned i)
{
	struct timestamp next;
	char reason[STATUS_REASON_MAX];

	if (i >= c->m->status.tunnels.n || !model_is_live(c->m))
		return false;
	return *status_reason(status_tunnel(&c->m->status, i),
		       status_is_ours(&c->m->status), reason, &next) != '\0';
}

static unsigned row_height(const struct canvas *c, unsigned i)
{
	return needs_reason(c, i) ? 2 : 1;
}

static void draw_add_row(const struct canvas *c, struct area a, bool is_selected)
{
	struct grid_pen p = view_pen(c, a, 0);

	view_put_mark(c, &p, MODEL_TUNNELS, is_selected);
	grid_pen_put(&p, is_selected ? GRID_BOLD : GRID_ACCENT, "[ + Add Tunnel ]");
	view_mark_row(c, a, MODEL_TUNNELS, is_selected);
	view_add_hit(c,
		(struct view_hit){ .row = a.row,
			.column = a.column + 2,
			.columns = 16,
			.kind = VIEW_HIT_KEY,
			.pane = MODEL_TUNNELS,
			.arg = '+' });
}

static void draw_row(const struct canvas *c, struct area a, unsigned i)
{
	struct columns k = columns_of(a.columns);
	bool is_selected = i == c->m->tunnel_at, is_ours = status_is_ours(&c->m->status);
	struct area line = view_cut_top(&a, 1);
	struct grid_pen p = view_pen(c, line, 0);
	char text[VIEW_TEXT_MAX], reason[STATUS_REASON_MAX];
	const struct status_tunnel *t;
	struct timestamp next;

	if (i == c->m->status.tunnels.n) {
		draw_add_row(c, line, is_selected);
		return;
	}
	t = status_tunnel(&c->m->status, i);
	view_put_mark(c, &p, MODEL_TUNNELS, is_selected);
	view_put_state(c, &p, status_of_tunnel(t, is_ours), STATE_COLUMNS);
	grid_pen_field(&p, is_selected ? GRID_BOLD : GRID_PLAIN, k.name,
		t->name != NULL ? t->name : t->id);
	put_url(&p, t, k.url);
	if (k.target > 0)
		grid_pen_field(&p, GRID_PLAIN, k.target, print_target(t, text));
	if (k.now > 0 && is_ours && model_is_live(c->m)) {
		snprintf(text, sizeof(text), "%*" PRId64, (int)k.now, t->visitors_now);
		grid_pen_field(&p, GRID_PLAIN, k.now, text);
	}
	view_mark_row(c, line, MODEL_TUNNELS, is_selected);
	if (a.rows > 0) {
		status_reason(t, is_ours, reason, &next);
		view_put_reason(c, a, NAME_AT, reason, next);
	}
}

static void draw_headings(const struct canvas *c, struct area a)
{
	struct columns k = columns_of(a.columns);
	struct grid_pen p = view_pen(c, a, 0);

	grid_pen_put(&p, GRID_DIM, "    ");
	grid_pen_field(&p, GRID_DIM, STATE_COLUMNS, "STATE");
	grid_pen_field(&p, GRID_DIM, k.name, "NAME");
	grid_pen_field(&p, GRID_DIM, k.url, "PUBLIC URL");
	if (k.target > 0)
		grid_pen_field(&p, GRID_DIM, k.target, "TARGET");
	if (k.now > 0)
		grid_pen_put(&p, GRID_DIM, " NOW");
}

/* ---- details ---- */

static void put_label(struct grid_pen *p, const char *label)
{
	grid_pen_field(p, GRID_DIM, DETAIL_LABEL, label);
}

static void detail_url(const struct canvas *c, struct grid_pen *p,
	const struct status_tunnel *t)
{
	unsigned n = 0;

	(void)c;
	put_label(p, "URL");
	for (unsigned i = 0; i < t->relays.n; i++) {
		const struct status_relay *r = status_relay(t, i);

		if (r->public_url != NULL)
			grid_pen_printf(p, GRID_PLAIN, "%s%s", n++ > 0 ? "  " : "",
				r->public_url);
		if (r->tcp_addr != NULL)
			grid_pen_printf(p, GRID_PLAIN, "%sTCP %s", n++ > 0 ? "  " : "",
				r->tcp_addr);
	}
	if (n == 0)
		grid_pen_put(p, GRID_DIM, "none yet");
}

static void detail_target(const struct canvas *c, struct grid_pen *p,
	const struct status_tunnel *t)
{
	char span[VIEW_TEXT_MAX];
	const char *health = status_text(t->target_health);

	put_label(p, t->http_routes.n > 0 ? "routes" : "target");
	for (unsigned i = 0; i < t->http_routes.n; i++) {
		const struct status_route *r = (struct status_route *)t->http_routes.v +
			i;

		grid_pen_printf(p, GRID_PLAIN, "%s%s = %s", i > 0 ? ", " : "",
			status_text(r->prefix), status_text(r->upstream));
	}
	if (t->http_routes.n == 0)
		grid_pen_put(p, GRID_PLAIN, status_text(t->target_addr));
	if (strcmp(health, "down") == 0)
		grid_pen_printf(p, GRID_BAD, "  down: %s", status_text(t->target_error));
	else if (strcmp(health, "ok") == 0)
		grid_pen_put(p, GRID_OK, "  answers");
	if (t->target_checked_at.s != 0)
		grid_pen_printf(p, GRID_DIM, ", checked %s ago",
			view_print_span(view_age(c->m, t->target_checked_at), span));
}

static void detail_state(const struct canvas *c, struct grid_pen *p,
	const struct status_tunnel *t)
{
	bool is_ours = status_is_ours(&c->m->status);
	struct status_word w = status_of_tunnel(t, is_ours);
	char span[VIEW_TEXT_MAX];
	unsigned open = 0;

	put_label(p, "state");
	for (unsigned i = 0; i < t->relays.n; i++)
		open += status_of_relay(t, status_relay(t, i)).health == STATUS_OK;
	grid_pen_put(p, GRID_PLAIN, w.text);
	if (t->since.s != 0)
		grid_pen_printf(p, GRID_PLAIN, " for %s",
			view_print_span(view_age(c->m, t->since), span));
	grid_pen_printf(p, GRID_PLAIN, ", %u of %u relays open", open, t->relays.n);
	if (is_ours && w.health == STATUS_OK)
		grid_pen_put(p, GRID_PLAIN,
			t->is_verified ? ", verified by a visit" : ", not verified");
	if (t->address != NULL)
		grid_pen_printf(p, GRID_DIM, "  %s", t->address);
}

static void detail_traffic(const struct canvas *c, struct grid_pen *p,
	const struct status_tunnel *t)
{
	const struct model_history *h = model_history(c->m, t->id);
	char in[VIEW_TEXT_MAX], out[VIEW_TEXT_MAX];
	unsigned last;

	put_label(p, "traffic");
	if (!status_is_ours(&c->m->status)) {
		grid_pen_put(p, GRID_DIM, "this agent does not report it");
		return;
	}
	if (h != NULL && h->count > 0 && h->in[h->count - 1] != MODEL_UNKNOWN) {
		last = h->count - 1;
		grid_pen_printf(p, GRID_PLAIN, "in %s/s out %s/s ",
			view_print_bytes(h->in[last], in),
			view_print_bytes(h->out[last], out));
	}
	grid_pen_printf(p, GRID_PLAIN, "%" PRId64 " visitors, %" PRId64 " now ",
		t->visitors, t->visitors_now);
	if (h != NULL)
		view_put_plot(p, h, grid_pen_room(p));
}

/* The whole reason, in at most two lines; returns how many. The row above may cut it. */
static unsigned detail_reason(const struct canvas *c, struct area a,
	const struct status_tunnel *t)
{
	struct grid_pen p = view_pen(c, a, 0);
	char reason[STATUS_REASON_MAX];
	struct timestamp next;

	status_reason(t, status_is_ours(&c->m->status), reason, &next);
	if (*reason == '\0' || !model_is_live(c->m) || a.columns < 2 * DETAIL_LABEL)
		return 0;
	grid_pen_put(&p, GRID_PLAIN, "  ");
	put_label(&p, "reason");
	a.column += DETAIL_LABEL + 3;
	a.columns -= DETAIL_LABEL + 3;
	a.rows = a.rows < 2 ? a.rows : 2;
	return view_draw_wrapped(c, a, GRID_PLAIN, reason);
}

/* The most important first: a small screen shows only some. */
static void draw_details(const struct canvas *c, struct area a,
	const struct status_tunnel *t)
{
	/* What is no longer known is left out. */
	unsigned count = model_is_live(c->m) ? 4 : 1;
	static void (*const details[])(const struct canvas *, struct grid_pen *,
		const struct status_tunnel *) = { detail_url, detail_traffic,
		detail_target, detail_state };
	char title[256];

	snprintf(title, sizeof(title), "%.200s", t->name != NULL ? t->name : t->id);
	view_draw_rule(c, view_cut_top(&a, 1), GRID_BOLD, title);
	view_cut_top(&a, detail_reason(c, a, t));
	for (unsigned i = 0; i < a.rows && i < count; i++) {
		struct grid_pen p = view_pen(c, a, i);

		grid_pen_put(&p, GRID_PLAIN, "  ");
		details[i](c, &p, t);
	}
}

void view_draw_tunnels(const struct canvas *c, struct area a)
{
	const struct status_tunnel *t = model_tunnel(c->m);
	const struct view_list list = {
		.pane = MODEL_TUNNELS,
		.count = c->m->status.tunnels.n + 1,
		.selected = c->m->tunnel_at,
		.height = row_height,
		.draw = draw_row,
	};
	unsigned details = a.rows >= 12 ? 6 : a.rows >= 8 ? 3 : 0;
	struct area below = { .rows = 0 };

	if (t != NULL && details > 0)
		below = view_cut_bottom(&a, details);
	if (a.rows >= 6)
		draw_headings(c, view_cut_top(&a, 1));
	view_draw_list(c, a, &list);
	if (t != NULL && below.rows > 0)
		draw_details(c, below, t);
}
