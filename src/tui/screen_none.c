/* The screen of a program that was built without ncurses. */
#include "tui/screen.h"

enum err screen_open(const struct screen_options *o, struct screen **out, struct why *why)
{
	(void)o;
	(void)out;
	return err_set(why, ERR_SYS,
		"this program was built without ncurses and has no dashboard: install libncurses-dev and build it again");
}

void screen_close(struct screen *s)
{
	(void)s;
}

void screen_size(const struct screen *s, unsigned *rows, unsigned *columns)
{
	(void)s;
	*rows = 0;
	*columns = 0;
}

bool screen_is_ascii(const struct screen *s)
{
	(void)s;
	return true;
}

void screen_show(struct screen *s, const struct grid *g)
{
	(void)s;
	(void)g;
}

void screen_set_cursor(struct screen *s, bool is_visible, unsigned row, unsigned column)
{
	(void)s;
	(void)is_visible;
	(void)row;
	(void)column;
}

void screen_repair(struct screen *s)
{
	(void)s;
}

void screen_copy(struct screen *s, const char *text)
{
	(void)s;
	(void)text;
}

void screen_suspend(struct screen *s)
{
	(void)s;
}
