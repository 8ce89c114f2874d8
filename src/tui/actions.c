/* Actions: what keys do. */
#include "tui/actions.h"

#include <stdio.h>

#include "base/str.h"
#include "text/url.h"

#define PAGE_ROWS 10
#define WAITING_MAX 8

/* ---- the screen ---- */

void actions_quit(struct model *m, struct keys_effect *e)
{
	(void)m;
	e->quits = true;
}

void actions_suspend(struct model *m, struct keys_effect *e)
{
	(void)m;
	e->suspends = true;
}

void actions_redraw(struct model *m, struct keys_effect *e)
{
	(void)m;
	e->redraws = true;
}

void actions_help(struct model *m, struct keys_effect *e)
{
	(void)e;
	m->has_help = true;
	m->help_top = 0;
}

void actions_log(struct model *m, struct keys_effect *e)
{
	(void)e;
	if (m->pane == MODEL_LOG) {
		m->pane = m->pane_before_log;
		return;
	}
	m->pane_before_log = m->pane;
	m->pane = MODEL_LOG;
}

/* ---- moving ---- */

static void switch_pane(struct model *m, unsigned by)
{
	unsigned pane = m->pane;

	do {
		pane = (pane + by) % MODEL_PANES;
	} while (!model_has_pane(m, (enum model_pane)pane));
	m->pane = (enum model_pane)pane;
	m->is_editing = false;
}

void actions_left(struct model *m, struct keys_effect *e)
{
	(void)e;
	switch_pane(m, MODEL_PANES - 1);
}

void actions_right(struct model *m, struct keys_effect *e)
{
	(void)e;
	switch_pane(m, 1);
}

static void move(struct model *m, int by)
{
	int at = (int)model_at(m, m->pane) + by;

	model_select(m, m->pane, at > 0 ? (unsigned)at : 0);
}

void actions_up(struct model *m, struct keys_effect *e)
{
	(void)e;
	move(m, -1);
}

void actions_down(struct model *m, struct keys_effect *e)
{
	(void)e;
	move(m, 1);
}

void actions_page_up(struct model *m, struct keys_effect *e)
{
	(void)e;
	move(m, -PAGE_ROWS);
}

void actions_page_down(struct model *m, struct keys_effect *e)
{
	(void)e;
	move(m, PAGE_ROWS);
}

void actions_first(struct model *m, struct keys_effect *e)
{
	(void)e;
	model_select(m, m->pane, 0);
}

void actions_last(struct model *m, struct keys_effect *e)
{
	(void)e;
	model_select(m, m->pane, UINT32_MAX);
}

/* An error is cleared first, so that it is not lost by a key that was meant for more. */
void actions_escape(struct model *m, struct keys_effect *e)
{
	struct model_draft *d = m->pane == MODEL_SETTINGS ? model_draft(m) : NULL;
	bool was_error = m->tone == MODEL_BAD && m->message[0] != '\0';

	(void)e;
	m->message[0] = '\0';
	if (d != NULL && m->is_editing) {
		form_revert(&d->settings.lines[d->settings.focus]);
		m->is_editing = false;
	} else if (!was_error) {
		m->pane = MODEL_TUNNELS;
	}
}

/* ---- what they need ---- */

static bool needs_agent(struct model *m)
{
	if (model_is_live(m) && m->waiting < WAITING_MAX)
		return true;
	if (model_is_live(m))
		model_say(m, MODEL_BAD, "the agent has not responded yet");
	else
		model_say(m, MODEL_BAD,
			"nothing can be changed: the agent is not running");
	return false;
}

static const struct status_tunnel *needs_tunnel(struct model *m)
{
	const struct status_tunnel *t = model_tunnel(m);

	if (!needs_agent(m))
		return NULL;
	if (t == NULL)
		model_say(m, MODEL_NEUTRAL,
			"no tunnel is selected: select one in Tunnels, or press + there");
	return t;
}

static const struct status_relay *needs_relay(struct model *m)
{
	const struct status_relay *r = needs_tunnel(m) != NULL ? model_relay(m) : NULL;

	if (model_tunnel(m) != NULL && model_is_live(m) && r == NULL)
		model_say(m, MODEL_NEUTRAL,
			"this tunnel has no relay: + in Relays connects one by its URL");
	return r;
}

static void say_no_memory(struct model *m)
{
	model_say(m, MODEL_BAD, "out of memory");
}

/* Takes @c; NULL: no memory. */
static void send(struct model *m, struct keys_effect *e, struct change *c)
{
	if (c == NULL) {
		say_no_memory(m);
		return;
	}
	m->waiting++;
	m->is_dialog_sent = m->dialog != MODEL_NO_DIALOG;
	e->change = c;
	model_say(m, MODEL_NEUTRAL, "%s: waiting for the agent", c->doing);
}

/* ---- any pane ---- */

void actions_undo(struct model *m, struct keys_effect *e)
{
	struct change *undo = m->undo;

	if (!needs_agent(m))
		return;
	if (undo == NULL) {
		model_say(m, MODEL_NEUTRAL, "there is nothing to undo");
		return;
	}
	m->undo = NULL;
	send(m, e, undo);
}

/* The URL that a visitor uses, or NULL and a message. */
static const char *needs_url(struct model *m)
{
	const struct status_tunnel *t = model_tunnel(m);
	const struct status_relay *r = m->pane == MODEL_RELAYS ? model_relay(m) : NULL;
	const char *url = NULL;
	unsigned others;

	if (r != NULL)
		url = r->public_url;
	else if (t != NULL)
		url = status_public_url(t, &others);
	if (url == NULL)
		model_say(m, MODEL_NEUTRAL, "%s",
			t == NULL         ? "no tunnel is selected" :
				r != NULL ? "the tunnel has no public URL at this relay" :
					    "the tunnel has no public URL yet");
	return url;
}

/* Only what a browser is meant for: a relay chooses these texts. */
void actions_open(struct model *m, struct keys_effect *e)
{
	const char *text = needs_url(m);
	struct url url;

	if (text == NULL)
		return;
	if (url_parse(span_str(text), &url, NULL) != ERR_OK ||
		(strcmp(url.scheme, "https") != 0 && strcmp(url.scheme, "http") != 0)) {
		model_say(m, MODEL_BAD, "this is not the URL of a web page: %.300s",
			text);
		return;
	}
	e->opens = strdup(text);
	model_say(m, MODEL_NEUTRAL, "opening %.300s", text);
}

void actions_copy(struct model *m, struct keys_effect *e)
{
	const char *text = needs_url(m);

	if (text == NULL)
		return;
	e->copies = strdup(text);
	model_say(m, MODEL_GOOD, "copied %.300s, if the terminal allows it", text);
}

/* ---- dialogs ---- */

static bool open_dialog(struct model *m, enum model_dialog dialog,
	const struct status_tunnel *t)
{
	model_close_dialog(m);
	m->dialog_id = t != NULL ? strdup(t->id) : NULL;
	if (t != NULL && m->dialog_id == NULL)
		return false;
	m->dialog = dialog;
	m->message[0] = '\0';
	return true;
}

/* The relays of the selected tunnel are offered for the new one. */
static enum err fill_add(struct form *f, const struct status_tunnel *t)
{
	struct form like = { .count = 0 };
	enum err rc = t != NULL ? change_fill_edit(&like, t) : ERR_OK;

	if (rc == ERR_OK)
		rc = form_add(f, FORM_TEXT, "name port", "myapp 3000", NULL);
	if (rc == ERR_OK)
		rc = form_add(f, FORM_TEXT, "relays", "https://portal.example.com",
			like.count > 0 ? like.lines[CHANGE_RELAYS].text : NULL);
	form_fini(&like);
	return rc;
}

void actions_tunnel_add(struct model *m, struct keys_effect *e)
{
	(void)e;
	if (!needs_agent(m))
		return;
	if (!open_dialog(m, MODEL_ADD_TUNNEL, NULL) ||
		fill_add(&m->dialog_form, model_tunnel(m)) != ERR_OK) {
		model_close_dialog(m);
		say_no_memory(m);
	}
}

void actions_tunnel_edit(struct model *m, struct keys_effect *e)
{
	const struct status_tunnel *t = needs_tunnel(m);

	(void)e;
	if (t == NULL)
		return;
	if (!status_is_ours(&m->status)) {
		model_say(m, MODEL_NEUTRAL,
			"this agent cannot change name, target, relays and routes: edit %s",
			status_text(m->status.config_path));
		return;
	}
	if (!open_dialog(m, MODEL_EDIT_TUNNEL, t) ||
		change_fill_edit(&m->dialog_form, t) != ERR_OK) {
		model_close_dialog(m);
		say_no_memory(m);
	}
}

void actions_tunnel_enter(struct model *m, struct keys_effect *e)
{
	if (model_tunnel(m) == NULL)
		actions_tunnel_add(m, e);
	else
		actions_tunnel_edit(m, e);
}

void actions_relay_add(struct model *m, struct keys_effect *e)
{
	const struct status_tunnel *t = needs_tunnel(m);

	(void)e;
	if (t == NULL)
		return;
	if (!open_dialog(m, MODEL_ADD_RELAY, t) ||
		form_add(&m->dialog_form, FORM_TEXT, "relay",
			"https://portal.example.com", NULL) != ERR_OK) {
		model_close_dialog(m);
		say_no_memory(m);
	}
}

/* "my app 3000": the last word is the target. */
static void apply_add(struct model *m, struct keys_effect *e)
{
	char text[FORM_TEXT_MAX], *target;

	form_trimmed(&m->dialog_form.lines[0], text, sizeof(text));
	target = strrchr(text, ' ');
	if (target == NULL) {
		model_say(m, MODEL_BAD, "write a name and a port: myapp 3000");
		return;
	}
	*target++ = '\0';
	while (strlen(text) > 0 && text[strlen(text) - 1] == ' ')
		text[strlen(text) - 1] = '\0';
	send(m, e, change_new_add(text, target, m->dialog_form.lines[1].text));
}

static const struct status_tunnel *dialog_tunnel(struct model *m)
{
	for (unsigned i = 0; i < m->status.tunnels.n; i++) {
		const struct status_tunnel *t = status_tunnel(&m->status, i);

		if (m->dialog_id != NULL && strcmp(t->id, m->dialog_id) == 0)
			return t;
	}
	model_say(m, MODEL_BAD, "the tunnel is gone: esc closes the form");
	return NULL;
}

static void apply_edit(struct model *m, struct keys_effect *e,
	const struct status_tunnel *t)
{
	struct change *c = NULL;
	struct why why = { "" };
	enum err rc;

	if (form_count_changed(&m->dialog_form) == 0) {
		model_say(m, MODEL_NEUTRAL, "nothing was changed");
		return;
	}
	rc = change_of_edit(t, &m->dialog_form, &c, &why);
	if (rc == ERR_OK)
		send(m, e, c);
	else
		model_say(m, MODEL_BAD, "%s", err_text(rc, &why));
}

static void apply_relay(struct model *m, struct keys_effect *e,
	const struct status_tunnel *t)
{
	char url[FORM_TEXT_MAX];

	form_trimmed(&m->dialog_form.lines[0], url, sizeof(url));
	if (!str_has_prefix(url, "https://"))
		model_say(m, MODEL_BAD,
			"write the URL of a relay: https://portal.example.com");
	else
		send(m, e, change_new_relay(t, url, true));
}

void actions_dialog_apply(struct model *m, struct keys_effect *e)
{
	const struct status_tunnel *t;

	if (m->is_dialog_sent) {
		model_say(m, MODEL_NEUTRAL, "the agent has not responded yet");
		return;
	}
	if (!needs_agent(m))
		return;
	if (m->dialog == MODEL_ADD_TUNNEL) {
		apply_add(m, e);
		return;
	}
	t = dialog_tunnel(m);
	if (t != NULL && m->dialog == MODEL_EDIT_TUNNEL)
		apply_edit(m, e, t);
	else if (t != NULL)
		apply_relay(m, e, t);
}

void actions_dialog_cancel(struct model *m, struct keys_effect *e)
{
	(void)e;
	m->message[0] = '\0';
	model_close_dialog(m);
}

/* ---- tunnels ---- */

void actions_tunnel_delete(struct model *m, struct keys_effect *e)
{
	const struct status_tunnel *t = needs_tunnel(m);

	if (t == NULL)
		return;
	if (m->confirm_key == 0) {
		m->confirm_key = 1;
		model_say(m, MODEL_BAD,
			"delete %.200s? press the key again; any other keeps it",
			t->name != NULL ? t->name : t->id);
		return;
	}
	m->confirm_key = 0;
	send(m, e, change_new_delete(t, status_is_ours(&m->status)));
}

/* ---- settings ---- */

void actions_settings_enter(struct model *m, struct keys_effect *e)
{
	const struct status_tunnel *t = needs_tunnel(m);
	struct model_draft *d = t != NULL ? model_draft(m) : NULL;
	struct change *c = NULL;
	struct why why = { "" };
	enum err rc;

	if (d == NULL)
		return;
	if (form_count_changed(&d->settings) == 0) {
		m->is_editing = !m->is_editing;
		model_say(m, MODEL_NEUTRAL,
			"nothing was changed: type to change a field");
		return;
	}
	rc = change_of_settings(t, &d->settings, &c, &why);
	if (rc == ERR_OK) {
		m->is_editing = false;
		send(m, e, c);
	} else {
		model_say(m, MODEL_BAD, "%s", err_text(rc, &why));
	}
}

static void move_field(struct model *m, int by)
{
	struct model_draft *d;

	if (m->dialog != MODEL_NO_DIALOG) {
		form_move(&m->dialog_form, by);
		return;
	}
	d = model_draft(m);
	if (d != NULL)
		form_move(&d->settings, by);
	m->is_editing = false;
}

void actions_next_field(struct model *m, struct keys_effect *e)
{
	(void)e;
	move_field(m, 1);
}

void actions_previous_field(struct model *m, struct keys_effect *e)
{
	(void)e;
	move_field(m, -1);
}

/* ---- relays ---- */

static const char *short_url(const struct status_relay *r, char to[128])
{
	return status_short_url(r->relay_url, to, 128);
}

void actions_relay_connect(struct model *m, struct keys_effect *e)
{
	const struct status_relay *r = needs_relay(m);
	char shown[128];

	if (r == NULL)
		return;
	if (r->is_banned)
		model_say(m, MODEL_NEUTRAL, "%s is banned: it ended the TLS of visitors",
			short_url(r, shown));
	else if (r->public_url != NULL)
		model_say(m, MODEL_NEUTRAL, "%s is connected already",
			short_url(r, shown));
	else if (r->is_connecting)
		model_say(m, MODEL_NEUTRAL, "%s is being connected already",
			short_url(r, shown));
	else
		send(m, e, change_new_relay(model_tunnel(m), r->relay_url, true));
}

void actions_relay_disconnect(struct model *m, struct keys_effect *e)
{
	const struct status_relay *r = needs_relay(m);
	char shown[128];

	if (r == NULL)
		return;
	if (status_hop_of(model_tunnel(m), r->relay_url) > 0)
		model_say(m, MODEL_NEUTRAL,
			"%s is on the multi-hop route: clear the route first",
			short_url(r, shown));
	else if (r->public_url == NULL && !r->is_connecting && !r->is_explicit)
		model_say(m, MODEL_NEUTRAL, "%s is not connected", short_url(r, shown));
	else
		send(m, e, change_new_relay(model_tunnel(m), r->relay_url, false));
}

/* ---- the multi-hop route ---- */

/* Makes a copy of the agent's route that can be changed. */
static struct model_draft *start_hops(struct model *m)
{
	struct model_draft *d = model_draft(m);
	char *const *hops;
	unsigned count = model_hops(m, &hops);

	if (d == NULL || d->has_hops)
		return d;
	for (unsigned i = 0; i < count && i < MODEL_HOPS_MAX; i++) {
		d->hops[d->hop_count] = strdup(hops[i]);
		if (d->hops[d->hop_count] != NULL)
			d->hop_count++;
	}
	d->has_hops = true;
	return d;
}

static bool is_drafted(const struct model *m, const char *relay_url)
{
	char *const *hops;
	unsigned count = model_hops(m, &hops);

	for (unsigned i = 0; i < count; i++)
		if (strcmp(hops[i], relay_url) == 0)
			return true;
	return false;
}

void actions_hop_add(struct model *m, struct keys_effect *e)
{
	const struct status_relay *r = needs_relay(m);
	struct model_draft *d;
	char shown[128];

	(void)e;
	if (r == NULL)
		return;
	short_url(r, shown);
	if (!r->has_overlay) {
		model_say(m, MODEL_NEUTRAL, "%s does not support multi-hop", shown);
		return;
	}
	if (is_drafted(m, r->relay_url)) {
		model_say(m, MODEL_NEUTRAL, "%s is on the route already", shown);
		return;
	}
	d = start_hops(m);
	if (d == NULL || d->hop_count == MODEL_HOPS_MAX) {
		model_say(m, MODEL_NEUTRAL, "a route has at most %d relays",
			MODEL_HOPS_MAX);
		return;
	}
	d->hops[d->hop_count] = strdup(r->relay_url);
	if (d->hops[d->hop_count] == NULL)
		return;
	d->hop_count++;
	if (d->hop_count < 2)
		model_say(m, MODEL_NEUTRAL, "hop 1 is %s: add one more", shown);
	else
		model_say(m, MODEL_NEUTRAL, "hop %u is %s: p applies the route",
			d->hop_count, shown);
}

void actions_hops_apply(struct model *m, struct keys_effect *e)
{
	const struct status_tunnel *t = needs_tunnel(m);
	const struct model_draft *d = t != NULL ? model_peek_draft(m) : NULL;

	if (t == NULL)
		return;
	if (d == NULL || !d->has_hops)
		model_say(m, MODEL_NEUTRAL, "no route is drafted: a adds a relay to it");
	else if (d->hop_count < 2)
		model_say(m, MODEL_NEUTRAL,
			"a route has at least two relays: a adds one");
	else
		send(m, e, change_new_hops(t, d->hops, d->hop_count));
}

void actions_hops_clear(struct model *m, struct keys_effect *e)
{
	const struct status_tunnel *t = needs_tunnel(m);
	struct model_draft *d = t != NULL ? model_draft(m) : NULL;

	if (d == NULL)
		return;
	if (d->has_hops) {
		model_drop_hops(d);
		model_say(m, MODEL_NEUTRAL, "the draft is dropped");
	} else if (t->multi_hop.n > 0) {
		send(m, e, change_new_hops(t, NULL, 0));
	} else {
		model_say(m, MODEL_NEUTRAL, "there is no route to clear");
	}
}
