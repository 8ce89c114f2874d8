/*
 * The model is what a dashboard knows: the agent's last status, what is selected, what is
 * typed and not applied yet, and the message that is shown. It does no I/O and is told
 * the time.
 */
#ifndef TUI_MODEL_H
#define TUI_MODEL_H

#include "base/map.h"
#include "tui/change.h"
#include "tui/form.h"
#include "tui/status.h"

#define MODEL_SAMPLES 120 /* of traffic, one for each status */
#define MODEL_UNKNOWN UINT32_MAX
#define MODEL_DRAFTS_MAX 64
#define MODEL_HOPS_MAX 8
#define MODEL_LOG_MAX 500
#define MODEL_MESSAGE_MAX 512

enum model_pane {
	MODEL_TUNNELS,
	MODEL_SETTINGS,
	MODEL_RELAYS,
	MODEL_HOPS,
	MODEL_LINKS, /* shown if the agent has links */
	MODEL_LOG,
	MODEL_PANES,
};

enum model_contact {
	MODEL_CONNECTING, /* no status has arrived, and nothing has failed */
	MODEL_LIVE,
	MODEL_ABSENT, /* no status has arrived */
	MODEL_GONE,   /* the status is what the agent last reported */
};

enum model_tone {
	MODEL_NEUTRAL,
	MODEL_GOOD,
	MODEL_BAD,
};

enum model_dialog {
	MODEL_NO_DIALOG,
	MODEL_ADD_TUNNEL,
	MODEL_EDIT_TUNNEL,
	MODEL_ADD_RELAY,
};

/* The traffic of a tunnel: bytes a second, the newest last. */
struct model_history {
	struct map_node in_map; /* by @id */
	char *id;               /* owned */
	int64_t received, sent; /* at @at_ms */
	uint64_t at_ms;         /* 0: there is no sample yet */
	uint32_t in[MODEL_SAMPLES], out[MODEL_SAMPLES];
	unsigned count;
	unsigned total; /* samples so far, dropped ones included */
};

/* What is typed for a tunnel and not applied yet. */
struct model_draft {
	struct list in_model;
	char *id;             /* owned: of the tunnel */
	struct form settings; /* CHANGE_SETTINGS lines */
	char *hops[MODEL_HOPS_MAX];
	unsigned hop_count;
	bool has_hops; /* the route differs from the agent's, or did */
};

struct model_line {
	int64_t n;
	char *at, *level, *text; /* owned */
};

struct model {
	uint64_t now_ms; /* of the wall clock; set by its owner */

	struct status status;
	enum model_contact contact;
	enum model_pane pane, pane_before_log;
	enum model_dialog dialog;
	enum model_tone tone; /* of the message */
	uint64_t gone_ms;     /* since when there is no agent */

	unsigned tunnel_at; /* status.tunnels.n is the row that adds one */
	unsigned relay_at, link_at;
	unsigned log_back; /* lines between the newest and the last shown */
	char *tunnel_id;   /* owned: of the selected tunnel; NULL: none */
	char *wanted;      /* owned: is selected as soon as it is there; or NULL */

	struct form dialog_form;
	char *dialog_id; /* owned: the tunnel that the dialog is about */

	/* The key that is to be pressed again; 0: none. An action sets it to any other
	 * value to ask for that. */
	uint32_t confirm_key;
	unsigned waiting;    /* changes that have no result yet */
	struct change *undo; /* owned */

	struct map history;
	struct list drafts;

	struct model_line log[MODEL_LOG_MAX]; /* a ring */
	unsigned log_first, log_count;
	int64_t log_next; /* to ask for */

	unsigned help_top;
	bool has_help;
	bool is_ascii;
	bool is_editing;     /* the settings: left and right move the cursor */
	bool is_dialog_sent; /* the dialog's change has no result yet */
	bool has_no_log_api; /* a stock agent */

	char message[MODEL_MESSAGE_MAX];
	char gone_why[MODEL_MESSAGE_MAX];
	/* The command that starts an agent; shown while there is none. */
	char start_command[MODEL_MESSAGE_MAX];
};

void model_init(struct model *m);
void model_fini(struct model *m);

/* ---- what the agent says ---- */

/* A status; it is taken. */
void model_take_status(struct model *m, struct status *s);

/* No status: @why is one sentence. */
void model_lose(struct model *m, const char *why);

/* The result of a change, which is taken. @why: NULL if it succeeded. */
void model_take_result(struct model *m, struct change *c, const char *why);

/* The body of a response of the log API. */
enum err model_read_log(struct model *m, struct span body, struct why *why) MUST_USE;

const struct model_line *model_log_line(const struct model *m, unsigned i);

/* ---- what is selected ---- */

/* NULL: none, or the row that adds one. */
const struct status_tunnel *model_tunnel(const struct model *m);
const struct status_relay *model_relay(const struct model *m);
const struct status_link *model_link(const struct model *m);

/* Of the selected tunnel; made if necessary. NULL: there is no tunnel, or no memory. */
struct model_draft *model_draft(struct model *m);

/* The route is the agent's again. */
void model_drop_hops(struct model_draft *d);

/* The same if there is one already. */
const struct model_draft *model_peek_draft(const struct model *m);

/* The route that is drafted, or else the agent's. */
unsigned model_hops(const struct model *m, char *const **out);

/* NULL: no traffic is known. */
const struct model_history *model_history(const struct model *m, const char *id);

bool model_is_live(const struct model *m);
bool model_has_pane(const struct model *m, enum model_pane pane);
const char *model_pane_name(enum model_pane pane);

void model_select_tunnel(struct model *m, unsigned at);

/* The rows of a pane that can be selected, and the selected one. */
unsigned model_rows(const struct model *m, enum model_pane pane);
unsigned model_at(const struct model *m, enum model_pane pane);
void model_select(struct model *m, enum model_pane pane, unsigned at);

/* The message stays until another one, or the escape key. */
void model_say(struct model *m, enum model_tone tone, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

void model_close_dialog(struct model *m);

#endif
