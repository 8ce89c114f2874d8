/* The words of TOML: white space, comments, keys and strings. */
#include "text/toml_scan.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"
#include "base/utf8.h"

enum err toml_scan_refuse(const struct toml_scan *s, const char *fmt, ...)
{
	char text[200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return err_set(s->why, ERR_SYNTAX, "line %u: %s", s->line, text);
}

uint8_t toml_scan_peek(const struct toml_scan *s)
{
	return s->in.n > 0 ? s->in.p[0] : 0;
}

static void skip(struct toml_scan *s, size_t n)
{
	assert(n <= s->in.n);
	s->in.p += n;
	s->in.n -= n;
}

bool toml_scan_take(struct toml_scan *s, char c)
{
	if (s->in.n == 0 || s->in.p[0] != (uint8_t)c)
		return false;
	skip(s, 1);
	return true;
}

struct toml_place toml_scan_here(const struct toml_scan *s)
{
	return (struct toml_place){ .at = (uint32_t)(s->in.p - s->start),
		.line = s->line,
		.column = (uint32_t)(s->in.p - s->line_p) + 1 };
}

void toml_scan_close_place(const struct toml_scan *s, struct toml_place *p)
{
	p->n = (uint32_t)(s->in.p - s->start) - p->at;
}

void toml_scan_space(struct toml_scan *s)
{
	while (toml_scan_take(s, ' ') || toml_scan_take(s, '\t'))
		;
}

/* False: there is none. */
static bool take_newline(struct toml_scan *s)
{
	if (s->in.n > 1 && s->in.p[0] == '\r' && s->in.p[1] == '\n')
		skip(s, 2);
	else if (!toml_scan_take(s, '\n'))
		return false;
	s->line++;
	s->line_p = s->in.p;
	return true;
}

static bool is_control(uint8_t c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

static enum err refuse_control(const struct toml_scan *s)
{
	return toml_scan_refuse(s,
		"a control character (0x%02x) stands where text should",
		toml_scan_peek(s));
}

static bool is_at_line_end(const struct toml_scan *s)
{
	return s->in.n == 0 || s->in.p[0] == '\n' ||
		(s->in.n > 1 && s->in.p[0] == '\r' && s->in.p[1] == '\n');
}

static enum err scan_comment(struct toml_scan *s)
{
	if (!toml_scan_take(s, '#'))
		return ERR_OK;
	while (!is_at_line_end(s)) {
		if (is_control(s->in.p[0]))
			return refuse_control(s);
		skip(s, 1);
	}
	return ERR_OK;
}

enum err toml_scan_lines(struct toml_scan *s)
{
	enum err rc;

	do {
		toml_scan_space(s);
		rc = scan_comment(s);
	} while (rc == ERR_OK && take_newline(s));
	return rc;
}

enum err toml_scan_line_end(struct toml_scan *s)
{
	enum err rc;
	char shown[40];

	toml_scan_space(s);
	rc = scan_comment(s);
	if (rc != ERR_OK || is_at_line_end(s))
		return rc;
	return toml_scan_refuse(s, "\"%s\" stands where the line should end",
		str_quote(shown, sizeof(shown),
			span_of(s->in.p, s->in.n < 8 ? s->in.n : 8)));
}

/* ---- text ---- */

static void put_byte(struct toml_scan *s, uint8_t c)
{
	*s->free++ = c;
}

static enum err scan_code(struct toml_scan *s, unsigned digits)
{
	struct utf8_text text;
	uint32_t c = 0;

	for (unsigned i = 0; i < digits; i++) {
		uint8_t d = toml_scan_peek(s);

		if (!isxdigit(d))
			return toml_scan_refuse(s, "\\%c takes %u hexadecimal digits",
				digits == 4 ? 'u' : 'U', digits);
		c = c << 4 | (uint32_t)(isdigit(d) ? d - '0' : (d | 0x20) - 'a' + 10);
		skip(s, 1);
	}
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return toml_scan_refuse(s, "there is no character %X", c);
	utf8_put(&text, c);
	for (unsigned i = 0; i < text.n; i++)
		put_byte(s, text.bytes[i]);
	return ERR_OK;
}

/* A backslash at the end of a line in """:
 * the white space up to the next word is nothing. */
static bool skip_folded(struct toml_scan *s)
{
	struct toml_scan ahead = *s;

	toml_scan_space(&ahead);
	if (!take_newline(&ahead))
		return false;
	do {
		toml_scan_space(&ahead);
	} while (take_newline(&ahead));
	*s = ahead;
	return true;
}

/* Behind a backslash. */
static enum err scan_escape(struct toml_scan *s, bool is_long)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	uint8_t c = toml_scan_peek(s);
	const char *found = c != 0 ? strchr(from, c) : NULL;

	if (is_long && skip_folded(s))
		return ERR_OK;
	if (found == NULL && c != 'u' && c != 'U')
		return toml_scan_refuse(s,
			"\\%c is no escape; write \\\\ for a backslash, or the text in"
			" single quotes",
			isgraph(c) ? c : '?');
	skip(s, 1);
	if (found == NULL)
		return scan_code(s, c == 'u' ? 4 : 8);
	put_byte(s, (uint8_t)to[found - from]);
	return ERR_OK;
}

static enum err scan_short(struct toml_scan *s, char quote)
{
	enum err rc = ERR_OK;

	while (rc == ERR_OK && !toml_scan_take(s, quote)) {
		if (is_at_line_end(s))
			return toml_scan_refuse(s,
				"the text is not closed; %c is missing", quote);
		if (is_control(s->in.p[0]))
			return refuse_control(s);
		if (quote == '"' && toml_scan_take(s, '\\')) {
			rc = scan_escape(s, false);
		} else {
			put_byte(s, s->in.p[0]);
			skip(s, 1);
		}
	}
	return rc;
}

/* The quotes that end a text of many lines may have up to two more before them. */
static bool take_long_end(struct toml_scan *s, char quote)
{
	size_t n = 0;

	while (n < s->in.n && n < 5 && s->in.p[n] == (uint8_t)quote)
		n++;
	if (n < 3)
		return false;
	skip(s, n);
	for (; n > 3; n--)
		put_byte(s, (uint8_t)quote);
	return true;
}

static enum err scan_long(struct toml_scan *s, char quote)
{
	struct toml_scan opened = *s;
	enum err rc = ERR_OK;

	(void)take_newline(s);
	while (rc == ERR_OK && !take_long_end(s, quote)) {
		const uint8_t *from = s->in.p;

		if (s->in.n == 0)
			return toml_scan_refuse(&opened,
				"the text is not closed; %c%c%c is missing", quote, quote,
				quote);
		if (take_newline(s)) {
			for (; from < s->in.p; from++)
				put_byte(s, *from);
		} else if (is_control(from[0])) {
			return refuse_control(s);
		} else if (quote == '"' && toml_scan_take(s, '\\')) {
			rc = scan_escape(s, true);
		} else {
			put_byte(s, from[0]);
			skip(s, 1);
		}
	}
	return rc;
}

/* At a quote. */
static enum err scan_text(struct toml_scan *s, bool may_be_long, struct span *out)
{
	const uint8_t *start = s->free;
	char quote = (char)s->in.p[0];
	enum err rc;

	skip(s, 1);
	if (may_be_long && s->in.n > 1 && s->in.p[0] == (uint8_t)quote &&
		s->in.p[1] == (uint8_t)quote) {
		skip(s, 2);
		rc = scan_long(s, quote);
	} else {
		rc = scan_short(s, quote);
	}
	if (rc != ERR_OK)
		return rc;
	*out = span_of(start, (size_t)(s->free - start));
	put_byte(s, '\0');
	return ERR_OK;
}

static struct span keep_text(struct toml_scan *s, struct span text)
{
	uint8_t *start = s->free;

	memcpy(start, text.p, text.n);
	s->free += text.n;
	put_byte(s, '\0');
	return span_of(start, text.n);
}

/* ---- keys and values ---- */

static bool is_bare(uint8_t c)
{
	return c < 0x80 && (isalnum(c) || c == '-' || c == '_');
}

enum err toml_scan_key(struct toml_scan *s, struct span *out)
{
	uint8_t c = toml_scan_peek(s);
	struct span text;
	size_t n = 0;
	char shown[8];

	if (c == '"' || c == '\'')
		return scan_text(s, false, out);
	while (n < s->in.n && is_bare(s->in.p[n]))
		n++;
	if (n == 0 && is_at_line_end(s))
		return toml_scan_refuse(s, "a key is missing at the end of the line");
	if (n == 0)
		return toml_scan_refuse(s,
			"\"%s\" stands where a key should; keys are made of letters,"
			" digits, - and _, or stand in quotes",
			str_quote(shown, sizeof(shown), span_of(&c, 1)));
	text = span_of(s->in.p, n);
	skip(s, n);
	*out = keep_text(s, text);
	return ERR_OK;
}

static bool is_in_word(uint8_t c)
{
	return is_bare(c) || c == '+' || c == '.' || c == ':';
}

/* A number, a flag or a time. A date may have a space before its time. */
static struct span scan_word(struct toml_scan *s)
{
	const uint8_t *p = s->in.p;
	size_t n = 0;

	while (n < s->in.n && is_in_word(p[n]))
		n++;
	if (n == 10 && p[4] == '-' && p[7] == '-' && s->in.n > 12 && p[10] == ' ' &&
		isdigit(p[11]) && isdigit(p[12])) {
		for (n = 11; n < s->in.n && is_in_word(p[n]);)
			n++;
	}
	skip(s, n);
	return span_of(p, n);
}

enum err toml_scan_value(struct toml_scan *s, struct toml_node *node)
{
	uint8_t c = toml_scan_peek(s);
	struct span word;
	char shown[8];
	enum err rc;

	if (c == '"' || c == '\'') {
		node->kind = TOML_TEXT;
		return scan_text(s, true, &node->text);
	}
	if (is_at_line_end(s))
		return toml_scan_refuse(s, "a value is missing");
	word = scan_word(s);
	if (word.n == 0)
		return toml_scan_refuse(s, "\"%s\" stands where a value should",
			str_quote(shown, sizeof(shown), span_of(&c, 1)));
	rc = toml_value_parse(s, word, node);
	if (rc == ERR_OK && node->kind == TOML_TIME)
		node->text = keep_text(s, word);
	return rc;
}
