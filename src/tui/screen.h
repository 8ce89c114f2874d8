/*
 * The screen is the terminal: it shows a grid, and reports keys, pasted text, the mouse
 * and changes of its size. Only this module knows ncurses. There is one at a time.
 */
#ifndef TUI_SCREEN_H
#define TUI_SCREEN_H

#include "base/span.h"
#include "loop/loop.h"
#include "tui/grid.h"

struct screen;

enum screen_mouse {
	SCREEN_PRESS,
	SCREEN_WHEEL_UP,
	SCREEN_WHEEL_DOWN,
};

struct screen_options {
	struct loop *loop; /* borrowed: the first loop of the process */
	/* None is called from inside a call of the screen. The screen may be closed in
	 * each. */
	void (*on_key)(void *arg, uint32_t key); /* press.h */
	void (*on_paste)(void *arg, struct span text);
	void (*on_mouse)(void *arg, enum screen_mouse what, unsigned row,
		unsigned column);
	void (*on_resize)(void *arg);
	void (*on_end)(void *arg); /* the terminal is gone */
	void *arg;                 /* borrowed: the owner's */
};

/*
 * Takes over the terminal at standard input and output. Open the signals of the process
 * first: ncurses takes those that nobody has.
 *
 * ERR_SYS: there is no terminal, or it is not known, or the program was built without
 * ncurses; @why says what to do.  ERR_NOMEM.
 */
enum err screen_open(const struct screen_options *o, struct screen **out,
	struct why *why) MUST_USE;

/* Gives the terminal back as it was. NULL is fine. */
void screen_close(struct screen *s);

void screen_size(const struct screen *s, unsigned *rows, unsigned *columns);

/* The terminal shows ASCII only. */
bool screen_is_ascii(const struct screen *s);

/* Shows a grid of the screen's size; sends what has changed. */
void screen_show(struct screen *s, const struct grid *g);

/* Where the cursor is after the next screen_show(). */
void screen_set_cursor(struct screen *s, bool is_visible, unsigned row, unsigned column);

/* Sends everything again: another program has written to the terminal. */
void screen_repair(struct screen *s);

/* Asks the terminal to put text into its clipboard (OSC 52). */
void screen_copy(struct screen *s, const char *text);

/* Stops the process, as Ctrl-Z does, until the shell continues it. */
void screen_suspend(struct screen *s);

#endif
