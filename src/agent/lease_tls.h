/*
 * The TLS of a lease: the server that terminates its visitors' TLS, the signer of their
 * handshakes, and the prober that detects interception. It logs their failures.
 * portal-protocol 8, 9.
 */
#ifndef AGENT_LEASE_TLS_H
#define AGENT_LEASE_TLS_H

#include "agent/retry.h"
#include "base/log.h"
#include "net/addr.h"
#include "tunnel/portal/signer.h"
#include "tunnel/portal/visitor_tls.h"

/* Called from the loop. */
struct lease_tls_hooks {
	/* @tls is the owner's; it came through @relay. Everything may be closed here. */
	void (*on_visitor)(void *owner, struct stream *tls, const struct addr *relay);
	/* A handshake failed, or was not signed: the relay may have a new chain. */
	void (*on_doubt)(void *owner);
	/* The relay terminates visitors' TLS; once, until a probe passes again. */
	void (*on_intercepted)(void *owner, const struct why *why);
};

struct lease_tls {
	struct loop *loop; /* borrowed, as relay and log: they outlive us */
	const struct relay_peer *relay;
	const struct log *log;
	const struct lease_tls_hooks *hooks;
	void *owner;
	struct visitor_chain *chain; /* of the two below: a reference, or NULL */
	int64_t chain_end_s;         /* seconds since 1970; 0: unknown */
	struct signer *signer;       /* NULL before there is a chain */
	struct visitor_tls *server;  /* likewise */
	struct prober *prober;       /* NULL before lease_tls_watch() */
	uint16_t prober_port;
	bool relay_is_adit;
	bool is_intercepted;                 /* and on_intercepted was called */
	bool is_verified;                    /* the last probe passed */
	uint64_t visited_ms;                 /* the last verdict; 0: none */
	struct retry_log signatures, probes; /* failures that were logged */
	uint64_t failed;                     /* handshakes so far */
};

void lease_tls_init(struct lease_tls *t, struct loop *loop,
	const struct relay_peer *relay, const struct log *log,
	const struct lease_tls_hooks *hooks, void *owner);
void lease_tls_fini(struct lease_tls *t);

/* False: there is no chain yet, and no visitor can be accepted. */
bool lease_tls_is_open(const struct lease_tls *t);

/* True: this is the chain that visitors get. */
bool lease_tls_shows(const struct lease_tls *t, struct span pem);

/*
 * Visitors get this chain (PEM, the leaf first) from now on; a token must follow. With
 * another chain, pending handshakes are closed. After an error there may be no chain.
 */
enum err lease_tls_show(struct lease_tls *t, struct span pem, struct why *why) MUST_USE;

/*
 * As signer_set_token(). A relay other than adit does not forward the end of a
 * connection: the end from the agent is sent to the visitor in TLS, and that from the
 * target ends the session, or both connections would be kept for ever.
 */
void lease_tls_set_token(struct lease_tls *t, const struct lease_token *token);

/* The path may have changed. */
void lease_tls_reconnect(struct lease_tls *t);

/* Sets the address that probes connect to. */
enum err lease_tls_watch(struct lease_tls *t, const char *host, uint16_t port,
	const char *server_name, struct why *why) MUST_USE;

/* Accepts a visitor; its stream is taken in any case. lease_tls_is_open() is true. */
void lease_tls_accept_take(struct lease_tls *t, struct stream *visitor,
	const struct addr *relay);

/* Closes pending handshakes; no hook is called. */
void lease_tls_drop_handshakes(struct lease_tls *t);

#endif
