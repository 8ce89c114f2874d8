/*
 * A relay as its clients see it: its address, and how its certificate is verified.
 *
 * A relay with a public name is verified with the system's roots. One on this machine has
 * no such certificate: the chain that it presents first is pinned. portal-protocol 8.1.
 */
#ifndef TUNNEL_PORTAL_RELAY_PEER_H
#define TUNNEL_PORTAL_RELAY_PEER_H

#include "base/buf.h"
#include "net/connector.h"
#include "text/relay_url.h"
#include "tunnel/portal/relay_share.h"

#define RELAY_CHAIN_MAX (128 * 1024) /* bytes of PEM */
#define RELAY_USER_AGENT "User-Agent: adit/" ADIT_VERSION "\r\n"

struct relay_peer {
	char *url;                     /* owned, as are all here; canonical */
	char host[NAMES_HOST_MAX + 1]; /* public names of leases end in it */
	uint16_t port;
	char authority[NAMES_HOST_MAX + 16]; /* for the Host header */
	bool is_local;
	/* What the environment asks for (text/proxy_env.h); NULL: none. */
	struct dial_proxy *proxy;
	char *proxy_text;
	struct dial_memory *memory; /* the address that worked last */
	struct relay_share *share;  /* borrowed; NULL: nothing is shared */
	/* For all connections but the first; NULL before a chain is pinned. */
	struct tls_context *tls;
};

/*
 * @url need not be canonical. @share is borrowed, and may be NULL.
 *
 * ERR_SYNTAX: of the URL, or of a variable for a proxy.  ERR_LIMIT; others: no system
 * roots.
 */
enum err relay_peer_init(struct relay_peer *r, const char *url, struct relay_share *share,
	struct why *why) MUST_USE;
void relay_peer_fini(struct relay_peer *r);

/* From now on only @chain (PEM) is accepted. */
enum err relay_peer_pin(struct relay_peer *r, struct span chain,
	struct why *why) MUST_USE;

/*
 * Opens a connection to the relay. @o has loop, fn and arg, and tls if it is not
 * relay->tls; the rest is set here. Errors and fn as those of connector_open().
 */
enum err relay_peer_connect(const struct relay_peer *r, struct connector_options o,
	struct connector **out) MUST_USE;

/*
 * What a relay grants with a lease. The text is good until the next hook of the
 * registration. Its clock, since 1970, is @relay_ahead_ms before clock_boot_ms().
 */
struct lease_token {
	const char *text;
	int64_t relay_ahead_ms;
	bool relay_is_adit;
};

/* ---- the chain of certificates, 8.2 ---- */

struct relay_chain;

/*
 * Fetches the relay's chain with a handshake of its own. @fn is called once, never from
 * inside this call, with PEM, the leaf first; the object is gone then. ERR_CRYPTO: the
 * chain was not accepted.
 */
typedef void relay_chain_fn(void *arg, enum err rc, struct span pem,
	const struct why *why);

enum err relay_chain_open(struct loop *loop, const struct relay_peer *relay,
	relay_chain_fn *fn, void *arg, struct relay_chain **out,
	struct why *why) MUST_USE;
void relay_chain_close(struct relay_chain *c); /* NULL is fine */

#endif
