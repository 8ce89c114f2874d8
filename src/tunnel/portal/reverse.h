/*
 * A reverse session, the client's end: a connection to the relay that waits for a
 * visitor, and then carries its bytes. portal-protocol 6.
 *
 * Nothing is read beyond the marker: the stream that is handed over has all of the
 * visitor's bytes.
 */
#ifndef TUNNEL_PORTAL_REVERSE_H
#define TUNNEL_PORTAL_REVERSE_H

#include "tunnel/portal/message.h"
#include "tunnel/portal/relay_peer.h"
#include "wire/marker.h"

struct reverse;

/* Called from the loop. After the last two the session is freed. */
struct reverse_hooks {
	/* The relay has accepted it. The session may not be closed in this hook. */
	void (*on_ready)(void *owner);
	/* A visitor has arrived. The owner owns @stream; @peer is the relay's address. */
	void (*on_active)(void *owner, enum marker kind, struct stream *stream,
		const struct addr *peer);
	/*
	 * It ended without a visitor. ERR_DENIED: the relay refuses, with @refusal.
	 * ERR_CLOSED: the relay closed it.  ERR_TIMEOUT: no keepalive arrived.
	 */
	void (*on_failed)(void *owner, enum err rc, const struct message_refusal *refusal,
		const struct why *why);
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

/* No hook is called any more. NULL is fine. */
void reverse_close(struct reverse *r);

#endif
