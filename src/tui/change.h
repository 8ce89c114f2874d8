/*
 * A change is one request to the agent's control API that changes something
 * (portal-protocol 15.5), with the texts for its result and the change that undoes it.
 */
#ifndef TUI_CHANGE_H
#define TUI_CHANGE_H

#include "base/buf.h"
#include "base/list.h"
#include "tui/form.h"
#include "tui/status.h"

#define CHANGE_TEXT_MAX 200

struct change {
	struct list in_queue;
	const char *method; /* constant */
	char *target;       /* owned */
	struct buf body;
	char done[CHANGE_TEXT_MAX];  /* what it has done: "deleted myapp" */
	char doing[CHANGE_TEXT_MAX]; /* "delete myapp" */
	struct change *then; /* owned: is sent after it, if it succeeds; or NULL */
	struct change *undo; /* owned; NULL: it cannot be undone */
	char *selects;       /* owned: the tunnel that it adds; or NULL */
	bool closes_dialog;
};

/* NULL is fine. */
void change_free(struct change *c);

/* All return an owned change, or NULL: no memory. @t is borrowed for the call. */

/* @relays: white space or commas between; may be empty. */
struct change *change_new_add(const char *name, const char *target, const char *relays);

/* With its undo, as far as the agent can do it. */
struct change *change_new_delete(const struct status_tunnel *t, bool is_ours);

struct change *change_new_relay(const struct status_tunnel *t, const char *relay_url,
	bool connects);

/* No relays: clears the route. */
struct change *change_new_hops(const struct status_tunnel *t, char *const *relays,
	unsigned count);

/* ---- forms ---- */

/* The lines of the settings, and of the form that edits a tunnel. */
enum {
	CHANGE_MAX_RELAYS,
	CHANGE_DESCRIPTION,
	CHANGE_TAGS,
	CHANGE_OWNER,
	CHANGE_THUMBNAIL,
	CHANGE_HIDDEN,
	CHANGE_SETTINGS,
};

enum {
	CHANGE_NAME,
	CHANGE_TARGET,
	CHANGE_RELAYS,
	CHANGE_ROUTES,
	CHANGE_EDITS,
};

/* Makes the form of a tunnel, or rebases its lines if it is made already. ERR_NOMEM. */
enum err change_fill_settings(struct form *f, const struct status_tunnel *t) MUST_USE;
enum err change_fill_edit(struct form *f, const struct status_tunnel *t) MUST_USE;

/*
 * The lines of a form that differ from their originals, as one PATCH.
 * ERR_USAGE: a line is wrong; @why says what to write.  ERR_NOMEM.
 */
enum err change_of_settings(const struct status_tunnel *t, const struct form *f,
	struct change **out, struct why *why) MUST_USE;
enum err change_of_edit(const struct status_tunnel *t, const struct form *f,
	struct change **out, struct why *why) MUST_USE;

#endif
