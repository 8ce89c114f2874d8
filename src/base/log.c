/* The log: one line for each thing that happened, on standard error. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

#define LOG_LINE_BYTES 2048
#define LOG_END_BYTES 8 /* for what ends a line: it is never cut */

/* The log is the one mutable global of the program; set before the workers start. */
static enum log_level log_level = LOG_INFO;
static bool log_json;

void log_set_level(enum log_level level)
{
	log_level = level;
}

void log_set_json(bool is_json)
{
	log_json = is_json;
}

bool log_is_on(enum log_level level)
{
	return level <= log_level;
}

void log_init(struct log *log, const struct log *parent, const char *fmt, ...)
{
	va_list args;

	log->parent = parent;
	va_start(args, fmt);
	vsnprintf(log->name, sizeof(log->name), fmt, args);
	va_end(args);
}

/* A line being built. What does not fit is cut, and all that follows with it. */
struct line {
	char text[LOG_LINE_BYTES];
	size_t n, max;
};

static void line_put(struct line *l, const char *text)
{
	size_t n = strlen(text);

	if (n > l->max - l->n) {
		l->max = l->n;
		return;
	}
	memcpy(l->text + l->n, text, n);
	l->n += n;
}

/*
 * What moves a terminal's cursor, ends the line or makes it read otherwise than it is: the
 * controls of ASCII and of Unicode, its separators of lines, its marks of direction.
 */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c ||
		(c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
		(c >= 0x2066 && c <= 0x2069);
}

/* Anybody's words: letters of any language, and escapes for the rest. */
static void line_put_words(struct line *l, const char *text)
{
	struct span rest = span_str(text);

	while (rest.n > 0) {
		const uint8_t *p = rest.p;
		char piece[16] = "\\ufffd"; /* in JSON, where no byte can be written */
		uint32_t c;
		bool is_char = utf8_take(&rest, &c);

		if (!is_char && !log_json)
			snprintf(piece, sizeof(piece), "\\x%02x", *p);
		else if (is_char && is_control(c))
			snprintf(piece, sizeof(piece),
				c < 0x80 && !log_json ? "\\x%02x" : "\\u%04x", c);
		else if (log_json && (*p == '"' || *p == '\\'))
			snprintf(piece, sizeof(piece), "\\%c", *p);
		else if (is_char)
			snprintf(piece, sizeof(piece), "%.*s", (int)(rest.p - p),
				(const char *)p);
		line_put(l, piece);
	}
}

static void line_put_who(struct line *l, const struct log *log)
{
	if (log == NULL)
		return;
	if (log->parent != NULL) {
		line_put_who(l, log->parent);
		line_put(l, ": ");
	}
	line_put_words(l, log->name);
}

static void line_put_time(struct line *l)
{
	uint64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	char text[40];
	size_t n;

	if (log_json) {
		gmtime_r(&seconds, &tm);
		n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned)(now % 1000));
	} else {
		localtime_r(&seconds, &tm);
		strftime(text, sizeof(text), "%Y/%m/%d %H:%M:%S ", &tm);
	}
	line_put(l, text);
}

static void line_build_json(struct line *l, enum log_level level, const struct log *log,
	const char *what)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	line_put(l, "{\"time\":\"");
	line_put_time(l);
	line_put(l, "\",\"level\":\"");
	line_put(l, names[level]);
	line_put(l, "\",\"who\":\"");
	line_put_who(l, log);
	line_put(l, "\",\"what\":\"");
	line_put_words(l, what);
	l->max = sizeof(l->text);
	line_put(l, "\"}");
}

static void line_build_text(struct line *l, const struct log *log, const char *what)
{
	line_put_time(l);
	line_put_who(l, log);
	if (log != NULL)
		line_put(l, ": ");
	line_put_words(l, what);
}

void log_at(enum log_level level, const struct log *log, const char *fmt, ...)
{
	struct line line = { .max = LOG_LINE_BYTES - LOG_END_BYTES };
	char what[1024];
	va_list args;
	ssize_t done;

	if (!log_is_on(level))
		return;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (log_json)
		line_build_json(&line, level, log, what);
	else
		line_build_text(&line, log, what);
	line.text[line.n++] = '\n';
	done = write(STDERR_FILENO, line.text, line.n);
	(void)done; /* nowhere left to complain */
}
