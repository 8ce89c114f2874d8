/*
 * A tunnel of an agent's config: it is published as long as it is in the config, whatever
 * fails. What can change without another lease is changed while visitors stay.
 *
 *     starting -> running <-> error -> stopped
 */
#ifndef AGENT_TUNNEL_H
#define AGENT_TUNNEL_H

#include "agent/config.h"
#include "agent/expose.h"
#include "agent/health.h"
#include "agent/target_health.h"

struct tunnel;

/* Called from the loop. */
struct tunnel_hooks {
	/* tunnel_leave() is done: close it. */
	void (*on_ended)(void *owner, struct tunnel *t);
};

struct tunnel_options {
	struct worker *worker; /* all borrowed: they outlive the tunnel */
	const struct log *log;
	struct relay_share *share; /* may be NULL */
	bool dials_targets;
	const struct tunnel_hooks *hooks;
	void *owner;
};

/*
 * @config is taken, and zeroed. @identity_path is copied. A tunnel that cannot run opens,
 * too, and is in state error.  ERR_NOMEM: @config stays the caller's.
 */
enum err tunnel_open(const struct tunnel_options *o, struct tunnel_config *config,
	const char *identity_path, struct tunnel **out) MUST_USE;

/*
 * Changes to @config, which is taken and zeroed, without another lease. False: it needs
 * one, and nothing has changed: leave this tunnel, and open another.
 */
bool tunnel_change_take(struct tunnel *t, struct tunnel_config *config,
	const char *identity_path) MUST_USE;

const char *tunnel_id(const struct tunnel *t);
const struct tunnel_config *tunnel_config(const struct tunnel *t);

/* As expose_retry_now(). */
void tunnel_retry_now(struct tunnel *t, const char *reason);

/*
 * Adds or removes a relay until the next change of the relays in the config. A relay that
 * was banned is used again. Errors: those of relay_url_parse().
 */
enum err tunnel_connect(struct tunnel *t, const char *relay, struct why *why) MUST_USE;
enum err tunnel_disconnect(struct tunnel *t, const char *relay, struct why *why) MUST_USE;

/* Unregisters, and lets visitors finish: on_ended within EXPOSE_LEAVE_MS. */
void tunnel_leave(struct tunnel *t);
void tunnel_close(struct tunnel *t); /* NULL is fine */

struct tunnel_status {
	enum agent_state state;
	enum agent_health health;
	uint64_t since_ms, next_ms; /* clock_now_ms(); 0: unknown, none */
	const char *error;          /* "": none. As old as the state */
	const char *name;           /* the public label; "" before it is known */
	const char *address;        /* of the identity; likewise */
	bool is_verified;           /* by a visit to its own name */
	struct target_health_status target;
	struct expose_statistics statistics;
};

struct tunnel_status tunnel_status(const struct tunnel *t);

/* As expose_relay(); also those that tunnel_disconnect() has removed. */
bool tunnel_relay(const struct tunnel *t, unsigned i, struct expose_relay *out);

#endif
