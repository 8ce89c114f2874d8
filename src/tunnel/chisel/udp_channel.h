/*
 * A UDP channel carries datagrams both ways over a channel, as the gob stream of
 * chisel-protocol 6.6. A datagram that finds the channel full is dropped: late ones are
 * worth nothing.
 */
#ifndef TUNNEL_CHISEL_UDP_CHANNEL_H
#define TUNNEL_CHISEL_UDP_CHANNEL_H

#include "net/stream.h"
#include "wire/gob.h"

struct udp_channel {
	struct stream *stream; /* NULL while it is closed */
	struct gob_reader reader;
	struct buf in, out;
	/* A datagram came. The owner may close the UDP channel in it. */
	void (*on_packet)(void *arg, const struct gob_packet *packet);
	/* The stream ended or is useless; it has been closed. */
	void (*on_closed)(void *arg, enum err rc);
	void *arg; /* borrowed: the owner */
};

void udp_channel_init(struct udp_channel *u);

/* Takes @stream. on_packet, on_closed and arg are set by the owner before. */
enum err udp_channel_open_take(struct udp_channel *u, struct stream *stream) MUST_USE;

/* Sends at the channel's next turn, or drops when it is full.
 * Calls nothing of the owner's. */
void udp_channel_send(struct udp_channel *u, const struct gob_packet *packet);

/* Quietly. Twice is fine. */
void udp_channel_close(struct udp_channel *u);

#endif
