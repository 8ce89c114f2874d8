/* RFC 3339, over the calendar of Gregory carried back to the year 0. */
#include "text/timefmt.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define NS_DIGITS 9
#define S_PER_DAY 86400
#define DAYS_PER_ERA 146097 /* 400 years, after which the calendar repeats */
#define DAYS_TO_1970 719468 /* from the first of March of the year 0 */

struct civil {
	int year, month, day, hour, minute, second;
};

/* ---- the calendar ---- */

/* Years begin in March here: a leap day is then the last of its year. */
static int64_t days_since_1970(const struct civil *c)
{
	int64_t year = c->month > 2 ? c->year : c->year - 1;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t month = (c->month + 9) % 12;
	int64_t day_of_year = (153 * month + 2) / 5 + c->day - 1;

	return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 -
		year_of_era / 100 + day_of_year - DAYS_TO_1970;
}

static void date_of_days(int64_t days, struct civil *c)
{
	int64_t n = days + DAYS_TO_1970;
	int64_t era = (n >= 0 ? n : n - DAYS_PER_ERA + 1) / DAYS_PER_ERA;
	int64_t of_era = n - era * DAYS_PER_ERA;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;

	c->day = (int)(of_year - (153 * month + 2) / 5 + 1);
	c->month = (int)(month < 10 ? month + 3 : month - 9);
	c->year = (int)(year + era * 400 + (c->month <= 2));
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && is_leap ? 29 : days[month - 1];
}

/* ---- parse ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool cut_char(struct span *in, char c)
{
	if (in->n == 0 || in->p[0] != (uint8_t)c)
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

static bool cut_civil(struct span *in, struct civil *c)
{
	return cut_number(in, 4, 0, 9999, &c->year) && cut_char(in, '-') &&
		cut_number(in, 2, 1, 12, &c->month) && cut_char(in, '-') &&
		cut_number(in, 2, 1, days_in_month(c->year, c->month), &c->day) &&
		cut_char(in, 'T') && cut_number(in, 2, 0, 23, &c->hour) &&
		cut_char(in, ':') && cut_number(in, 2, 0, 59, &c->minute) &&
		cut_char(in, ':') && cut_number(in, 2, 0, 59, &c->second);
}

/* The decimals, if there are any. */
static bool cut_fraction(struct span *in, uint32_t *ns)
{
	uint32_t unit = 100000000;

	*ns = 0;
	if (!cut_char(in, '.'))
		return true;
	if (in->n == 0 || !is_digit(in->p[0]))
		return false;
	for (; in->n > 0 && is_digit(in->p[0]); unit /= 10) {
		*ns += unit * (uint32_t)(in->p[0] - '0');
		*in = span_of(in->p + 1, in->n - 1);
	}
	return true;
}

/* How far the clock on the wall is ahead of UTC. */
static bool cut_offset(struct span *in, int *seconds)
{
	bool is_behind;
	int hours, minutes;

	*seconds = 0;
	if (cut_char(in, 'Z'))
		return true;
	is_behind = cut_char(in, '-');
	if (!is_behind && !cut_char(in, '+'))
		return false;
	if (!cut_number(in, 2, 0, 23, &hours) || !cut_char(in, ':') ||
		!cut_number(in, 2, 0, 59, &minutes))
		return false;
	*seconds = (hours * 60 + minutes) * (is_behind ? -60 : 60);
	return true;
}

enum err timefmt_parse(struct span text, struct timestamp *out)
{
	struct timestamp t;
	struct civil c;
	int offset;

	if (!cut_civil(&text, &c) || !cut_fraction(&text, &t.ns) ||
		!cut_offset(&text, &offset) || text.n != 0)
		return ERR_SYNTAX;
	t.s = days_since_1970(&c) * S_PER_DAY + c.hour * 3600 + c.minute * 60 + c.second -
		offset;
	if (t.s < TIMEFMT_SECONDS_MIN || t.s > TIMEFMT_SECONDS_MAX)
		return ERR_SYNTAX;
	*out = t;
	return ERR_OK;
}

/* ---- print ---- */

/* "" or "." and the decimals without the zeros at their end. */
static void print_fraction(uint32_t ns, char *to, size_t size)
{
	int digits = NS_DIGITS;

	if (ns == 0) {
		*to = '\0';
		return;
	}
	for (; ns % 10 == 0; ns /= 10)
		digits--;
	snprintf(to, size, ".%0*" PRIu32, digits, ns);
}

const char *timefmt_print(struct timestamp t, char to[TIMEFMT_TEXT_MAX])
{
	int64_t days = t.s / S_PER_DAY, rest = t.s % S_PER_DAY;
	char fraction[NS_DIGITS + 2];
	struct civil c;

	assert(t.s >= TIMEFMT_SECONDS_MIN && t.s <= TIMEFMT_SECONDS_MAX);
	if (rest < 0) {
		days--;
		rest += S_PER_DAY;
	}
	date_of_days(days, &c);
	print_fraction(t.ns, fraction, sizeof(fraction));
	snprintf(to, TIMEFMT_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", c.year,
		c.month, c.day, (int)(rest / 3600), (int)(rest / 60 % 60),
		(int)(rest % 60), fraction);
	return to;
}
