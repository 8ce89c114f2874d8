/*
 * How a forward answers requests itself: by its routes, or by saying that the target is
 * down. For forward.c only.
 */
#ifndef AGENT_FORWARD_HTTP_H
#define AGENT_FORWARD_HTTP_H

#include "agent/forward.h"
#include "http/idle_pool.h"
#include "http/server.h"
#include "net/tls.h"

#define FORWARD_HOSTS_MAX \
	256 /* then the oldest goes: a relay may give new names for ever */

/* A public name of the tunnel. */
struct forward_host {
	struct list in_forward;
	bool is_for_raw; /* only visitors of a TCP port may use it */
	char name[];
};

/* Of visitors whose requests we answer. */
struct forward_server {
	struct forward *forward; /* borrowed: has us */
	bool is_raw;             /* they come by a TCP port, without TLS */
	struct http_server *http;
};

struct forward {
	struct worker *worker; /* borrowed */
	const struct log *log; /* borrowed; may be NULL */
	struct target target;
	struct dial_memory *memory;       /* where the target was reached last */
	const struct http_routes *routes; /* borrowed; NULL: none */
	bool preserves_host;
	size_t head_max;
	struct idle_pool *idle_pools[HTTP_ROUTES_MAX];     /* of each route, in order */
	struct tls_context *tls_verified, *tls_unverified; /* NULL: not needed */
	struct forward_server servers[2];                  /* with TLS, and raw */
	struct list visits;
	struct list hosts; /* struct forward_host, the oldest first */
	unsigned hosts_n;
};

/* The servers, which answer by routes, or, if there are none, that the target is down. */
enum err forward_http_open(struct forward *forward) MUST_USE;
void forward_http_close(struct forward *forward);

/* True if a request of @is_raw visitors may ask for @host, with a port or without. */
bool forward_has_host(const struct forward *forward, struct span host, bool is_raw);

/* The context to reach @t with; NULL: plain. */
struct tls_context *forward_tls(const struct forward *forward, const struct target *t);

enum http_likeness {
	HTTP_MAYBE, /* too few bytes to tell */
	HTTP_YES,
	HTTP_NO,
};

/* Whether a visitor that begins with @first speaks HTTP. */
enum http_likeness forward_looks_like_http(struct span first);

#endif
