/*
 * A gobpipe carries datagrams both ways over a channel, as the gob stream of
 * chisel-protocol 6.6. A datagram that finds the channel full is dropped: late ones are
 * worth nothing.
 */
#ifndef TUNNEL_CHISEL_GOBPIPE_H
#define TUNNEL_CHISEL_GOBPIPE_H

#include "net/stream.h"
#include "wire/gob.h"

struct gobpipe {
	struct stream *stream; /* NULL while it is closed */
	struct gob_reader reader;
	struct buf in, out;
	/* A datagram came. The pipe may be closed in it. */
	void (*on_packet)(void *arg, const struct gob_packet *packet);
	/* The stream ended or is useless; it has been closed. */
	void (*on_closed)(void *arg, enum err rc);
	void *arg; /* borrowed: the owner */
};

void gobpipe_init(struct gobpipe *p);

/* Takes @stream. on_packet, on_closed and arg are set by the owner before. */
enum err gobpipe_open_take(struct gobpipe *p, struct stream *stream) MUST_USE;

/* Sends at the channel's next turn, or drops when it is full.
 * Calls nothing of the owner's. */
void gobpipe_send(struct gobpipe *p, const struct gob_packet *packet);

/* Quietly. Twice is fine. */
void gobpipe_close(struct gobpipe *p);

#endif
