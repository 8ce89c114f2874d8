/*
 * A lease session is an agent's relationship with one relay: it keeps a lease there, for as
 * long as the relay may have it, and hands over the visitors who come through it.
 *
 *     waiting -> fetching the chain -> registering -> open -> leaving -> closed
 *
 * Every failure returns to waiting, except a permanent refusal. That another identity has the
 * name is permanent only for a session that never had it. portal-protocol 0, 8.
 */
#ifndef AGENT_LEASE_SESSION_H
#define AGENT_LEASE_SESSION_H

#include "base/log.h"
#include "tunnel/portal/identity.h"
#include "tunnel/portal/message_lease.h"
#include "tunnel/portal/signer.h"
#include "wire/marker.h"

struct lease_session;

/* A visitor, ready to be served. */
struct lease_visitor {
	struct stream *stream;    /* what he says, in the clear; the receiver's */
	enum marker kind;         /* MARKER_TLS: it came in TLS, and that ends here */
	const struct addr *relay; /* borrowed for the call: who carries him here */
};

/* The owner's. Called from the loop. */
struct lease_session_hooks {
	/*
	 * There is a lease, and a session for the first visitor: lease_session_url() is good.
	 * Again whenever that has come back.
	 */
	void (*on_open)(void *owner, struct lease_session *s);
	void (*on_visitor)(void *owner, struct lease_session *s,
		const struct lease_visitor *visitor);
	/*
	 * It is over for good; to be closed. ERR_CLOSED: as was asked. ERR_DENIED: the relay
	 * will not have us. ERR_CRYPTO: it reads what visitors say, and we will not have it.
	 * The log has been told.
	 */
	void (*on_closed)(void *owner, struct lease_session *s, enum err rc);
};

struct lease_session_options {
	struct loop *loop; /* all borrowed: they outlive the session, but for @url */
	const char *url;   /* of the relay */
	const struct identity *identity;
	const struct message_metadata *metadata;
	const struct log *log;
	bool wants_tcp; /* a port of its own, too */
	bool bans_mitm; /* a relay that ends its visitors' TLS is left */
	const struct lease_session_hooks *hooks;
	void *owner;
};

/* Begins. No hook is called from inside this call. */
enum err lease_session_open(const struct lease_session_options *o,
	struct lease_session **out, struct why *why) MUST_USE;

/* Something has happened that may have cut the path, or brought it back. */
void lease_session_urge(struct lease_session *s, const char *reason);

/* Unregisters: on_closed comes within 5 seconds. Visitors handed over go on. */
void lease_session_leave(struct lease_session *s);

/* No hook is called any more. NULL is fine. */
void lease_session_close(struct lease_session *s);

/* The relay's, in form. */
const char *lease_session_relay(const struct lease_session *s);

/* "https://name.relay", and "name.relay"; "" before there was a lease. */
const char *lease_session_url(const struct lease_session *s);
const char *lease_session_host(const struct lease_session *s);

/* "relay:port", or "" without one. */
const char *lease_session_tcp(const struct lease_session *s);

struct lease_session_figures {
	bool is_open;
	unsigned ready;                       /* reverse sessions */
	uint64_t registrations;               /* that succeeded */
	uint64_t visitors, handshakes_failed; /* visitors served, or not */
	struct signer_figures signer;
};

struct lease_session_figures lease_session_figures(const struct lease_session *s);

#endif
