/* The screen: ncurses with wide characters. */
#include "tui/screen.h"

#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/base64.h"
#include "tui/press.h"

/* After the system's headers: its macros have common names. */
#ifndef NCURSES_WIDECHAR
#define NCURSES_WIDECHAR 1
#endif
#include <curses.h>
#ifndef BUTTON5_PRESSED /* ncurses before 6 knows no second wheel direction */
#define BUTTON5_PRESSED 0
#endif

#define PASTE_MAX 65536
#define COPY_MAX 4096
#define ESCAPE_MS 100 /* the bytes of one key may arrive apart */

/* Above the codes of ncurses. */
#define CODE_PASTE_BEGINS (KEY_MAX + 1)
#define CODE_PASTE_ENDS (KEY_MAX + 2)

#define PASTE_ON "\033[?2004h"
#define PASTE_OFF "\033[?2004l"

struct screen {
	struct screen_options o;
	SCREEN *terminal;
	struct loop_io *io;
	struct loop_signals *signals;
	bool is_ascii, has_colours;
	bool is_pasting;
	struct buf pasted;
	bool has_cursor;
	unsigned cursor_row, cursor_column;
	bool *is_closed; /* set while callbacks may close us */
};

/* ---- the terminal's modes ---- */

static void send_raw(const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t sent = write(STDOUT_FILENO, text, n);

		if (sent <= 0)
			return;
		text += sent;
		n -= (size_t)sent;
	}
}

/* A locale that is not installed: its text is UTF-8 all the same. */
static void choose_locale(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value = NULL;

	if (setlocale(LC_CTYPE, "") != NULL)
		return;
	for (size_t i = 0; i < mem_count(names) && value == NULL; i++) {
		value = getenv(names[i]);
		if (value != NULL && *value == '\0')
			value = NULL;
	}
	if (value != NULL &&
		(strcasestr(value, "utf8") != NULL || strcasestr(value, "utf-8") != NULL))
		(void)setlocale(LC_CTYPE, "C.UTF-8");
}

static bool env_is(const char *name, const char *wanted)
{
	const char *value = getenv(name);

	return value != NULL && strcmp(value, wanted) == 0;
}

static bool wants_colours(void)
{
	const char *value = getenv("NO_COLOR"); /* https://no-color.org */

	return value == NULL || *value == '\0';
}

/*
 * With 256 colours, ones that are readable on a white and on a black background; else
 * those that the terminal's theme has. The background is the terminal's.
 */
static void choose_colours(struct screen *s)
{
	static const struct {
		short rich, plain;
	} colours[GRID_COLOURS] = {
		[GRID_DIM] = { 243, -1 },
		[GRID_OK] = { 28, COLOR_GREEN },
		[GRID_WARN] = { 130, COLOR_YELLOW },
		[GRID_BAD] = { 160, COLOR_RED },
		[GRID_ACCENT] = { 31, COLOR_CYAN },
	};

	s->has_colours = wants_colours() && has_colors() && start_color() == OK;
	if (!s->has_colours || use_default_colors() != OK) {
		s->has_colours = false;
		return;
	}
	for (int i = 1; i < GRID_COLOURS; i++)
		init_pair((short)i, COLORS >= 256 ? colours[i].rich : colours[i].plain,
			-1);
}

/*
 * What terminals send for keys, whatever TERM says: PuTTY calls itself xterm, and its
 * home and end are those of a VT220. What the terminal's description says goes first.
 */
static void define_common_keys(void)
{
	static const struct {
		const char *bytes;
		int code;
	} keys[] = {
		{ "\033[A", KEY_UP },
		{ "\033[B", KEY_DOWN },
		{ "\033[C", KEY_RIGHT },
		{ "\033[D", KEY_LEFT },
		{ "\033OA", KEY_UP },
		{ "\033OB", KEY_DOWN },
		{ "\033OC", KEY_RIGHT },
		{ "\033OD", KEY_LEFT },
		{ "\033[H", KEY_HOME },
		{ "\033OH", KEY_HOME },
		{ "\033[1~", KEY_HOME },
		{ "\033[7~", KEY_HOME },
		{ "\033[F", KEY_END },
		{ "\033OF", KEY_END },
		{ "\033[4~", KEY_END },
		{ "\033[8~", KEY_END },
		{ "\033[3~", KEY_DC },
		{ "\033[5~", KEY_PPAGE },
		{ "\033[6~", KEY_NPAGE },
		{ "\033[Z", KEY_BTAB },
		{ "\033OP", KEY_F(1) },
		{ "\033[11~", KEY_F(1) },
	};

	for (size_t i = 0; i < mem_count(keys); i++)
		if (key_defined(keys[i].bytes) == 0)
			(void)define_key(keys[i].bytes, keys[i].code);
}

static void set_modes(void)
{
	raw();
	noecho();
	nonl();
	(void)nodelay(stdscr, TRUE);
	(void)keypad(stdscr, TRUE);
	(void)leaveok(stdscr, FALSE);
	define_common_keys();
	(void)define_key("\033[200~", CODE_PASTE_BEGINS);
	(void)define_key("\033[201~", CODE_PASTE_ENDS);
	mouseinterval(0); /* a click is reported when it begins */
	mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED,
		NULL);
	send_raw(PASTE_ON);
}

/* ---- keys ---- */

static uint32_t key_of_code(wint_t code)
{
	static const struct {
		wint_t code;
		uint32_t key;
	} keys[] = {
		{ KEY_UP, PRESS_UP },
		{ KEY_DOWN, PRESS_DOWN },
		{ KEY_LEFT, PRESS_LEFT },
		{ KEY_RIGHT, PRESS_RIGHT },
		{ KEY_HOME, PRESS_HOME },
		{ KEY_END, PRESS_END },
		{ KEY_FIND, PRESS_HOME }, /* of a VT220, in that place */
		{ KEY_SELECT, PRESS_END },
		{ KEY_PPAGE, PRESS_PAGE_UP },
		{ KEY_NPAGE, PRESS_PAGE_DOWN },
		{ KEY_BACKSPACE, PRESS_BACKSPACE },
		{ KEY_DC, PRESS_DELETE },
		{ KEY_BTAB, PRESS_BACK_TAB },
		{ KEY_ENTER, PRESS_ENTER },
		{ KEY_F(1), PRESS_F1 },
	};

	for (size_t i = 0; i < mem_count(keys); i++)
		if (keys[i].code == code)
			return keys[i].key;
	return 0;
}

static uint32_t key_of_character(wint_t c)
{
	if (c == '\r' || c == '\n')
		return PRESS_ENTER;
	return c == 127 || c == 8 ? PRESS_BACKSPACE : (uint32_t)c;
}

static void end_paste(struct screen *s)
{
	s->is_pasting = false;
	s->o.on_paste(s->o.arg, buf_span(&s->pasted));
}

static void add_pasted(struct screen *s, wint_t c)
{
	struct utf8_text text;

	utf8_put(&text, (uint32_t)c);
	(void)buf_put(&s->pasted, text.bytes, text.n);
}

static void take_mouse(struct screen *s)
{
	MEVENT e;

	if (getmouse(&e) != OK || e.x < 0 || e.y < 0)
		return;
	s->o.on_mouse(s->o.arg,
		(e.bstate & BUTTON4_PRESSED) != 0         ? SCREEN_WHEEL_UP :
			(e.bstate & BUTTON5_PRESSED) != 0 ? SCREEN_WHEEL_DOWN :
							    SCREEN_PRESS,
		(unsigned)e.y, (unsigned)e.x);
}

static void take_code(struct screen *s, wint_t code)
{
	uint32_t key = key_of_code(code);

	if (code == CODE_PASTE_BEGINS) {
		s->is_pasting = true;
		buf_reset(&s->pasted);
	} else if (code == CODE_PASTE_ENDS && s->is_pasting) {
		end_paste(s);
	} else if (code == KEY_MOUSE) {
		take_mouse(s);
	} else if (key != 0 && !s->is_pasting) {
		s->o.on_key(s->o.arg, key);
	}
}

/* Ctrl-C ends a paste that a terminal does not end. */
static void take_character(struct screen *s, wint_t c)
{
	if (s->is_pasting && c != PRESS_CTRL_C) {
		add_pasted(s, c);
		return;
	}
	s->is_pasting = false;
	s->o.on_key(s->o.arg, key_of_character(c));
}

static void screen_on_input(void *arg, unsigned ready)
{
	struct screen *s = arg;
	bool is_closed = false;
	unsigned count = 0;
	wint_t c;
	int kind, left = 0;

	(void)ready;
	s->is_closed = &is_closed;
	while (!is_closed && (kind = get_wch(&c)) != ERR) {
		count++;
		if (kind == KEY_CODE_YES)
			take_code(s, c);
		else
			take_character(s, c);
	}
	if (is_closed)
		return;
	s->is_closed = NULL;
	if (count == 0 && ioctl(STDIN_FILENO, FIONREAD, &left) == 0 && left == 0) {
		loop_io_want(s->io, 0);
		s->o.on_end(s->o.arg);
	}
}

static void screen_on_resize(void *arg, int signo)
{
	struct screen *s = arg;
	struct winsize size;

	(void)signo;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 ||
		size.ws_col == 0)
		return;
	(void)resizeterm(size.ws_row, size.ws_col);
	s->o.on_resize(s->o.arg);
}

/* ---- opened, and closed ---- */

static enum err check_terminal(struct why *why)
{
	const char *term = getenv("TERM");

	if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1)
		return err_set(why, ERR_SYS,
			"the dashboard needs a terminal: run it without a pipe, over ssh with -t");
	if (term == NULL || *term == '\0' || strcmp(term, "dumb") == 0)
		return err_set(why, ERR_SYS,
			"the dashboard needs a terminal that moves its cursor: set TERM, for instance to xterm-256color");
	return ERR_OK;
}

enum err screen_open(const struct screen_options *o, struct screen **out, struct why *why)
{
	enum err rc = check_terminal(why);
	struct screen *s;

	if (rc != ERR_OK)
		return rc;
	s = mem_new(s);
	if (s == NULL)
		return err_set(why, ERR_NOMEM, "no memory for the screen");
	s->o = *o;
	buf_init(&s->pasted, PASTE_MAX);
	rc = loop_signals_open(o->loop, (const int[]){ SIGWINCH, 0 }, screen_on_resize, s,
		&s->signals);
	if (rc == ERR_OK)
		rc = loop_io_open(o->loop, STDIN_FILENO, screen_on_input, s, &s->io);
	if (rc != ERR_OK) {
		err_set(why, rc, "cannot read from the terminal");
		screen_close(s);
		return rc;
	}
	choose_locale();
	s->is_ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0 ||
		env_is("TERM", "linux");
	set_escdelay(ESCAPE_MS);
	s->terminal = newterm(NULL, stdout, stdin);
	if (s->terminal == NULL) {
		screen_close(s);
		return err_set(why, ERR_SYS,
			"the terminal type %.40s is not known here: set TERM, for instance to xterm",
			getenv("TERM"));
	}
	choose_colours(s);
	set_modes();
	loop_io_want(s->io, LOOP_READ);
	*out = s;
	return ERR_OK;
}

void screen_close(struct screen *s)
{
	if (s == NULL)
		return;
	if (s->is_closed != NULL)
		*s->is_closed = true;
	loop_io_close(s->io);
	loop_signals_close(s->signals);
	if (s->terminal != NULL) {
		send_raw(PASTE_OFF);
		(void)curs_set(1);
		(void)endwin();
		delscreen(s->terminal);
	}
	buf_fini(&s->pasted);
	free(s);
}

/* ---- shown ---- */

void screen_size(const struct screen *s, unsigned *rows, unsigned *columns)
{
	int y, x;

	(void)s;
	getmaxyx(stdscr, y, x);
	*rows = y > 0 ? (unsigned)y : 0;
	*columns = x > 0 ? (unsigned)x : 0;
}

bool screen_is_ascii(const struct screen *s)
{
	return s->is_ascii;
}

static void put_cell(const struct screen *s, int row, int column,
	const struct grid_cell *cell)
{
	const wchar_t text[2] = { (wchar_t)cell->c, L'\0' };
	unsigned colour = cell->style & GRID_COLOUR_MASK;
	attr_t marks = A_NORMAL;
	cchar_t c;

	if ((cell->style & GRID_BOLD) != 0)
		marks |= A_BOLD;
	if ((cell->style & GRID_REVERSE) != 0)
		marks |= A_REVERSE;
	if ((cell->style & GRID_UNDERLINE) != 0)
		marks |= A_UNDERLINE;
	/* A reversed row would be a patchwork of backgrounds. */
	if ((cell->style & GRID_REVERSE) != 0)
		colour = GRID_PLAIN;
	if (colour == GRID_DIM && (!s->has_colours || COLORS < 256))
		marks |= A_DIM;
	if (setcchar(&c, text, marks, s->has_colours ? (short)colour : 0, NULL) == OK)
		(void)mvadd_wch(row, column, &c);
}

void screen_show(struct screen *s, const struct grid *g)
{
	for (unsigned row = 0; row < g->rows; row++)
		for (unsigned column = 0; column < g->columns; column++) {
			const struct grid_cell *cell = grid_at(g, row, column);

			if (cell->c != 0)
				put_cell(s, (int)row, (int)column, cell);
		}
	(void)curs_set(s->has_cursor ? 1 : 0);
	if (s->has_cursor)
		(void)move((int)s->cursor_row, (int)s->cursor_column);
	(void)refresh();
}

void screen_set_cursor(struct screen *s, bool is_visible, unsigned row, unsigned column)
{
	s->has_cursor = is_visible;
	s->cursor_row = row;
	s->cursor_column = column;
}

void screen_repair(struct screen *s)
{
	(void)s;
	(void)clearok(curscr, TRUE);
}

void screen_copy(struct screen *s, const char *text)
{
	char encoded[BASE64_TEXT_SIZE(COPY_MAX)];
	size_t n = strlen(text);

	(void)s;
	base64_encode(BASE64_PADDED, span_of(text, n < COPY_MAX ? n : COPY_MAX), encoded);
	send_raw("\033]52;c;");
	send_raw(encoded);
	send_raw("\a");
}

void screen_suspend(struct screen *s)
{
	struct sigaction stop = { .sa_handler = SIG_DFL }, before;

	send_raw(PASTE_OFF);
	(void)endwin();
	sigaction(SIGTSTP, &stop, &before);
	(void)kill(0, SIGTSTP);
	sigaction(SIGTSTP, &before, NULL);
	send_raw(PASTE_ON);
	screen_repair(s);
	screen_on_resize(s, SIGWINCH);
}
