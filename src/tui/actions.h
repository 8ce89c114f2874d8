/* Actions: the functions of the table of keys. Each changes the model, or says why it
 * does nothing. */
#ifndef TUI_ACTIONS_H
#define TUI_ACTIONS_H

#include "tui/keys.h"

typedef void actions_fn(struct model *m, struct keys_effect *e);

actions_fn actions_quit, actions_suspend, actions_redraw, actions_help, actions_log;
actions_fn actions_left, actions_right, actions_up, actions_down;
actions_fn actions_page_up, actions_page_down, actions_first, actions_last;
actions_fn actions_escape, actions_undo, actions_open, actions_copy;

actions_fn actions_tunnel_enter, actions_tunnel_add, actions_tunnel_edit;
actions_fn actions_tunnel_delete;
actions_fn actions_settings_enter, actions_next_field, actions_previous_field;
actions_fn actions_relay_connect, actions_relay_add, actions_relay_disconnect;
actions_fn actions_hop_add, actions_hops_apply, actions_hops_clear;
actions_fn actions_dialog_apply, actions_dialog_cancel;

#endif
