/*
 * A keepalive decides when a session pings its peer, and when the peer counts as dead. It
 * does no I/O; the caller passes the time.
 *
 * An idle session pings at the interval, and ends when a ping is unanswered for the
 * timeout. A session in use, whose payload has passed since the last answer or whose peer
 * has not answered the opening of a channel, pings when nothing has come in for a second.
 * It also ends when the transport is stuck: nothing that was sent is acknowledged for 3
 * s, or for longer if recent round trips were long. So a broken path is detected soon,
 * and a peer that is slow or behind a long queue is kept: its transport acknowledges what
 * arrives.
 */
#ifndef TUNNEL_CHISEL_KEEPALIVE_H
#define TUNNEL_CHISEL_KEEPALIVE_H

#include "net/stream.h"

#define KEEPALIVE_TIMEOUT_MS 8000
#define KEEPALIVE_EARLY_MS 1000 /* of silence in use, before there is a ping */
#define KEEPALIVE_STUCK_MS 3000 /* of the transport in use, at least */
#define KEEPALIVE_LOOK_MS 250   /* between looks at the transport in use */

struct keepalive {
	uint32_t interval_ms; /* 0: no pings, and no peer counts as dead */
	uint32_t timeout_ms;  /* of a ping, and of the transport; 0: the values above */

	unsigned opens;       /* channel opens that the peer has not answered */
	uint64_t heard_ms;    /* when anything came in last */
	uint64_t asked_ms;    /* the first payload sent since then; 0: none */
	uint64_t pinged_ms;   /* the ping that is out; 0: none */
	uint64_t next_ms;     /* the regular ping */
	uint64_t acked_bytes; /* of the transport, at the last look */
	uint64_t moved_ms;    /* when they grew last */
	uint64_t stuck_ms;    /* since when nothing is acknowledged; 0: all is */
	bool is_used;         /* payload has passed since the last ping */
	bool is_early;        /* the ping that is out is for payload */
};

enum keepalive_verdict {
	KEEPALIVE_WAIT,
	KEEPALIVE_PING, /* send one now */
	KEEPALIVE_DEAD,
};

/* The first ping is due at once: it measures the path. */
void keepalive_init(struct keepalive *k, uint32_t interval_ms, uint32_t timeout_ms,
	uint64_t now_ms);

/* Bytes came in, whatever they are. */
void keepalive_on_heard(struct keepalive *k, uint64_t now_ms);

/* The answer to the ping. */
void keepalive_on_pong(struct keepalive *k);

/* True if keepalive_on_use() must be called for payload that passes now. */
static inline bool keepalive_wants_use(const struct keepalive *k)
{
	return !k->is_used || k->asked_ms == 0;
}

/* Payload passes, or the opening of a channel; @is_sent: to the peer. */
void keepalive_on_use(struct keepalive *k, bool is_sent, uint64_t now_ms);

/* Asks for a ping outside the interval. True: send it now; false: one is unanswered. */
bool keepalive_ping_now(struct keepalive *k, uint64_t now_ms) MUST_USE;

/* What to do now. @path is NULL if the transport reports nothing. */
enum keepalive_verdict keepalive_look(struct keepalive *k, const struct stream_path *path,
	uint64_t now_ms) MUST_USE;

/* When to look again; UINT64_MAX: never. Use makes it sooner. */
uint64_t keepalive_due_ms(const struct keepalive *k, uint64_t now_ms);

#endif
