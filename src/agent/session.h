/*
 * A session connects an agent with one server or relay, keeps the connection, and
 * reconnects until agent_session_leave(). agent/link.h and agent/lease_session.h
 * implement it. It owns no loop and no signals: a process may run any number of sessions.
 */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"

enum agent_session_state {
	AGENT_WAITING, /* for the next attempt */
	AGENT_CONNECTING,
	AGENT_OPEN, /* visitors can come */
	AGENT_LEAVING,
	AGENT_CLOSED, /* for good: no more attempts */
};

/* Strings are never NULL, and good until the next callback of the loop. */
struct agent_session_status {
	enum agent_session_state state;
	uint64_t since_ms;        /* clock_now_ms() when it came into this state */
	const char *peer;         /* URL of the server or relay */
	const char *peer_version; /* "": not known */
	const char *host; /* of a link: the server's "host:port"; else the public name */
	const char *url;  /* where visitors find it, "" before there is a lease; */
	const char *tcp;  /* "relay:port", likewise */
	/* the last failure; "": none since it was open, or it works again */
	const char *error;
	uint64_t next_ms;  /* clock_now_ms() of the next attempt; 0: none is planned */
	unsigned attempts; /* that failed since the last stable session */
	uint64_t rtt_us;   /* 0: not known */
	uint64_t visitors; /* so far; of a link: channels that are open */
	uint64_t sent_bytes, received_bytes; /* in this connection, where it is counted */
	const char *local; /* of a link that is open: this end's address; or "" */
	/* Of a managed link: clock_now_ms() when its tunnels were sent; 0: not in this
	 * connection. */
	uint64_t told_ms;
};

struct agent_session;

/* The owner's. Called from the loop, never from inside a call of the owner's. */
struct agent_session_hooks {
	/* The state in agent_session_status() has changed. */
	void (*on_change)(void *owner, struct agent_session *s);
	/*
	 * It has ended for good; the owner closes it. The reason has been logged.
	 * ERR_CLOSED: agent_session_leave(). ERR_EOF: its only stream has ended.
	 * ERR_LIMIT: no retry is left. ERR_DENIED: the peer refuses it. ERR_CRYPTO: the
	 * relay reads visitors' TLS, and is banned.
	 */
	void (*on_closed)(void *owner, struct agent_session *s, enum err rc);
};

struct agent_session_ops {
	void (*retry_now)(struct agent_session *s, const char *reason, bool is_forced);
	void (*leave)(struct agent_session *s);
	void (*close)(struct agent_session *s);
	void (*status)(const struct agent_session *s, struct agent_session_status *out);
};

/* What every session has; embedded, and for the implementations only. */
struct agent_session {
	const struct agent_session_ops *ops;
	const struct agent_session_hooks *hooks;
	void *owner;
	struct loop *loop;
	enum agent_session_state state;
	enum err end; /* for on_closed */
	uint64_t since_ms;
	uint64_t next_ms; /* see agent_session_plan() */
	struct loop_deferred changed;
	struct why error;
};

/*
 * For events that may have broken or restored the path: begins an attempt now, or checks
 * the session if it is open; with @is_forced it is replaced. @reason is for a log line.
 */
void agent_session_retry_now(struct agent_session *s, const char *reason, bool is_forced);

/* Ends it in order: on_closed is called within 5 seconds. Visitors that were handed over
 * continue. */
void agent_session_leave(struct agent_session *s);

/* Ends it now. No hook is called any more. NULL is fine. */
void agent_session_close(struct agent_session *s);

struct agent_session_status agent_session_status(const struct agent_session *s);

/* ---- for the implementations ---- */

void agent_session_init(struct agent_session *s, struct loop *loop,
	const struct agent_session_ops *ops, const struct agent_session_hooks *hooks,
	void *owner);

/* The hook is called at the end of the turn. */
void agent_session_enter(struct agent_session *s, enum agent_session_state state);

/* Notes a failure that leaves the state as it is; NULL: it is over. on_change is
 * called. */
void agent_session_note(struct agent_session *s, const char *error);

/* In AGENT_WAITING: the next attempt begins after @pause_ms. */
void agent_session_plan(struct agent_session *s, uint32_t pause_ms);

/* Enters AGENT_CLOSED. */
void agent_session_end(struct agent_session *s, enum err rc);

/* No hook is called any more. */
void agent_session_fini(struct agent_session *s);

#endif
