/* Durations as Go writes them: "25s", "1m30s", "1.5h", "100ms". */
#ifndef TEXT_DURATION_H
#define TEXT_DURATION_H

#include "base/err.h"
#include "base/span.h"

#define DURATION_TEXT_MAX 32

/*
 * Reads numbers with units (ns us ms s m h), added up; only zero needs none. Less than a
 * millisecond counts as one, so that nothing turns into zero, which often means "off".
 * ERR_SYNTAX: not a duration, or below zero.  ERR_LIMIT: more than 292 years.
 */
enum err duration_parse(struct span text, uint64_t *ms) MUST_USE;

/* "0s", "7µs", "1.006ms", "1.6s", "5m0s", "1h0m0s" in UTF-8. Returns @to. */
const char *duration_print(uint64_t us, char to[DURATION_TEXT_MAX]);

#endif
