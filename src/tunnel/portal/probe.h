/*
 * A probe connects to the agent's own tunnel to detect a relay that terminates its
 * visitors' TLS: both ends of a TLS connection have the same keys, unless it is
 * intercepted. portal-protocol 9.
 *
 * The prober makes one probe at a time, and rests after each verdict. While one is under
 * way, the TLS server asks for each new visitor whether it is the probe.
 */
#ifndef TUNNEL_PORTAL_PROBE_H
#define TUNNEL_PORTAL_PROBE_H

#include "net/stream.h"

#define PROBE_NONCE_BYTES 16
#define PROBE_PEEK_MS 100 /* the longest wait for a visitor's first bytes */

struct prober;
struct relay_share;

enum probe_verdict {
	PROBE_PASSED,   /* not intercepted */
	PROBE_MISMATCH, /* intercepted */
	PROBE_UNKNOWN,  /* the probe did not arrive */
};

struct prober_options {
	struct loop *loop; /* borrowed: outlives the prober */
	const char *host;  /* to connect to; copied, as is the name */
	uint16_t port;
	const struct dial_proxy *proxy; /* borrowed: outlives the prober; NULL: none */
	const char *server_name;        /* the tunnel's public name */
	struct relay_share *share;      /* borrowed: outlives the prober; may be NULL */
	/* The prober may be freed in it. */
	void (*on_verdict)(void *owner, enum probe_verdict verdict,
		const struct why *why);
	void *owner;
};

enum err prober_new(const struct prober_options *o, struct prober **out,
	struct why *why) MUST_USE;
void prober_free(struct prober *p); /* NULL is fine */

/* Starts a probe, unless one is under way or was too recently. */
void prober_start(struct prober *p);

/* True: a probe is under way, and visitors are to be checked. */
bool prober_is_busy(const struct prober *p);

/*
 * True: these are the first PROBE_NONCE_BYTES of our own probe. The verdict follows, and
 * @tls is only to be closed.
 */
bool prober_claims(struct prober *p, const struct stream *tls, const uint8_t *first);

#endif
