/*
 * A retry log decides which failed attempts are logged: what goes wrong is said once, then once
 * a minute with the number of attempts. It is told the time.
 */
#ifndef AGENT_RETRY_LOG_H
#define AGENT_RETRY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define RETRY_LOG_MS 60000
#define RETRY_LOG_TEXTS 4 /* different ones that are said at once */

struct retry_log {
	uint64_t said[RETRY_LOG_TEXTS]; /* digests */
	unsigned said_n;
	uint64_t said_ms; /* when the last line was */
};

/* All is well: what goes wrong from now on is said at once. */
void retry_log_reset(struct retry_log *r);

/* An attempt has failed for this reason: is it to be logged? */
bool retry_log_wants(struct retry_log *r, const char *text, uint64_t now_ms);

#endif
