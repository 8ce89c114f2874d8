/*
 * An entry is the side of a remote where users arrive: a TCP port, a UDP port, or
 * standard input. It sends each user through the session it is attached to; users that
 * come while there is no session wait for a while. chisel-protocol 5.2, 6.6, 7.3.
 */
#ifndef TUNNEL_CHISEL_ENTRY_H
#define TUNNEL_CHISEL_ENTRY_H

#include "tunnel/chisel/session.h"

struct entry;

struct entry_options {
	struct worker *worker;              /* borrowed: outlives the entry */
	const struct remote *remote;        /* copied */
	const struct log *log;              /* borrowed: outlives the entry */
	const struct chisel_tuning *tuning; /* borrowed: outlives the entry */
	/* The one stream of a stdio entry has ended; may be NULL. */
	void (*on_done)(void *arg);
	void *arg;
	/* an unauthenticated peer asked for it: its log lines are limited */
	bool is_anonymous;
};

/* Binds and listens. ERR_EXISTS: the port is taken. @why has the words. */
enum err entry_open(const struct entry_options *o, struct entry **out,
	struct why *why) MUST_USE;

/* Uses @session from now on; NULL: there is none. Users that wait are sent at once. */
void entry_attach(struct entry *e, struct chisel_session *session);

/* Where it listens: the port that was chosen if 0 was asked for. 0: it is stdio. */
uint16_t entry_port(const struct entry *e);

/* Ends its visitors too. The port is free when this returns. NULL is fine. */
void entry_close(struct entry *e);

#endif
