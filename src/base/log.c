/* The log: one line for each thing that happened, on standard error. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LOG_LINE_BYTES 2048

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

/* A line being built; what does not fit is cut. */
struct line {
	char text[LOG_LINE_BYTES];
	size_t n;
};

static void line_put(struct line *l, const char *text)
{
	size_t n = strlen(text), room = sizeof(l->text) - 1 - l->n;

	if (n > room)
		n = room;
	memcpy(l->text + l->n, text, n);
	l->n += n;
}

/* As the inside of a JSON string. */
static void line_put_json(struct line *l, const char *text)
{
	for (; *text != '\0'; text++) {
		char piece[8] = { *text, '\0' };

		if (*text == '"' || *text == '\\')
			snprintf(piece, sizeof(piece), "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			snprintf(piece, sizeof(piece), "\\u%04x", (unsigned)*text);
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
	if (log_json)
		line_put_json(l, log->name);
	else
		line_put(l, log->name);
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
	line_put_json(l, what);
	if (l->n > sizeof(l->text) - 8)
		l->n = sizeof(l->text) - 8;
	line_put(l, "\"}");
}

static void line_build_text(struct line *l, const struct log *log, const char *what)
{
	line_put_time(l);
	line_put_who(l, log);
	if (log != NULL)
		line_put(l, ": ");
	line_put(l, what);
}

void log_at(enum log_level level, const struct log *log, const char *fmt, ...)
{
	struct line line = { .n = 0 };
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
	line.text[line.n++] = '\n'; /* line_put() keeps one byte free */
	done = write(STDERR_FILENO, line.text, line.n);
	(void)done; /* nowhere left to complain */
}
