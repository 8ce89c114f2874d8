/*
 * The inside of a relay, for the files of relay/ that run on its control worker:
 * relay*.c, api*.c and admin*.c. Data workers see struct data_shared, their snapshot, and
 * no more.
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

enum relay_state {
	RELAY_STARTING,
	RELAY_WAITING, /* for a certificate: no port is open yet */
	RELAY_SERVING,
	RELAY_DRAINING, /* takes nothing new, and waits for bridges */
	RELAY_ENDED,    /* its workers are gone */
};

struct relay {
	enum relay_state state;
	struct relay_owner owner;
	struct worker *control;  /* borrowed: the owner's */
	struct mailbox *mailbox; /* calls of the API */
	struct log log;
	struct relay_options options;
	struct prefix_set exempt; /* of options: for the lease table */
	int lock;                 /* on the state directory, while we serve; -1: none */
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
	struct snapshot *snapshot; /* what workers have been told last */
	struct data_shared shared; /* with the workers */
	struct lease_context leases;

	struct api operations; /* that the control worker answers */
	struct listener *sni, *api;
	struct http_metrics *metrics; /* NULL: not wanted */
	struct admin_socket *admin;   /* NULL: it cannot be had */
	uint64_t began_ms;            /* wall clock: when it began to serve */
	uint16_t sni_port;            /* where it really listens */
	struct loop_timer *sweep, *audit, *drain, *wait;
	struct why waits_for;
	bool is_audit_failing; /* what was signed could not be stored the last time */

	struct api_text *page; /* about this relay: a reference, or NULL, */
	uint64_t page_made_ms; /* and how old it is, by the clock for people */
};

/* A lease begins: its worker is told. ERR_NOMEM: it was not. relay_lease.c. */
enum err relay_begin_lease(struct relay *r, struct lease *lease) MUST_USE;

/* What the table and policy call; @arg is the relay. relay_lease.c. */
void relay_on_lease_end(void *arg, struct lease *lease, enum lease_end end);
void relay_on_policy(void *arg, const char *identity_key);

/* Every 5 s: leases and challenges whose time is over. Every minute: what was signed. */
void relay_sweep(struct relay *r);
void relay_audit_signatures(struct relay *r);

/* What the options say of leases and names. relay_lease.c. */
void relay_set_lease_bounds(struct relay *r);

/*
 * The API's tables of operations: those of leases (serve/lease/envelope.h), these, and
 * the administrators' (relay/admin.h); the last is NULL.
 */
extern const struct api_table api_lease_table; /* api_lease.c */
extern const struct api_table api_about_table; /* api_about.c */
extern const struct api_table api_page_table;  /* api_page.c */
extern const struct api_table *const relay_tables[];

extern const struct api_operation
	lease_revival; /* api_lease.c; see struct lease_context */

/*
 * The site that a wallet is asked to sign in to: the host that was asked for. The worker
 * that has read the request has checked that the host is one of ours.
 */
static inline const char *relay_domain(const struct relay *r, const struct api_call *call)
{
	return call->host[0] != '\0' ? call->host : r->options.root;
}

/* Tells all workers what holds now. relay_settings.c. */
void relay_publish(struct relay *r);

#endif
