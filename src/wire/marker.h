/*
 * Markers: the single bytes that a relay sends on a reverse session before it carries a
 * visitor. Keepalives, as many as there are, then one activation; what follows is the
 * visitor's. The client sends nothing before it is activated.
 */
#ifndef WIRE_MARKER_H
#define WIRE_MARKER_H

#include "base/err.h"
#include "base/span.h"

enum marker {
	MARKER_KEEPALIVE = 0x00,
	MARKER_RAW = 0x01, /* the visitor's TCP bytes follow */
	MARKER_TLS = 0x02, /* the visitor's TLS records follow, from the ClientHello on */
};

#define MARKER_KEEPALIVE_MS 15000 /* how often a relay sends one on an idle session */
#define MARKER_TIMEOUT_MS 30000   /* how long a client waits for the next */

/*
 * Takes keepalives off the front of @in until there is an activation, and that too.
 *
 * ERR_OK: activated; what is left in @in is the visitor's.  ERR_AGAIN: idle; if a
 * byte was taken, the timeout starts again.  ERR_PROTO: a byte that is no marker.
 */
enum err marker_read(struct span *in, enum marker *out) MUST_USE;

#endif
