/* What a relay is told, at the start and later, and how its workers hear of it. */
#include "relay/admin.h"
#include "relay/relay_config.h"
#include "relay/relay_priv.h"

/* ---- views ---- */

static enum err view_make(const struct relay *r, struct relay_view **out)
{
	struct relay_view *v = mem_new(v);
	enum err rc;

	if (v == NULL)
		return ERR_NOMEM;
	atomic_init(&v->refs, 1);
	v->tls = tls_context_ref(certificate_tls(r->certificate));
	v->keyless = keyless_ref(certificate_keyless(r->certificate));
	v->sign_per_s = r->options.sign_per_s;
	rc = prefix_set_copy(policy_banned(r->policy), &v->banned);
	if (rc == ERR_OK && r->options.trusts_proxy)
		rc = r->options.proxies.n == 0 ?
			prefix_set_add_local(&v->proxies) :
			prefix_set_add_list(&v->proxies, &r->options.proxies);
	if (rc == ERR_OK)
		*out = v;
	else
		relay_view_unref(v);
	return rc;
}

void relay_publish(struct relay *r)
{
	struct relay_view *v;

	if (view_make(r, &v) != ERR_OK) {
		log_error(&r->log, "out of memory: workers keep the old settings");
		return;
	}
	relay_view_unref(r->view);
	r->view = v;
	for (unsigned i = 0; i < r->running; i++)
		if (!relay_worker_set_view(&r->shared.workers[i], v))
			log_error(&r->log,
				"out of memory: worker %u keeps the old settings", i);
}

/* ---- reading anew ---- */

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
		log_error(&r->log, "settings: the old ones stay: %s", err_text(rc, &why));
		certificate_check(r->certificate);
		return;
	}
	field_reload(&relay_fields, &r->options, &next, fixed, sizeof(fixed));
	if (fixed[0] != '\0')
		log_warn(&r->log, "settings: restart for a change of %s", fixed);
	relay_set_lease_bounds(r);
	if (admin_reload(r, &why) != ERR_OK)
		log_error(&r->log, "admin_wallets: the old ones stay: %s", why.text);
	field_fini(&relay_fields, &next);
	certificate_check(r->certificate);
	relay_publish(r);
	log_info(&r->log, "settings: read anew");
}
