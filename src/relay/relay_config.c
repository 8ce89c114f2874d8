/* The settings of a relay, from all places where they may stand. */
#include "relay/relay_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "relay/lease.h"
#include "relay/relay_worker.h"
#include "store/file.h"
#include "text/relay_url.h"
#include "tunnel/portal/address.h"

#define DRAIN_MAX_MS (60 * 60 * 1000)
#define NAME_GRACE_MAX_MS (24 * 60 * 60 * 1000)
#define SIGN_RATE_MAX 1000000
#define PREFIXES_MAX 1024
#define RESERVED_MAX 4096
#define RESERVED_STANDARD "standard" /* in the list: those below */

/* Settings as they are written, before they become options. */
struct settings {
	char *portal_url, *identity_path, *host, *metrics;
	uint16_t api_port, sni_port, min_port, max_port;
	bool trust_proxy_headers, tcp_enabled, landing_page_enabled;
	struct bind_list trusted_proxy_cidrs, admin_wallets, leases_exempt;
	struct bind_list reserved_names;
	uint32_t workers, drain_ms, sign_rate, name_grace_ms, leases_per_network;

	/* of what we do not have yet */
	bool discovery, udp_enabled, pprof_enabled, ens_gasless_enabled;
	uint16_t wireguard_port;
	struct bind_list bootstraps;
	char *headless_shell_url, *pprof_addr, *acme_dns_provider;
	char *credential; /* any of a provider's */
};

/*
 * Names that programs look for by themselves (autodiscover, wpad, isatap, mta-sts), that mail
 * and certificates are sent to (RFC 2142), or under which people expect the operator.
 */
static const char *const reserved_standard[] = { "abuse", "admin", "administrator", "api",
	"auth", "autoconfig", "autodiscover", "broadcasthost", "dns", "ftp", "hostmaster",
	"imap", "isatap", "localdomain", "localhost", "login", "mail", "mta-sts", "mx",
	"ns", "ns1", "ns2", "ns3", "ns4", "oauth", "panel", "pop", "pop3", "postmaster",
	"relay", "root", "security", "smtp", "sso", "ssladmin", "tunnel", "webmail",
	"webmaster", "wpad", "www" };

/* ---- checks ---- */

static const char *text_of(const void *field)
{
	const char *text = *(char *const *)field;

	return text != NULL ? text : "";
}

/* A URL in form is "https://authority", and a path that is left there means nothing. */
static enum err check_url(const void *field, struct why *why)
{
	char url[URL_TEXT_MAX], host[NAMES_HOST_MAX + 1];
	enum err rc = relay_url_parse(span_str(text_of(field)), url, why);
	const char *path = rc == ERR_OK ? strchr(url + strlen("https://"), '/') : NULL;

	if (rc == ERR_OK)
		rc = relay_url_host(url, host, why);
	if (rc == ERR_OK && names_host_is_address(host))
		return err_set(why, ERR_SYNTAX,
			"names of leases are made under the host, and none can be made under the"
			" IP address %s; write a host name such as https://relay.example.com",
			host);
	if (rc == ERR_OK && path != NULL)
		return err_set(why, ERR_SYNTAX,
			"a relay has no path; leave out \"%.60s\"", path);
	return rc;
}

static enum err check_host(const void *field, struct why *why)
{
	char shown[64];
	struct addr a;

	if (text_of(field)[0] == '\0' ||
		addr_from_literal(text_of(field), 0, &a) == ERR_OK)
		return ERR_OK;
	return err_set(why, ERR_SYNTAX,
		"\"%s\" is no IP address; write one of this machine's, without a port",
		str_quote(shown, sizeof(shown), span_str(text_of(field))));
}

static enum err check_prefixes(const void *field, struct why *why)
{
	const struct bind_list *list = field;
	struct prefix p;
	char shown[64];

	for (unsigned i = 0; i < list->n; i++) {
		if (prefix_parse(span_str(list->v[i]), &p) != ERR_OK)
			return err_set(why, ERR_SYNTAX,
				"\"%s\" is no range of addresses; write one such as 10.0.0.0/8",
				str_quote(shown, sizeof(shown), span_str(list->v[i])));
	}
	return ERR_OK;
}

/* As names of leases are once they are in form; a '*' may stand at the end. */
static enum err check_labels(const void *field, struct why *why)
{
	const struct bind_list *list = field;
	char label[NAMES_LABEL_MAX + 1], shown[64];

	for (unsigned i = 0; i < list->n; i++) {
		struct span text = span_str(list->v[i]);

		if (text.p[text.n - 1] == '*')
			text.n--;
		while (text.n > 0 && text.p[text.n - 1] == '-')
			text.n--; /* "xn--*" */
		if (names_parse_label(text, label, NULL) != ERR_OK ||
			!span_is(text, label))
			return err_set(why, ERR_SYNTAX,
				"\"%s\" is no name of a lease; write letters, digits and hyphens"
				" such as www, or the beginning of names such as xn--*",
				str_quote(shown, sizeof(shown), span_str(list->v[i])));
	}
	return ERR_OK;
}

static enum err check_wallets(const void *field, struct why *why)
{
	const struct bind_list *list = field;
	char address[ADDRESS_TEXT_SIZE], shown[64];

	for (unsigned i = 0; i < list->n; i++) {
		if (address_parse(span_str(list->v[i]), address) != ERR_OK)
			return err_set(why, ERR_SYNTAX,
				"\"%s\" is no wallet address; write 0x and 40 hexadecimal digits"
				" as the wallet shows them",
				str_quote(shown, sizeof(shown), span_str(list->v[i])));
	}
	return ERR_OK;
}

static enum err check_metrics(const void *field, struct why *why)
{
	const char *text = text_of(field);
	struct addr_listen at;
	struct addr a;

	if (text[0] == '\0' ||
		(addr_parse_listen(text, &at) == ERR_OK &&
			addr_from_literal(at.host, at.port, &a) == ERR_OK &&
			addr_is_loopback(&a)))
		return ERR_OK;
	return err_set(why, ERR_SYNTAX,
		"metrics are for this machine only; write a loopback address and a port such"
		" as 127.0.0.1:9464");
}

/* ---- the table ---- */

#define AT(member) .at = offsetof(struct settings, member)

/* What only a provider of DNS needs. Its variables stand in many an environment for other
 * reasons, so they are not looked at there. */
#define CREDENTIAL(name) \
	{ \
		.key = name, .kind = BIND_TEXT, AT(credential), .only = "", \
		.lacks = "certificates by ACME are" \
	}

static const struct bind_row rows[] = {
	{ .key = "portal_url",
		.kind = BIND_TEXT,
		AT(portal_url),
		.env = "PORTAL_URL",
		.preset = "https://relay.localhost:4017",
		.check = check_url },
	{ .key = "identity_path",
		.kind = BIND_TEXT,
		AT(identity_path),
		.env = "IDENTITY_PATH" },
	{ .key = "host",
		.kind = BIND_TEXT,
		AT(host),
		.env = "ADIT_HOST",
		.check = check_host },
	{ .key = "api_port",
		.kind = BIND_PORT,
		AT(api_port),
		.env = "API_PORT",
		.preset = "4017" },
	{ .key = "sni_port",
		.kind = BIND_PORT,
		AT(sni_port),
		.env = "SNI_PORT",
		.preset = "443" },
	{ .key = "tcp_enabled",
		.kind = BIND_FLAG,
		AT(tcp_enabled),
		.env = "TCP_ENABLED",
		.preset = "false" },
	{ .key = "min_port",
		.kind = BIND_PORT,
		AT(min_port),
		.env = "MIN_PORT",
		.preset = "0" },
	{ .key = "max_port",
		.kind = BIND_PORT,
		AT(max_port),
		.env = "MAX_PORT",
		.preset = "0" },
	{ .key = "trust_proxy_headers",
		.kind = BIND_FLAG,
		AT(trust_proxy_headers),
		.env = "TRUST_PROXY_HEADERS",
		.preset = "false" },
	{ .key = "trusted_proxy_cidrs",
		.kind = BIND_LIST,
		AT(trusted_proxy_cidrs),
		.max = PREFIXES_MAX,
		.env = "TRUSTED_PROXY_CIDRS",
		.check = check_prefixes },
	{ .key = "admin_wallets",
		.kind = BIND_LIST,
		AT(admin_wallets),
		.max = RELAY_WALLETS_MAX,
		.env = "ADMIN_WALLETS",
		.check = check_wallets },
	{ .key = "landing_page_enabled",
		.kind = BIND_FLAG,
		AT(landing_page_enabled),
		.env = "LANDING_PAGE_ENABLED",
		.preset = "false" },
	{ .key = "workers",
		.kind = BIND_COUNT,
		AT(workers),
		.max = RELAY_WORKERS_MAX,
		.env = "ADIT_WORKERS",
		.preset = "0" },
	{ .key = "drain",
		.kind = BIND_DURATION,
		AT(drain_ms),
		.max = DRAIN_MAX_MS,
		.env = "ADIT_DRAIN",
		.preset = "5s" },
	{ .key = "sign_rate",
		.kind = BIND_COUNT,
		AT(sign_rate),
		.min = 1,
		.max = SIGN_RATE_MAX,
		.env = "ADIT_SIGN_RATE",
		.preset = "1000" },
	{ .key = "name_grace",
		.kind = BIND_DURATION,
		AT(name_grace_ms),
		.max = NAME_GRACE_MAX_MS,
		.env = "ADIT_NAME_GRACE",
		.preset = "10m" },
	{ .key = "reserved_names",
		.kind = BIND_LIST,
		AT(reserved_names),
		.max = RESERVED_MAX,
		.env = "ADIT_RESERVED_NAMES",
		.preset = RESERVED_STANDARD,
		.check = check_labels },
	{ .key = "leases_per_network",
		.kind = BIND_COUNT,
		AT(leases_per_network),
		.max = LEASE_BOOK_MAX,
		.env = "ADIT_LEASES_PER_NETWORK",
		.preset = "100" },
	{ .key = "leases_exempt",
		.kind = BIND_LIST,
		AT(leases_exempt),
		.max = PREFIXES_MAX,
		.env = "ADIT_LEASES_EXEMPT",
		.preset = "127.0.0.0/8,::1",
		.check = check_prefixes },
	{ .key = "metrics",
		.kind = BIND_TEXT,
		AT(metrics),
		.env = "ADIT_METRICS",
		.check = check_metrics },

	{ .key = "discovery",
		.kind = BIND_FLAG,
		AT(discovery),
		.env = "DISCOVERY",
		.preset = "false",
		.only = "false",
		.lacks = "discovery of relays is" },
	{ .key = "bootstraps",
		.kind = BIND_LIST,
		AT(bootstraps),
		.env = "BOOTSTRAPS",
		.only = "",
		.lacks = "discovery of relays is" },
	{ .key = "wireguard_port",
		.kind = BIND_PORT,
		AT(wireguard_port),
		.env = "WIREGUARD_PORT",
		.preset = "51820",
		.only = "51820",
		.lacks = "the overlay of relays is" },
	{ .key = "udp_enabled",
		.kind = BIND_FLAG,
		AT(udp_enabled),
		.env = "UDP_ENABLED",
		.preset = "false",
		.only = "false",
		.lacks = "UDP is" },
	{ .key = "headless_shell_url",
		.kind = BIND_TEXT,
		AT(headless_shell_url),
		.env = "HEADLESS_SHELL_URL",
		.only = "",
		.lacks = "pictures of pages are" },
	{ .key = "pprof_enabled",
		.kind = BIND_FLAG,
		AT(pprof_enabled),
		.env = "PPROF_ENABLED",
		.preset = "false",
		.only = "false",
		.lacks = "profiling over HTTP is" },
	{ .key = "pprof_addr",
		.kind = BIND_TEXT,
		AT(pprof_addr),
		.env = "PPROF_ADDR",
		.preset = "127.0.0.1:6060",
		.only = "127.0.0.1:6060",
		.lacks = "profiling over HTTP is" },
	{ .key = "ens_gasless_enabled",
		.kind = BIND_FLAG,
		AT(ens_gasless_enabled),
		.env = "ENS_GASLESS_ENABLED",
		.preset = "false",
		.only = "false",
		.lacks = "names in ENS are" },
	{ .key = "acme_dns_provider",
		.kind = BIND_TEXT,
		AT(acme_dns_provider),
		.env = "ACME_DNS_PROVIDER",
		.only = "",
		.lacks = "certificates by ACME are" },
	CREDENTIAL("cloudflare_token"),
	CREDENTIAL("gcp_project_id"),
	CREDENTIAL("gcp_managed_zone"),
	CREDENTIAL("aws_access_key_id"),
	CREDENTIAL("aws_secret_access_key"),
	CREDENTIAL("aws_session_token"),
	CREDENTIAL("aws_region"),
	CREDENTIAL("aws_hosted_zone_id"),
	CREDENTIAL("aws_dnssec_kms_key_arn"),
};

const struct bind relay_settings = BIND_OF(struct settings, rows);

/* ---- the file, the environment, the flags ---- */

static enum err apply_document(const char *path, struct span text, struct settings *s,
	struct why *why)
{
	struct why detail = { "" };
	struct toml *t;
	enum err rc = toml_parse(text, &t, &detail);

	if (rc != ERR_OK)
		return err_set(why, rc == ERR_LIMIT ? ERR_SYNTAX : rc, "%.80s: %s", path,
			err_text(rc, &detail));
	rc = bind_table(&relay_settings, toml_root(t), path, s, why);
	toml_free(t);
	return rc;
}

/* A file that nobody named need not be there. */
static enum err apply_file(const char *named, struct settings *s, struct why *why)
{
	const char *path = named != NULL ? named : RELAY_CONFIG_FILE;
	struct buf text;
	enum err rc;

	buf_init(&text, TOML_BYTES_MAX + 1);
	rc = file_read(path, &text, why);
	if (rc == ERR_OK)
		rc = apply_document(path, buf_span(&text), s, why);
	else if (rc == ERR_NOENT)
		rc = named == NULL ? ERR_OK : ERR_SYS;
	buf_wipe(&text);
	return rc;
}

static enum err apply_environment(struct settings *s, struct why *why)
{
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < relay_settings.count && rc == ERR_OK; i++) {
		const struct bind_row *row = &relay_settings.rows[i];
		const char *text = row->env != NULL ? getenv(row->env) : NULL;

		if (text != NULL && text[0] != '\0')
			rc = bind_text(row, row->env, text, s, why);
	}
	return rc;
}

static enum err apply_overrides(const struct relay_config *c, struct settings *s,
	struct why *why)
{
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < c->overrides_n && rc == ERR_OK; i++) {
		const struct relay_override *o = &c->overrides[i];
		const struct bind_row *row = bind_find(&relay_settings, o->name);
		char label[64];

		snprintf(label, sizeof(label), "--%s", o->name);
		if (row == NULL)
			return err_set(why, ERR_USAGE, "there is no setting %s", label);
		rc = bind_text(row, label, o->text, s, why);
	}
	return rc;
}

/* ---- what they mean ---- */

static enum err check_ports(const struct settings *s, struct why *why)
{
	if (s->api_port != 0 && s->api_port == s->sni_port)
		return err_set(why, ERR_USAGE,
			"api_port and sni_port are both %u; they need a port each",
			s->api_port);
	if (s->tcp_enabled && (s->min_port == 0 || s->max_port == 0))
		return err_set(why, ERR_USAGE,
			"tcp_enabled needs ports for leases; set min_port and max_port, such as"
			" 20000 and 20999");
	if (s->max_port < s->min_port)
		return err_set(why, ERR_USAGE,
			"min_port is %u and max_port %u; the first may not be above the second",
			s->min_port, s->max_port);
	if (s->min_port != 0 &&
		((s->api_port >= s->min_port && s->api_port <= s->max_port) ||
			(s->sni_port >= s->min_port && s->sni_port <= s->max_port)))
		return err_set(why, ERR_USAGE,
			"api_port or sni_port lies between min_port and max_port; leases need"
			" ports of their own");
	return ERR_OK;
}

static enum err use_prefixes(const struct bind_list *list, struct prefix_set *to,
	struct why *why)
{
	enum err rc = ERR_OK;
	struct prefix p;

	for (size_t i = 0; i < list->n && rc == ERR_OK; i++) {
		rc = prefix_parse(span_str(list->v[i]), &p);
		if (rc == ERR_OK)
			rc = prefix_set_add(to, &p);
	}
	return rc == ERR_OK ? rc : err_set(why, rc, "no memory for address ranges");
}

static enum err use_proxies(const struct bind_list *list, struct relay_options *o,
	struct why *why)
{
	if (list->n == 0 && prefix_set_add_local(&o->proxies) != ERR_OK)
		return err_set(why, ERR_NOMEM, "no memory for the trusted proxies");
	return use_prefixes(list, &o->proxies, why);
}

static enum err use_wallets(const struct bind_list *list, struct relay_options *o,
	struct why *why)
{
	char address[ADDRESS_TEXT_SIZE];

	for (unsigned i = 0; i < list->n; i++) {
		enum err rc = address_parse(span_str(list->v[i]), address);
		char *copy = rc == ERR_OK ? strdup(address) : NULL;

		if (copy == NULL)
			return err_set(why, ERR_NOMEM, "no memory for the admin wallets");
		o->admin_wallets[o->admin_wallets_n++] = copy;
	}
	return ERR_OK;
}

static bool reserve(struct relay_options *o, const char *name)
{
	char *copy = strdup(name);

	if (copy != NULL)
		o->reserved_names[o->reserved_names_n++] = copy;
	return copy != NULL;
}

static enum err use_reserved(const struct bind_list *list, struct relay_options *o,
	struct why *why)
{
	bool ok = true;

	o->reserved_names = calloc((size_t)list->n * mem_count(reserved_standard) + 1,
		sizeof(*o->reserved_names));
	if (o->reserved_names == NULL)
		return err_set(why, ERR_NOMEM, "no memory for reserved names");
	for (unsigned i = 0; i < list->n && ok; i++) {
		if (strcmp(list->v[i], RESERVED_STANDARD) != 0)
			ok = reserve(o, list->v[i]);
		for (size_t k = 0; k < mem_count(reserved_standard) && ok &&
			strcmp(list->v[i], RESERVED_STANDARD) == 0;
			k++)
			ok = reserve(o, reserved_standard[k]);
	}
	return ok ? ERR_OK : err_set(why, ERR_NOMEM, "no memory for reserved names");
}

/* A path of a file that is kept there means its directory. */
static char *directory_of(const char *path)
{
	static const char *const files[] = { "identity.json", "admin_settings.json" };
	size_t n = strlen(path);

	for (size_t i = 0; i < mem_count(files); i++) {
		size_t m = strlen(files[i]);

		if (n == m && strcmp(path, files[i]) == 0)
			return strdup(".");
		if (n > m && strcmp(path + n - m, files[i]) == 0 &&
			path[n - m - 1] == '/')
			n -= m;
	}
	while (n > 1 && path[n - 1] == '/')
		n--;
	return span_dup(span_of(path, n));
}

static enum err use_directory(const char *path, struct relay_options *o, struct why *why)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	const char *service = getenv("STATE_DIRECTORY"); /* from systemd */

	if (path != NULL)
		o->state_dir = directory_of(path);
	else if (service != NULL && service[0] == '/' && strchr(service, ':') == NULL)
		o->state_dir = strdup(service);
	else if (geteuid() == 0)
		o->state_dir = strdup("/var/lib/adit/relay");
	else if (data != NULL && data[0] == '/')
		o->state_dir = str_printf("%s/adit/relay", data);
	else if (home != NULL && home[0] == '/')
		o->state_dir = str_printf("%s/.local/share/adit/relay", home);
	else
		return err_set(why, ERR_USAGE,
			"there is no place for the relay's state: set identity_path to a"
			" directory");
	return o->state_dir != NULL ? ERR_OK :
				      err_set(why, ERR_NOMEM, "no memory for a path");
}

static enum err use_settings(struct settings *s, struct relay_options *o, struct why *why)
{
	enum err rc;

	rc = relay_url_parse(span_str(s->portal_url), o->url, why);
	if (rc == ERR_OK)
		rc = relay_url_host(o->url, o->root, why);
	if (rc == ERR_OK)
		rc = check_ports(s, why);
	if (rc == ERR_OK)
		rc = use_proxies(&s->trusted_proxy_cidrs, o, why);
	if (rc == ERR_OK)
		rc = use_prefixes(&s->leases_exempt, &o->exempt, why);
	if (rc == ERR_OK)
		rc = use_reserved(&s->reserved_names, o, why);
	if (rc == ERR_OK)
		rc = use_wallets(&s->admin_wallets, o, why);
	if (rc == ERR_OK)
		rc = use_directory(s->identity_path, o, why);
	if (rc != ERR_OK)
		return rc;
	o->host = s->host;
	o->metrics = s->metrics;
	s->host = s->metrics = NULL; /* they are the options' now */
	o->api_port = s->api_port;
	o->sni_port = s->sni_port;
	o->has_tcp = s->tcp_enabled;
	o->port_min = s->min_port;
	o->port_max = s->max_port;
	o->trusts_proxy = s->trust_proxy_headers;
	o->has_landing_page = s->landing_page_enabled;
	o->drain_ms = s->drain_ms;
	o->sign_per_s = s->sign_rate;
	o->name_grace_ms = s->name_grace_ms;
	o->leases_per_network = s->leases_per_network;
	o->workers = s->workers;
	return ERR_OK;
}

enum err relay_config_read(void *arg, struct relay_options *out, struct why *why)
{
	const struct relay_config *c = arg;
	struct settings s = { .workers = 0 };
	struct relay_options o = { .workers = 0 };
	enum err rc = bind_presets(&relay_settings, &s, why);

	if (rc == ERR_OK)
		rc = apply_file(c->file, &s, why);
	if (rc == ERR_OK)
		rc = apply_environment(&s, why);
	if (rc == ERR_OK)
		rc = apply_overrides(c, &s, why);
	if (rc == ERR_OK)
		rc = use_settings(&s, &o, why);
	bind_fini(&relay_settings, &s);
	if (rc == ERR_OK)
		*out = o;
	else
		relay_options_fini(&o);
	return rc;
}

enum err relay_config_make_dir(const struct relay_options *o, struct why *why)
{
	char *path = strdup(o->state_dir), *slash;
	enum err rc = ERR_OK;

	if (path == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a path");
	for (slash = strchr(path + 1, '/'); slash != NULL;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0755); /* the last one says what is wrong */
		*slash = '/';
	}
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		rc = err_sys(why, errno, "the state directory %.100s cannot be made",
			path);
	free(path);
	return rc;
}

void relay_options_fini(struct relay_options *o)
{
	for (unsigned i = 0; i < o->admin_wallets_n; i++)
		free(o->admin_wallets[i]);
	for (unsigned i = 0; i < o->reserved_names_n; i++)
		free(o->reserved_names[i]);
	free(o->reserved_names);
	prefix_set_fini(&o->proxies);
	prefix_set_fini(&o->exempt);
	free(o->state_dir);
	free(o->host);
	free(o->metrics);
	*o = (struct relay_options){ .workers = 0 };
}
