/*
 * The reverse sessions of a lease, the agent's end: some always wait for visitors, more
 * while many visitors come. A failed session is opened again after a pause.
 * portal-protocol 6.3.
 */
#ifndef AGENT_LEASE_POOL_H
#define AGENT_LEASE_POOL_H

#include "tunnel/portal/reverse.h"

#define LEASE_POOL_MIN 2 /* sessions that wait or are being opened */
#define LEASE_POOL_MAX 8 /* a relay keeps no more */

/*
 * The longest pause between two attempts. From there to the first visitor it takes about
 * fifteen round trips; the bound for all is 5 s.
 */
#define LEASE_PAUSE_MAX_MS 3000

struct lease_pool;

/* Called from the loop; the pool may be closed in them. */
struct lease_pool_hooks {
	/* @stream is the owner's; @relay is the address it came from. */
	void (*on_visitor)(void *owner, enum marker kind, struct stream *stream,
		const struct addr *relay);
	/*
	 * Opening sessions fails. @refusal is zero unless the relay refuses them. Several
	 * that fail together without a refusal are reported once.
	 */
	void (*on_trouble)(void *owner, enum err rc,
		const struct message_refusal *refusal, const struct why *why);
	/* A session that was ready got no keepalive: the path may be cut. */
	void (*on_silence)(void *owner);
	/* The first is ready, after none was. */
	void (*on_ready)(void *owner);
};

struct lease_pool_options {
	struct loop *loop; /* borrowed, as the relay: they outlive the pool */
	const struct relay_peer *relay; /* its chain is known */
	const char *token;              /* copied */
	const struct lease_pool_hooks *hooks;
	void *owner;
};

/* Begins to open sessions. No hook is called from inside this call. */
enum err lease_pool_open(const struct lease_pool_options *o,
	struct lease_pool **out) MUST_USE;

/* For sessions opened from now on. */
void lease_pool_set_token(struct lease_pool *p, const char *token);

/* Opens missing sessions without a pause. */
void lease_pool_retry(struct lease_pool *p);

/* The number that wait for visitors. */
unsigned lease_pool_ready(const struct lease_pool *p);

/* Its sessions are closed; visitors that were handed over go on. NULL is fine. */
void lease_pool_close(struct lease_pool *p);

#endif
