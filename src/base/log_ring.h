/*
 * The last lines of the log, in memory, for those that ask the program for them. Lines
 * are numbered from 1. Threads may add and read at the same time.
 */
#ifndef BASE_LOG_RING_H
#define BASE_LOG_RING_H

#include "base/buf.h"
#include "base/log.h"

#define LOG_RING_LINES 500 /* of at most LOG_COPY_BYTES */

struct log_ring;

struct log_ring_line {
	uint64_t number;
	uint64_t at_ms; /* clock_wall_ms() */
	enum log_level level;
	char text[LOG_COPY_BYTES];
};

enum err log_ring_new(struct log_ring **out) MUST_USE;
void log_ring_free(struct log_ring *ring); /* NULL is fine */

/* A log_copy_fn: adds a line, and drops the oldest if there are too many. Without memory
 * the line is lost, and its number is missing. */
void log_ring_add(void *ring, enum log_level level, const char *text);

/* Copies the first line behind the number @after to @out. False: there is none. */
bool log_ring_next(struct log_ring *ring, uint64_t after, struct log_ring_line *out);

/* The number of the last line; 0: there was none. */
uint64_t log_ring_last(struct log_ring *ring);

#endif
