/*
 * For tests: a client and a server engine, joined in memory. Each end does what an owner
 * usually does, and records the events.
 */
#ifndef WIRE_SSH_PAIR_TEST_H
#define WIRE_SSH_PAIR_TEST_H

#include "base/sink_test.h"
#include "wire/ssh_priv.h"

#define PAIR_WINDOW 2097152
#define PAIR_EVENTS (SSH_REKEYED + 1)

struct ssh_end {
	struct ssh *ssh;
	struct buf out, in;
	struct buf_sink sink;
	enum err rc; /* ERR_AGAIN while all is well */
	struct why why;

	/* How it behaves. */
	bool distrusts;    /* the host key */
	bool denies;       /* every password */
	bool denies_keys;  /* every one */
	bool hesitates;    /* leaves logins, channels and requests unanswered */
	bool keeps_credit; /* gives none back */
	uint32_t window;   /* of the channels it accepts */

	/* The events that it got. */
	unsigned seen[PAIR_EVENTS];
	struct ssh_event last[PAIR_EVENTS]; /* the spans are stale */
	struct buf data;                    /* of all channels */
	struct buf text;                    /* of the last event but SSH_DATA */
};

struct ssh_pair {
	struct hostkey *key;
	struct ssh_end client, server;
	size_t chunk; /* bytes carried at once; 0 is all */
};

/* Makes and starts both; each with @rekey_bytes. */
void ssh_pair_init(struct ssh_pair *p, uint64_t rekey_bytes);
void ssh_pair_fini(struct ssh_pair *p);

/* Carries bytes until both are quiet or one has failed. */
void ssh_pair_run(struct ssh_pair *p);

/* ssh_pair_init() and everything up to SSH_UP, asserted. */
void ssh_pair_up(struct ssh_pair *p, uint64_t rekey_bytes);

/* Opens a channel from @from to the other end; both sides' channels, asserted. */
void ssh_pair_open(struct ssh_pair *p, struct ssh_end *from, struct ssh_channel **ours,
	struct ssh_channel **theirs);

/* Begins a key exchange, unless one is under way. */
void ssh_end_rekey(struct ssh_end *e);

/* Sends any payload at all, as a defective engine would. */
void ssh_end_send(struct ssh_end *e, const void *payload, size_t n);

/* Writes as much of @data as goes; returns how much. */
size_t ssh_end_write(struct ssh_channel *ch, struct span data);

#endif
