/* Values of one kind that stand for another. */
#include "text/toml_convert.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* In the fewest digits that are the same number. False: these are too many. */
static bool print_real(double real, char to[TOML_CONVERTED_MAX])
{
	if (!isfinite(real) || fabs(real) >= 1e15)
		return false;
	for (int digits = 0; digits < 15; digits++) {
		snprintf(to, TOML_CONVERTED_MAX, "%.*f", digits, real);
		if (strtod(to, NULL) == real)
			return true;
	}
	return false;
}

bool toml_convert_to_text(const struct toml_node *n, char to[TOML_CONVERTED_MAX])
{
	switch (n->kind) {
	case TOML_INT:
		snprintf(to, TOML_CONVERTED_MAX, "%" PRId64, n->number);
		return true;
	case TOML_FLAG:
		snprintf(to, TOML_CONVERTED_MAX, "%d", n->flag);
		return true;
	case TOML_FLOAT:
		return print_real(n->real, to);
	default:
		return false;
	}
}

/* Takes "0x", "0o" or "0b", or a 0 before other digits, and returns the base. */
static unsigned cut_base(struct span *in)
{
	static const char letters[] = "xob";
	static const unsigned bases[] = { 16, 8, 2 };
	const char *found;

	if (in->n < 2 || in->p[0] != '0')
		return 10;
	found = memchr(letters, in->p[1] | 0x20, sizeof(letters) - 1);
	*in = span_of(in->p + 1, in->n - 1);
	if (found == NULL)
		return 8;
	*in = span_of(in->p + 1, in->n - 1);
	return bases[found - letters];
}

static unsigned digit_of(uint8_t c)
{
	if (isdigit(c))
		return (unsigned)(c - '0');
	return c < 0x80 && isalpha(c) ? (unsigned)((c | 0x20) - 'a') + 10 : 99;
}

static bool parse_number(struct span in, int64_t *out)
{
	bool is_negative = in.p[0] == '-', is_behind_digit;
	uint64_t limit = (uint64_t)INT64_MAX + is_negative, number = 0;
	unsigned base;

	if (is_negative || in.p[0] == '+')
		in = span_of(in.p + 1, in.n - 1);
	base = cut_base(&in);
	is_behind_digit = base != 10; /* or a prefix: 0x_1f */
	for (size_t i = 0; i < in.n; i++) {
		unsigned digit = digit_of(in.p[i]);

		if (in.p[i] == '_' && is_behind_digit) {
			is_behind_digit = false;
			continue;
		}
		if (digit >= base || number > (limit - digit) / base)
			return false;
		number = number * base + digit;
		is_behind_digit = true;
	}
	*out = is_negative ? (int64_t)(0 - number) : (int64_t)number;
	return in.n > 0 && is_behind_digit;
}

bool toml_convert_to_number(const struct toml_node *n, int64_t *out)
{
	switch (n->kind) {
	case TOML_FLAG:
		*out = n->flag;
		return true;
	case TOML_FLOAT:
		if (!(fabs(n->real) < 0x1p63)) /* not a number, either */
			return false;
		*out = (int64_t)n->real;
		return true;
	case TOML_TEXT:
		*out = 0;
		return n->text.n == 0 || parse_number(n->text, out);
	default:
		return false;
	}
}

bool toml_convert_to_flag(const struct toml_node *n, bool *out)
{
	static const char *const words[][2] = { { "false", "true" }, { "0", "1" },
		{ "False", "True" }, { "FALSE", "TRUE" }, { "f", "t" }, { "F", "T" } };

	*out = n->kind == TOML_INT ? n->number != 0 :
				     n->kind == TOML_FLOAT && n->real != 0;
	if (n->kind != TOML_TEXT)
		return n->kind == TOML_INT || n->kind == TOML_FLOAT;
	for (size_t i = 0; i < mem_count(words); i++) {
		*out = span_is(n->text, words[i][1]);
		if (*out || span_is(n->text, words[i][0]))
			return true;
	}
	return n->text.n == 0;
}
