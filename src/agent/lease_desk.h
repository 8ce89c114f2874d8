/*
 * A lease's desk receives its visitors: it is the TLS server of the lease's name, shows
 * them the relay's chain, has their handshakes signed by the relay, and looks whether
 * somebody sits between. portal-protocol 8, 9.
 */
#ifndef AGENT_LEASE_DESK_H
#define AGENT_LEASE_DESK_H

#include "base/list.h"
#include "net/addr.h"
#include "tunnel/portal/signer.h"
#include "tunnel/portal/tenant.h"

#define LEASE_RECEPTIONS_MAX 512 /* handshakes at a time; more visitors are sent away */

/* The owner's. Called from the loop. */
struct lease_desk_hooks {
	/* @tls is the owner's; @relay is where he came from.
	 * The desk may be gone after it. */
	void (*on_received)(void *owner, struct stream *tls, const struct addr *relay);
	/* His handshake failed, or there are too many. The next signature is verified. */
	void (*on_lost)(void *owner, enum err rc, const struct why *why);
	/* A signature was made, or not. The desk is left alone in these. */
	void (*on_signed)(void *owner);
	void (*on_unsigned)(void *owner, const struct why *why);
	/* Of a visit to ourselves: see tunnel/portal/probe.h. */
	void (*on_verdict)(void *owner, enum probe_verdict verdict,
		const struct why *why);
};

struct lease_desk {
	struct loop *loop; /* borrowed, as the relay: they outlive the desk */
	const struct relay_peer *relay; /* who signs */
	const struct lease_desk_hooks *hooks;
	void *owner;
	struct buf chain;      /* PEM: what the two below were made of */
	struct signer *signer; /* NULL before there is a chain */
	struct tenant *tenant; /* likewise */
	struct prober *prober; /* NULL: nobody is looked at */
	uint16_t prober_port;
	bool relay_is_adit;
	struct list guests; /* struct guest */
	unsigned guests_n;
};

void lease_desk_init(struct lease_desk *d, struct loop *loop,
	const struct relay_peer *relay, const struct lease_desk_hooks *hooks,
	void *owner);
void lease_desk_fini(struct lease_desk *d);

/* Has it this chain? */
bool lease_desk_shows(const struct lease_desk *d, struct span pem);

/*
 * Shows this chain (PEM, the leaf first) from now on, and needs a token. Who is being
 * received is sent away, unless it is the one it has. After an error it may have none.
 */
enum err lease_desk_show(struct lease_desk *d, struct span pem, struct why *why) MUST_USE;

/* False: there is no chain, and nobody can be received. */
bool lease_desk_is_open(const struct lease_desk *d);

/*
 * What the relay is. One that is no adit forwards no end of a connection: a visitor hears
 * of ours in TLS, and the relay of the target's by an end of the session, or both would
 * be kept for good. Nor has it connections that ask nothing: signer_keep_warm().
 */
void lease_desk_set_relay(struct lease_desk *d, bool is_adit);

/* As those of signer.h. */
void lease_desk_set_token(struct lease_desk *d, const char *token,
	int64_t relay_ahead_ms);
void lease_desk_check(struct lease_desk *d);
void lease_desk_reconnect(struct lease_desk *d);
struct signer_figures lease_desk_signatures(const struct lease_desk *d);

/* Makes visits to ourselves from now on:
 * lease_desk_probe() begins one, unless it is too soon. */
enum err lease_desk_watch(struct lease_desk *d, const char *host, uint16_t port,
	const char *server_name, struct why *why) MUST_USE;
void lease_desk_probe(struct lease_desk *d);

/* Takes a visitor's TLS records, whatever happens. The desk is open. */
void lease_desk_receive_take(struct lease_desk *d, struct stream *visitor,
	const struct addr *relay);

/* Whose handshakes are under way; nobody is told. */
void lease_desk_send_away(struct lease_desk *d);

#endif
