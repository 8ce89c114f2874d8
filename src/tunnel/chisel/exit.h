/*
 * Exits are the side of remotes where targets are: each channel that the peer opens leads
 * to a TCP target, a SOCKS5 server, or a UDP target. chisel-protocol 6.
 *
 * The owner decides whether a channel is allowed before it comes here. A SOCKS
 * destination is named later: may_reach() is called when it is known.
 */
#ifndef TUNNEL_CHISEL_EXIT_H
#define TUNNEL_CHISEL_EXIT_H

#include "tunnel/chisel/session.h"

#define EXIT_TARGETS_MAX 32

/* The exits of one session; embedded. */
struct exits {
	struct worker *worker;              /* borrowed: outlives the exits */
	const struct log *log;              /* borrowed: outlives the exits */
	const struct chisel_tuning *tuning; /* borrowed: outlives the exits */
	/* Whether a destination that a SOCKS5 dialogue names is allowed. NULL:
	 * all are. */
	bool (*may_reach)(void *owner, const char *access);
	void *owner; /* borrowed: given to may_reach */
	/* Unreachable targets are logged at info, once for each change. Only targets of
	 * remotes: SOCKS requests could fill the log. */
	bool tells_targets;
	struct exit_target {
		uint64_t name, trouble; /* digests; 0 is none */
	} targets[EXIT_TARGETS_MAX];    /* the last ones that were dialled */
	struct list all;
	unsigned long long count; /* so far, for their numbers */
	unsigned long long open;  /* now */
};

void exits_init(struct exits *x, struct worker *worker, const struct log *log,
	const struct chisel_tuning *tuning);

/* Ends them all. */
void exits_fini(struct exits *x);

/*
 * What is allowed has changed: ends the exits whose target @is_allowed denies. UDP exits
 * stay, but pass no datagrams until they are allowed again.
 */
void exits_check(struct exits *x, bool (*is_allowed)(void *owner, const char *access));

/* Answers @ch, which asks for @target, in every case. */
void exits_add(struct exits *x, struct channel *ch, const struct remote_target *target);

#endif
