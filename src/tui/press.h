/*
 * Key presses: a printable character is its own code point, and other keys have numbers
 * above all characters.
 */
#ifndef TUI_PRESS_H
#define TUI_PRESS_H

#include <stdint.h>

enum press {
	PRESS_CTRL_A = 1,
	PRESS_CTRL_C = 3,
	PRESS_CTRL_E = 5,
	PRESS_TAB = 9,
	PRESS_ENTER = 10,
	PRESS_CTRL_K = 11,
	PRESS_CTRL_L = 12,
	PRESS_CTRL_U = 21,
	PRESS_CTRL_W = 23,
	PRESS_CTRL_Z = 26,
	PRESS_ESCAPE = 27,
	PRESS_SPACE = 32,
	PRESS_FIRST = 0x110000,
	PRESS_UP,
	PRESS_DOWN,
	PRESS_LEFT,
	PRESS_RIGHT,
	PRESS_HOME,
	PRESS_END,
	PRESS_PAGE_UP,
	PRESS_PAGE_DOWN,
	PRESS_BACKSPACE,
	PRESS_DELETE,
	PRESS_BACK_TAB,
	PRESS_F1,
};

/* It writes a character into a form. */
static inline int press_is_text(uint32_t key)
{
	return key >= ' ' && key < PRESS_FIRST && !(key >= 0x7f && key < 0xa0);
}

#endif
