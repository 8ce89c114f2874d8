/* The values of TOML that are one word: numbers, flags and times. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/str.h"
#include "text/toml_scan.h"

#define NUMBER_MAX 400 /* characters */

static enum err refuse_word(const struct toml_scan *s, struct span word)
{
	char shown[64];

	str_quote(shown, sizeof(shown), word);
	return toml_scan_refuse(s,
		"\"%s\" is neither a number, true or false nor a time; text stands in quotes",
		shown);
}

/* ---- times ---- */

/* Exactly @n digits, of a number from @min to @max. */
static bool take_number(struct span *in, size_t n, unsigned min, unsigned max,
	unsigned *out)
{
	struct span digits;
	unsigned v = 0;

	if (!span_cut(in, n, &digits))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isdigit(digits.p[i]))
			return false;
		v = v * 10 + (unsigned)(digits.p[i] - '0');
	}
	*out = v;
	return v >= min && v <= max;
}

static bool take_char(struct span *in, const char *set)
{
	if (in->n == 0 || strchr(set, in->p[0]) == NULL)
		return false;
	in->p++;
	in->n--;
	return true;
}

static bool take_date(struct span *in)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day;
	bool is_leap;

	if (!take_number(in, 4, 0, 9999, &year) || !take_char(in, "-") ||
		!take_number(in, 2, 1, 12, &month) || !take_char(in, "-") ||
		!take_number(in, 2, 1, 31, &day))
		return false;
	is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return day <= days[month - 1] + (unsigned)(month == 2 && is_leap);
}

static bool take_clock(struct span *in)
{
	unsigned v;

	if (!take_number(in, 2, 0, 23, &v) || !take_char(in, ":") ||
		!take_number(in, 2, 0, 59, &v) || !take_char(in, ":") ||
		!take_number(in, 2, 0, 60, &v))
		return false;
	if (!take_char(in, "."))
		return true;
	if (in->n == 0 || !isdigit(in->p[0]))
		return false;
	while (in->n > 0 && isdigit(in->p[0]))
		(void)take_number(in, 1, 0, 9, &v);
	return true;
}

static bool take_offset(struct span *in)
{
	unsigned v;

	if (take_char(in, "Zz"))
		return true;
	return take_char(in, "+-") && take_number(in, 2, 0, 23, &v) &&
		take_char(in, ":") && take_number(in, 2, 0, 59, &v);
}

static bool parse_time(struct span word, enum toml_time *out)
{
	struct span in = word;

	if (take_clock(&in) && in.n == 0) {
		*out = TOML_TIME_CLOCK;
		return true;
	}
	in = word;
	if (!take_date(&in))
		return false;
	*out = TOML_TIME_DATE;
	if (in.n == 0)
		return true;
	if (!take_char(&in, "Tt ") || !take_clock(&in))
		return false;
	*out = in.n == 0 ? TOML_TIME_LOCAL : TOML_TIME_OFFSET;
	return in.n == 0 || (take_offset(&in) && in.n == 0);
}

/* ---- numbers ---- */

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
			return toml_scan_refuse(s, "%s is more than 64 bits can hold",
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
		return toml_scan_refuse(s, "a number may not begin with zeros");
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

enum err toml_value_parse(const struct toml_scan *s, struct span word,
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
