/* A retry log decides which failed attempts are logged. */
#include "agent/retry_log.h"

#include "base/str.h"

void retry_log_reset(struct retry_log *r)
{
	*r = (struct retry_log){ .said_n = 0 };
}

static bool is_said(const struct retry_log *r, uint64_t sum)
{
	for (unsigned i = 0; i < r->said_n; i++) {
		if (r->said[i] == sum)
			return true;
	}
	return false;
}

bool retry_log_wants(struct retry_log *r, const char *text, uint64_t now_ms)
{
	uint64_t sum = str_digest(text);

	if (r->said_n > 0 && now_ms - r->said_ms < RETRY_LOG_MS &&
		(is_said(r, sum) || r->said_n == RETRY_LOG_TEXTS))
		return false;
	if (!is_said(r, sum) && r->said_n < RETRY_LOG_TEXTS)
		r->said[r->said_n++] = sum;
	r->said_ms = now_ms;
	return true;
}
