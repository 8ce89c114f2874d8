/*
 * An exposure is one tunnel: a local service under one identity, published on any number
 * of independent relays. Relays may be added and removed while it runs.
 */
#ifndef AGENT_EXPOSE_H
#define AGENT_EXPOSE_H

#include "agent/access.h"
#include "agent/http_routes.h"
#include "agent/lease_session.h"
#include "http/metrics.h"
#include "loop/worker.h"
#include "net/addr.h"
#include "text/relay_url.h"

#define EXPOSE_LEAVE_MS 5000 /* the bound of expose_leave() */

struct expose;

/* Called from the loop. */
struct expose_hooks {
	/*
	 * The service is published. @is_back: it was published before with the same URL
	 * and TCP address, under an earlier lease. @tcp is "" or "host:port".
	 */
	void (*on_open)(void *owner, const char *relay, const char *url, const char *tcp,
		bool is_back);
	/* The status of a relay has changed; or NULL. */
	void (*on_change)(void *owner);
	/* A visitor has ended: ERR_OK, if the service was reached. Or NULL. */
	void (*on_visited)(void *owner, enum err rc, const struct why *why);
	/* No relay is left, or expose_leave() is done: close the exposure. */
	void (*on_ended)(void *owner);
};

/* What visitors reach; see agent/forward.h. Borrowed for the call. */
struct expose_service {
	const struct target *target;      /* NULL with @routes */
	const struct http_routes *routes; /* NULL with @target */
	bool preserves_host, logs_requests;
	size_t head_max;
	const struct access *access; /* with @routes; NULL: anyone may use them */
};

struct expose_options {
	struct worker *worker; /* all borrowed: they outlive the exposure */
	struct expose_service service;
	const struct identity *identity;
	const struct message_metadata *metadata; /* see expose_renew() */
	const struct log *log;
	struct relay_share *share; /* likewise */
	bool wants_tcp;            /* see lease_session.h */
	bool bans_mitm;
	bool keeps_trying, visits_itself;
	const struct expose_hooks *hooks;
	void *owner;
};

enum err expose_open(const struct expose_options *o, struct expose **out,
	struct why *why) MUST_USE;

/*
 * Publishes on exactly these relays: opens sessions at new ones, and unregisters at
 * missing ones. If a session has ended for good, its relay is retried only after it was
 * missing once.
 * ERR_SYNTAX, ERR_LIMIT: a URL is not valid; the others are used.
 */
enum err expose_set_relays(struct expose *e, const struct relay_urls *relays,
	struct why *why) MUST_USE;

/*
 * New visitors reach @service from now on; those that are here keep what they have.
 * Errors: the old service stays.
 */
enum err expose_set_service(struct expose *e, const struct expose_service *service,
	struct why *why) MUST_USE;

/* The metadata has changed: sends it to every relay now. */
void expose_renew(struct expose *e);

/* As agent_session_retry_now(), at every relay. */
void expose_retry_now(struct expose *e, const char *reason, bool is_forced);

/*
 * Unregisters at every relay and lets visitors finish. on_ended is called within
 * EXPOSE_LEAVE_MS.
 */
void expose_leave(struct expose *e);

/* Ends it now; no hook is called. NULL is fine. */
void expose_close(struct expose *e);

struct expose_statistics {
	uint64_t visitors, visitors_now;
	uint64_t in_bytes, out_bytes; /* from and to visitors, so far */
};

struct expose_statistics expose_statistics(const struct expose *e);

/* A relay of the exposure. Texts are good until the next callback of the loop. */
struct expose_relay {
	const char *url;
	bool is_closed; /* for good: @error is why, and the rest is empty */
	bool is_open;   /* visitors can come, as far as is known */
	bool is_banned;
	bool is_wanted;
	const char *error;
	struct agent_session_status session;
	struct lease_session_statistics statistics;
};

/* The relay number @i, in the order in which they were added. False: there is none. */
bool expose_relay(const struct expose *e, unsigned i, struct expose_relay *out);

/*
 * Serves metrics for Prometheus at http://ADDR/metrics. The exposure outlives the
 * endpoint.
 */
enum err expose_open_metrics(struct expose *e, const struct addr_listen *addr,
	struct http_metrics **out, struct why *why) MUST_USE;

#endif
