/*
 * A signer has the handshakes of a lease's visitors signed by the relay, which has the
 * key of the certificate: POST /v1/sign, over a pool of connections. portal-protocol 8.4.
 *
 * The certificate is the one of the relay's API. If a proxy presents another, the relay
 * signs with another key, and no visitor accepts that: signatures are verified until one
 * was valid.
 */
#ifndef TUNNEL_PORTAL_SIGNER_H
#define TUNNEL_PORTAL_SIGNER_H

#include "crypto/remote_key.h"
#include "tunnel/portal/relay_peer.h"

#define SIGNER_PENDING_MAX 1024

struct signer;

struct signer_statistics {
	uint64_t signatures, failures; /* of visitors' handshakes */
	uint64_t waited_us;            /* for all signatures together */
};

struct signer_options {
	struct loop *loop;              /* borrowed: outlives the signer */
	const struct relay_peer *relay; /* borrowed for the call */
	struct visitor_chain *chain; /* likewise: its certificates alone are accepted */
	/* A signature was made, or failed. The signer may not be freed in these. */
	void (*on_signed)(void *owner);
	void (*on_failed)(void *owner, const struct why *why);
	void *owner;
};

enum err signer_new(const struct signer_options *o, struct signer **out,
	struct why *why) MUST_USE;

/* Pending signatures end with ERR_CLOSED. NULL is fine. */
void signer_free(struct signer *s);

/*
 * Uses this token from now on; it is copied. Before the first, all signatures fail. The
 * relay checks the time of a request by its own clock, hence relay_ahead_ms.
 *
 * Then the relay has to sign random bytes, unless its signatures were verified. on_failed
 * is called if it signs with another key; a relay that does not sign at all is reported
 * when a visitor comes.
 *
 * To an adit relay, connections are kept open while there is nothing to sign, so that no
 * visitor waits for one. Not to others: a stock relay that shuts down waits 5 s for a
 * connection without a request. A connection that was used is kept for a minute anyway.
 */
void signer_set_token(struct signer *s, const struct lease_token *token);

/* A visitor did not accept a handshake: the next signature is verified again. */
void signer_doubt(struct signer *s);

/* The path to the relay may have changed: connections that are idle may be dead. */
void signer_reconnect(struct signer *s);

/* A remote_sign_fn, with the signer as its @arg. */
void signer_sign(void *arg, const struct sign_order *order, struct remote_signing *to);

struct signer_statistics signer_statistics(const struct signer *s);

#endif
