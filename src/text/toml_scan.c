/* The words of TOML: white space, comments, keys, and values that hold no others. */
#include "text/toml_scan.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/utf8.h"
#include "text/timefmt.h"

#define NUMBER_MAX 400 /* characters */

#define SENTENCE_MAX 200

static enum err refuse(const struct toml_scan *s, const uint8_t *p, const char *fmt,
	va_list args)
{
	struct toml_place at = { .line = s->line,
		.column = (uint32_t)(p - s->line_p) + 1 };
	char text[SENTENCE_MAX];

	vsnprintf(text, sizeof(text), fmt, args);
	return toml_refuse(s->file, &at, s->why, "%s", text);
}

enum err toml_scan_refuse(const struct toml_scan *s, const char *fmt, ...)
{
	va_list args;
	enum err rc;

	va_start(args, fmt);
	rc = refuse(s, s->in.p, fmt, args);
	va_end(args);
	return rc;
}

enum err toml_scan_refuse_at(const struct toml_scan *s, const uint8_t *p, const char *fmt,
	...)
{
	va_list args;
	enum err rc;

	va_start(args, fmt);
	rc = refuse(s, p, fmt, args);
	va_end(args);
	return rc;
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
	return toml_scan_refuse(s, "control character 0x%02x is not allowed",
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
	size_t n = 0;

	toml_scan_space(s);
	rc = scan_comment(s);
	if (rc != ERR_OK || is_at_line_end(s))
		return rc;
	while (n < s->in.n && n < 8 && !is_control(s->in.p[n]))
		n++;
	return toml_scan_refuse(s, "expected the end of the line, not \"%s\"",
		str_quote(shown, sizeof(shown), span_of(s->in.p, n > 0 ? n : 1)));
}

/* ---- text ---- */

static void put_byte(struct toml_scan *s, uint8_t c)
{
	*s->free++ = c;
}

/* Behind "\u" or "\U", which begins at @from. */
static enum err scan_code(struct toml_scan *s, const uint8_t *from, unsigned digits)
{
	struct utf8_text text;
	uint32_t c = 0;

	for (unsigned i = 0; i < digits; i++) {
		uint8_t d = toml_scan_peek(s);

		if (!isxdigit(d))
			return toml_scan_refuse_at(s, from,
				"\\%c takes %u hexadecimal digits",
				digits == 4 ? 'u' : 'U', digits);
		c = c << 4 | (uint32_t)(isdigit(d) ? d - '0' : (d | 0x20) - 'a' + 10);
		skip(s, 1);
	}
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return toml_scan_refuse_at(s, from, "U+%04X is not a character", c);
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
	const uint8_t *backslash = s->in.p - 1;
	uint8_t c = toml_scan_peek(s);
	const char *found = c != 0 ? strchr(from, c) : NULL;

	if (is_long && skip_folded(s))
		return ERR_OK;
	if (found == NULL && c != 'u' && c != 'U')
		return toml_scan_refuse_at(s, backslash,
			"\\%c is not an escape; write \\\\ for a backslash, or put the text"
			" in single quotes",
			isgraph(c) ? c : '?');
	skip(s, 1);
	if (found == NULL)
		return scan_code(s, backslash, c == 'u' ? 4 : 8);
	put_byte(s, (uint8_t)to[found - from]);
	return ERR_OK;
}

static enum err scan_short(struct toml_scan *s, char quote)
{
	const uint8_t *opened = s->in.p - 1;
	enum err rc = ERR_OK;

	while (rc == ERR_OK && !toml_scan_take(s, quote)) {
		if (is_at_line_end(s))
			return toml_scan_refuse_at(s, opened,
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
			return toml_scan_refuse_at(&opened, opened.in.p - 3,
				"the text is not closed; %c%c%c is missing", quote, quote,
				quote);
		if (take_newline(s)) {
			put_byte(s,
				'\n'); /* of "\r\n" also: a text says the same anywhere */
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

/* ---- numbers, flags and times ---- */

static enum err refuse_word(const struct toml_scan *s, struct span word)
{
	char shown[64];

	str_quote(shown, sizeof(shown), word);
	return toml_scan_refuse_at(s, word.p,
		"\"%s\" is not a number, true, false or a time; put text in quotes",
		shown);
}

static bool take_char(struct span *in, const char *set)
{
	if (in->n == 0 || strchr(set, in->p[0]) == NULL)
		return false;
	in->p++;
	in->n--;
	return true;
}

static bool parse_time(struct span word, enum toml_time *out)
{
	struct span in = word;
	struct tm tm;
	uint32_t ns;
	int offset;

	if (timefmt_cut_clock(&in, 60, &tm, &ns) && in.n == 0) {
		*out = TOML_TIME_CLOCK;
		return true;
	}
	in = word;
	if (!timefmt_cut_date(&in, &tm))
		return false;
	*out = TOML_TIME_DATE;
	if (in.n == 0)
		return true;
	if (!take_char(&in, "Tt ") || !timefmt_cut_clock(&in, 60, &tm, &ns))
		return false;
	*out = in.n == 0 ? TOML_TIME_LOCAL : TOML_TIME_OFFSET;
	return in.n == 0 || span_is(in, "z") ||
		(timefmt_cut_offset(&in, &offset) && in.n == 0);
}

static unsigned digit_value(uint8_t c)
{
	if (isdigit(c))
		return (unsigned)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

/*
 * Takes digits into @to, without the "_" that may stand between two of them. False if
 * there is none, or an underscore elsewhere.
 */
static bool take_digits(struct span *in, unsigned base, char *to, size_t *n)
{
	size_t i = 0;

	while (i < in->n) {
		if (digit_value(in->p[i]) < base) {
			to[(*n)++] = (char)in->p[i++];
			continue;
		}
		if (in->p[i] != '_')
			break;
		if (i == 0 || in->p[i - 1] == '_' || i + 1 == in->n ||
			digit_value(in->p[i + 1]) >= base)
			return false;
		i++;
	}
	in->p += i;
	in->n -= i;
	return i > 0;
}

static enum err set_int(const struct toml_scan *s, struct span word, const char *digits,
	unsigned base, bool is_negative, struct toml_node *node)
{
	uint64_t limit = (uint64_t)INT64_MAX + is_negative, v = 0;
	char shown[64];

	for (; *digits != '\0'; digits++) {
		unsigned d = digit_value((uint8_t)*digits);

		if (v > (limit - d) / base)
			return toml_scan_refuse_at(s, word.p,
				"%s does not fit in 64 bits",
				str_quote(shown, sizeof(shown), word));
		v = v * base + d;
	}
	node->kind = TOML_INT;
	node->number = is_negative ? (int64_t)(0 - v) : (int64_t)v;
	return ERR_OK;
}

/* "0xdead_beef", "0o755", "0b1101". */
static enum err parse_based(const struct toml_scan *s, struct span word,
	struct toml_node *node)
{
	unsigned base = word.p[1] == 'x' ? 16 : word.p[1] == 'o' ? 8 : 2;
	struct span in = span_of(word.p + 2, word.n - 2);
	char digits[NUMBER_MAX + 1];
	size_t n = 0;

	if (!take_digits(&in, base, digits, &n) || in.n > 0)
		return refuse_word(s, word);
	digits[n] = '\0';
	return set_int(s, word, digits, base, false, node);
}

/* What may follow the digits of a whole number makes it one with a fraction. */
static bool take_fraction(struct span *in, char *to, size_t *n)
{
	if (take_char(in, ".")) {
		to[(*n)++] = '.';
		if (!take_digits(in, 10, to, n))
			return false;
	}
	if (take_char(in, "eE")) {
		to[(*n)++] = 'e';
		if (in->n > 0 && (in->p[0] == '+' || in->p[0] == '-')) {
			to[(*n)++] = (char)in->p[0];
			(void)take_char(in, "+-");
		}
		if (!take_digits(in, 10, to, n))
			return false;
	}
	return in->n == 0;
}

static enum err parse_number(const struct toml_scan *s, struct span word,
	struct toml_node *node)
{
	bool is_negative = word.p[0] == '-';
	char text[NUMBER_MAX + 1];
	struct span in = word;
	size_t n = 0;

	(void)take_char(&in, "+-");
	if (span_is(in, "inf") || span_is(in, "nan")) {
		node->kind = TOML_FLOAT;
		node->real = span_is(in, "inf") ? INFINITY : NAN;
		if (is_negative)
			node->real = -node->real;
		return ERR_OK;
	}
	if (!take_digits(&in, 10, text, &n))
		return refuse_word(s, word);
	if (n > 1 && text[0] == '0')
		return toml_scan_refuse_at(s, word.p,
			"a number may not begin with zeros");
	text[n] = '\0';
	if (in.n == 0)
		return set_int(s, word, text, 10, is_negative, node);
	if (!take_fraction(&in, text, &n))
		return refuse_word(s, word);
	text[n] = '\0';
	node->kind = TOML_FLOAT;
	node->real = strtod(text, NULL);
	if (is_negative)
		node->real = -node->real;
	return ERR_OK;
}

static enum err parse_word(const struct toml_scan *s, struct span word,
	struct toml_node *node)
{
	enum toml_time time;

	if (span_is(word, "true") || span_is(word, "false")) {
		node->kind = TOML_FLAG;
		node->flag = word.p[0] == 't';
		return ERR_OK;
	}
	if (parse_time(word, &time)) {
		node->kind = TOML_TIME;
		node->time = time;
		return ERR_OK;
	}
	if (word.n > NUMBER_MAX)
		return refuse_word(s, word);
	if (word.n > 2 && word.p[0] == '0' && memchr("xob", word.p[1], 3) != NULL)
		return parse_based(s, word, node);
	return parse_number(s, word, node);
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
			"expected a key, not \"%s\"; a key has letters, digits, - and _,"
			" or is in quotes",
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
		return toml_scan_refuse(s, "expected a value, not \"%s\"",
			str_quote(shown, sizeof(shown), span_of(&c, 1)));
	rc = parse_word(s, word, node);
	if (rc == ERR_OK && node->kind == TOML_TIME)
		node->text = keep_text(s, word);
	return rc;
}
