/*
 * A relay as its clients see it: where it is, and what makes them believe that it is the
 * one.
 *
 * A relay with a public name is verified with the system's roots. One on this machine
 * cannot be: what it presents first is believed, and from then on nothing else.
 * portal-protocol 8.1.
 */
#ifndef TUNNEL_PORTAL_RELAY_PEER_H
#define TUNNEL_PORTAL_RELAY_PEER_H

#include "base/buf.h"
#include "net/connector.h"
#include "text/relay_url.h"

#define RELAY_CHAIN_MAX (128 * 1024) /* bytes of PEM */
#define RELAY_USER_AGENT "User-Agent: adit/" ADIT_VERSION "\r\n"

struct relay_peer {
	char url[URL_TEXT_MAX];
	char host[NAMES_HOST_MAX + 1]; /* names of leases end in it */
	uint16_t port;
	char authority[NAMES_HOST_MAX + 16]; /* for the Host header */
	bool is_local;
	struct dial_memory *memory; /* where it was reached last */
	/* For all connections but the first:
	 * NULL as long as there is nothing to trust. */
	struct tls_context *tls;
};

/* @url need not be in form. ERR_SYNTAX, ERR_LIMIT;
 * or the system's roots cannot be read. */
enum err relay_peer_init(struct relay_peer *r, const char *url, struct why *why) MUST_USE;
void relay_peer_fini(struct relay_peer *r);

/* Believes @chain (PEM) and nothing else. */
enum err relay_peer_pin(struct relay_peer *r, struct span chain,
	struct why *why) MUST_USE;

/* "name.host", a lease's public name. ERR_SYNTAX: the relay's host is an address. */
enum err relay_peer_public_host(const struct relay_peer *r, const char *name,
	char out[NAMES_HOST_MAX + 1], struct why *why) MUST_USE;

/*
 * Opens a connection to the relay. relay->tls must be there. fn and its errors as those
 * of connector_open(); what is not NULL in @o wins.
 */
enum err relay_peer_connect(const struct relay_peer *r, struct connector_options o,
	struct connector **out) MUST_USE;

/* ---- the chain of certificates, 8.2 ---- */

struct relay_chain;

/*
 * Asks the relay for its chain with a handshake of its own. @fn is called once, never
 * from inside this call, with PEM, the leaf first; it is gone then. ERR_CRYPTO: not
 * believed.
 */
typedef void relay_chain_fn(void *arg, enum err rc, struct span pem,
	const struct why *why);

enum err relay_chain_open(struct loop *loop, const struct relay_peer *relay,
	relay_chain_fn *fn, void *arg, struct relay_chain **out,
	struct why *why) MUST_USE;
void relay_chain_close(struct relay_chain *c); /* NULL is fine */

#endif
