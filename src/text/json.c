/* A writer of JSON, in the words of Go's encoding/json. */
#include "text/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

void json_writer_init(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){ .out = out };
}

/* Every value begins with this and, but for keys, leaves a comma to the next. */
static void begin(struct json_writer *w, bool wants_comma)
{
	if (w->wants_comma)
		buf_put_u8(w->out, ',');
	w->wants_comma = wants_comma;
}

static void end(struct json_writer *w, uint8_t bracket)
{
	buf_put_u8(w->out, bracket);
	w->wants_comma = true;
}

void json_put_open(struct json_writer *w)
{
	begin(w, false);
	buf_put_u8(w->out, '{');
}

void json_put_close(struct json_writer *w)
{
	end(w, '}');
}

void json_put_open_list(struct json_writer *w)
{
	begin(w, false);
	buf_put_u8(w->out, '[');
}

void json_put_close_list(struct json_writer *w)
{
	end(w, ']');
}

void json_put_key(struct json_writer *w, const char *key)
{
	begin(w, false);
	buf_printf(w->out, "\"%s\":", key);
}

void json_put_flag(struct json_writer *w, bool value)
{
	begin(w, true);
	buf_put_str(w->out, value ? "true" : "false");
}

void json_put_null(struct json_writer *w)
{
	begin(w, true);
	buf_put_str(w->out, "null");
}

void json_put_int(struct json_writer *w, int64_t value)
{
	begin(w, true);
	buf_printf(w->out, "%" PRId64, value);
}

/* ---- text ---- */

#define REPLACEMENT 0xfffd

static bool is_plain(uint32_t c)
{
	if (c < 0x20 || c == 0x2028 || c == 0x2029)
		return false;
	return c >= 0x80 || strchr("\"\\<>&", (int)c) == NULL;
}

static void put_escape(struct buf *out, uint32_t c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *short_form = c != 0 && c < 0x80 ? strchr(from, (int)c) : NULL;

	if (short_form != NULL)
		buf_printf(out, "\\%c", to[short_form - from]);
	else
		buf_printf(out, "\\u%04" PRIx32, c);
}

void json_put_text(struct json_writer *w, struct span text)
{
	struct buf *out = w->out;
	uint32_t c;

	begin(w, true);
	buf_put_u8(out, '"');
	while (text.n > 0 && out->failed == ERR_OK) {
		const uint8_t *start = text.p;

		if (!utf8_take(&text, &c))
			put_escape(out, REPLACEMENT);
		else if (is_plain(c))
			buf_put(out, start, (size_t)(text.p - start));
		else
			put_escape(out, c);
	}
	buf_put_u8(out, '"');
}

/* ---- numbers with a fraction ---- */

#define DIGITS_MAX 17 /* they tell any two doubles apart */

/* The digits d.ddd and the exponent of ten. */
struct decimal {
	bool is_negative;
	char digits[DIGITS_MAX + 1];
	int count, exponent;
};

static void decimal_from(double value, struct decimal *d)
{
	char text[40];
	int count = 0;

	do {
		snprintf(text, sizeof(text), "%.*e", count++, fabs(value));
	} while (count < DIGITS_MAX && strtod(text, NULL) != fabs(value));
	*d = (struct decimal){ .is_negative = signbit(value) != 0, .count = count };
	d->digits[0] = text[0];
	memcpy(d->digits + 1, text + 2, (size_t)count - 1); /* behind the point */
	d->exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
}

static void put_scientific(struct buf *out, const struct decimal *d)
{
	buf_put_u8(out, (uint8_t)d->digits[0]);
	if (d->count > 1)
		buf_printf(out, ".%s", d->digits + 1);
	buf_printf(out, "e%c%d", d->exponent < 0 ? '-' : '+', abs(d->exponent));
}

/* The digit at 10 to the power of @place. */
static uint8_t digit_at(const struct decimal *d, int place)
{
	int i = d->exponent - place;

	return i < 0 || i >= d->count ? '0' : (uint8_t)d->digits[i];
}

static void put_plain(struct buf *out, const struct decimal *d)
{
	int last = d->exponent - d->count + 1;

	for (int place = d->exponent > 0 ? d->exponent : 0; place >= 0; place--)
		buf_put_u8(out, digit_at(d, place));
	if (last < 0)
		buf_put_u8(out, '.');
	for (int place = -1; place >= last; place--)
		buf_put_u8(out, digit_at(d, place));
}

void json_put_double(struct json_writer *w, double value)
{
	double size = fabs(value);
	struct decimal d;

	assert(isfinite(value));
	begin(w, true);
	decimal_from(value, &d);
	if (d.is_negative)
		buf_put_u8(w->out, '-');
	if (size != 0 && (size < 1e-6 || size >= 1e21))
		put_scientific(w->out, &d);
	else
		put_plain(w->out, &d);
}
