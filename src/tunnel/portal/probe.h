/*
 * A probe visits one's own tunnel to see whether the relay ends its visitors' TLS: the
 * keys of one TLS connection are the same at both of its ends, unless somebody sits
 * between. portal-protocol 9.
 *
 * The prober makes one at a time, and rests after each that came to a verdict. Who
 * accepts visitors asks it about each as long as one is under way.
 */
#ifndef TUNNEL_PORTAL_PROBE_H
#define TUNNEL_PORTAL_PROBE_H

#include "net/stream.h"

#define PROBE_NONCE_BYTES 16
#define PROBE_PEEK_MS 100 /* how long a visitor is looked at, at most */

struct prober;

enum probe_verdict {
	PROBE_PASSED,   /* nobody sits between */
	PROBE_MISMATCH, /* somebody does */
	PROBE_UNKNOWN,  /* the probe did not arrive: nothing is known */
};

struct prober_options {
	struct loop *loop; /* borrowed: outlives the prober */
	const char *host;  /* whom to dial; copied, as is the name */
	uint16_t port;
	const char *server_name; /* the tunnel's public name */
	/* The prober may be freed in it. */
	void (*on_verdict)(void *owner, enum probe_verdict verdict,
		const struct why *why);
	void *owner;
};

enum err prober_new(const struct prober_options *o, struct prober **out,
	struct why *why) MUST_USE;
void prober_free(struct prober *p); /* NULL is fine */

/* Visits, unless it is too soon. */
void prober_start(struct prober *p);

/* Is one under way, so that visitors are to be looked at? */
bool prober_is_busy(const struct prober *p);

/*
 * Are these the first PROBE_NONCE_BYTES of our own visit? Then the verdict comes soon,
 * and @tls is only to be closed.
 */
bool prober_claims(struct prober *p, const struct stream *tls, const uint8_t *first);

#endif
