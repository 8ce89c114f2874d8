/*
 * A registration is the client's hold on a lease at one relay: it signs in, registers,
 * renews before the time is over, and unregisters. portal-protocol 0, 2.6, 6.6.
 *
 * It tries once. Whoever wants the lease back after a failure opens another.
 */
#ifndef TUNNEL_PORTAL_REGISTRATION_H
#define TUNNEL_PORTAL_REGISTRATION_H

#include "tunnel/portal/identity.h"
#include "tunnel/portal/message.h"
#include "tunnel/portal/relay_peer.h"

struct registration;

enum registration_end {
	REGISTRATION_FAILED,  /* try again later */
	REGISTRATION_REFUSED, /* this relay will not have us, ever */
	REGISTRATION_TAKEN, /* another identity has the name, or the relay reserves it */
	REGISTRATION_LOST,  /* the relay had it, and has it no more: register anew */
	REGISTRATION_LEFT,  /* as was asked */
};

/* The owner's. Called from the loop. */
struct registration_hooks {
	void (*on_held)(void *owner, const struct message_lease *lease);
	/* There is a new token. @tls is the relay's connection, or NULL:
	 * for its chain. */
	void (*on_renewed)(void *owner, const struct stream *tls);
	/* A renewal has failed, and is tried again:
	 * told once for each run of failures. */
	void (*on_trouble)(void *owner, const struct why *why);
	/* The registration is gone. */
	void (*on_ended)(void *owner, enum registration_end end, const struct why *why);
};

struct registration_options {
	struct loop *loop;              /* all borrowed: they outlive the registration */
	const struct relay_peer *relay; /* trusted already */
	const struct identity *identity;
	const struct message_metadata *metadata;
	bool wants_tcp; /* a TCP port of its own */
	const struct registration_hooks *hooks;
	void *owner;
};

/* No hook is called from inside this call. */
enum err registration_open(const struct registration_options *o,
	struct registration **out, struct why *why) MUST_USE;

/* The newest; its text is "" before there is one. */
struct lease_token registration_token(const struct registration *r);

/* The relay is believed by something else now: relay->tls has changed. */
void registration_trust(struct registration *r);

/*
 * Unregisters: on_ended comes within 5 seconds. False: nothing is registered, close it.
 */
bool registration_leave(struct registration *r);

/* No hook is called any more, and the relay is told nothing. NULL is fine. */
void registration_close(struct registration *r);

#endif
