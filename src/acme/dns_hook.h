/*
 * The program that sets TXT records for DNS-01: the operator's, because each DNS provider
 * has an interface of its own. It is run as
 *
 *     PROGRAM present NAME VALUE
 *     PROGRAM cleanup NAME VALUE
 *
 * NAME is "_acme-challenge.example.com" without a dot at its end. "present" adds a record
 * beside those that are there, and ends when the name's servers answer with it; exit
 * status 0 is success. "cleanup" removes that record. The program is killed after
 * ACME_HOOK_MS. Its output goes to the log.
 */
#ifndef ACME_DNS_HOOK_H
#define ACME_DNS_HOOK_H

#include "base/err.h"
#include "base/log.h"
#include "loop/loop.h"

#define ACME_HOOK_MS (5 * 60 * 1000)

struct acme_hook;

struct acme_hook_options {
	struct loop *loop;   /* borrowed: the first loop of the process (loop/child.h) */
	const char *program; /* a path */
	const struct log *log; /* borrowed: outlives the hook */
	bool is_cleanup;
	const char *name, *value;
	/* ERR_OK: it has succeeded.  ERR_SYS, ERR_TIMEOUT: @why has the end and the last
	 * line of output. */
	void (*fn)(void *arg, enum err rc, const struct why *why);
	void *arg;
};

/* fn is called once, never from inside this call; the hook is gone then. ERR_SYS: the
 * program cannot be run.  ERR_NOMEM. */
enum err acme_hook_open(const struct acme_hook_options *o, struct acme_hook **out,
	struct why *why) MUST_USE;

/* Kills the program. fn is not called. NULL is fine. */
void acme_hook_close(struct acme_hook *h);

#endif
