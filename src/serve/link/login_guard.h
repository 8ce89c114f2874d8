/*
 * A login guard slows down clients that try passwords: replies to their logins are
 * delayed more and more, and one after the other, on all their connections. It also
 * decides which failures are logged. It gets the time as an argument, and its memory is
 * fixed: if it is full, the client that was quiet longest is forgotten.
 *
 * A client is an address of IPv4, or a /64 of IPv6. The first LOGIN_GUARD_FREE failures
 * cause no delay; each minute without a failure removes one from the count.
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
	uint32_t wait_ms;  /* before the reply, in both cases */
	bool is_refused;   /* with any password: too many logins wait */
	bool is_logged;    /* if it is a failure */
	unsigned unlogged; /* failures of this client since the last that was */
};

/* A login of @client whose password is right or not. */
struct login_verdict login_guard_try(struct login_guard *g, const struct prefix *client,
	bool is_good, uint64_t now_ms);

#endif
