/*
 * An order is one attempt at a certificate (RFC 8555 7.4): names become authorizations,
 * each is proved by a challenge, then a certificate request with a new key becomes a
 * chain.
 *
 *     creating -> authorizing -> preparing -> answering -> validating -> cleaning up
 *              -> (the next name) -> finalizing -> issuing -> fetching -> ended
 */
#ifndef ACME_ORDER_H
#define ACME_ORDER_H

#include "acme/challenges.h"
#include "acme/client.h"
#include "acme/failure.h"
#include "acme/pair.h"

/* The CA's time for one validation, or for issuing. */
#define ACME_ORDER_WAIT_MS (5 * 60 * 1000)

struct acme_order;
struct acme_hooks;

/* All is borrowed and outlives the order, but for the names, which are copied. */
struct acme_order_options {
	struct loop *loop;
	const struct log *log;
	struct acme_client *client;
	struct acme_challenges *challenges; /* for HTTP-01 and TLS-ALPN-01 */
	const char *ca;                     /* the CA's directory, for the pair */
	const char *const *names;           /* canonical; may begin with "*." */
	unsigned names_n;                   /* 1 to ACME_NAMES_MAX */
	/* Challenges that may be used: enum acme_challenge_kind, several. A wildcard
	 * needs ACME_DNS_01. */
	unsigned kinds;
	struct acme_hooks *hooks; /* for ACME_DNS_01: see acme/dns_hook.h */
	/* The id of the certificate that this one is to replace (RFC 9773 5); or NULL. */
	const char *replaces;
	/*
	 * Called once, never from inside a call of the owner's; the order is gone then.
	 * @pair is the receiver's; or it is NULL, and @failure is good for the call.
	 */
	void (*on_ended)(void *arg, struct acme_pair *pair,
		const struct acme_failure *failure);
	void *arg;
};

/* ERR_NOMEM, ERR_CRYPTO. */
enum err acme_order_open(const struct acme_order_options *o, struct acme_order **out,
	struct why *why) MUST_USE;

/* on_ended is not called. A TXT record that a hook has set stays. NULL is fine. */
void acme_order_close(struct acme_order *o);

#endif
