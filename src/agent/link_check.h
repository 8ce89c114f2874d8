/*
 * Checks that a link's remotes would work, one after the other, each in a session of its
 * own: what the server allows, whether the ports are free, and whether the targets can be
 * reached, as far as that can be seen. The program behind `adit client --check`.
 */
#ifndef AGENT_LINK_CHECK_H
#define AGENT_LINK_CHECK_H

#include <stdio.h>

#include "agent/link.h"

struct link_check;

/* All borrowed: they outlive the check. */
struct link_check_options {
	struct worker *worker;
	const struct link_client_options *client;
	const struct log *log;
	FILE *out; /* gets a line for each remote */
	/* All remotes are checked, or the server is unreachable. The owner closes it. */
	void (*on_done)(void *arg, bool is_good);
	void *arg;
};

/* Begins. on_done is not called from inside this call. */
enum err link_check_open(const struct link_check_options *o, struct link_check **out,
	struct why *why) MUST_USE;

/* NULL is fine. */
void link_check_close(struct link_check *k);

#endif
