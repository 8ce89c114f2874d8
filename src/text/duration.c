/* Durations. */
#include "text/duration.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"

#define NS_PER_MS 1000000
#define US_PER_MS 1000
#define US_PER_S 1000000
#define NS_MAX INT64_MAX /* what Go can hold */

static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 }, /* micro sign */
	{ "\xce\xbcs", 1000 }, /* Greek mu */
	{ "ms", NS_PER_MS },
	{ "s", 1000000000 },
	{ "m", 60000000000 },
	{ "h", 3600000000000 },
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The digits at the front of @in. */
static struct span cut_digits(struct span *in)
{
	struct span digits = span_of(in->p, 0);

	while (digits.n < in->n && is_digit(in->p[digits.n]))
		digits.n++;
	*in = span_of(in->p + digits.n, in->n - digits.n);
	return digits;
}

/* The longest unit at the front of @in, or NULL: "m" is a prefix of "ms". */
static const struct unit *cut_unit(struct span *in)
{
	const struct unit *best = NULL;
	size_t n, best_n = 0;

	for (size_t i = 0; i < mem_count(units); i++) {
		n = strlen(units[i].name);
		if (n > best_n && n <= in->n && memcmp(in->p, units[i].name, n) == 0) {
			best = &units[i];
			best_n = n;
		}
	}
	*in = span_of(in->p + best_n, in->n - best_n);
	return best;
}

/* @whole.@fraction of @unit in nanoseconds; what is smaller is dropped. */
static enum err to_ns(struct span whole, struct span fraction, uint64_t unit,
	uint64_t *ns)
{
	uint64_t v = 0;

	for (size_t i = 0; i < whole.n; i++) {
		if (v > NS_MAX / 10)
			return ERR_LIMIT;
		v = v * 10 + (uint64_t)(whole.p[i] - '0');
	}
	if (v > NS_MAX / unit)
		return ERR_LIMIT;
	v *= unit;
	for (size_t i = 0; i < fraction.n && unit > 0; i++) {
		v += unit / 10 * (uint64_t)(fraction.p[i] - '0');
		unit /= 10;
	}
	*ns = v;
	return ERR_OK;
}

/* One number and its unit. */
static enum err cut_term(struct span *in, uint64_t *ns)
{
	struct span whole, fraction = span_of(NULL, 0);
	const struct unit *unit;

	whole = cut_digits(in);
	if (in->n > 0 && in->p[0] == '.') {
		*in = span_of(in->p + 1, in->n - 1);
		fraction = cut_digits(in);
	}
	if (whole.n + fraction.n == 0)
		return ERR_SYNTAX;
	unit = cut_unit(in);
	if (unit == NULL)
		return ERR_SYNTAX;
	return to_ns(whole, fraction, unit->ns, ns);
}

enum err duration_parse(struct span text, uint64_t *ms)
{
	uint64_t sum = 0, ns;
	enum err rc;

	if (text.n > 0 && text.p[0] == '+')
		text = span_of(text.p + 1, text.n - 1);
	if (text.n == 0)
		return ERR_SYNTAX;
	if (span_is(text, "0")) {
		*ms = 0;
		return ERR_OK;
	}
	while (text.n > 0) {
		rc = cut_term(&text, &ns);
		if (rc != ERR_OK)
			return rc;
		if (ns > NS_MAX - sum)
			return ERR_LIMIT;
		sum += ns;
	}
	*ms = sum / NS_PER_MS;
	if (*ms == 0 && sum > 0)
		*ms = 1;
	return ERR_OK;
}

/* Writes @value / @one with as many decimals as it has, and @unit. */
static int print_decimal(char *to, size_t size, uint64_t value, uint64_t one,
	const char *unit)
{
	uint64_t rest = value % one;
	int digits = 0;

	for (uint64_t v = one; v > 1; v /= 10)
		digits++;
	if (rest == 0)
		return snprintf(to, size, "%" PRIu64 "%s", value / one, unit);
	for (; rest % 10 == 0; rest /= 10)
		digits--;
	return snprintf(to, size, "%" PRIu64 ".%0*" PRIu64 "%s", value / one, digits,
		rest, unit);
}

const char *duration_print(uint64_t us, char to[DURATION_TEXT_MAX])
{
	uint64_t minutes = us / US_PER_S / 60;
	int n = 0;

	if (us == 0)
		snprintf(to, DURATION_TEXT_MAX, "0s");
	else if (us < US_PER_MS)
		snprintf(to, DURATION_TEXT_MAX, "%" PRIu64 "\xc2\xb5s", us);
	else if (us < US_PER_S)
		print_decimal(to, DURATION_TEXT_MAX, us, US_PER_MS, "ms");
	if (us < US_PER_S)
		return to;

	if (minutes >= 60)
		n = snprintf(to, DURATION_TEXT_MAX, "%" PRIu64 "h%" PRIu64 "m",
			minutes / 60, minutes % 60);
	else if (minutes > 0)
		n = snprintf(to, DURATION_TEXT_MAX, "%" PRIu64 "m", minutes);
	print_decimal(to + n, DURATION_TEXT_MAX - (size_t)n, us - minutes * 60 * US_PER_S,
		US_PER_S, "s");
	return to;
}
