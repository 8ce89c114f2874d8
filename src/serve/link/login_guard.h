/*
 * A login guard slows clients down that try passwords: answers to their logins wait
 * longer and longer, one behind the other, whatever connections they come by. It also
 * says which failures are logged. It is told the time, and its memory is fixed: where
 * there is no room, the client that was quiet longest is forgotten.
 *
 * A client is an address of IPv4, or a /64 of IPv6. The first LOGIN_GUARD_FREE failures
 * cost nothing; each minute without one makes good for one.
 */
#ifndef SERVE_LINK_LOGIN_GUARD_H
#define SERVE_LINK_LOGIN_GUARD_H

#include "net/prefix.h"

#define LOGIN_GUARD_FREE 3
#define LOGIN_GUARD_WAIT_MS 16000  /* the longest wait that one failure adds */
#define LOGIN_GUARD_QUEUE_MS 20000 /* a login that would wait longer is refused */
#define LOGIN_GUARD_CLIENTS 4096
#define LOGIN_GUARD_IP6_BITS 64

struct login_guard;

enum err login_guard_new(struct login_guard **out) MUST_USE;
void login_guard_free(struct login_guard *g); /* NULL is fine */

struct login_verdict {
	uint32_t wait_ms;  /* before the answer, be it yes or no */
	bool is_refused;   /* whatever the password is: too many wait already */
	bool is_logged;    /* if it is a failure */
	unsigned unlogged; /* failures of this client since the last that was */
};

/* A login of @client whose password is right or not. */
struct login_verdict login_guard_try(struct login_guard *g, const struct prefix *client,
	bool is_good, uint64_t now_ms);

#endif
