/* The panes of settings, relays, the multi-hop route, links and the log. */
#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"
#include "base/utf8.h"
#include "tui/press.h"
#include "tui/view_priv.h"

#define RELAY_STATE_COLUMNS 10
#define RELAY_URL_AT 15
#define FIELD_LABEL 12
#define LINK_STATE_COLUMNS 8

static void say_no_tunnel(const struct canvas *c, struct area a)
{
	view_draw_wrapped(c, a, GRID_DIM,
		"  No tunnel is selected: select one in Tunnels.");
}

/* ---- settings ---- */

/* The columns of the text before the cursor. */
static unsigned cursor_column(const struct form_line *l)
{
	char *before = span_dup(span_of(l->text, l->cursor));
	unsigned columns = before != NULL ? grid_text_width(before) : 0;

	free(before);
	return columns;
}

/* A text that is too wide is shown from where the cursor still has room. */
void view_put_field(const struct canvas *c, struct grid_pen *p, const struct form_line *l,
	bool has_cursor)
{
	unsigned room = grid_pen_room(p), column = cursor_column(l), skipped = 0;
	struct span rest = span_str(l->text);
	const char *shown = l->text;
	uint32_t ch;

	while (has_cursor && room > 1 && column - skipped >= room && rest.n > 0) {
		unsigned width = utf8_take(&rest, &ch) ? grid_width(ch) : 1;

		skipped += width > 0 ? width : 1;
		shown = (const char *)rest.p;
	}
	if (has_cursor && l->kind == FORM_TEXT) {
		c->v->has_cursor = room > 0;
		c->v->cursor_row = p->row;
		c->v->cursor_column = p->column + column - skipped;
	}
	if (l->kind == FORM_FLAG)
		grid_pen_printf(p, has_cursor ? GRID_BOLD : GRID_PLAIN, "[%s] %s",
			strcmp(l->text, "yes") == 0 ? "x" : " ", l->text);
	else if (*l->text == '\0' && l->hint != NULL)
		grid_pen_printf(p, GRID_DIM, *l->hint != '\0' ? "(%s)" : "%s", l->hint);
	else
		grid_pen_put(p, GRID_PLAIN, shown);
}

static void draw_setting(const struct canvas *c, struct area a, const struct form_line *l,
	bool is_selected)
{
	bool is_active = c->m->pane == MODEL_SETTINGS &&
		c->m->dialog == MODEL_NO_DIALOG && !c->m->has_help;
	struct grid_pen p = view_pen(c, a, 0);

	view_put_mark(c, &p, MODEL_SETTINGS, is_selected);
	grid_pen_field(&p, is_selected && is_active ? GRID_BOLD : GRID_DIM, FIELD_LABEL,
		l->label);
	grid_pen_put(&p, GRID_WARN, form_line_is_changed(l) ? "* " : "  ");
	view_put_field(c, &p, l, is_selected && is_active && a.rows > 0);
}

static void draw_apply(const struct canvas *c, struct area a, const struct form *f)
{
	unsigned changed = form_count_changed(f);
	struct grid_pen p = view_pen(c, a, 0);

	if (a.rows == 0)
		return;
	grid_pen_put(&p, GRID_PLAIN, "  ");
	if (changed == 0) {
		grid_pen_put(&p, GRID_DIM, "[ Applied ]");
		return;
	}
	grid_pen_put(&p, GRID_BOLD, "[ Apply ]");
	grid_pen_printf(&p, GRID_WARN, "  %u field%s changed: enter applies", changed,
		changed == 1 ? "" : "s");
	view_add_hit(c,
		(struct view_hit){ .row = a.row,
			.column = a.column + 2,
			.columns = 9,
			.kind = VIEW_HIT_KEY,
			.pane = MODEL_SETTINGS,
			.arg = PRESS_ENTER });
}

void view_draw_settings(const struct canvas *c, struct area a)
{
	const struct status_tunnel *t = model_tunnel(c->m);
	const struct model_draft *d = model_peek_draft(c->m);
	struct form fresh = { .count = 0 };
	const struct form *f = d != NULL ? &d->settings : &fresh;
	struct area last;
	unsigned first;

	if (t == NULL) {
		say_no_tunnel(c, a);
		return;
	}
	if (d == NULL && change_fill_settings(&fresh, t) != ERR_OK) {
		form_fini(&fresh);
		return;
	}
	last = view_cut_bottom(&a, a.rows > f->count ? a.rows - f->count : 0);
	first = f->focus >= a.rows && a.rows > 0 ? f->focus + 1 - a.rows : 0;
	for (unsigned i = first; i < f->count && a.rows > 0; i++) {
		struct area row = view_cut_top(&a, 1);

		view_add_hit(c,
			(struct view_hit){ .row = row.row,
				.column = row.column,
				.columns = row.columns,
				.kind = VIEW_HIT_ROW,
				.pane = MODEL_SETTINGS,
				.arg = i });
		draw_setting(c, row, &f->lines[i], i == f->focus);
	}
	draw_apply(c, last, f);
	form_fini(&fresh);
}

/* ---- relays ---- */

static unsigned relay_height(const struct canvas *c, unsigned i)
{
	const struct status_relay *r = status_relay(model_tunnel(c->m), i);

	return r->last_error != NULL && model_is_live(c->m) ? 2 : 1;
}

/* "v2.2.2", "12 ms", "udp tcp hop" */
static void put_facts(struct grid_pen *p, const struct status_relay *r, unsigned width)
{
	char text[64] = "";

	if (width < 60)
		return;
	grid_pen_field(p, GRID_PLAIN, 8, status_text(r->version));
	if (r->rtt_ms > 0)
		snprintf(text, sizeof(text), "%" PRId64 " ms", r->rtt_ms);
	grid_pen_field(p, GRID_PLAIN, 7, text);
	if (width < 76)
		return;
	snprintf(text, sizeof(text), "%s%s%s", r->has_udp ? "udp " : "",
		r->has_tcp ? "tcp " : "", r->has_overlay ? "multi-hop" : "");
	grid_pen_field(p, GRID_DIM, 17, text);
}

static void draw_relay(const struct canvas *c, struct area a, unsigned i)
{
	const struct status_tunnel *t = model_tunnel(c->m);
	const struct status_relay *r = status_relay(t, i);
	bool is_selected = i == c->m->relay_at;
	struct area line = view_cut_top(&a, 1);
	struct grid_pen p = view_pen(c, line, 0);
	unsigned facts = a.columns >= 76 ? 35 : a.columns >= 60 ? 17 : 0;
	const char *url = r->public_url != NULL ? r->public_url : r->relay_url;
	char shown[512];
	unsigned room;

	view_put_mark(c, &p, MODEL_RELAYS, is_selected);
	view_put_state(c, &p, status_of_relay(t, r), RELAY_STATE_COLUMNS);
	room = grid_pen_room(&p) > facts + 1 ? grid_pen_room(&p) - facts - 1 : 0;
	if (grid_text_width(url) > room)
		url = status_short_url(url, shown, sizeof(shown));
	grid_pen_field(&p, GRID_PLAIN, room, url);
	put_facts(&p, r, a.columns);
	view_mark_row(c, line, MODEL_RELAYS, is_selected);
	if (a.rows > 0)
		view_put_reason(c, a, RELAY_URL_AT, status_text(r->last_error),
			r->next_try_at);
}

static void relay_facts(const struct canvas *c, struct area a,
	const struct status_relay *r)
{
	struct grid_pen p = view_pen(c, a, 1);
	char span[VIEW_TEXT_MAX];

	view_draw_rule(c, a, GRID_BOLD, r->relay_url);
	grid_pen_put(&p, GRID_PLAIN, "  ");
	if (r->since.s != 0)
		grid_pen_printf(&p, GRID_PLAIN, "for %s  ",
			view_print_span(view_age(c->m, r->since), span));
	if (r->tcp_addr != NULL)
		grid_pen_printf(&p, GRID_PLAIN, "TCP at %s  ", r->tcp_addr);
	if (r->certificate_until.s != 0)
		grid_pen_printf(&p, GRID_PLAIN, "certificate for %s more  ",
			view_print_span(-view_age(c->m, r->certificate_until), span));
	if (r->checked_at.s != 0)
		grid_pen_printf(&p, GRID_PLAIN, "%s %s ago  ",
			r->is_verified ? "verified" : "checked",
			view_print_span(view_age(c->m, r->checked_at), span));
	if (r->attempts > 0)
		grid_pen_printf(&p, GRID_PLAIN, "%" PRId64 " attempts  ", r->attempts);
	if (r->visitors > 0)
		grid_pen_printf(&p, GRID_PLAIN, "%" PRId64 " visitors  ", r->visitors);
	if (r->is_explicit)
		grid_pen_put(&p, GRID_DIM, "explicit");
}

void view_draw_relays(const struct canvas *c, struct area a)
{
	const struct status_tunnel *t = model_tunnel(c->m);
	const struct status_relay *r = model_relay(c->m);
	const struct view_list list = {
		.pane = MODEL_RELAYS,
		.count = t != NULL ? t->relays.n : 0,
		.selected = c->m->relay_at,
		.height = relay_height,
		.draw = draw_relay,
	};

	if (t == NULL) {
		say_no_tunnel(c, a);
		return;
	}
	if (t->relays.n == 0) {
		view_draw_wrapped(c, a, GRID_DIM,
			"  This tunnel has no relay. + connects one by its URL.");
		return;
	}
	if (r != NULL && a.rows >= 7 && model_is_live(c->m))
		relay_facts(c, view_cut_bottom(&a, 2), r);
	view_draw_list(c, a, &list);
}

/* ---- the multi-hop route ---- */

static unsigned hop_height(const struct canvas *c, unsigned i)
{
	(void)c;
	(void)i;
	return 1;
}

/* The place of a relay in the route that is shown, from 1. */
static unsigned place_of(const struct model *m, const char *url)
{
	char *const *hops;
	unsigned n = model_hops(m, &hops);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(hops[i], url) == 0)
			return i + 1;
	return 0;
}

static void draw_hop(const struct canvas *c, struct area a, unsigned i)
{
	const struct status_relay *r = status_relay(model_tunnel(c->m), i);
	bool is_selected = i == c->m->relay_at;
	unsigned place = place_of(c->m, r->relay_url);
	struct grid_pen p = view_pen(c, a, 0);
	char text[512];

	view_put_mark(c, &p, MODEL_HOPS, is_selected);
	if (place > 0)
		grid_pen_printf(&p, GRID_BOLD, "hop %u  ", place);
	else
		grid_pen_put(&p, GRID_DIM, "   -   ");
	grid_pen_put(&p, r->has_overlay ? GRID_PLAIN : GRID_DIM,
		status_short_url(r->relay_url, text, sizeof(text)));
	if (!r->has_overlay)
		grid_pen_put(&p, GRID_DIM, "  (no multi-hop)");
	view_mark_row(c, a, MODEL_HOPS, is_selected);
}

static void draw_route(const struct canvas *c, struct area a)
{
	const struct model_draft *d = model_peek_draft(c->m);
	struct grid_pen p = view_pen(c, a, 0);
	char *const *hops;
	unsigned n = model_hops(c->m, &hops);
	bool is_draft = d != NULL && d->has_hops;
	char text[256];

	grid_pen_put(&p, is_draft ? GRID_WARN : GRID_DIM,
		is_draft      ? "  draft: " :
			n > 0 ? "  route: " :
				"  no route: a adds the selected relay");
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			grid_pen_put(&p, GRID_DIM, c->g->is_ascii ? " > " : " → ");
		grid_pen_put(&p, GRID_PLAIN,
			status_short_url(hops[i], text, sizeof(text)));
	}
	if (is_draft)
		grid_pen_put(&p, GRID_WARN,
			n < 2 ? "  (add one more)" : "  (p applies it)");
}

void view_draw_hops(const struct canvas *c, struct area a)
{
	const struct status_tunnel *t = model_tunnel(c->m);
	const struct view_list list = {
		.pane = MODEL_HOPS,
		.count = t != NULL ? t->relays.n : 0,
		.selected = c->m->relay_at,
		.height = hop_height,
		.draw = draw_hop,
	};

	if (t == NULL) {
		say_no_tunnel(c, a);
		return;
	}
	draw_route(c, view_cut_top(&a, 1));
	view_draw_list(c, a, &list);
}

/* ---- links ---- */

static unsigned link_height(const struct canvas *c, unsigned i)
{
	return status_link(&c->m->status, i)->last_error != NULL ? 2 : 1;
}

static void draw_link(const struct canvas *c, struct area a, unsigned i)
{
	const struct status_link *l = status_link(&c->m->status, i);
	bool is_selected = i == c->m->link_at;
	struct area line = view_cut_top(&a, 1);
	struct grid_pen p = view_pen(c, line, 0);
	char in[VIEW_TEXT_MAX], out[VIEW_TEXT_MAX], shown[256];

	view_put_mark(c, &p, MODEL_LINKS, is_selected);
	view_put_state(c, &p, status_of_link(l), LINK_STATE_COLUMNS);
	grid_pen_field(&p, GRID_PLAIN, a.columns >= 70 ? 12 : 8, status_text(l->id));
	status_short_url(status_text(l->server), shown, sizeof(shown));
	grid_pen_printf(&p, GRID_PLAIN, "%s ", shown);
	if (l->rtt_ms > 0)
		grid_pen_printf(&p, GRID_DIM, "%" PRId64 " ms ", l->rtt_ms);
	for (unsigned k = 0; k < l->remotes.n; k++)
		grid_pen_printf(&p, GRID_PLAIN, " %s", l->remotes.v[k]);
	grid_pen_printf(&p, GRID_DIM, "  in %s out %s",
		view_print_bytes((uint64_t)l->received_bytes, in),
		view_print_bytes((uint64_t)l->sent_bytes, out));
	view_mark_row(c, line, MODEL_LINKS, is_selected);
	if (a.rows > 0)
		view_put_reason(c, a, 13, status_text(l->last_error), l->next_try_at);
}

/* All of the selected link: its row may be too narrow. */
static void link_facts(const struct canvas *c, struct area a, const struct status_link *l)
{
	struct grid_pen p;
	char in[VIEW_TEXT_MAX], out[VIEW_TEXT_MAX], span[VIEW_TEXT_MAX];

	view_draw_rule(c, view_cut_top(&a, 1), GRID_BOLD, status_text(l->server));
	p = view_pen(c, a, 0);
	grid_pen_put(&p, GRID_PLAIN, "  ");
	for (unsigned i = 0; i < l->remotes.n; i++)
		grid_pen_printf(&p, GRID_PLAIN, "%s  ", l->remotes.v[i]);
	p = view_pen(c, a, 1);
	grid_pen_printf(&p, GRID_PLAIN, "  in %s out %s",
		view_print_bytes((uint64_t)l->received_bytes, in),
		view_print_bytes((uint64_t)l->sent_bytes, out));
	if (l->rtt_ms > 0)
		grid_pen_printf(&p, GRID_PLAIN, ", %" PRId64 " ms", l->rtt_ms);
	if (l->since.s != 0)
		grid_pen_printf(&p, GRID_PLAIN, ", for %s",
			view_print_span(view_age(c->m, l->since), span));
	if (l->attempts > 0)
		grid_pen_printf(&p, GRID_PLAIN, ", %" PRId64 " attempts", l->attempts);
	if (l->peer_version != NULL)
		grid_pen_printf(&p, GRID_DIM, ", %s", l->peer_version);
}

void view_draw_links(const struct canvas *c, struct area a)
{
	const struct view_list list = {
		.pane = MODEL_LINKS,
		.count = c->m->status.links.n,
		.selected = c->m->link_at,
		.height = link_height,
		.draw = draw_link,
	};

	if (model_link(c->m) != NULL && a.rows >= 7 && model_is_live(c->m))
		link_facts(c, view_cut_bottom(&a, 3), model_link(c->m));
	view_draw_list(c, a, &list);
}

/* ---- the log ---- */

static unsigned style_of_level(const char *level)
{
	if (strcmp(level, "error") == 0)
		return GRID_BAD;
	return strcmp(level, "warn") == 0 || strcmp(level, "warning") == 0 ? GRID_WARN :
									     GRID_DIM;
}

/* "2026-06-01T12:00:00Z": the time of the day is enough. */
static void draw_line(const struct canvas *c, struct area a, const struct model_line *l)
{
	struct grid_pen p = view_pen(c, a, 0);
	const char *at = status_text(l->at), *level = status_text(l->level);

	if (strlen(at) > 19 && at[10] == 'T')
		grid_pen_printf(&p, GRID_DIM, "%.8s ", at + 11);
	grid_pen_field(&p, style_of_level(level), 5, level);
	grid_pen_put(&p, GRID_PLAIN, status_text(l->text));
}

static void draw_no_log(const struct canvas *c, struct area a)
{
	const char *service = c->m->status.service_name;
	char text[256];

	snprintf(text, sizeof(text),
		"This agent does not report its log. If it is a service: journalctl -u %.80s",
		service != NULL ? service : "portal-agent");
	view_draw_wrapped(c, a, GRID_DIM, text);
}

/* The last lines, or those before them that it was scrolled back to. */
void view_draw_log(const struct canvas *c, struct area a)
{
	unsigned n = c->m->log_count, last = model_at(c->m, MODEL_LOG), shown;

	if (c->m->has_no_log_api) {
		draw_no_log(c, a);
		return;
	}
	if (n == 0) {
		view_draw_wrapped(c, a, GRID_DIM, "  The log has no lines yet.");
		return;
	}
	if (last + 1 < a.rows)
		last = (n < a.rows ? n : a.rows) - 1;
	shown = last + 1 < a.rows ? last + 1 : a.rows;
	for (unsigned i = 0; i < shown; i++)
		draw_line(c, view_cut_top(&a, 1),
			model_log_line(c->m, last + 1 - shown + i));
}
