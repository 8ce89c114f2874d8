/* A writer of JSON, in the words of Go's encoding/json. */
#include "text/json.h"

#include <inttypes.h>

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
