/* When a session makes its next attempt. */
#include "agent/retry.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/str.h"

enum retry_log_verdict retry_log_wants(struct retry_log *l, const char *text)
{
	uint64_t digest = str_digest(text), now = clock_now_ms();
	bool is_new = true;

	for (unsigned i = 0; i < l->texts_n; i++)
		is_new = is_new && l->texts[i] != digest;
	if (l->texts_n > 0 && now - l->logged_ms < RETRY_LOG_MS &&
		(!is_new || l->texts_n == RETRY_LOG_TEXTS))
		return RETRY_LOG_NOTHING;
	if (is_new && l->texts_n < RETRY_LOG_TEXTS)
		l->texts[l->texts_n++] = digest;
	l->logged_ms = now;
	return is_new ? RETRY_LOG_FULL : RETRY_LOG_LINE;
}

void retry_log_warn(struct retry_log *l, const struct log *log, const char *text)
{
	log_at(retry_log_wants(l, text) != RETRY_LOG_NOTHING ? LOG_WARN : LOG_DEBUG, log,
		"%s", text);
}

bool retry_log_reset(struct retry_log *l)
{
	bool had_text = l->texts_n > 0;

	l->texts_n = 0;
	return had_text;
}

void retry_init(struct retry *r, const struct retry_options *o)
{
	*r = (struct retry){ .o = *o };
}

void retry_begin(struct retry *r)
{
	r->tried_ms = clock_now_ms();
	r->open_ms = 0;
}

void retry_succeed(struct retry *r)
{
	r->open_ms = clock_now_ms();
}

void retry_settle(struct retry *r)
{
	r->failures = 0;
	r->attempts = 0;
	retry_log_reset(&r->log);
}

bool retry_fail(struct retry *r, enum retry_kind kind, uint32_t *pause_ms)
{
	uint32_t max_ms = kind == RETRY_TAKEN ? RETRY_DENIED_MS : r->o.max_ms;
	uint64_t now = clock_now_ms(), spent;
	uint32_t pause;

	if (r->open_ms != 0 && now - r->open_ms > RETRY_STABLE_MS)
		r->failures = 0;
	r->failures++;
	r->attempts++;
	pause = backoff_pause_ms(r->failures, r->o.min_ms, max_ms);
	if (kind == RETRY_DENIED && pause < RETRY_DENIED_MS)
		pause = max_ms > 0 && max_ms < RETRY_DENIED_MS ? max_ms : RETRY_DENIED_MS;
	spent = r->o.counts_from_attempt && r->open_ms == 0 ? now - r->tried_ms : 0;
	*pause_ms = spent < pause ? pause - (uint32_t)spent : 0;
	return r->o.limit < 0 || r->failures <= r->o.limit;
}

void retry_reset(struct retry *r)
{
	r->failures = 0;
}

uint32_t retry_fresh_ms(const struct retry *r)
{
	uint64_t age = clock_now_ms() - r->tried_ms;

	return age < RETRY_FRESH_MS ? RETRY_FRESH_MS - (uint32_t)age : 0;
}
