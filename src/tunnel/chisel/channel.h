/*
 * A channel is one visitor's way through a session, and a stream to its user.
 *
 * Its data lies in the session's read buffer while on_ready(LOOP_READ) runs, so that it
 * can be written to a socket without a copy; the rest is buffered, bounded by our window.
 * Its writes are built in the outbox. In both directions, peek and reserve avoid a copy.
 *
 * read and peek return ERR_CLOSED after the last byte if the peer has closed the channel
 * in order, and ERR_RESET if the channel or the session was aborted. write returns
 * ERR_CLOSED when the peer takes nothing more; there may still be bytes to read.
 */
#ifndef TUNNEL_CHISEL_CHANNEL_H
#define TUNNEL_CHISEL_CHANNEL_H

#include "base/fifo.h"
#include "tunnel/chisel/mux.h"
#include "tunnel/chisel/session.h"

enum channel_reading {
	CHANNEL_READ_OPEN,
	CHANNEL_READ_EOF,    /* the peer sends no more */
	CHANNEL_READ_CLOSED, /* the peer has ended the channel */
	CHANNEL_READ_BROKEN, /* the session is gone, or the peer aborted */
};

enum channel_writing {
	CHANNEL_WRITE_PENDING, /* dialled or offered, not open yet */
	CHANNEL_WRITE_OPEN,
	CHANNEL_WRITE_LINGERING, /* we have finished; the EOF is held back */
	CHANNEL_WRITE_FINISHED,  /* EOF was sent */
	CHANNEL_WRITE_CLOSED,    /* nothing may be sent any more */
};

struct channel {
	struct stream stream;    /* first: a channel is a stream */
	struct loop *loop;       /* borrowed: outlives the channel */
	struct mux *mux;         /* borrowed: NULL once the session is gone */
	struct ssh_channel *ssh; /* borrowed: the engine's; NULL once closed */
	struct list in_mux, in_turn, in_linger;
	struct fifo arrived; /* bytes that could not be passed on when they came */
	struct span lent;    /* bytes in the read buffer, during on_ready only */
	struct loop_deferred later;
	channel_opened_fn *on_opened; /* of a dial; NULL otherwise */
	void *opened_arg;
	enum channel_reading reading;
	enum channel_writing writing;
	uint8_t wants;
	bool is_bulk;           /* its last turn filled the room */
	bool is_ours;           /* we opened it: visitors are on our side */
	bool is_dialled;        /* and the peer has not answered yet */
	bool is_answered;       /* something came since we last sent something */
	bool is_closed;         /* closed by its user: freed at the end of the turn */
	uint64_t lent_room;     /* what reserve lent */
	uint64_t credit_us;     /* when the current window began to be used */
	uint64_t credit_bytes;  /* of it used up so far */
	uint32_t widened_bytes; /* of the window, beyond the first */
	uint64_t quiet_ms;      /* lingering: since when nothing came */
};

/* A channel of @mux, for an engine channel that is pending. NULL when memory is out. */
struct channel *channel_new(struct mux *mux, bool is_ours);

/* The window to promise for one more channel: less when there are many. */
uint32_t channel_first_window(const struct mux *mux);

/* Its opening is sent: @fn is called with the result. */
void channel_dial(struct channel *ch, channel_opened_fn *fn, void *arg);

/* Called by the session: an event of @ch's engine channel. */
void channel_on_event(struct channel *ch, const struct ssh_event *ev);

/* The peer's window may have grown: @ch can ask for a turn. */
void channel_check_wants(struct channel *ch);

/* The session is gone: the mux and the engine are not to be touched again. */
void channel_on_session_gone(struct channel *ch);

/* It is this channel's turn to send. */
void channel_on_turn(struct channel *ch);

/* Called regularly while its EOF is held back. */
void channel_on_tick(struct channel *ch, uint64_t now_ms);

#endif
