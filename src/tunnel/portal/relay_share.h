/*
 * What leases of one process share at a relay, so that a thousand of them need not have
 * it each: TLS contexts with their roots and tickets, the chain that visitors get, and
 * connections for requests. One thread.
 */
#ifndef TUNNEL_PORTAL_RELAY_SHARE_H
#define TUNNEL_PORTAL_RELAY_SHARE_H

#include "base/list.h"
#include "crypto/remote_key.h"
#include "http/client.h"
#include "net/tls.h"

#define RELAY_SHARE_CONTEXTS_MAX 64 /* then the one that was wanted longest ago goes */
#define RELAY_SHARE_RECONNECT_MS 1000

struct relay_share;

struct relay_share *relay_share_new(void); /* NULL: out of memory */

/* Its clients have been released. NULL is fine. */
void relay_share_free(struct relay_share *s);

/*
 * A reference to the context for connections to @authority with these options, which may
 * name no files. A NULL @s: a new context. Errors of tls_context_new_client().
 */
enum err relay_share_tls(struct relay_share *s, const char *authority,
	const struct tls_client_options *o, struct tls_context **out,
	struct why *why) MUST_USE;

/*
 * The chain that visitors get, and what their TLS needs of it; counted. A lease adds its
 * own key to each connection (struct tls_options).
 */
struct visitor_chain {
	struct list in_share;
	unsigned refs;
	struct buf pem;
	EVP_PKEY *public;        /* the leaf's */
	struct remote_key *key;  /* the context's; it signs nothing */
	struct tls_context *tls; /* a server's */
};

/* A reference to that of @pem. A NULL @s: a new one.  ERR_SYNTAX, ERR_CRYPTO,
 * ERR_NOMEM. */
enum err relay_share_chain(struct relay_share *s, struct span pem,
	struct visitor_chain **out, struct why *why) MUST_USE;
void visitor_chain_unref(struct visitor_chain *c); /* NULL is fine */

/*
 * The client for o->host_header and o->tls, which relay_share_release_client() gives
 * back. A NULL @s: a new client. ERR_NOMEM.
 */
enum err relay_share_client(struct relay_share *s, const struct http_client_options *o,
	struct http_client **out) MUST_USE;
void relay_share_release_client(struct relay_share *s, struct http_client *client);

/* As http_client_reconnect(), but for a client that did that a moment ago, at the wish of
 * another lease. */
void relay_share_reconnect(struct relay_share *s, struct http_client *client);

#endif
