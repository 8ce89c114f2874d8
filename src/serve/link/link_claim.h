/*
 * A claim is a question that travels from data worker to data worker: which session holds
 * this port? A holder of the same user (or, where there are no users, of the same client)
 * is asked whether its peer is still there, and ended if that is silent. If both are of
 * the same run of a client, the holder is ended at once: the client has given it up. So
 * the newest session wins over a dead one, and never over a live one.
 */
#ifndef SERVE_LINK_LINK_CLAIM_H
#define SERVE_LINK_LINK_CLAIM_H

#include "serve/link/link_session.h"

/*
 * Asks for the port on behalf of @s; link_session_bind() is called when the claim comes
 * back, if the session is still there. ERR_DENIED: it has no name to ask in.
 */
enum err link_claim_send(struct link_session *s, uint16_t port, bool is_udp) MUST_USE;

/* The session that claims waited for is gone: its ports are free. */
void link_claims_release(struct link_session *s);

#endif
