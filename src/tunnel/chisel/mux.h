/*
 * A mux carries all channels of a session over one connection: it has the connection's
 * outgoing side, and schedules the turns that channels take at it.
 *
 * A channel that wants to send waits in one of two lists: "bulk" if its last turn filled
 * the room it was given, else "light". Light channels go first; after a run of them one
 * bulk channel has its turn, so that none starves. Nothing is encrypted before it can
 * nearly be sent, so a small message waits for MUX_FULL_BYTES at most.
 */
#ifndef TUNNEL_CHISEL_MUX_H
#define TUNNEL_CHISEL_MUX_H

#include "tunnel/chisel/keepalive.h"
#include "tunnel/chisel/outbox.h"
#include "wire/ssh.h"

#define MUX_FULL_BYTES (128u << 10) /* queued: bulk waits */
#define MUX_LIGHT_BYTES (16u << 10) /* beyond that, for light channels */
#define MUX_LINGER_MAX 64           /* channels whose EOF is held back */

struct mux {
	struct loop *loop;     /* borrowed: outlives the mux */
	struct stream *stream; /* borrowed: the session's connection */
	struct ssh *ssh;       /* borrowed: the session's engine */
	struct outbox outbox;
	struct list channels;    /* all that have a stream or wait for one */
	struct list light, bulk; /* channels that wait for a turn */
	struct list lingering;   /* channels whose EOF is held back, oldest first */
	unsigned light_run;      /* turns of light ones since one of a bulk one */
	unsigned linger_count;
	size_t widened_bytes;      /* of windows, beyond what channels began with */
	struct loop_timer *linger; /* checks the lingering channels */
	struct channel *turn;      /* whose turn it is; NULL outside of one */
	bool is_full;          /* the stream takes no more: wait until it is writable */
	bool wants_write;      /* what we asked the stream for */
	bool is_broken;        /* on_broken is called, or will be */
	bool peer_half_closes; /* known to carry EOF: adit, stock 1.12, or it did */
	struct loop_deferred pump;
	void (*on_broken)(void *arg, enum err rc); /* once; never from inside a call */
	struct loop_deferred broken;
	enum err broken_rc;
	struct keepalive keepalive; /* the session's: channels tell it of payload */
	void (*on_use)(void *arg);  /* payload passes, after silence */
	void *arg;                  /* borrowed: the session */
	uint64_t rtt_us;            /* the shortest round trip of a ping, 0 if unknown */
	uint64_t sent_bytes, received_bytes; /* payload */
};

enum err mux_init(struct mux *m, struct loop *loop, struct pool *pool,
	enum ws_role role) MUST_USE;

/* After the channels are gone or broken, or after mux_init() failed. */
void mux_fini(struct mux *m);

/* Sends what is queued, at the end of this turn of the loop. */
void mux_pump_soon(struct mux *m);

/* The stream became writable. */
void mux_on_writable(struct mux *m);

/* True if @ch may put something into the outbox now. */
bool mux_has_room(const struct mux *m, const struct channel *ch);

/* Queues @ch for a turn, in the list for @is_bulk. Again is fine. */
void mux_want_turn(struct mux *m, struct channel *ch, bool is_bulk);

/* Payload or the opening of a channel passes; @is_sent: to the peer. */
void mux_note_use(struct mux *m, bool is_sent);

/* An engine or the stream failed: on_broken is called at the end of the turn. */
void mux_break(struct mux *m, enum err rc);

/* For calls to the engine: every failure breaks the connection. */
static inline void mux_check(struct mux *m, enum err rc)
{
	if (rc != ERR_OK && rc != ERR_AGAIN)
		mux_break(m, rc);
}

/* Checks @ch regularly until it has sent its EOF. */
void mux_linger(struct mux *m, struct channel *ch);

/* Keys were exchanged: channels that wanted to send meanwhile may. */
void mux_on_rekeyed(struct mux *m);

#endif
