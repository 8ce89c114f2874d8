/*
 * A reverse session, the client's end: a connection to the relay that waits until a
 * visitor comes, and then carries his bytes. portal-protocol 6.
 *
 * Nothing is read beyond the marker, so that the stream that is handed over has all of
 * the visitor's bytes in it.
 */
#ifndef TUNNEL_PORTAL_REVERSE_H
#define TUNNEL_PORTAL_REVERSE_H

#include "tunnel/portal/message.h"
#include "tunnel/portal/relay_peer.h"
#include "wire/marker.h"

struct reverse;

/* The owner's. Called from the loop; the session is gone in the last two. */
struct reverse_hooks {
	/* The relay has taken it: it waits for a visitor.
	 * It may not be closed in this one. */
	void (*on_ready)(void *owner, struct reverse *r);
	/* A visitor is there. @stream is the owner's;
	 * @r is only to be looked at, and forgotten. */
	void (*on_active)(void *owner, struct reverse *r, enum marker kind,
		struct stream *stream);
	/*
	 * It did not come to that. ERR_DENIED: the relay refuses, with @refusal.
	 * ERR_CLOSED: the relay closed it.  ERR_TIMEOUT: not even a keepalive came.
	 */
	void (*on_failed)(void *owner, struct reverse *r, enum err rc,
		const struct message_refusal *refusal, const struct why *why);
};

struct reverse_options {
	struct loop *loop;              /* borrowed: outlives the session */
	const struct relay_peer *relay; /* borrowed for the call */
	const char *token;              /* likewise: of the lease */
	const struct reverse_hooks *hooks;
	void *owner;
};

/* No hook is called from inside this call. */
enum err reverse_open(const struct reverse_options *o, struct reverse **out,
	struct why *why) MUST_USE;

bool reverse_is_ready(const struct reverse *r);

/* The relay's end of the connection, once there is one. */
const struct addr *reverse_peer(const struct reverse *r);

/* No hook is called any more. NULL is fine. */
void reverse_close(struct reverse *r);

#endif
