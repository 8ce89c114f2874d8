/*
 * The tenant of a relay's name: the TLS server that its visitors reach, with the relay's
 * certificates and a key that only the relay has. portal-protocol 8.3.
 *
 * A visitor who comes back brings a ticket, and needs no signature. What seals the
 * tickets is random, in memory only, and lives as long as the tenant: a new certificate
 * is a new tenant, whose visitors begin anew. A ticket itself is good for two hours
 * (OpenSSL's default), and the session's keys come from a fresh exchange with TLS 1.3.
 */
#ifndef TUNNEL_PORTAL_TENANT_H
#define TUNNEL_PORTAL_TENANT_H

#include "crypto/remote_key.h"
#include "net/tls.h"
#include "tunnel/portal/probe.h"

struct tenant;

/* @chain is PEM, the leaf first. @sign is called with @arg for each new visitor. */
enum err tenant_new(struct span chain, remote_sign_fn *sign, void *arg,
	struct tenant **out, struct why *why) MUST_USE;

/* Accepts must be over; streams that came out of them may live on. NULL is fine. */
void tenant_free(struct tenant *t);

/* Accepts one visitor: the TLS handshake. */
struct tenant_accept;

struct tenant_accept_options {
	struct loop *loop;      /* borrowed: outlives this and the stream */
	struct tenant *tenant;  /* borrowed: outlives this */
	struct prober *prober;  /* likewise; NULL: nobody is looked at */
	struct stream *visitor; /* his TLS records; taken if the call succeeds */
	/* The relay tells him of no end but those that are marked in his TLS: 6.4. */
	bool relay_hides_ends;
	/*
	 * On ERR_OK @tls is the receiver's and wants nothing; else it is NULL.
	 * ERR_EXISTS: it was our own probe. Once, never from inside the call; the
	 * accept is gone then.
	 */
	void (*fn)(void *arg, enum err rc, struct stream *tls, const struct why *why);
	void *arg;
};

enum err tenant_accept_open(const struct tenant_accept_options *o,
	struct tenant_accept **out) MUST_USE;

/* The visitor is sent away, and fn is not called. NULL is fine. */
void tenant_accept_close(struct tenant_accept *r);

#endif
