/*
 * A registration is the client's side of a lease at one relay: it signs in, registers,
 * renews in time, and unregisters. portal-protocol 0, 2.6, 6.6.
 *
 * It does not retry: after a failure the owner opens another.
 */
#ifndef TUNNEL_PORTAL_REGISTRATION_H
#define TUNNEL_PORTAL_REGISTRATION_H

#include "tunnel/portal/identity.h"
#include "tunnel/portal/message.h"
#include "tunnel/portal/relay_peer.h"

struct registration;

enum registration_end {
	REGISTRATION_FAILED,  /* try again later */
	REGISTRATION_REFUSED, /* permanent */
	REGISTRATION_TAKEN, /* another identity has the name, or the relay reserves it */
	REGISTRATION_LOST,  /* the lease has ended: register again */
	REGISTRATION_LEFT,  /* registration_leave() is done */
};

/* Called from the loop. */
struct registration_hooks {
	void (*on_held)(void *owner, const struct message_lease *lease);
	/* There is a new token. @tls is the connection to the relay, for its chain. */
	void (*on_renewed)(void *owner, const struct stream *tls);
	/* A renewal has failed, and is retried; called for the first failure in a row. */
	void (*on_trouble)(void *owner, const struct why *why);
	/* The registration has ended. */
	void (*on_ended)(void *owner, enum registration_end end, const struct why *why);
};

struct registration_options {
	struct loop *loop;              /* all borrowed: they outlive the registration */
	const struct relay_peer *relay; /* its chain is known */
	const struct identity *identity;
	const struct message_metadata *metadata;
	bool wants_tcp; /* a TCP port for the lease */
	const struct registration_hooks *hooks;
	void *owner;
};

/* No hook is called from inside this call. */
enum err registration_open(const struct registration_options *o,
	struct registration **out, struct why *why) MUST_USE;

/* The newest; its text is "" before there is one. */
struct lease_token registration_token(const struct registration *r);

/* The shortest time to a response on an open connection; 0: not known. */
uint64_t registration_rtt_us(const struct registration *r);

/* The relay's release, fit for a terminal; "" before it is known. */
const char *registration_release(const struct registration *r);

/* Renews the lease now, or after the renewal that is under way: the metadata has
 * changed. */
void registration_renew(struct registration *r);

/* Unregisters: on_ended is called within 5 seconds. False: there is no lease. */
bool registration_leave(struct registration *r);

/* Ends without unregistering; no hook is called. NULL is fine. */
void registration_close(struct registration *r);

#endif
