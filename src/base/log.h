/*
 * The log: one line for each event, on standard error.
 *
 * Text lines are "2026/05/01 12:00:00 server: session#1: Listening"; JSON lines have the
 * keys time, level, who and what. If standard error is the journal, a line begins with
 * its priority, "<6>", and text has no time. Lines of different threads do not mix.
 * Control characters, and bytes that are not UTF-8, become escapes. Values from remote
 * peers are quoted with str_quote().
 *
 * Logging never waits for the reader of standard error. Lines that do not fit are lost
 * and counted, and the count is logged as soon as the reader continues: the loop calls
 * log_catch_up() for that.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/*
 * The subject of lines, with its parent. Prefixes nest: "server: session#1: tun".
 * It is embedded in the object that it names.
 */
struct log {
	const struct log *parent; /* borrowed: outlives us; NULL at the top */
	char name[96];
};

void log_init(struct log *log, const struct log *parent, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

void log_at(enum log_level level, const struct log *log, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#define log_error(log, ...) log_at(LOG_ERROR, log, __VA_ARGS__)
#define log_warn(log, ...) log_at(LOG_WARN, log, __VA_ARGS__)
#define log_info(log, ...) log_at(LOG_INFO, log, __VA_ARGS__)
#define log_debug(log, ...) \
	do { \
		if (log_is_on(LOG_DEBUG)) \
			log_at(LOG_DEBUG, log, __VA_ARGS__); \
	} while (0)

/*
 * For lines that a remote peer can cause: log_limited(LOG_INFO, log, "format", ...). Each
 * such place in the source may log LOG_LIMIT_LINES in LOG_LIMIT_MS. Further
 * lines are counted, and one line with their number and the last of them follows.
 */
#define LOG_LIMIT_LINES 50
#define LOG_LIMIT_MS 10000

struct log_limit {
	uint64_t began_ms; /* of the clock: time of the first line of this period */
	unsigned lines;    /* in this period; 0: there was none yet */
	unsigned suppressed;
	enum log_level level;
	char last[240]; /* the last suppressed line */
	struct log_limit *next;
};

void log_at_limited(struct log_limit *limit, enum log_level level, const struct log *log,
	const char *fmt, ...) PRINTF_LIKE(4, 5);

#define log_limited(level, log, ...) \
	do { \
		static struct log_limit log_limit_here; \
		if (log_is_on(level)) \
			log_at_limited(&log_limit_here, level, log, __VA_ARGS__); \
	} while (0)

bool log_is_on(enum log_level level);

/* At the start, before any worker runs. */
void log_set_level(enum log_level level);
void log_set_json(bool is_json);

/* Detects the kinds of standard error and standard output. Also at the start. */
void log_open(void);

/* True if a program reads the log: lines are JSON, or standard error is the journal. */
bool log_is_for_programs(void);

/*
 * Calls @fn with each line, too: UTF-8 text of less than LOG_COPY_BYTES, without time and
 * level: "agent: web: public at ...". What is longer is cut. Lines that standard error
 * does not take are among them. NULL: no more. @fn is called by any thread, and by one at
 * a time; it may not log.
 */
#define LOG_COPY_BYTES 1024
typedef void log_copy_fn(void *arg, enum log_level level, const char *text);
void log_set_copy(log_copy_fn *fn, void *arg);

/* True: lines go to log_set_copy() only, not to standard error, which a terminal UI
 * has. */
void log_set_quiet(bool is_quiet);

/* Prints @text, of at most OUTLET_KEPT_BYTES, to standard output; does not wait
 * either. */
void log_print(const char *text);

/* True if lines are kept or lost: call log_catch_up() within LOG_CATCH_UP_MS. */
#define LOG_CATCH_UP_MS 500
bool log_is_behind(void);
void log_catch_up(void);

#endif
