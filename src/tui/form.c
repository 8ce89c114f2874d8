/* Forms: lines of text and their cursors. */
#include "tui/form.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "tui/press.h"

static char *copy_text(const char *text)
{
	return strdup(text != NULL ? text : "");
}

void form_fini(struct form *f)
{
	for (unsigned i = 0; i < f->count; i++) {
		free(f->lines[i].text);
		free(f->lines[i].original);
	}
	*f = (struct form){ .count = 0 };
}

enum err form_add(struct form *f, enum form_kind kind, const char *label,
	const char *hint, const char *text)
{
	struct form_line *l = &f->lines[f->count];

	if (f->count == FORM_LINES_MAX)
		return ERR_LIMIT;
	*l = (struct form_line){ .label = label, .hint = hint, .kind = kind };
	l->text = copy_text(text);
	l->original = copy_text(text);
	if (l->text == NULL || l->original == NULL) {
		free(l->text);
		free(l->original);
		return ERR_NOMEM;
	}
	l->cursor = strlen(l->text);
	l->is_locked = l->cursor >= FORM_TEXT_MAX;
	f->count++;
	return ERR_OK;
}

bool form_line_is_changed(const struct form_line *l)
{
	return strcmp(l->text, l->original) != 0;
}

unsigned form_count_changed(const struct form *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->count; i++)
		n += form_line_is_changed(&f->lines[i]);
	return n;
}

enum err form_rebase(struct form_line *l, const char *text)
{
	bool is_changed = form_line_is_changed(l);
	char *original, *shown;

	if (strcmp(l->original, text != NULL ? text : "") == 0)
		return ERR_OK;
	original = copy_text(text);
	shown = is_changed ? NULL : copy_text(text);
	if (original == NULL || (!is_changed && shown == NULL)) {
		free(original);
		free(shown);
		return ERR_NOMEM;
	}
	free(l->original);
	l->original = original;
	if (!is_changed) {
		free(l->text);
		l->text = shown;
		l->cursor = strlen(shown);
		l->is_locked = l->cursor >= FORM_TEXT_MAX;
	}
	return ERR_OK;
}

void form_revert(struct form_line *l)
{
	char *text = copy_text(l->original);

	if (text == NULL)
		return;
	free(l->text);
	l->text = text;
	l->cursor = strlen(text);
}

void form_move(struct form *f, int by)
{
	if (f->count > 0)
		f->focus = (f->focus + f->count + (unsigned)(by % (int)f->count)) %
			f->count;
}

/* ---- editing ---- */

static bool is_inside(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

static size_t before(const struct form_line *l)
{
	size_t at = l->cursor;

	if (at > 0)
		at--;
	while (at > 0 && is_inside(l->text[at]))
		at--;
	return at;
}

static size_t after(const struct form_line *l)
{
	size_t at = l->cursor;

	if (l->text[at] != '\0')
		at++;
	while (is_inside(l->text[at]))
		at++;
	return at;
}

/* Removes the bytes from @from to @to, and puts the cursor there. */
static void cut(struct form_line *l, size_t from, size_t to)
{
	memmove(l->text + from, l->text + to, strlen(l->text + to) + 1);
	l->cursor = from;
}

static void insert(struct form_line *l, uint32_t c)
{
	size_t n = strlen(l->text);
	struct utf8_text added;
	char *text;

	utf8_put(&added, c);
	if (n + added.n >= FORM_TEXT_MAX)
		return;
	text = realloc(l->text, n + added.n + 1);
	if (text == NULL)
		return;
	l->text = text;
	memmove(text + l->cursor + added.n, text + l->cursor, n - l->cursor + 1);
	memcpy(text + l->cursor, added.bytes, added.n);
	l->cursor += added.n;
}

static void cut_word(struct form_line *l)
{
	size_t from = l->cursor;

	while (from > 0 && l->text[from - 1] == ' ')
		from--;
	while (from > 0 && l->text[from - 1] != ' ')
		from--;
	cut(l, from, l->cursor);
}

static void set_flag(struct form_line *l, bool is_on)
{
	char *text = copy_text(is_on ? "yes" : "no");

	if (text == NULL)
		return;
	free(l->text);
	l->text = text;
	l->cursor = 0;
}

static bool press_flag(struct form_line *l, uint32_t key)
{
	bool is_on = strcmp(l->text, "yes") == 0;

	if (key == PRESS_SPACE)
		set_flag(l, !is_on);
	else if (key == 'y' || key == 't' || key == 'n' || key == 'f')
		set_flag(l, key == 'y' || key == 't');
	return press_is_text(key);
}

bool form_press(struct form *f, uint32_t key)
{
	struct form_line *l = &f->lines[f->focus];

	if (f->count == 0 || l->is_locked)
		return press_is_text(key);
	if (l->kind == FORM_FLAG)
		return press_flag(l, key);
	if (press_is_text(key)) {
		insert(l, key);
		return true;
	}
	switch (key) {
	case PRESS_LEFT:
		l->cursor = before(l);
		return true;
	case PRESS_RIGHT:
		l->cursor = after(l);
		return true;
	case PRESS_HOME:
	case PRESS_CTRL_A:
		l->cursor = 0;
		return true;
	case PRESS_END:
	case PRESS_CTRL_E:
		l->cursor = strlen(l->text);
		return true;
	case PRESS_BACKSPACE:
		cut(l, before(l), l->cursor);
		return true;
	case PRESS_DELETE:
		cut(l, l->cursor, after(l));
		return true;
	case PRESS_CTRL_U:
		cut(l, 0, l->cursor);
		return true;
	case PRESS_CTRL_K:
		l->text[l->cursor] = '\0';
		return true;
	case PRESS_CTRL_W:
		cut_word(l);
		return true;
	default:
		return false;
	}
}

const char *form_trimmed(const struct form_line *l, char *to, size_t size)
{
	struct span text = span_trim(span_str(l->text));

	if (text.n >= size)
		text.n = size - 1;
	memcpy(to, text.p, text.n);
	to[text.n] = '\0';
	return to;
}
