/*
 * The log: one line for each thing that happened, on standard error.
 *
 * Text lines are "2026/05/01 12:00:00 server: session#1: Listening"; JSON lines have the keys
 * time, level, who and what. A line is written with one write(2), so lines of several
 * workers do not mix. Whatever they say, a line stays one: control characters, and bytes that
 * are no text, become escapes. Where a value that came from a stranger ends, str_quote() shows.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/*
 * Who speaks: a noun, and the one it belongs to. Prefixes nest: "server: session#1: tun".
 * Embedded in what it names, and good for as long.
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

bool log_is_on(enum log_level level);

/* At start, before any worker runs. */
void log_set_level(enum log_level level);
void log_set_json(bool is_json);

#endif
