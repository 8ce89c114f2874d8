/*
 * Points in time as RFC 3339 text: "2026-06-01T12:00:00.5+09:00".
 *
 * Read as Go reads them: capital letters, an offset or "Z", any number of decimals, of
 * which nine count, and no leap second. Written in UTC, with as many decimals as there
 * are.
 */
#ifndef TEXT_TIMEFMT_H
#define TEXT_TIMEFMT_H

#include <time.h>

#include "base/err.h"
#include "base/span.h"

#define TIMEFMT_TEXT_MAX 32

/* Years 0 to 9999, which is what the text can say. */
#define TIMEFMT_SECONDS_MIN (-62167219200)
#define TIMEFMT_SECONDS_MAX 253402300799

struct timestamp {
	int64_t s;   /* since 1970, in UTC; before it, below zero */
	uint32_t ns; /* after that second: below 1,000,000,000 */
};

/* ERR_SYNTAX: not a time, or not in those years once it is in UTC. */
enum err timefmt_parse(struct span text, struct timestamp *out) MUST_USE;

/*
 * Pieces of a time at the front of @in, for other formats: a date of the calendar, the
 * clock with its decimals, and an offset from UTC or "Z". False: there is none, and @in
 * may have been shortened.
 */
bool timefmt_cut_date(struct span *in, struct tm *out);
bool timefmt_cut_clock(struct span *in, int second_max, struct tm *out, uint32_t *ns);
bool timefmt_cut_offset(struct span *in, int *seconds);

/* Of milliseconds since 1970, as clocks have them. */
static inline struct timestamp timefmt_of_ms(uint64_t ms)
{
	return (struct timestamp){ .s = (int64_t)(ms / 1000),
		.ns = (uint32_t)(ms % 1000) * 1000000 };
}

/* @t must be in those years. Returns @to. */
const char *timefmt_print(struct timestamp t, char to[TIMEFMT_TEXT_MAX]);

#endif
