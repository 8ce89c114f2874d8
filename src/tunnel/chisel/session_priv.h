/* The inside of a session: for session.c and session_events.c. */
#ifndef TUNNEL_CHISEL_SESSION_PRIV_H
#define TUNNEL_CHISEL_SESSION_PRIV_H

#include "tunnel/chisel/mux.h"
#include "tunnel/chisel/session.h"
#include "wire/ws.h"

enum session_state {
	SESSION_SECURING,    /* SSH versions, keys, authentication */
	SESSION_CONFIGURING, /* waiting for the config request or its answer */
	SESSION_DECIDING,    /* server: the owner thinks about it */
	SESSION_OPEN,
	SESSION_REFUSED, /* server: the refusal is on its way */
	SESSION_CLOSED,
};

struct chisel_session {
	enum session_state state;
	enum ssh_role role;
	struct worker *worker; /* borrowed */
	struct stream *stream;
	struct ssh *ssh;
	struct ws_reader ws;
	struct mux mux;
	const struct chisel_tuning *tuning;       /* borrowed */
	const struct chisel_session_hooks *hooks; /* borrowed */
	void *owner;                              /* borrowed */
	struct loop_timer *timer;
	struct loop_deferred gone;
	struct loop_deferred first; /* bytes that came with the stream */
	struct buf kept;            /* bytes of a packet that has not fully arrived */
	size_t kept_ssh;            /* how many of them are out of their frames already */
	uint64_t deadline_ms;       /* of the state; 0 for none */
	uint64_t due_ms;            /* what the timer is set to; UINT64_MAX: it is not */
	uint64_t asked_us;          /* when the config or the ping that is out was sent */
	uint64_t probe_since_ms, probe_end_ms;
	void (*probe_fn)(void *arg, bool is_alive);
	void *probe_arg;
	enum err closed_rc;
	struct why closed_why;
};

/* ---- in session.c ---- */

void session_enter(struct chisel_session *s, enum session_state state);
void session_fail(struct chisel_session *s, enum err rc, const struct why *why);

/* The config or a ping has been answered; a ping. */
void session_note_rtt(struct chisel_session *s);
void session_on_pong(struct chisel_session *s);

/* ---- in session_events.c ---- */

void session_on_event(struct chisel_session *s, const struct ssh_event *ev);

#endif
