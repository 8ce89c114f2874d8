/* Asks the relay on this machine, over the admin socket in its state directory. */
#ifndef CLI_RELAY_ASK_H
#define CLI_RELAY_ASK_H

#include <jansson.h>

#include "base/err.h"

struct relay_ask;

/*
 * ERR_NOENT: no relay serves from @directory.  ERR_AGAIN: one has it, but does not serve
 * yet, or no more.  ERR_DENIED: this user may not ask.  ERR_SYS, ERR_NOMEM.
 */
enum err relay_ask_open(const char *directory, struct relay_ask **out,
	struct why *why) MUST_USE;
void relay_ask_close(struct relay_ask *a); /* NULL is fine */

/*
 * Asks, and waits for the answer, some seconds at most. @body is JSON, or NULL. *@data is
 * what the answer has as "data": json_decref() it.
 * ERR_PROTO: the relay refuses, @why has its words.
 */
enum err relay_ask(struct relay_ask *a, const char *method, const char *target,
	const char *body, json_t **data, struct why *why) MUST_USE;

#endif
