/* Leases on the control worker: notifies workers, applies policy, counts signatures. */
#include "relay/relay_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "tunnel/portal/wallet.h"

#define RELAY_SWEEP_MS 5000 /* portal-protocol 6.5 */

static struct data_worker *lease_worker(struct relay *r, const struct lease *l)
{
	return &r->shared.workers[l->route->worker];
}

/* ---- beginning and end ---- */

/* The worker gets a copy of the socket: the next lease with this port needs ours. */
enum err relay_begin_lease(struct relay *r, struct lease *lease)
{
	uint64_t rate = policy_judge(r->policy, lease->route->owner).bytes_per_s;
	int fd = -1;

	if (lease->tcp_fd >= 0) {
		fd = fcntl(lease->tcp_fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return ERR_NOMEM;
	}
	if (!data_worker_open_route(lease_worker(r, lease), lease->route, fd, rate)) {
		if (fd >= 0)
			close(fd);
		return ERR_NOMEM;
	}
	lease->bytes_per_s = rate;
	return ERR_OK;
}

/* They are written to the audit within a minute. */
static void note_signatures(struct relay *r, struct lease *l)
{
	uint64_t all = atomic_load(&lease_route_of(l->route)->signatures);

	sign_audit_add(r->sign_audit, l->route->owner, all - l->signatures_noted);
	l->signatures_noted = all;
}

void relay_on_lease_end(void *arg, struct lease *lease, enum lease_end end)
{
	struct relay *r = arg;

	/* If it was registered again, the log has the new one. */
	log_limited(end == LEASE_REPLACED ? LOG_DEBUG : LOG_INFO, &r->log,
		"lease %s: ended: %s; held by %s from %s", lease->route->name,
		lease_end_text(end), lease->address, lease->client_ip);
	note_signatures(r, lease);
	if (!data_worker_close_route(lease_worker(r, lease), lease->route,
		    end == LEASE_BANNED))
		log_error(&r->log,
			"lease %s: cannot notify its worker: still served after its end",
			lease->route->name);
}

/* ---- settings, and what timers do ---- */

void relay_set_lease_bounds(struct relay *r)
{
	struct prefix_set exempt = { .n = 0 };

	if (prefix_set_add_list(&exempt, &r->options.exempt) == ERR_OK) {
		prefix_set_fini(&r->exempt);
		r->exempt = exempt;
	} else {
		prefix_set_fini(&exempt);
		log_error(&r->log, "out of memory: keeping the previous leases_exempt");
	}
	reservations_set_grace(r->names, r->options.name_grace_ms);
	lease_table_set_bounds(r->table, r->options.leases_per_network, &r->exempt);
}

void relay_audit_signatures(struct relay *r)
{
	struct why why = { "" };
	struct list *it, *tmp;
	bool has_failed;

	list_each(it, tmp, lease_table_all(r->table))
		note_signatures(r, list_object(it, struct lease, in_table));
	has_failed = sign_audit_flush(r->sign_audit, r->store, &why) != ERR_OK;
	if (has_failed && !r->is_audit_failing)
		log_error(&r->log, "audit: signatures are not stored: %s", why.text);
	else if (!has_failed && r->is_audit_failing)
		log_info(&r->log, "audit: signatures are stored again");
	r->is_audit_failing = has_failed;
}

void relay_sweep(void *relay)
{
	struct relay *r = relay;

	lease_sweep(r->table, clock_wall_ms());
	reservations_sweep(r->names);
	challenges_sweep(r->challenges);
	wallet_sweep(r->wallet);
	loop_timer_set(r->sweep, RELAY_SWEEP_MS);
}

/* ---- policy has changed ---- */

/*
 * Closes the sessions and visitors of a lease that policy rejects, and for a moment its
 * port. The lease itself stays: policy may change again.
 */
static void lease_cut(struct relay *r, struct lease *l)
{
	if (!data_worker_close_route(lease_worker(r, l), l->route, true) ||
		relay_begin_lease(r, l) != ERR_OK)
		log_error(&r->log,
			"lease %s: cannot notify its worker: policy change not applied",
			l->route->name);
}

static void lease_judge(struct relay *r, struct lease *l)
{
	struct policy_verdict v = policy_judge(r->policy, l->route->owner);
	bool was_routable = atomic_exchange(&l->route->is_routable, v.is_routable);

	lease_set_keeps_name(r->table, l, !v.is_denied && !v.is_banned);

	if (was_routable && !v.is_routable)
		lease_cut(r, l);
	if (v.bytes_per_s != l->bytes_per_s) {
		l->bytes_per_s = v.bytes_per_s;
		if (!data_worker_set_rate(lease_worker(r, l), l->route->owner,
			    v.bytes_per_s))
			log_error(&r->log,
				"lease %s: cannot notify its worker: rate limit not applied",
				l->route->name);
	}
}

/* "name:address" */
static void identity_release_name(struct relay *r, const char *identity_key)
{
	const char *colon = strrchr(identity_key, ':');
	char label[NAMES_HOST_MAX + 1], address[ADDRESS_TEXT_SIZE];

	if (colon == NULL || address_parse(span_str(colon + 1), address) != ERR_OK)
		return;
	snprintf(label, sizeof(label), "%.*s", (int)(colon - identity_key), identity_key);
	reservations_release(r->names, label, address, false);
}

/* An identity that has no lease now may have visitors from an earlier one. */
static void identity_judge(struct relay *r, const char *identity_key)
{
	struct policy_verdict v = policy_judge(r->policy, identity_key);

	if (v.is_denied || v.is_banned)
		identity_release_name(r, identity_key);

	for (unsigned i = 0; i < r->shared.running; i++) {
		struct data_worker *w = &r->shared.workers[i];

		if (!data_worker_set_rate(w, identity_key, v.bytes_per_s) ||
			(!v.is_routable && !data_worker_cut(w, identity_key)))
			log_error(&r->log,
				"policy: cannot notify a worker: change for %s not applied",
				identity_key);
	}
}

void relay_on_policy(void *arg, const char *identity_key)
{
	struct relay *r = arg;
	struct list *it, *tmp;

	r->page_made_ms = 0;
	if (identity_key == NULL) {
		lease_end_banned(r->table, policy_banned(r->policy));
		relay_publish(r);
	} else if (lease_find(r->table, identity_key) == NULL) {
		identity_judge(r, identity_key);
	}
	list_each(it, tmp, lease_table_all(r->table)) {
		struct lease *l = list_object(it, struct lease, in_table);

		if (identity_key == NULL || strcmp(identity_key, l->route->owner) == 0)
			lease_judge(r, l);
	}
}
