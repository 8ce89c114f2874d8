/* The settings of a relay: snapshots for its workers, and reload. */
#include "relay/admin.h"
#include "relay/relay_config.h"
#include "relay/relay_edge.h"
#include "relay/relay_priv.h"
#include "serve/lease/lease_service.h"

/* ---- snapshots ---- */

void relay_publish(struct relay *r)
{
	struct lease_snapshot *s = lease_snapshot_new();
	enum err rc = ERR_NOMEM;

	if (s != NULL) {
		s->base.tls = tls_context_ref(certificate_tls(r->certificate));
		s->keyless = keyless_ref(certificate_keyless(r->certificate));
		s->sign_per_s = r->options.sign_per_s;
		rc = prefix_set_copy(policy_banned(r->policy), &s->base.banned);
	}
	if (rc == ERR_OK)
		rc = relay_edge_contexts(r, &s->base.contexts);
	if (rc == ERR_OK && r->options.trusts_proxy)
		rc = r->options.proxies.n == 0 ?
			prefix_set_add_local(&s->base.proxies) :
			prefix_set_add_list(&s->base.proxies, &r->options.proxies);
	if (rc != ERR_OK) {
		log_error(&r->log, "out of memory: workers keep the previous settings");
		snapshot_unref(s != NULL ? &s->base : NULL);
		return;
	}
	snapshot_unref(r->snapshot);
	r->snapshot = &s->base;
	data_workers_set_snapshot(&r->shared, r->snapshot);
}

/* ---- reload ---- */

void relay_reload(struct relay *r)
{
	struct relay_options next = { .workers = 0 };
	struct why why = { "" };
	char fixed[256];
	enum err rc;

	if (r->state == RELAY_WAITING) {
		loop_timer_set(r->wait, 0);
		return;
	}
	rc = r->owner.read(r->owner.read_arg, &next, &why);
	if (rc != ERR_OK) {
		log_error(&r->log,
			"settings: reload failed, keeping the previous ones: %s",
			err_text(rc, &why));
		certificate_check(r->certificate);
		return;
	}
	field_reload(&relay_fields, &r->options, &next, fixed, sizeof(fixed));
	if (fixed[0] != '\0')
		log_warn(&r->log, "settings: a change of %s takes effect after a restart",
			fixed);
	relay_set_lease_bounds(r);
	if (admin_reload(r, &why) != ERR_OK)
		log_error(&r->log, "admin_wallets: keeping the previous ones: %s",
			why.text);
	field_fini(&relay_fields, &next);
	certificate_check(r->certificate);
	relay_publish(r);
	relay_edge_retry(r);
	log_info(&r->log, "settings: reloaded");
}
