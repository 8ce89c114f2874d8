/*
 * A forward serves the visitors of a tunnel: it connects them to a local target, or, if
 * it has HTTP routes, forwards their requests to the upstreams of the routes.
 *
 * Without routes a visitor's bytes go to the target. If the target is down (no connection
 * within 5 s), a visitor with TLS that speaks HTTP gets a page that says so
 * (portal-protocol 14.6), and any other visitor is closed.
 *
 * With routes each request is read strictly: an ambiguous request gets 400, and never
 * reaches an upstream. A request for a host that is not one of the tunnel's gets 421. If
 * no route matches, the response is 404; if the upstream cannot be reached, it is 502.
 */
#ifndef AGENT_FORWARD_H
#define AGENT_FORWARD_H

#include "agent/access.h"
#include "agent/http_routes.h"
#include "base/log.h"
#include "loop/worker.h"
#include "net/addr.h"
#include "net/stream.h"

struct forward;
struct forward_visit; /* one visitor */

struct forward_options {
	struct worker *worker;       /* borrowed: outlives the forward */
	const struct target *target; /* borrowed for the call; NULL with @routes */
	/* borrowed: outlives the forward; NULL or empty: @target */
	const struct http_routes *routes;
	/* upstreams of routes get the visitor's Host, not their own */
	bool preserves_host;
	size_t head_max; /* of requests for routes: see http/server.h */
	/* borrowed: outlives the forward; with @routes only; NULL: anyone may */
	const struct access *access;
	bool logs_requests; /* to routes: a line for each */
	/* borrowed: outlives the forward; for failures of upstreams; may be NULL */
	const struct log *log;
};

/* ERR_USAGE: neither a target nor routes, or both. Also the errors of
 * tls_context_new_client(). */
enum err forward_new(const struct forward_options *o, struct forward **out,
	struct why *why) MUST_USE;

/*
 * Adds @host, a name without a port, to the hosts that requests may have; if @is_for_raw,
 * only requests of raw visitors. A host that has been added is not added again. Without
 * memory nothing is added.
 */
void forward_add_host(struct forward *forward, const char *host, bool is_for_raw);

/* Closes the remaining visits; on_closed is not called. NULL is fine. */
void forward_free(struct forward *forward);

struct forward_end {
	uint64_t from_visitor_bytes, to_visitor_bytes;
	bool is_unserved; /* the target could not be reached */
	enum err rc;      /* ERR_OK: no failure */
	struct why why;   /* of a failure */
};

struct forward_visitor {
	struct stream *stream;   /* the visitor's, without TLS; wants nothing */
	const struct addr *peer; /* its X-Forwarded-For; NULL: this machine */
	bool is_raw;             /* of a TCP port, with any protocol */
	/* Called once, never from inside a call of the forward. The visit is freed after
	 * it. */
	void (*on_closed)(void *arg, const struct forward_end *end);
	void *arg;
};

/*
 * Serves @v. Its stream is taken, also after an error; then on_closed is not called.
 * ERR_NOMEM.
 */
enum err forward_visit_take(struct forward *forward, const struct forward_visitor *v,
	struct forward_visit **out) MUST_USE;

/* The bytes so far, from and to the visitor; the rest is empty. */
struct forward_end forward_visit_progress(const struct forward_visit *visit);

/* Closes the visit now; on_closed is not called. NULL is fine. */
void forward_visit_close(struct forward_visit *visit);

#endif
