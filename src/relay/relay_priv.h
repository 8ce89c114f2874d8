/*
 * A relay, for the files of relay/ that run on its control worker: relay*.c, api*.c and
 * admin*.c. Data workers see struct data_shared and their snapshot, and no more.
 */
#ifndef RELAY_RELAY_PRIV_H
#define RELAY_RELAY_PRIV_H

#include "http/api.h"
#include "net/listener.h"
#include "relay/certificate.h"
#include "relay/policy.h"
#include "relay/relay.h"
#include "serve/data_worker.h"
#include "serve/lease/lease.h"
#include "serve/lease/lease_service.h"
#include "serve/lease/reservation.h"
#include "serve/lease/sign_audit.h"
#include "tunnel/portal/challenges.h"
#include "tunnel/portal/identity.h"

struct store;
struct wallet;
struct http_metrics;
struct dns_watch;
struct panel;
struct relay_edge;

enum relay_state {
	RELAY_STARTING,
	RELAY_WAITING, /* for a certificate: no port is open yet */
	RELAY_SERVING,
	RELAY_DRAINING, /* accepts no connections, and waits for bridges */
	RELAY_ENDED,    /* its workers have ended */
};

struct relay {
	enum relay_state state;
	struct relay_owner owner;
	struct worker *control;  /* borrowed: the owner's */
	struct mailbox *mailbox; /* calls of the API */
	struct log log;
	struct relay_options options;
	struct prefix_set exempt; /* of options: for the lease table */
	int lock;                 /* on the state directory, while it serves; -1: none */
	struct identity identity; /* its key signs access tokens */

	struct store *store;
	struct policy *policy;
	struct challenges *challenges; /* of registrations */
	struct wallet *wallet;         /* of administrators */
	struct route_table *routes;
	struct reservations *names;
	struct sign_audit *sign_audit;
	struct lease_table *table;
	struct certificate *certificate;
	struct snapshot *snapshot; /* that workers were sent last */
	struct data_shared shared; /* with the workers */
	struct lease_context leases;

	struct api operations; /* that the control worker answers */
	struct listener *sni, *api;
	struct http_metrics *metrics; /* NULL: not enabled */
	struct admin_socket *admin;   /* NULL: it could not be opened */
	struct relay_edge *edge;      /* NULL: the options have no domain; so below */
	struct panel *panel;
	char *link_url;        /* of the panel: where agents connect */
	struct dns_watch *dns; /* of names of tunnels */
	uint64_t began_ms;     /* wall clock: when it began to serve */
	uint16_t sni_port;     /* the port that it listens on */
	struct loop_timer *sweep, *audit, *drain, *wait;
	struct why waits_for;
	bool is_audit_failing; /* the last relay_audit_signatures() failed */

	struct api_text *page; /* about this relay: a reference, or NULL */
	uint64_t page_made_ms; /* wall clock: when it was made */
};

/* Tells the worker of a new lease. ERR_NOMEM. relay_lease.c. */
enum err relay_begin_lease(struct relay *r, struct lease *lease) MUST_USE;

/* Callbacks of the table and of policy; @arg is the relay. relay_lease.c. */
void relay_on_lease_end(void *arg, struct lease *lease, enum lease_end end);
void relay_on_policy(void *arg, const char *identity_key);

/* The callback of r->sweep, every 5 s: ends what has expired. relay_lease.c. */
void relay_sweep(void *relay);

/* Writes to the audit what was signed. Every minute. relay_lease.c. */
void relay_audit_signatures(struct relay *r);

/* Applies the options of leases and names. relay_lease.c. */
void relay_set_lease_bounds(struct relay *r);

/*
 * The API's tables of operations: those of leases (tunnel/portal/envelope.h), these, and
 * the administrators' (relay/admin.h); the last is NULL.
 */
extern const struct api_table api_lease_table; /* api_lease.c */
extern const struct api_table api_about_table; /* api_about.c */
extern const struct api_table api_page_table;  /* api_page.c */
extern const struct api_table *const relay_tables[];

extern const struct api_operation
	lease_revival; /* api_lease.c; see struct lease_context */

/*
 * The site that a wallet signs in to: the Host of the request. The worker that has read
 * the request has checked that it is one of the relay's.
 */
static inline const char *relay_domain(const struct relay *r, const struct api_call *call)
{
	return call->host[0] != '\0' ? call->host : r->options.root;
}

/* Opens r->panel, if the options have its domain, and sets its hooks. relay_panel.c. */
enum err relay_open_panel(struct relay *r, struct why *why) MUST_USE;
void relay_close_panel(struct relay *r);

/* Does a tunnel have the name? @host: the name of a lease, or a host. */
bool relay_panel_has(const struct relay *r, const char *host);

/* Sends all workers a new snapshot of the settings. relay_settings.c. */
void relay_publish(struct relay *r);

/* ---- metrics.c ---- */

/* All are whole numbers; the table has their names and help. */
struct relay_statistics {
	struct data_totals totals;
	uint64_t signatures, signatures_refused;
	uint64_t workers, leases, leases_live, leases_tcp, names;
	uint64_t approved, denied, banned, limited, prefixes;
	uint64_t memory;
};
extern const struct field_table relay_statistics_fields;
void metrics_read(struct relay *r, struct relay_statistics *out);

/* Appends the text for Prometheus (0.0.4); failures stick in @out. */
void metrics_put(void *relay, struct buf *out);

/* Opens r->metrics if the options have its address. ERR_USAGE: it is not a loopback
 * address. */
enum err metrics_open(struct relay *r, struct why *why) MUST_USE;

#endif
