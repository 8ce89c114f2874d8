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
	/* requested by an unauthenticated peer: its log lines are limited */
	bool is_anonymous;
};

/* Binds and listens. ERR_EXISTS: the port is in use. @why says more. */
enum err entry_open(const struct entry_options *o, struct entry **out,
	struct why *why) MUST_USE;

/* Uses @session from now on; NULL: there is none. Waiting visitors are forwarded at
 * once. */
void entry_attach(struct entry *e, struct chisel_session *session);

/* Its port, chosen by the system if it was 0. 0: it is stdio. */
uint16_t entry_port(const struct entry *e);

/* Ends its visitors too. The port is free when this returns. NULL is fine. */
void entry_close(struct entry *e);

#endif
