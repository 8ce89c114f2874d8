/* A keepalive decides when a session pings its peer, and when the peer counts as dead. */
#include "tunnel/chisel/keepalive.h"

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void keepalive_init(struct keepalive *k, uint32_t interval_ms, uint32_t timeout_ms,
	uint64_t now_ms)
{
	*k = (struct keepalive){
		.interval_ms = interval_ms,
		.timeout_ms = timeout_ms,
		.heard_ms = now_ms,
		.next_ms = now_ms,
	};
}

void keepalive_on_heard(struct keepalive *k, uint64_t now_ms)
{
	k->heard_ms = now_ms;
	k->asked_ms = 0;
}

void keepalive_on_pong(struct keepalive *k)
{
	if (k->pinged_ms == 0)
		return;
	k->next_ms = k->pinged_ms + k->interval_ms;
	k->pinged_ms = 0;
	k->is_early = false;
}

void keepalive_on_use(struct keepalive *k, bool is_sent, uint64_t now_ms)
{
	k->is_used = true;
	if (is_sent && k->asked_ms == 0)
		k->asked_ms = now_ms;
}

static bool keepalive_is_in_use(const struct keepalive *k)
{
	return k->is_used || k->is_early || k->opens > 0;
}

bool keepalive_ping_now(struct keepalive *k, uint64_t now_ms)
{
	if (k->pinged_ms != 0)
		return false;
	k->is_early = keepalive_is_in_use(k);
	k->is_used = false;
	k->pinged_ms = now_ms;
	return true;
}

static uint64_t keepalive_timeout(const struct keepalive *k)
{
	return sooner(k->timeout_ms > 0 ? k->timeout_ms : KEEPALIVE_TIMEOUT_MS,
		k->interval_ms);
}

/* Notes what the transport has done since the last look. */
static void keepalive_note(struct keepalive *k, const struct stream_path *path,
	uint64_t now_ms)
{
	bool has_moved = path->acked_bytes != k->acked_bytes;

	if (has_moved)
		k->moved_ms = path->quiet_ms < now_ms ? now_ms - path->quiet_ms : 0;
	k->acked_bytes = path->acked_bytes;
	if (!path->is_waiting)
		k->stuck_ms = 0;
	else if (has_moved || k->stuck_ms == 0)
		k->stuck_ms = now_ms;
}

/* Acknowledgements that tell of losses are no progress, but they are signs of life. */
static bool keepalive_is_stuck(const struct keepalive *k, const struct stream_path *path,
	uint64_t now_ms)
{
	uint64_t rtt = 2 * (uint64_t)path->rtt_ms + 4 * (uint64_t)path->rtt_variance_ms;
	uint64_t limit = later(rtt, KEEPALIVE_STUCK_MS);

	if (k->timeout_ms > 0 || limit > keepalive_timeout(k))
		limit = keepalive_timeout(k);
	return keepalive_is_in_use(k) && k->stuck_ms != 0 &&
		now_ms - k->stuck_ms >= limit && path->quiet_ms >= limit;
}

/*
 * When the ping that is out is unanswered for too long. It may wait in a queue: as long
 * as that moves, the peer is there.
 */
static uint64_t keepalive_late_ms(const struct keepalive *k)
{
	uint64_t since = later(k->pinged_ms, later(k->heard_ms, k->moved_ms));

	return k->pinged_ms != 0 ? since + keepalive_timeout(k) : UINT64_MAX;
}

static uint64_t keepalive_ping_ms(const struct keepalive *k)
{
	uint64_t early = later(k->heard_ms, k->asked_ms) + KEEPALIVE_EARLY_MS;

	if (k->pinged_ms != 0)
		return UINT64_MAX;
	return keepalive_is_in_use(k) ? sooner(k->next_ms, early) : k->next_ms;
}

enum keepalive_verdict keepalive_look(struct keepalive *k, const struct stream_path *path,
	uint64_t now_ms)
{
	if (k->interval_ms == 0)
		return KEEPALIVE_WAIT;
	if (path != NULL)
		keepalive_note(k, path, now_ms);
	if (path != NULL && keepalive_is_stuck(k, path, now_ms))
		return KEEPALIVE_DEAD;
	if (now_ms >= keepalive_late_ms(k))
		return KEEPALIVE_DEAD;
	if (now_ms >= keepalive_ping_ms(k) && keepalive_ping_now(k, now_ms))
		return KEEPALIVE_PING;
	return KEEPALIVE_WAIT;
}

uint64_t keepalive_due_ms(const struct keepalive *k, uint64_t now_ms)
{
	uint64_t due = sooner(keepalive_ping_ms(k), keepalive_late_ms(k));

	if (k->interval_ms == 0)
		return UINT64_MAX;
	return keepalive_is_in_use(k) ? sooner(due, now_ms + KEEPALIVE_LOOK_MS) : due;
}
