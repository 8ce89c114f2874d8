/*
 * A lease session is an agent's session with a relay: it keeps a lease there, for as long
 * as the relay may have it, and hands over its visitors. It implements agent/session.h.
 *
 *     waiting -> fetching the chain -> registering -> open -> leaving -> closed
 *
 * Every failure returns to waiting, except a permanent refusal. That another identity has
 * the name is permanent only for a session that never had it. portal-protocol 0, 8.
 */
#ifndef AGENT_LEASE_SESSION_H
#define AGENT_LEASE_SESSION_H

#include "agent/session.h"
#include "base/log.h"
#include "tunnel/portal/identity.h"
#include "tunnel/portal/message.h"
#include "tunnel/portal/signer.h"
#include "wire/marker.h"

/* A visitor, ready to be served. */
struct lease_visitor {
	struct stream *stream; /* without TLS; the receiver's */
	enum marker kind; /* MARKER_TLS: the visitor uses TLS, which was terminated */
	const struct addr *relay; /* borrowed for the call: its address */
};

struct lease_session_options {
	struct loop *loop; /* all borrowed: they outlive the session, but for @url */
	const char *url;   /* of the relay */
	const struct identity *identity;
	const struct message_metadata *metadata;
	const struct log *log;
	struct relay_share *share; /* with other sessions; NULL: nothing */
	bool wants_tcp;            /* also a TCP port */
	bool bans_mitm;            /* a relay that terminates visitors' TLS is left */
	/* A refusal is not final: it is tried again after RETRY_DENIED_MS. A ban is
	 * final. */
	bool keeps_trying;
	/* Visits its own name after each change and every 10 minutes: is_verified. */
	bool visits_itself;
	const struct agent_session_hooks *hooks;
	/* Called from the loop. */
	void (*on_visitor)(void *owner, struct agent_session *s,
		const struct lease_visitor *visitor);
	void *owner;
};

/* Begins. AGENT_OPEN: there is a lease, and a reverse session for the first visitor. */
enum err lease_session_open(const struct lease_session_options *o,
	struct agent_session **out, struct why *why) MUST_USE;

/* Renews the lease now if there is one: the metadata has changed. */
void lease_session_renew(struct agent_session *s);

struct lease_session_statistics {
	bool is_open;
	unsigned ready;                       /* reverse sessions */
	uint64_t registrations;               /* that succeeded */
	uint64_t visitors, handshakes_failed; /* visitors served, or not */
	struct signer_statistics signer;
	bool is_verified;    /* the last visit to its own name was not intercepted */
	uint64_t visited_ms; /* clock_now_ms() of its verdict; 0: there was none */
	/* the end of the certificate that visitors get, seconds since 1970; 0: unknown */
	int64_t certificate_end_s;
};

struct lease_session_statistics lease_session_statistics(const struct agent_session *s);

#endif
