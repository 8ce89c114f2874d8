/* What a relay is told, at the start and later, and how its workers hear of it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "relay/admin.h"
#include "relay/relay_inside.h"

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
		rc = prefix_set_copy(&r->options.proxies, &v->proxies);
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

static bool is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The names of those that need a new start, in @to; empty if none has changed. */
static void settings_list_fixed(const struct relay_options *is,
	const struct relay_options *next, char *to, size_t size)
{
	const struct {
		const char *name;
		bool is_same;
	} rows[] = {
		{ "portal_url", strcmp(is->url, next->url) == 0 },
		{ "identity_path", is_same(is->state_dir, next->state_dir) },
		{ "host", is_same(is->host, next->host) },
		{ "api_port", is->api_port == next->api_port },
		{ "sni_port", is->sni_port == next->sni_port },
		{ "tcp_enabled", is->has_tcp == next->has_tcp },
		{ "min_port", is->port_min == next->port_min },
		{ "max_port", is->port_max == next->port_max },
		{ "workers", is->workers == next->workers },
		{ "metrics", is_same(is->metrics, next->metrics) },
		{ "landing_page_enabled",
			is->has_landing_page == next->has_landing_page },
	};
	size_t n = 0;

	to[0] = '\0';
	for (size_t i = 0; i < mem_count(rows); i++) {
		if (rows[i].is_same)
			continue;
		n += (size_t)snprintf(to + n, size - n, "%s%s", n > 0 ? ", " : "",
			rows[i].name);
	}
}

/* What may change while we run goes over to us; @next gets what we had. */
static void settings_take(struct relay_options *is, struct relay_options *next)
{
	struct relay_options was = *is;

	is->trusts_proxy = next->trusts_proxy;
	is->proxies = next->proxies;
	next->proxies = was.proxies;
	memcpy(is->admin_wallets, next->admin_wallets, sizeof(is->admin_wallets));
	is->admin_wallets_n = next->admin_wallets_n;
	memcpy(next->admin_wallets, was.admin_wallets, sizeof(next->admin_wallets));
	next->admin_wallets_n = was.admin_wallets_n;
	is->drain_ms = next->drain_ms;
	is->sign_per_s = next->sign_per_s;
	is->name_grace_ms = next->name_grace_ms;
	is->leases_per_network = next->leases_per_network;
	is->reserved_names = next->reserved_names;
	is->reserved_names_n = next->reserved_names_n;
	next->reserved_names = was.reserved_names;
	next->reserved_names_n = was.reserved_names_n;
	is->exempt = next->exempt;
	next->exempt = was.exempt;
}

void relay_reload(struct relay *r)
{
	struct relay_options next = { .workers = 0 };
	struct why why = { "" };
	char fixed[256];
	enum err rc = r->read(r->read_arg, &next, &why);

	if (rc != ERR_OK) {
		log_error(&r->log, "settings: the old ones stay: %s", err_text(rc, &why));
		certificate_check(r->certificate);
		return;
	}
	settings_list_fixed(&r->options, &next, fixed, sizeof(fixed));
	if (fixed[0] != '\0')
		log_warn(&r->log, "settings: restart for a change of %s", fixed);
	settings_take(&r->options, &next);
	relay_set_lease_bounds(r);
	if (admin_reload(r, &why) != ERR_OK)
		log_error(&r->log, "admin_wallets: the old ones stay: %s", why.text);
	relay_options_fini(&next);
	certificate_check(r->certificate);
	relay_publish(r);
	log_info(&r->log, "settings: read anew");
}
