/*
 * The carrier over a link: a claim becomes a channel, dialled for one target behind the
 * client.
 */
#ifndef SERVE_LINK_LINK_CARRIER_H
#define SERVE_LINK_LINK_CARRIER_H

#include "serve/carrier.h"
#include "tunnel/chisel/session.h"

struct link_carrier_options {
	struct loop *loop; /* borrowed: outlives it */
	/* The client's session now, and its address; NULL: it is not connected. */
	struct chisel_session *(*find)(void *arg, struct addr *client);
	void *arg;            /* borrowed: outlives it */
	const char *target;   /* copied: "host:port", as the client dials it */
	atomic_uint *present; /* borrowed: one more while the carrier is there */
};

enum err link_carrier_new(const struct link_carrier_options *o,
	struct carrier **out) MUST_USE;

#endif
