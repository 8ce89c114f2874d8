/*
 * The program that sets TXT records for DNS-01: the operator's, because each DNS provider
 * has an interface of its own. It is run as
 *
 *     PROGRAM present NAME VALUE
 *     PROGRAM cleanup NAME VALUE
 *
 * NAME is "_acme-challenge.example.com" without a dot at its end. "present" adds a record
 * beside those that are there, and ends when the name's servers answer with it; exit
 * status 0 is success. "cleanup" removes that record. One program runs at a time: it may
 * be a script that edits a file. It is killed after ACME_HOOK_MS. Its output goes to the
 * log.
 */
#ifndef ACME_DNS_HOOK_H
#define ACME_DNS_HOOK_H

#include "base/err.h"
#include "base/log.h"
#include "loop/loop.h"

#define ACME_HOOK_MS (5 * 60 * 1000)

struct acme_hooks; /* the runs that wait for their turn */
struct acme_hook;  /* one of them */

/* @loop is the first loop of the process (loop/child.h). All is borrowed, and outlives
 * it. ERR_NOMEM. */
enum err acme_hooks_new(struct loop *loop, const char *program, const struct log *log,
	struct acme_hooks **out) MUST_USE;

/* All runs must have ended or been closed. NULL is fine. */
void acme_hooks_free(struct acme_hooks *hooks);

struct acme_hook_options {
	bool is_cleanup;
	const char *name, *value; /* borrowed: outlive the hook */
	/* ERR_OK: it has succeeded.  ERR_SYS, ERR_TIMEOUT: @why has the end and the last
	 * line of output, or why it cannot be run. */
	void (*fn)(void *arg, enum err rc, const struct why *why);
	void *arg;
};

/* fn is called once, never from inside this call; the hook is gone then. ERR_NOMEM. */
enum err acme_hook_open(struct acme_hooks *hooks, const struct acme_hook_options *o,
	struct acme_hook **out) MUST_USE;

/* Kills the program. fn is not called. NULL is fine. */
void acme_hook_close(struct acme_hook *h);

#endif
