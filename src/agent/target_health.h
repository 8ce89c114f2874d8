/*
 * Whether the services behind a tunnel respond: what the last visitors found, and, while
 * there are none, a connection a minute that is closed at once.
 */
#ifndef AGENT_TARGET_HEALTH_H
#define AGENT_TARGET_HEALTH_H

#include "agent/http_routes.h"
#include "loop/loop.h"

#define TARGET_HEALTH_DIAL_MS 60000

enum target_state {
	TARGET_UNKNOWN,
	TARGET_OK,
	TARGET_DOWN,
};

struct target_health;

/* @dials: false waits for visitors. ERR_NOMEM. */
enum err target_health_open(struct loop *loop, bool dials,
	struct target_health **out) MUST_USE;
void target_health_close(struct target_health *h); /* NULL is fine */

/*
 * These are the services from now on, none of them known: @target, or the upstreams of
 * @routes if it is not empty. Borrowed: they outlive the object, or the next call.
 */
void target_health_watch(struct target_health *h, const struct target *target,
	const struct http_routes *routes);

/* A visitor has reached its service (ERR_OK), or not. */
void target_health_note(struct target_health *h, enum err rc, const struct why *why);

struct target_health_status {
	enum target_state state;
	const char *error;   /* of TARGET_DOWN; "": none. As old as the object's state */
	uint64_t checked_ms; /* clock_now_ms(); 0: never */
};

struct target_health_status target_health_status(const struct target_health *h);

#endif
