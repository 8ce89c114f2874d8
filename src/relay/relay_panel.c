/*
 * The panel of the relay: what its decisions mean for the other parts of the relay, and
 * what these know of a tunnel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "panel/dns_watch.h"
#include "panel/panel.h"
#include "relay/relay_config.h"
#include "relay/relay_edge.h"
#include "relay/relay_priv.h"

#define LINK_PORT 9090 /* for a proxy in front */

/* ---- what has changed ---- */

/* Of the new name, and not of the previous one. Without memory its state is unknown. */
static void watch_dns(struct relay *r, const struct panel_tunnel *before,
	const struct panel_tunnel *after)
{
	if (after != NULL && dns_watch_add(r->dns, after->fqdn) != ERR_OK)
		log_error(&r->log, "DNS of %s: not watched: out of memory", after->fqdn);
	if (before != NULL && (after == NULL || strcmp(before->fqdn, after->fqdn) != 0))
		dns_watch_remove(r->dns, before->fqdn);
}

static enum err on_tunnel(void *owner, const struct panel_tunnel *before,
	const struct panel_tunnel *after, struct why *why)
{
	enum err rc = relay_edge_on_tunnel(owner, before, after, why);

	if (rc == ERR_OK)
		watch_dns(owner, before, after);
	return rc;
}

static void on_agents(void *owner)
{
	relay_edge_on_agents(owner);
}

static void agent_of(void *owner, const char *label, struct path_agent *out)
{
	relay_edge_agent_of(owner, label, out);
}

/* ---- what is taken ---- */

/* Names of leases collide only if they end in the same domain. */
static bool name_is_taken(void *owner, const char *label, struct why *why)
{
	struct relay *r = owner;
	char host[2 * NAMES_HOST_MAX];
	struct route *route;

	snprintf(host, sizeof(host), "%s.%s", label, r->options.domain);
	route = route_find_by_host(r->routes, host);
	if (route != NULL && lease_route_is(route)) {
		route_unref(route);
		err_set(why, ERR_EXISTS, "a lease has it");
		return true;
	}
	route_unref(route); /* of a tunnel: the panel knows it */
	if (strcmp(r->options.domain, r->options.root) != 0 ||
		reservations_holder(r->names, label) == NULL)
		return false;
	err_set(why, ERR_EXISTS, "it is reserved for a lease");
	return true;
}

static bool port_is_taken(void *owner, uint16_t port, struct why *why)
{
	struct relay *r = owner;
	const struct relay_options *o = &r->options;
	const char *metrics = o->metrics != NULL ? strrchr(o->metrics, ':') : NULL;

	if (port == LINK_PORT || port == o->api_port || port == o->sni_port ||
		port == r->sni_port || port == listener_port(r->api) ||
		(metrics != NULL && strtoul(metrics + 1, NULL, 10) == port)) {
		err_set(why, ERR_EXISTS, "the relay listens on it");
		return true;
	}
	if (!o->has_tcp || port < o->port_min || port > o->port_max)
		return false;
	err_set(why, ERR_EXISTS, "the ports from %u to %u are for leases", o->port_min,
		o->port_max);
	return true;
}

bool relay_panel_has(const struct relay *r, const char *host)
{
	const size_t n = strcspn(host, ".");
	const char *root = host[n] == '.' ? host + n + 1 : r->options.root;
	char label[NAMES_LABEL_MAX + 1];

	if (r->panel == NULL || n >= sizeof(label) ||
		strcmp(root, r->options.domain) != 0)
		return false;
	snprintf(label, sizeof(label), "%.*s", (int)n, host);
	return strcmp(label, RELAY_TUNNEL_LABEL) == 0 ||
		panel_find_name(r->panel, label) != NULL;
}

/* ---- facts ---- */

static void dns_of(void *owner, const char *host, struct path_dns *out)
{
	dns_watch_find(((struct relay *)owner)->dns, host, out);
}

static void on_dns(void *owner, const char *host)
{
	struct relay *r = owner;
	struct path_dns dns = { .state = PATH_DNS_UNKNOWN };

	dns_watch_find(r->dns, host, &dns);
	if (dns.state == PATH_DNS_RIGHT)
		log_info(&r->log, "DNS of %s leads to this relay", host);
	else if (dns.state != PATH_DNS_UNKNOWN)
		log_warn(&r->log, "DNS of %s: %s%s: it does not lead to this relay%s%s",
			host, dns.found[0] != '\0' ? dns.found : "no record",
			dns.state == PATH_DNS_WRONG_IP6 ? " (AAAA)" : "",
			dns.expected[0] != '\0' ? ", " : "", dns.expected);
}

static enum err open_dns(struct relay *r)
{
	struct dns_watch_options o = {
		.loop = r->control->loop,
		.on_change = on_dns,
		.arg = r,
	};
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < r->options.addresses.n && rc == ERR_OK; i++)
		rc = dns_own_add(&o.own, r->options.addresses.v[i]);
	if (r->options.addresses.n > 0 || !resolver_is_localhost(r->options.domain)) {
		dns_own_add_interfaces(&o.own);
	} else { /* for tests and development: loopback, without DNS */
		rc = dns_own_add(&o.own, "127.0.0.1");
		if (rc == ERR_OK)
			rc = dns_own_add(&o.own, "::1");
	}
	if (rc == ERR_OK && r->options.dns_server != NULL)
		rc = relay_config_dns_server(r->options.dns_server, &o.server);
	return rc == ERR_OK ? dns_watch_open(&o, &r->dns) : rc;
}

/* Of the relay's own certificate, where that has the name. */
static void certificate_of(void *owner, const char *host, struct path_certificate *out)
{
	struct relay *r = owner;
	const struct certificate_pair *pair = certificate_current(r->certificate);
	bool is_named = false;

	for (unsigned i = 0; i < pair->names.n; i++)
		is_named = is_named || names_match(pair->names.v[i], host);
	if (!is_named) {
		relay_edge_certificate_of(r, host, out);
		return;
	}
	out->state = PATH_CERTIFICATE_GOOD;
	out->since_ms = (uint64_t)pair->begins_s * 1000;
	out->ends_ms = (uint64_t)pair->ends_s * 1000;
}

static void certificates(void *owner,
	void (*fn)(void *arg, const struct panel_certificate *c), void *arg)
{
	struct relay *r = owner;
	const struct certificate_pair *pair = certificate_current(r->certificate);
	char *path = str_printf("%s/" CERTIFICATE_CHAIN_FILE, r->options.state_dir);
	const struct panel_certificate c = {
		.type = "letsencrypt",
		.domain = r->options.root,
		.path = path,
		.ends_ms = (uint64_t)pair->ends_s * 1000,
	};

	if (path != NULL)
		fn(arg, &c);
	free(path);
}

/* ---- life ---- */

static const struct panel_hooks hooks = {
	.on_tunnel = on_tunnel,
	.on_agents = on_agents,
	.agent_of = agent_of,
	.name_is_taken = name_is_taken,
	.port_is_taken = port_is_taken,
	.dns_of = dns_of,
	.certificate_of = certificate_of,
	.certificates = certificates,
};

/* With the port of the relay's own URL: visitors use it, too. NULL: out of memory. */
static char *make_link_url(const struct relay *r)
{
	const char *port = strrchr(r->options.url, ':');

	return str_printf("https://" RELAY_TUNNEL_LABEL ".%s%s", r->options.domain,
		port != NULL && port[1] != '/' ? port : "");
}

enum err relay_open_panel(struct relay *r, struct why *why)
{
	struct panel_options o = {
		.store = r->store,
		.domain = r->options.domain,
		.state_dir = r->options.state_dir,
		.log = &r->log,
		.hooks = &hooks,
		.owner = r,
	};

	if (r->options.domain[0] == '\0')
		return ERR_OK;
	r->link_url = make_link_url(r);
	if (r->link_url == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	o.link_url = r->link_url;
	o.link_fingerprint = relay_edge_fingerprint(r);
	if (open_dns(r) != ERR_OK)
		return err_set(why, ERR_NOMEM, "out of memory");
	return panel_open(&o, &r->panel, why);
}

void relay_close_panel(struct relay *r)
{
	panel_close(r->panel);
	r->panel = NULL;
	dns_watch_close(r->dns);
	r->dns = NULL;
	free(r->link_url);
	r->link_url = NULL;
}
