/*
 * An exposure is one tunnel: a local service under one identity, published on any number
 * of relays, which are nothing to each other. Which relays may change while it runs.
 */
#ifndef AGENT_EXPOSE_H
#define AGENT_EXPOSE_H

#include "agent/http_routes.h"
#include "agent/lease_session.h"
#include "loop/worker.h"
#include "text/relay_url.h"

#define EXPOSE_LEAVE_MS 5000 /* a clean end takes no longer */

struct expose;

/* What a face is told. Called from the loop. */
struct expose_hooks {
	/*
	 * The service can be reached there. With @is_back it could be before, at the same
	 * places, and the lease is another. @tcp is "" or "host:port".
	 */
	void (*on_open)(void *owner, const char *relay, const char *url, const char *tcp,
		bool is_back);
	/* No relay is left, or it was left as asked: to be closed. */
	void (*on_ended)(void *owner);
};

struct expose_options {
	struct worker *worker;            /* all borrowed: they outlive the exposure */
	const struct target *target;      /* or NULL, and */
	const struct http_routes *routes; /* these; or both: never */
	const struct identity *identity;
	const struct message_metadata *metadata;
	const struct log *log;
	bool wants_tcp; /* see lease_session.h */
	bool bans_mitm;
	bool preserves_host; /* see agent/forward.h */
	size_t head_max;
	const struct expose_hooks *hooks;
	void *owner;
};

enum err expose_open(const struct expose_options *o, struct expose **out,
	struct why *why) MUST_USE;

/*
 * Publishes on these relays and no others: new ones are joined, and those that are
 * missing are left. One that was over for good is tried again only after it was missing
 * once. ERR_SYNTAX, ERR_LIMIT: a URL is none; the others are used.
 */
enum err expose_set_relays(struct expose *e, const struct relay_urls *relays,
	struct why *why) MUST_USE;

/* As agent_session_retry_now(), at every relay. */
void expose_retry_now(struct expose *e, const char *reason, bool is_forced);

/* Unregisters everywhere; visitors get that long, too.
 * on_ended comes in EXPOSE_LEAVE_MS. */
void expose_leave(struct expose *e);

/* Ends it now and quietly. NULL is fine. */
void expose_close(struct expose *e);

struct expose_statistics {
	uint64_t visitors, visitors_now;
	uint64_t in_bytes,
		out_bytes; /* from visitors, and to them; of those who have left */
};

struct expose_statistics expose_statistics(const struct expose *e);

/* Calls @fn for each relay. */
void expose_each(const struct expose *e,
	void (*fn)(void *arg, const struct agent_session *s), void *arg);

#endif
