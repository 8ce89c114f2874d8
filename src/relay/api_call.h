/*
 * A call of the relay's API: a request that a data worker has read, on its way to the
 * control worker, and the answer on its way back. Whoever has the letter owns all of it.
 */
#ifndef RELAY_API_CALL_H
#define RELAY_API_CALL_H

#include <stdatomic.h>

#include "base/buf.h"
#include "loop/loop.h"
#include "net/addr.h"

struct relay_worker;
struct http_exchange;

#define API_HEADERS_MAX 1024

/* To the older of two agents that have one identity. */
#define API_REPLACED "another agent has registered with the same identity since"

/* A body that is the same for all who ask: const, and counted. Any thread. */
struct api_text {
	atomic_uint refs;
	struct buf text;
};

struct api_text *api_text_new(size_t max); /* NULL: out of memory */
struct api_text *api_text_ref(struct api_text *t);
void api_text_unref(struct api_text *t); /* NULL is fine */

struct api_call {
	struct mail mail;            /* first */
	struct relay_worker *worker; /* borrowed: it outlives all calls */
	struct http_exchange *x;     /* the worker's; not for us */

	char *method, *target; /* owned; the target as it came, query and all */
	char *host;            /* owned: the Host header; "" if there was none */
	char *cookie;          /* owned: the Cookie header; "" likewise */
	char *origin;          /* owned: the Origin header; "" likewise */
	struct addr client;    /* the visitor's, behind a trusted proxy too */
	bool is_banned;        /* the client's address is */
	bool is_local_admin;   /* it came over the admin socket */
	bool is_revival;       /* status 200: there is a lease now, look again */
	struct buf body;

	unsigned status;
	char headers[API_HEADERS_MAX]; /* lines ending in CRLF, besides Content-Length */
	struct buf answer;
	struct api_text *text; /* a reference: the body instead of @answer; or NULL */
};

void api_call_free(struct api_call *call); /* NULL is fine */

#endif
