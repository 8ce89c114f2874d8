/* RFC 3339. */
#include "text/timefmt.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define NS_DIGITS 9

_Static_assert(sizeof(time_t) == 8, "times must reach the years 0 and 9999");

/* ---- parse ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool cut_char(struct span *in, const char *set)
{
	if (in->n == 0 || in->p[0] == '\0' || strchr(set, in->p[0]) == NULL)
		return false;
	*in = span_of(in->p + 1, in->n - 1);
	return true;
}

/* A number of just @digits digits, from @min to @max. */
static bool cut_number(struct span *in, size_t digits, int min, int max, int *out)
{
	struct span text;
	int v = 0;

	if (!span_cut(in, digits, &text))
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (!is_digit(text.p[i]))
			return false;
		v = v * 10 + (text.p[i] - '0');
	}
	*out = v;
	return v >= min && v <= max;
}

bool timefmt_cut_date(struct span *in, struct tm *out)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month, day, leap;

	if (!cut_number(in, 4, 0, 9999, &year) || !cut_char(in, "-") ||
		!cut_number(in, 2, 1, 12, &month) || !cut_char(in, "-") ||
		!cut_number(in, 2, 1, 31, &day))
		return false;
	leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	out->tm_year = year - 1900;
	out->tm_mon = month - 1;
	out->tm_mday = day;
	return day <= days[month - 1] + leap;
}

bool timefmt_cut_clock(struct span *in, int second_max, struct tm *out, uint32_t *ns)
{
	uint32_t unit = 100000000;

	*ns = 0;
	if (!cut_number(in, 2, 0, 23, &out->tm_hour) || !cut_char(in, ":") ||
		!cut_number(in, 2, 0, 59, &out->tm_min) || !cut_char(in, ":") ||
		!cut_number(in, 2, 0, second_max, &out->tm_sec))
		return false;
	if (!cut_char(in, "."))
		return true;
	if (in->n == 0 || !is_digit(in->p[0]))
		return false;
	for (; in->n > 0 && is_digit(in->p[0]); unit /= 10) {
		*ns += unit * (uint32_t)(in->p[0] - '0');
		*in = span_of(in->p + 1, in->n - 1);
	}
	return true;
}

bool timefmt_cut_offset(struct span *in, int *seconds)
{
	bool is_behind;
	int hours, minutes;

	*seconds = 0;
	if (cut_char(in, "Z"))
		return true;
	is_behind = in->n > 0 && in->p[0] == '-';
	if (!cut_char(in, "+-") || !cut_number(in, 2, 0, 23, &hours) ||
		!cut_char(in, ":") || !cut_number(in, 2, 0, 59, &minutes))
		return false;
	*seconds = (hours * 60 + minutes) * (is_behind ? -60 : 60);
	return true;
}

enum err timefmt_parse(struct span text, struct timestamp *out)
{
	struct timestamp t;
	struct tm tm = { .tm_sec = 0 };
	int offset;

	if (!timefmt_cut_date(&text, &tm) || !cut_char(&text, "T") ||
		!timefmt_cut_clock(&text, 59, &tm, &t.ns) ||
		!timefmt_cut_offset(&text, &offset) || text.n != 0)
		return ERR_SYNTAX;
	t.s = timegm(&tm) - offset;
	if (t.s < TIMEFMT_SECONDS_MIN || t.s > TIMEFMT_SECONDS_MAX)
		return ERR_SYNTAX;
	*out = t;
	return ERR_OK;
}

/* ---- print ---- */

const char *timefmt_print(struct timestamp t, char to[TIMEFMT_TEXT_MAX])
{
	time_t seconds = t.s;
	struct tm tm = { .tm_sec = 0 };
	int digits = NS_DIGITS, n;

	assert(t.s >= TIMEFMT_SECONDS_MIN && t.s <= TIMEFMT_SECONDS_MAX);
	(void)gmtime_r(&seconds, &tm);
	n = snprintf(to, TIMEFMT_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		tm.tm_sec);
	for (; t.ns != 0 && t.ns % 10 == 0; t.ns /= 10)
		digits--;
	if (t.ns != 0)
		n += snprintf(to + n, TIMEFMT_TEXT_MAX - (size_t)n, ".%0*" PRIu32, digits,
			t.ns);
	snprintf(to + n, TIMEFMT_TEXT_MAX - (size_t)n, "Z");
	return to;
}
