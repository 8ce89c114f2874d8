/*
 * A forward is what a tunnel does with its visitors: it leads them to a local target, or,
 * if it has HTTP routes, answers their requests by asking the upstreams of those.
 *
 * Without routes a visitor's bytes are the target's. If the target is down (it does not
 * answer in 5 s), a visitor with TLS that speaks HTTP gets a page that says so
 * (portal-protocol 14.6), and any other is closed.
 *
 * With routes each request is read strictly; what two readers might understand in two
 * ways is refused with 400, and never reaches an upstream. A request for a host that is
 * none of the tunnel's gets 421. Without a route the answer is 404, without an upstream
 * 502.
 */
#ifndef AGENT_FORWARD_H
#define AGENT_FORWARD_H

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
	/* borrowed: outlives the forward; hears of upstreams that fail; may be NULL */
	const struct log *log;
};

/* ERR_USAGE: neither a target nor routes, or both.
 * Errors of TLS contexts say what to do. */
enum err forward_new(const struct forward_options *o, struct forward **out,
	struct why *why) MUST_USE;

/*
 * @host, a name without a port, is the tunnel's from now on: requests may ask for it; if
 * @is_for_raw, only those of raw visitors. One that is there already is not added again.
 * Without memory it is not added either.
 */
void forward_add_host(struct forward *forward, const char *host, bool is_for_raw);

/* Cuts the visitors that are left, quietly. NULL is fine. */
void forward_free(struct forward *forward);

struct forward_end {
	uint64_t from_visitor_bytes, to_visitor_bytes;
	bool is_unserved; /* the target could not be reached */
	enum err rc;      /* ERR_OK: it ended in order */
	struct why why;   /* words if not */
};

struct forward_visitor {
	struct stream *stream;   /* what the visitor says, without TLS; wants nothing */
	const struct addr *peer; /* its X-Forwarded-For; NULL: this machine */
	bool is_raw;             /* of a TCP port: it may speak anything */
	/* Once, and never from inside a call into the forward;
	 * the visit is gone after it. */
	void (*on_closed)(void *arg, const struct forward_end *end);
	void *arg;
};

/*
 * Serves @v, whose stream is taken whatever happens; after an error on_closed is not
 * called. ERR_NOMEM.
 */
enum err forward_visit_take(struct forward *forward, const struct forward_visitor *v,
	struct forward_visit **out) MUST_USE;

/* Cuts the visitor now; on_closed is not called. NULL is fine. */
void forward_visit_close(struct forward_visit *visit);

#endif
