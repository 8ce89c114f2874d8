/*
 * What both ends of a UDP remote have: a channel that carries datagrams as the gob stream
 * of chisel-protocol 6.6, and the flows that are in use.
 */
#ifndef TUNNEL_CHISEL_UDP_CHANNEL_H
#define TUNNEL_CHISEL_UDP_CHANNEL_H

#include "net/addr.h"
#include "tunnel/chisel/session.h"
#include "wire/gob.h"

/* A datagram that finds the channel full is dropped: late ones are worth nothing. */
struct udp_channel {
	struct stream *stream; /* NULL while it is closed */
	struct gob_reader reader;
	struct buf in, out;
	/* A datagram came. The owner may close the UDP channel in it. */
	void (*on_packet)(void *arg, const struct gob_packet *packet);
	/* The stream ended or is invalid; it has been closed. */
	void (*on_closed)(void *arg, enum err rc);
	void *arg; /* borrowed: the owner */
};

/* on_packet, on_closed and arg are set by the owner after that. */
void udp_channel_init(struct udp_channel *u);

/* Takes @stream. */
enum err udp_channel_open_take(struct udp_channel *u, struct stream *stream) MUST_USE;

/* Sends at the channel's next turn, or drops when it is full.
 * Calls nothing of the owner's. */
void udp_channel_send(struct udp_channel *u, const struct gob_packet *packet);

/* Does not call on_closed. Twice is fine. */
void udp_channel_close(struct udp_channel *u);

/* The datagrams between one user and the target. */
struct udp_flow {
	struct list in_flows;
	struct udp_flows *flows; /* borrowed: they end us before they go */
	uint64_t used_ms;
	struct addr user;   /* at an entry: where its datagrams come from */
	int fd;             /* at an exit: connected to the target; else -1 */
	struct loop_io *io; /* of fd */
	size_t src_bytes;
	uint8_t src[GOB_SRC_MAX]; /* the name that the entry gave it */
};

struct udp_flows {
	struct list all; /* idle longest first */
	unsigned count, max;
	uint32_t idle_ms;
	uint32_t datagram_max;
	uint8_t *datagram; /* datagram_max bytes, for reading one */
};

/* ERR_NOMEM. Zeroed memory may be passed to udp_flows_fini(), too. */
enum err udp_flows_init(struct udp_flows *f, const struct chisel_tuning *tuning) MUST_USE;
void udp_flows_fini(struct udp_flows *f);

/* Ends the flows that were idle for too long. */
void udp_flows_expire(struct udp_flows *f);

struct udp_flow *udp_flows_find(const struct udp_flows *f, struct span src);

/* A new one; if there are too many, it replaces the one that was idle longest.
 * NULL: no memory, or @src is too long. */
struct udp_flow *udp_flows_add(struct udp_flows *f, struct span src);

/* It is in use. */
void udp_flow_touch(struct udp_flow *flow);
void udp_flow_free(struct udp_flow *flow);

#endif
