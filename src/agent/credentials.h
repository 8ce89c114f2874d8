/*
 * The directory with a managed link's credentials: the agent's key, its certificate, and
 * the relay's CA. New ones are written beside the directory and take its place with a
 * rename, so that a failure leaves what was there. agent/agent_link.h has the file names.
 */
#ifndef AGENT_CREDENTIALS_H
#define AGENT_CREDENTIALS_H

#include "base/buf.h"

struct credentials {
	char *directory;   /* owned, as all here: where they are used */
	char *fresh, *old; /* beside it: what is being written, and what was there */
	int lock;          /* of the directory around it; -1: none */
	bool is_placed;    /* @fresh is in its place */
	bool had_old;      /* @old is what was there */
};

/*
 * Makes an empty directory for new credentials, mode 0700, and the directories around it.
 * What an interrupted run has left is removed, or put back.
 * ERR_EXISTS: another process writes some.  ERR_SYS, ERR_NOMEM. credentials_end() in any
 * case.
 */
enum err credentials_begin(const char *directory, struct credentials *out,
	struct why *why) MUST_USE;

/* Writes a file of the new ones, mode 0600. ERR_SYS, ERR_NOMEM. */
enum err credentials_put(struct credentials *c, const char *name, struct span text,
	struct why *why) MUST_USE;

/* Puts the new ones in their place. ERR_SYS: what was there stays. */
enum err credentials_place(struct credentials *c, struct why *why) MUST_USE;

/* Ends it: with @keeps the new ones that were placed stay, else what was there before. */
void credentials_end(struct credentials *c, bool keeps);

#endif
