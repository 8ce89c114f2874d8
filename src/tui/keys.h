/*
 * Keys: what each does in each pane. One table has the keys, their help and their
 * functions, so the help line and the help page cannot differ from what they do.
 */
#ifndef TUI_KEYS_H
#define TUI_KEYS_H

#include "tui/model.h"
#include "tui/press.h"

/* What a key wants done besides a change of the model. Zero before the call. */
struct keys_effect {
	bool quits, suspends, redraws;
	char *copies;          /* owned: text for the clipboard */
	char *opens;           /* owned: a URL for the browser */
	struct change *change; /* owned */
};

void keys_effect_fini(struct keys_effect *e);

/* A key that was pressed. */
void keys_press(struct model *m, uint32_t key, struct keys_effect *e);

/* Text that was pasted: UTF-8, which may have control characters. */
void keys_paste(struct model *m, struct span text);

/* A row of the table. */
struct keys_row {
	unsigned panes; /* a bit for each; KEYS_DIALOG: while a dialog is open */
	uint32_t key;   /* the function is also called for @other, if not 0 */
	uint32_t other;
	const char *label; /* "enter"; NULL: another row of the same key explains it */
	const char *brief; /* a word for the help line; NULL: not in it */
	const char *help;  /* what it does */
	void (*fn)(struct model *m, struct keys_effect *e);
};

#define KEYS_DIALOG (1u << MODEL_PANES)
#define KEYS_ALL (KEYS_DIALOG - 1)

/* The rows, in the order of the help line; NULL: there are no more. */
const struct keys_row *keys_row(unsigned i);

/* The bit of the pane, or of the dialog, that has the keyboard. */
unsigned keys_place(const struct model *m);

#endif
