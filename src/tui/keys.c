/* The table of keys. */
#include "tui/keys.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "tui/actions.h"

#define T (1u << MODEL_TUNNELS)
#define S (1u << MODEL_SETTINGS)
#define R (1u << MODEL_RELAYS)
#define H (1u << MODEL_HOPS)
#define L (1u << MODEL_LINKS)
#define G (1u << MODEL_LOG)
#define D KEYS_DIALOG

static const struct keys_row rows[] = {
	{ D, PRESS_ENTER, 0, "enter", "apply", "applies the form", actions_dialog_apply },
	{ D, PRESS_ESCAPE, 0, "esc", "cancel", "closes the form", actions_dialog_cancel },
	{ D, PRESS_TAB, PRESS_DOWN, "tab", "next field", "goes to the next field",
		actions_next_field },
	{ D, PRESS_BACK_TAB, PRESS_UP, "shift+tab", NULL, "goes to the previous field",
		actions_previous_field },

	{ T, PRESS_ENTER, 0, "enter", "edit",
		"edits the selected tunnel; adds one on the last row",
		actions_tunnel_enter },
	{ T, '+', 0, "+", "add", "adds a tunnel: name and port, such as myapp 3000",
		actions_tunnel_add },
	{ T, 'e', 0, "e", NULL, "edits name, target, relays and routes",
		actions_tunnel_edit },
	{ T, PRESS_DELETE, PRESS_BACKSPACE, "del", "delete",
		"deletes the selected tunnel, when it is pressed twice",
		actions_tunnel_delete },

	{ S, PRESS_ENTER, 0, "enter", "apply", "applies all changed fields",
		actions_settings_enter },
	{ S, PRESS_TAB, 0, "tab", "next field", "goes to the next field",
		actions_next_field },
	{ S, PRESS_BACK_TAB, 0, "shift+tab", NULL, "goes to the previous field",
		actions_previous_field },

	{ R, PRESS_ENTER, 'c', "c", "connect", "connects the selected relay",
		actions_relay_connect },
	{ R, 'd', PRESS_DELETE, "d", "disconnect",
		"disconnects the selected relay; so does del", actions_relay_disconnect },
	{ R, PRESS_BACKSPACE, 0, NULL, NULL, NULL, actions_relay_disconnect },
	{ R, 'a', 0, "a", "add hop", "adds the selected relay to the multi-hop route",
		actions_hop_add },
	{ R, '+', 0, "+", "other relay", "connects a relay that is not in the list",
		actions_relay_add },

	{ H, PRESS_ENTER, 'a', "a", "add hop", "adds the selected relay to the route",
		actions_hop_add },
	{ R | H, 'p', 0, "p", "apply", "applies the drafted multi-hop route",
		actions_hops_apply },
	{ H, 'c', PRESS_DELETE, "c", "clear",
		"drops the draft, or clears the route; so does del", actions_hops_clear },
	{ H, PRESS_BACKSPACE, 0, NULL, NULL, NULL, actions_hops_clear },

	{ T | R, 'o', 0, "o", "open", "opens the public URL in a browser", actions_open },
	{ T | R, 'y', 0, "y", "copy", "copies the public URL", actions_copy },
	{ S | G, PRESS_ESCAPE, 0, "esc", "back",
		"cancels, then returns to the Tunnels pane", actions_escape },

	{ KEYS_ALL, '?', PRESS_F1, "?", "help", "shows this page; so does F1",
		actions_help },
	{ KEYS_ALL, PRESS_LEFT, 0, NULL, NULL, NULL, actions_left },
	{ KEYS_ALL, PRESS_RIGHT, PRESS_TAB, "left right", "panes", "switches panes",
		actions_right },
	{ KEYS_ALL, PRESS_BACK_TAB, 0, NULL, NULL, NULL, actions_left },
	{ KEYS_ALL, PRESS_UP, 0, NULL, NULL, NULL, actions_up },
	{ KEYS_ALL, PRESS_DOWN, 0, "up down", NULL, "moves within the pane",
		actions_down },
	{ KEYS_ALL, PRESS_PAGE_UP, 0, NULL, NULL, NULL, actions_page_up },
	{ KEYS_ALL, PRESS_PAGE_DOWN, 0, "pgup pgdn", NULL, "moves by ten rows",
		actions_page_down },
	{ KEYS_ALL, PRESS_HOME, 0, NULL, NULL, NULL, actions_first },
	{ KEYS_ALL, PRESS_END, 0, "home end", NULL, "goes to the first or last row",
		actions_last },
	{ KEYS_ALL, 'l', 0, "l", "log", "shows the log; again: returns", actions_log },
	{ KEYS_ALL, 'u', 0, "u", "undo", "undoes the last change", actions_undo },
	{ KEYS_ALL, PRESS_ESCAPE, 0, NULL, NULL, NULL, actions_escape },
	{ KEYS_ALL, 'q', PRESS_CTRL_C, "q", "quit",
		"leaves the dashboard; so does ctrl+c, which always does", actions_quit },
	{ KEYS_ALL | D, PRESS_CTRL_C, 0, NULL, NULL, NULL, actions_quit },
	{ KEYS_ALL | D, PRESS_F1, 0, NULL, NULL, NULL, actions_help },
	{ KEYS_ALL | D, PRESS_CTRL_L, 0, NULL, NULL, NULL, actions_redraw },
	{ KEYS_ALL | D, PRESS_CTRL_Z, 0, NULL, NULL, NULL, actions_suspend },
};

const struct keys_row *keys_row(unsigned i)
{
	return i < mem_count(rows) ? &rows[i] : NULL;
}

unsigned keys_place(const struct model *m)
{
	return m->dialog != MODEL_NO_DIALOG ? KEYS_DIALOG : 1u << m->pane;
}

void keys_effect_fini(struct keys_effect *e)
{
	free(e->copies);
	free(e->opens);
	change_free(e->change);
	*e = (struct keys_effect){ .quits = false };
}

static const struct keys_row *find_row(unsigned place, uint32_t key)
{
	for (size_t i = 0; i < mem_count(rows); i++)
		if ((rows[i].panes & place) != 0 &&
			(rows[i].key == key || (rows[i].other == key && key != 0)))
			return &rows[i];
	return NULL;
}

/* The form that the keys type into, or NULL. */
static struct form *typed_form(struct model *m)
{
	struct model_draft *d;

	if (m->dialog != MODEL_NO_DIALOG)
		return &m->dialog_form;
	if (m->pane != MODEL_SETTINGS)
		return NULL;
	d = model_draft(m);
	return d != NULL ? &d->settings : NULL;
}

/* Keys that move the cursor do so only in a line that is being edited. */
static bool type(struct model *m, uint32_t key)
{
	struct form *f = typed_form(m);
	struct form_line *l = f != NULL ? &f->lines[f->focus] : NULL;

	if (f == NULL)
		return false;
	if (m->dialog == MODEL_NO_DIALOG && !m->is_editing && !press_is_text(key) &&
		key != PRESS_BACKSPACE && key != PRESS_HOME && key != PRESS_END &&
		key != PRESS_CTRL_U)
		return false;
	if (!form_press(f, key))
		return false;
	if (l->is_locked)
		model_say(m, MODEL_BAD,
			"%s is too long to be edited here: edit the agent's file",
			l->label);
	m->is_editing = m->dialog == MODEL_NO_DIALOG && l->kind == FORM_TEXT;
	return true;
}

/* The page has the keyboard while it is shown. */
static void press_in_help(struct model *m, uint32_t key, struct keys_effect *e)
{
	if (key == PRESS_CTRL_C)
		e->quits = true;
	else if (key == PRESS_DOWN || key == PRESS_PAGE_DOWN || key == PRESS_SPACE)
		m->help_top += key == PRESS_DOWN ? 1 : 8;
	else if (key == PRESS_UP)
		m->help_top -= m->help_top > 0;
	else if (key == PRESS_PAGE_UP)
		m->help_top -= m->help_top > 8 ? 8 : m->help_top;
	else
		m->has_help = false;
}

void keys_press(struct model *m, uint32_t key, struct keys_effect *e)
{
	uint32_t confirm = m->confirm_key;
	const struct keys_row *row;

	if (m->has_help) {
		press_in_help(m, key, e);
		return;
	}
	if (confirm != 0 && confirm != key) {
		m->confirm_key = 0;
		m->message[0] = '\0';
		if (key == PRESS_ESCAPE)
			return;
	}
	if (m->tone == MODEL_NEUTRAL)
		m->message[0] = '\0'; /* a hint; what was done or failed stays */
	if (type(m, key))
		return;
	row = find_row(keys_place(m), key);
	if (row != NULL)
		row->fn(m, e);
	else if (press_is_text(key))
		model_say(m, MODEL_NEUTRAL,
			"this key does nothing here; ? lists the keys");
	if (confirm == 0 && m->confirm_key != 0)
		m->confirm_key = key;
}

void keys_paste(struct model *m, struct span text)
{
	struct form *f = m->has_help ? NULL : typed_form(m);
	uint32_t c;

	if (f == NULL) {
		model_say(m, MODEL_NEUTRAL,
			"text can be pasted into a field only; + adds a tunnel");
		return;
	}
	while (text.n > 0) {
		if (!utf8_take(&text, &c))
			continue;
		if (c == '\n' || c == '\r' || c == '\t')
			c = ' ';
		if (press_is_text(c))
			(void)type(m, c);
	}
}
