/*
 * The HTTP servers of a forward. They forward requests by the routes, or, without routes,
 * answer that the target is down. For forward.c only.
 */
#ifndef AGENT_FORWARD_HTTP_H
#define AGENT_FORWARD_HTTP_H

#include "agent/forward.h"
#include "http/idle_pool.h"
#include "http/server.h"
#include "net/tls.h"

/* The oldest host is removed for a new one: a relay may assign new names again and
 * again. */
#define FORWARD_HOSTS_MAX 256

/* A public name of the tunnel. */
struct forward_host {
	struct list in_forward;
	bool is_for_raw; /* only visitors of a TCP port may use it */
	char name[];
};

/* A server for visitors with TLS, or for raw ones. */
struct forward_server {
	struct forward *forward; /* borrowed: it embeds us */
	bool is_raw;             /* for visitors of a TCP port, without TLS */
	struct http_server *http;
};

struct forward {
	struct worker *worker; /* borrowed */
	const struct log *log; /* borrowed; may be NULL */
	struct target target;
	struct dial_memory *memory;       /* the last working address of the target */
	const struct http_routes *routes; /* borrowed; NULL: none */
	bool preserves_host, logs_requests;
	const struct access *access; /* borrowed; may be NULL */
	size_t head_max;
	struct idle_pool *idle_pools[HTTP_ROUTES_MAX];     /* of each route, in order */
	struct tls_context *tls_verified, *tls_unverified; /* NULL: not needed */
	struct forward_server servers[2];                  /* for TLS, and raw */
	struct list visits;
	struct list hosts; /* struct forward_host, the oldest first */
	unsigned hosts_n;
};

/* Opens the two servers. */
enum err forward_http_open(struct forward *forward) MUST_USE;
void forward_http_close(struct forward *forward);

/* True if requests of raw visitors (@is_raw), or of others, may have @host, with or
 * without a port. */
bool forward_has_host(const struct forward *forward, struct span host, bool is_raw);

/* The TLS context for connections to @t; NULL: without TLS. */
struct tls_context *forward_tls(const struct forward *forward, const struct target *t);

enum http_likeness {
	HTTP_MAYBE, /* too few bytes to tell */
	HTTP_YES,
	HTTP_NO,
};

/* Guesses from the @first bytes of a visitor whether it speaks HTTP. */
enum http_likeness forward_looks_like_http(struct span first);

#endif
