/*
 * The panel of a relay: its tunnels and agents, in memory and in the store. On the
 * control worker, whose one thread makes each operation a critical section: it checks,
 * acts, and stores the result in one transaction. If a step fails, those before it are
 * undone, and @why has the reason.
 *
 * What the panel decides takes effect through hooks, which the relay sets. The panel
 * knows neither the edge nor carriers.
 */
#ifndef PANEL_PANEL_H
#define PANEL_PANEL_H

#include "base/log.h"
#include "panel/panel_agent.h"
#include "panel/path.h"

#define PANEL_TUNNELS_MAX 10000

struct panel;
struct store;

/* A certificate, for a list; borrowed for the call. */
struct panel_certificate {
	const char *type;   /* const: "letsencrypt", "mtls-ca", "mtls-client" */
	const char *domain; /* NULL: of the private CA */
	const char *path;
	uint64_t ends_ms; /* wall clock */
};

/* All may be NULL. @owner is that of the options. */
struct panel_hooks {
	/*
	 * In the transaction of a change: publishes @after in place of @before; NULL: the
	 * tunnel is new, or is removed. An error undoes the change. If a later step
	 * fails, it is called again with the two exchanged, and that must not fail.
	 */
	enum err (*on_tunnel)(void *owner, const struct panel_tunnel *before,
		const struct panel_tunnel *after, struct why *why);

	/* The set of agents that are enrolled has changed: a new one, or one that was
	 * revoked, whose connection is to end. */
	void (*on_agents)(void *owner);

	/* Why the name or port cannot have a tunnel: a lease has it; it is internal.
	 * False: it can. */
	bool (*name_is_taken)(void *owner, const char *label, struct why *why);
	bool (*port_is_taken)(void *owner, uint16_t port, struct why *why);

	/* Facts for the path of a tunnel. They leave what is unknown as it is. */
	void (*agent_of)(void *owner, const char *label, struct path_agent *out);
	void (*dns_of)(void *owner, const char *host, struct path_dns *out);
	void (*certificate_of)(void *owner, const char *host,
		struct path_certificate *out);
	void (*app_of)(void *owner, const struct panel_tunnel *t, struct path_app *out);

	/* Calls @fn for each certificate that the relay serves. */
	void (*certificates)(void *owner,
		void (*fn)(void *arg, const struct panel_certificate *c), void *arg);
};

/* All borrowed: they outlive the panel. */
struct panel_options {
	struct store *store;
	const char *domain;   /* names of tunnels end in it */
	const char *link_url; /* where agents connect: "https://tunnel.example.com" */
	const char
		*link_fingerprint; /* of the host key there, for agents to pin; or NULL */
	const char *state_dir;     /* has the private CA */
	const struct log *log;
	const struct panel_hooks *hooks;
	void *owner;
	bool has_sign_in; /* tunnels that are not public are served */
};

/* Reads what is stored, and calls on_tunnel() for each tunnel. ERR_SYS, ERR_NOMEM. */
enum err panel_open(const struct panel_options *o, struct panel **out,
	struct why *why) MUST_USE;
void panel_close(struct panel *p); /* NULL is fine */

const char *panel_domain(const struct panel *p);
const char *panel_link_url(const struct panel *p);
const char *panel_link_fingerprint(const struct panel *p); /* NULL: not known */

/* ---- who asks ---- */

struct panel_caller {
	const char *name;                /* for the audit */
	const struct panel_agent *agent; /* NULL: an administrator */
};

/* ---- tunnels; pointers are good until the next change of the tunnel ---- */

struct panel_request {
	const struct panel_caller *caller;
	struct panel_spec *
		spec; /* as it is to be; its content is taken, but not if a check fails */
	bool is_anyway; /* even if DNS is known to be wrong */
};

/*
 * Checks in this order: reserved name, right of the caller, name taken, port taken, DNS.
 *
 * ERR_USAGE, ERR_EXISTS, ERR_LIMIT: not with these values.  ERR_DENIED: not this caller.
 * ERR_PROTO: DNS is wrong.  Others: a step failed.
 */
enum err panel_create(struct panel *p, const struct panel_request *req,
	const struct panel_tunnel **out, struct why *why) MUST_USE;

/* The same for an existing tunnel. */
enum err panel_change(struct panel *p, const struct panel_tunnel *t,
	const struct panel_request *req, const struct panel_tunnel **out,
	struct why *why) MUST_USE;

/* ERR_DENIED, or a step failed. */
enum err panel_remove(struct panel *p, const struct panel_tunnel *t,
	const struct panel_caller *caller, struct why *why) MUST_USE;

const struct panel_tunnel *panel_find(const struct panel *p, const char *id);
const struct panel_tunnel *panel_find_name(const struct panel *p, const char *subdomain);

/* All tunnels, the oldest first (@t NULL: the first), or the newest first. NULL: there
 * are no more. */
const struct panel_tunnel *panel_next(const struct panel *p,
	const struct panel_tunnel *t);
const struct panel_tunnel *panel_previous(const struct panel *p,
	const struct panel_tunnel *t);

unsigned panel_count(const struct panel *p);

/* May @caller see and change it? An agent: its own tunnels, and those without owner. */
bool panel_may(const struct panel_caller *caller, const struct panel_tunnel *t);

void panel_path(const struct panel *p, const struct panel_tunnel *t, struct path *out);

/* Is it served to visitors? False if it needs sign-in, and there is none yet. */
bool panel_is_served(const struct panel *p, const struct panel_tunnel *t);

#endif
