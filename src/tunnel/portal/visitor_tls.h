/*
 * The TLS server of a lease. Visitors get the relay's certificate chain; only the relay
 * has its key, and signs each handshake. portal-protocol 8.3.
 *
 * A visitor that returns resumes its session with a ticket, without a signature. The key
 * of tickets is random, in memory only, and lives as long as a lease has the chain: with
 * a new chain visitors begin without tickets. A ticket is valid for two hours (OpenSSL's
 * default), and TLS 1.3 derives a session's keys from a fresh exchange.
 */
#ifndef TUNNEL_PORTAL_VISITOR_TLS_H
#define TUNNEL_PORTAL_VISITOR_TLS_H

#include "crypto/remote_key.h"
#include "net/addr.h"
#include "net/tls.h"
#include "tunnel/portal/probe.h"
#include "tunnel/portal/relay_share.h"

#define VISITOR_TLS_HANDSHAKES_MAX 512

struct visitor_tls;

struct visitor_tls_options {
	struct loop *loop; /* borrowed: outlives the server and the streams it makes */
	struct visitor_chain *chain; /* that visitors get; borrowed: outlives them */
	remote_sign_fn
		*sign; /* called with @sign_arg for each visitor without a ticket */
	void *sign_arg;
	/*
	 * Called from the loop, once for each accept. On ERR_OK @tls is the receiver's
	 * and wants nothing; else it is NULL. ERR_EXISTS: it was our own probe. The
	 * server may be freed in it.
	 */
	void (*on_accepted)(void *owner, enum err rc, struct stream *tls,
		const struct addr *relay, const struct why *why);
	void *owner;
};

enum err visitor_tls_new(const struct visitor_tls_options *o, struct visitor_tls **out,
	struct why *why) MUST_USE;

/* Drops the handshakes; streams that were accepted live on. NULL is fine. */
void visitor_tls_free(struct visitor_tls *s);

struct visitor_tls_accept {
	struct stream *visitor;   /* its TLS records; taken if the call succeeds */
	const struct addr *relay; /* for on_accepted; copied */
	struct prober *prober;    /* borrowed: outlives the handshake; may be NULL */
	/* The relay forwards no end of a connection, except one inside TLS: 6.4. */
	bool relay_hides_ends;
};

/* Accepts one visitor: the TLS handshake. ERR_LIMIT: there are too many. ERR_NOMEM. */
enum err visitor_tls_accept(struct visitor_tls *s,
	const struct visitor_tls_accept *o) MUST_USE;

/* Closes the connections whose handshake has not ended; on_accepted is not called. */
void visitor_tls_drop(struct visitor_tls *s);

#endif
