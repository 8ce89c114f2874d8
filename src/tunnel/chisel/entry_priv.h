/* The kinds of entry behind entry.h; each is a const table. */
#ifndef TUNNEL_CHISEL_ENTRY_PRIV_H
#define TUNNEL_CHISEL_ENTRY_PRIV_H

#include "tunnel/chisel/entry.h"

/* What every kind embeds first. */
struct entry {
	const struct entry_kind *kind;
	struct entry_options o;         /* not .remote and .log: they are below */
	struct chisel_session *session; /* borrowed: NULL while there is none */
	struct remote remote;
	struct log log;
	char target[REMOTE_TEXT_MAX]; /* what its channels ask for */
	uint16_t port;                /* where it listens */
	uint64_t trouble; /* digest of why no channel was opened; 0: one was */
};

struct entry_kind {
	size_t bytes; /* of the kind's struct */
	enum err (*open)(struct entry *e, struct why *why);
	void (*on_session)(struct entry *e); /* e->session has changed */
	void (*close)(
		struct entry *e); /* frees all but the struct; takes half-open ones */
};

/*
 * A channel was opened, or refused: then @why is the other side's reason. Visitors cause
 * these lines: at info there is one for each change.
 */
void entry_note(struct entry *e, unsigned long long visitor, enum err rc,
	const struct why *why);

/* 0 for any that is free. */
static inline uint16_t entry_wanted_port(const struct entry *e)
{
	uint16_t port = remote_port_number(e->remote.local_port);

	return port != 0 ? port : e->remote.last_port;
}

extern const struct entry_kind entry_tcp;
extern const struct entry_kind entry_udp;
extern const struct entry_kind entry_stdio;

#endif
