/* The log: one line for each event, on standard error. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/outlet.h"
#include "base/utf8.h"

#define LOG_LINE_BYTES 2048
#define LOG_END_BYTES 8 /* for the end of a line, which is never cut */

/* The log is the only mutable global of the program. These are set before the workers
 * start. */
static enum log_level log_level = LOG_INFO;
static bool log_json;
static bool log_journal; /* standard error is the journal */

/* And the lock protects these; no code under the lock blocks. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static struct outlet log_lines = OUTLET_INIT(STDERR_FILENO);
static struct outlet log_prints = OUTLET_INIT(STDOUT_FILENO);
static uint64_t log_lost;            /* lines that log_lines refused */
static struct log_limit *log_limits; /* the limits that have suppressed lines */
static uint64_t log_caught_up_ms;
static atomic_bool log_behind;
static log_copy_fn *log_copy_to; /* NULL: to nothing */
static void *log_copy_arg;
static bool log_is_quiet; /* under the lock */

void log_set_level(enum log_level level)
{
	log_level = level;
}

void log_set_json(bool is_json)
{
	log_json = is_json;
}

/* JOURNAL_STREAM is "device:inode" of the journal's stream; systemd.exec(5). */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(ours, sizeof(ours), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	return strcmp(stream, ours) == 0;
}

void log_open(void)
{
	pthread_mutex_lock(&log_lock);
	outlet_close(&log_lines);
	outlet_open(&log_lines, STDERR_FILENO);
	outlet_close(&log_prints);
	outlet_open(&log_prints, STDOUT_FILENO);
	log_journal = is_journal();
	pthread_mutex_unlock(&log_lock);
}

bool log_is_for_programs(void)
{
	return log_json || log_journal;
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

/* A line being built. If a piece does not fit, it is omitted, with all that follow. */
struct line {
	char text[LOG_LINE_BYTES];
	size_t n, max;
	bool is_json;
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
 * Characters that move a terminal's cursor, end the line or change the order of its text:
 * control characters of ASCII and Unicode, line separators, direction marks.
 */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c ||
		(c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
		(c >= 0x2066 && c <= 0x2069);
}

/* Untrusted text: letters of any language, and escapes for the rest. */
static void line_put_text(struct line *l, const char *text)
{
	struct span rest = span_str(text);

	while (rest.n > 0) {
		const uint8_t *p = rest.p;
		char piece[16] = "\\ufffd"; /* in JSON, where no byte can be written */
		uint32_t c;
		bool is_char = utf8_take(&rest, &c);

		if (!is_char && !l->is_json)
			snprintf(piece, sizeof(piece), "\\x%02x", *p);
		else if (is_char && is_control(c))
			snprintf(piece, sizeof(piece),
				c < 0x80 && !l->is_json ? "\\x%02x" : "\\u%04x", c);
		else if (l->is_json && (*p == '"' || *p == '\\'))
			snprintf(piece, sizeof(piece), "\\%c", *p);
		else if (is_char)
			snprintf(piece, sizeof(piece), "%.*s", (int)(rest.p - p),
				(const char *)p);
		line_put(l, piece);
	}
}

static void line_put_subject(struct line *l, const struct log *log)
{
	if (log == NULL)
		return;
	if (log->parent != NULL) {
		line_put_subject(l, log->parent);
		line_put(l, ": ");
	}
	line_put_text(l, log->name);
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
	line_put_subject(l, log);
	line_put(l, "\",\"what\":\"");
	line_put_text(l, what);
	l->max = sizeof(l->text);
	line_put(l, "\"}");
}

static void line_put_event(struct line *l, const struct log *log, const char *what)
{
	line_put_subject(l, log);
	if (log != NULL)
		line_put(l, ": ");
	line_put_text(l, what);
}

static void line_build_text(struct line *l, const struct log *log, const char *what)
{
	if (!log_journal)
		line_put_time(l);
	line_put_event(l, log, what);
}

/* The priorities of syslog, as sd-daemon(3) writes them. */
static void line_put_priority(struct line *l, enum log_level level)
{
	static const char *const priorities[] = { "<3>", "<4>", "<6>", "<7>" };

	line_put(l, priorities[level]);
}

static void line_build(struct line *l, enum log_level level, const struct log *log,
	const char *what)
{
	l->n = 0;
	l->max = LOG_LINE_BYTES - LOG_END_BYTES;
	l->is_json = log_json;
	if (log_journal)
		line_put_priority(l, level);
	if (log_json)
		line_build_json(l, level, log, what);
	else
		line_build_text(l, log, what);
	l->text[l->n++] = '\n';
}

/* ---- writing; called under the lock ---- */

static void log_copy(enum log_level level, const struct log *log, const char *what)
{
	struct line line = { .max = LOG_COPY_BYTES - 1 };

	if (log_copy_to == NULL)
		return;
	line_put_event(&line, log, what);
	line.text[line.n] = '\0';
	log_copy_to(log_copy_arg, level, line.text);
}

void log_set_copy(log_copy_fn *fn, void *arg)
{
	pthread_mutex_lock(&log_lock);
	log_copy_to = fn;
	log_copy_arg = arg;
	pthread_mutex_unlock(&log_lock);
}

void log_set_quiet(bool is_quiet)
{
	pthread_mutex_lock(&log_lock);
	log_is_quiet = is_quiet;
	pthread_mutex_unlock(&log_lock);
}

/* Logs a line about the log itself. */
static bool log_report(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

static bool log_report(enum log_level level, const char *fmt, ...)
{
	static const struct log itself = { .name = "log" };
	char what[512];
	struct line line;
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	line_build(&line, level, &itself, what);
	if (!outlet_write(&log_lines, line.text, line.n))
		return false;
	log_copy(level, &itself, what);
	return true;
}

static void log_report_lost(void)
{
	if (log_lost > 0 && outlet_flush(&log_lines) &&
		log_report(LOG_WARN,
			"%llu lines lost: the reader of standard error is too slow",
			(unsigned long long)log_lost))
		log_lost = 0;
}

static bool limit_is_over(const struct log_limit *limit)
{
	return clock_now_ms() - limit->began_ms >= LOG_LIMIT_MS;
}

/* For each period that has ended, logs the number of suppressed lines. */
static void log_report_suppressed(void)
{
	struct log_limit **at = &log_limits, *limit;

	while ((limit = *at) != NULL) {
		if (!limit_is_over(limit) ||
			!log_report(limit->level,
				"%u similar lines in %u s were suppressed; the last: %s",
				limit->suppressed, LOG_LIMIT_MS / 1000, limit->last)) {
			at = &limit->next;
			continue;
		}
		*at = limit->next;
		limit->suppressed = 0;
		limit->lines = 0;
	}
}

static void log_settle(void)
{
	log_report_lost();
	log_report_suppressed();
	log_caught_up_ms = clock_now_ms();
}

static void log_note_behind(void)
{
	atomic_store_explicit(&log_behind,
		log_lost > 0 || log_limits != NULL || log_lines.kept_n > 0 ||
			log_prints.kept_n > 0,
		memory_order_relaxed);
}

static void log_write(const struct line *line)
{
	log_settle();
	if (!outlet_write(&log_lines, line->text, line->n))
		log_lost++;
	log_note_behind();
}

bool log_is_behind(void)
{
	return atomic_load_explicit(&log_behind, memory_order_relaxed);
}

void log_catch_up(void)
{
	pthread_mutex_lock(&log_lock);
	if (clock_now_ms() - log_caught_up_ms >= LOG_CATCH_UP_MS) {
		(void)outlet_flush(&log_lines);
		(void)outlet_flush(&log_prints);
		log_settle();
		log_note_behind();
	}
	pthread_mutex_unlock(&log_lock);
}

void log_print(const char *text)
{
	pthread_mutex_lock(&log_lock);
	(void)outlet_write(&log_prints, text, strlen(text));
	log_note_behind();
	pthread_mutex_unlock(&log_lock);
}

/* ---- lines ---- */

static void log_vat(enum log_level level, const struct log *log, const char *fmt,
	va_list args)
{
	char what[1024];
	struct line line;

	vsnprintf(what, sizeof(what), fmt, args);
	line_build(&line, level, log, what);
	pthread_mutex_lock(&log_lock);
	if (!log_is_quiet)
		log_write(&line);
	log_copy(level, log, what);
	pthread_mutex_unlock(&log_lock);
}

void log_at(enum log_level level, const struct log *log, const char *fmt, ...)
{
	va_list args;

	if (!log_is_on(level))
		return;
	va_start(args, fmt);
	log_vat(level, log, fmt, args);
	va_end(args);
}

/* Under the lock. "server: session#1: Login failed" */
static void limit_print_last(struct log_limit *limit, const struct log *log,
	const char *fmt, va_list args)
{
	char what[sizeof(limit->last)];
	struct line subject = { .max = LOG_LINE_BYTES - LOG_END_BYTES,
		.is_json = log_json };

	vsnprintf(what, sizeof(what), fmt, args);
	line_put_subject(&subject, log);
	snprintf(limit->last, sizeof(limit->last), "%.*s%s%s", (int)subject.n,
		subject.text, log != NULL ? ": " : "", what);
}

/* True: the line is suppressed, and counted. */
static bool limit_suppresses(struct log_limit *limit, enum log_level level,
	const struct log *log, const char *fmt, va_list args)
{
	bool is_full = limit->lines >= LOG_LIMIT_LINES;

	if (limit->suppressed == 0 && (limit->lines == 0 || limit_is_over(limit))) {
		limit->began_ms = clock_now_ms();
		limit->lines = 0;
		is_full = false;
	}
	if (!is_full) {
		limit->lines++;
		return false;
	}
	if (limit->suppressed++ == 0) {
		limit->next = log_limits;
		log_limits = limit;
	}
	limit->level = level;
	limit_print_last(limit, log, fmt, args);
	log_note_behind();
	return true;
}

void log_at_limited(struct log_limit *limit, enum log_level level, const struct log *log,
	const char *fmt, ...)
{
	bool is_suppressed;
	va_list args;

	pthread_mutex_lock(&log_lock);
	log_settle();
	va_start(args, fmt);
	is_suppressed = limit_suppresses(limit, level, log, fmt, args);
	va_end(args);
	pthread_mutex_unlock(&log_lock);
	if (is_suppressed)
		return;
	va_start(args, fmt);
	log_vat(level, log, fmt, args);
	va_end(args);
}
