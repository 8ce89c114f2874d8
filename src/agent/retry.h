/*
 * A retry decides when a session makes its next attempt, and which failures are logged.
 * It only counts and reads the clock.
 */
#ifndef AGENT_RETRY_H
#define AGENT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

#define RETRY_STABLE_MS 5000 /* open for this long: the count of failures restarts */
#define RETRY_FRESH_MS 1500  /* an attempt this young is not replaced by another */
#define RETRY_DENIED_MS \
	30000 /* between attempts, if the user has to change something first */

enum retry_kind {
	RETRY_TRANSIENT, /* at once the first time, then up to @max_ms */
	RETRY_TAKEN,     /* another client holds it: pauses grow up to RETRY_DENIED_MS */
	/* RETRY_DENIED_MS at least, but not above a @max_ms that is given */
	RETRY_DENIED,
};

#define RETRY_LOG_MS 60000
#define RETRY_LOG_TEXTS 4 /* different ones that are logged at once */

/* Limits log lines about failures: each text in full once, then one line a minute. */
struct retry_log {
	uint64_t texts[RETRY_LOG_TEXTS]; /* digests */
	unsigned texts_n;
	uint64_t logged_ms; /* the last line */
};

enum retry_log_verdict {
	RETRY_LOG_NOTHING, /* 0 */
	RETRY_LOG_LINE,    /* it was logged before: one line */
	RETRY_LOG_FULL,    /* a new failure: all that is known */
};

/* What to log about a failure with this text. */
enum retry_log_verdict retry_log_wants(struct retry_log *l, const char *text);

/* Logs it: as a warning if retry_log_wants() it, else at level debug. */
void retry_log_warn(struct retry_log *l, const struct log *log, const char *text);

/* It works again: every text is new from now on. True: a failure was logged. */
bool retry_log_reset(struct retry_log *l);

struct retry_options {
	int limit;               /* retries in a row; -1: any number */
	uint32_t min_ms, max_ms; /* of a pause; 0: at once, and as base/backoff.h */
	/* a pause begins with the attempt, not with its failure */
	bool counts_from_attempt;
};

struct retry {
	struct retry_options o;
	int failures;      /* attempts since the last stable session or retry_reset() */
	unsigned attempts; /* since the last stable session */
	uint64_t tried_ms; /* when the last attempt began */
	uint64_t open_ms;  /* when it succeeded; 0: not yet */
	struct retry_log log;
};

void retry_init(struct retry *r, const struct retry_options *o);

/* An attempt begins; it has succeeded. */
void retry_begin(struct retry *r);
void retry_succeed(struct retry *r);

/* The session has been open for RETRY_STABLE_MS. Optional: retry_fail() checks it too. */
void retry_settle(struct retry *r);

/* The attempt or the session has failed. False: the limit is reached. */
bool retry_fail(struct retry *r, enum retry_kind kind, uint32_t *pause_ms) MUST_USE;

/* The path may be back: the next pause is that of a first failure. */
void retry_reset(struct retry *r);

/* How much longer the last attempt is younger than RETRY_FRESH_MS, or 0. */
uint32_t retry_fresh_ms(const struct retry *r);

#endif
