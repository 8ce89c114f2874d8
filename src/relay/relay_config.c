/* The settings of a relay: flags, environment and file. */
#include "relay/relay_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "panel/dns_watch.h"
#include "serve/data_worker.h"
#include "serve/lease/lease.h"
#include "store/file.h"
#include "text/field_toml.h"
#include "text/relay_url.h"
#include "tunnel/portal/address.h"

#define DRAIN_MAX_MS (60 * 60 * 1000)
#define NAME_GRACE_MAX_MS (24 * 60 * 60 * 1000)
#define SIGN_RATE_MAX 1000000
#define PREFIXES_MAX 1024
#define RESERVED_MAX 4096
#define DOMAIN_MAX (NAMES_HOST_MAX - NAMES_LABEL_MAX - 1)
#define RESERVED_STANDARD "standard" /* in the setting: the names below */

/*
 * Names that programs look up by themselves (autodiscover, wpad, isatap, mta-sts), that
 * mail and certificates are sent to (RFC 2142), or that users take for the operator.
 */
static const char *const reserved_standard[] = { "abuse", "admin", "administrator", "api",
	"auth", "autoconfig", "autodiscover", "broadcasthost", "dns", "ftp", "hostmaster",
	"imap", "isatap", "localdomain", "localhost", "login", "mail", "mta-sts", "mx",
	"ns", "ns1", "ns2", "ns3", "ns4", "oauth", "panel", "pop", "pop3", "postmaster",
	"relay", "root", "security", "smtp", "sso", "ssladmin", "tunnel", "webmail",
	"webmaster", "wpad", "www" };

enum err relay_config_dns_server(const char *text, struct addr *out)
{
	struct addr_listen at;
	enum err rc = addr_parse_listen(text, &at);

	return rc == ERR_OK ? addr_from_literal(at.host, at.port, out) : rc;
}

/* ---- checks ---- */

static enum err refuse_text(struct why *why, const char *text, const char *what)
{
	char shown[64];

	return err_set(why, ERR_SYNTAX, "\"%s\" is not %s",
		str_quote(shown, sizeof(shown), span_str(text)), what);
}

/* A canonical URL is "https://authority"; a path after that has no meaning. */
static enum err check_url(void *member, struct why *why)
{
	char url[URL_TEXT_MAX], host[NAMES_HOST_MAX + 1];
	enum err rc = relay_url_parse(span_str(member), url, why);
	const char *path = rc == ERR_OK ? strchr(url + strlen("https://"), '/') : NULL;

	if (rc == ERR_OK)
		rc = relay_url_host(url, host, why);
	if (rc == ERR_OK && names_host_is_address(host))
		return err_set(why, ERR_SYNTAX,
			"leases get names under the host, and there are none under the IP address"
			" %s; write a host name such as https://relay.example.com",
			host);
	if (rc == ERR_OK && path != NULL)
		return err_set(why, ERR_SYNTAX,
			"a relay has no path; leave out \"%.60s\"", path);
	if (rc == ERR_OK)
		str_copy(member, URL_TEXT_MAX, url);
	return rc;
}

/* The path of a file of the state directory stands for the directory. */
static enum err check_directory(void *member, struct why *why)
{
	static const char *const files[] = { "/identity.json", "/admin_settings.json" };
	char *path = *(char **)member;
	size_t n = path != NULL ? strlen(path) : 0;

	(void)why;
	for (size_t i = 0; i < mem_count(files) && n > 0; i++) {
		size_t m = strlen(files[i]);

		if (strcmp(path, files[i] + 1) == 0)
			memcpy(path, ".", 2);
		else if (n >= m && strcmp(path + n - m, files[i]) == 0)
			path[n - m + 1] = '\0';
		n = strlen(path);
	}
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	return ERR_OK;
}

static enum err check_host(void *member, struct why *why)
{
	const char *text = *(char **)member;
	struct addr a;

	return text == NULL || addr_from_literal(text, 0, &a) == ERR_OK ?
		ERR_OK :
		refuse_text(why, text,
			"an IP address; write one of this machine's, without a port");
}

/* As canonical names of leases; a '*' may stand at the end. */
static enum err check_labels(void *member, struct why *why)
{
	const struct field_list *list = member;
	char label[NAMES_LABEL_MAX + 1];

	for (unsigned i = 0; i < list->n; i++) {
		struct span text = span_str(list->v[i]);

		if (text.p[text.n - 1] == '*')
			text.n--;
		while (text.n > 0 && text.p[text.n - 1] == '-')
			text.n--; /* "xn--*" */
		if (names_parse_label(text, label, NULL) != ERR_OK ||
			!span_is(text, label))
			return refuse_text(why, list->v[i],
				"a name of a lease; write letters, digits and hyphens such as"
				" www, or the beginning of names such as xn--*");
	}
	return ERR_OK;
}

static enum err check_wallets(void *member, struct why *why)
{
	struct field_list *list = member;
	char address[ADDRESS_TEXT_SIZE];

	for (unsigned i = 0; i < list->n; i++) {
		if (address_parse(span_str(list->v[i]), address) != ERR_OK)
			return refuse_text(why, list->v[i],
				"a wallet address; write 0x and 40 hexadecimal digits as the"
				" wallet shows them");
		memcpy(list->v[i], address, strlen(address)); /* canonical, as long */
	}
	return ERR_OK;
}

static enum err check_domain(void *member, struct why *why)
{
	char host[NAMES_HOST_MAX + 1], *text = member;

	if (text[0] == '\0')
		return ERR_OK;
	if (names_parse_host(span_str(text), host, NULL) != ERR_OK ||
		names_host_is_address(host) || strpbrk(host, ":_") != NULL ||
		strchr(host, '.') == NULL || strlen(host) > DOMAIN_MAX)
		return refuse_text(why, text,
			"a domain; write its name such as example.com, without https:// and"
			" without a port");
	memcpy(text, host, strlen(host) + 1);
	return ERR_OK;
}

static enum err check_addresses(void *member, struct why *why)
{
	const struct field_list *list = member;
	struct addr a;

	for (unsigned i = 0; i < list->n; i++)
		if (addr_from_literal(list->v[i], 0, &a) != ERR_OK)
			return refuse_text(why, list->v[i],
				"an IP address; write one such as 203.0.113.42");
	return ERR_OK;
}

static enum err check_dns_server(void *member, struct why *why)
{
	const char *text = *(char **)member;
	struct addr a;

	return text == NULL || relay_config_dns_server(text, &a) == ERR_OK ?
		ERR_OK :
		refuse_text(why, text,
			"the address of a name server; write one such as 192.0.2.53:53");
}

static bool is_loopback(const char *text)
{
	struct addr_listen at;
	struct addr a;

	return text == NULL ||
		(addr_parse_listen(text, &at) == ERR_OK &&
			addr_from_literal(at.host, at.port, &a) == ERR_OK &&
			addr_is_loopback(&a));
}

static enum err check_links(void *member, struct why *why)
{
	if (is_loopback(*(char **)member))
		return ERR_OK;
	return err_set(why, ERR_SYNTAX,
		"links without TLS are for a proxy on this machine only; write a loopback"
		" address and a port such as 127.0.0.1:9090");
}

static enum err check_metrics(void *member, struct why *why)
{
	if (is_loopback(*(char **)member))
		return ERR_OK;
	return err_set(why, ERR_SYNTAX,
		"metrics are for this machine only; write a loopback address and a port such"
		" as 127.0.0.1:9464");
}

/* ---- the table ---- */

/* clang-format off: these are rows of tables, not statements */

#define AT(member) FIELD_AT(struct relay_options, member)
#define LIVE .is_live = true

/* Settings of stock relays that adit does not have. The variables of DNS providers have
 * other uses, so they are not read from the environment. */
#define MISSING(name, kind, lacking, text) \
	name, kind, .lacks = lacking, .help = "not supported yet: " text
#define CREDENTIAL(name, text) \
	{ \
		MISSING(name, FIELD_TEXT, "certificates by ACME are", text), \
			.argument = "text" \
	}

static const struct field rows[] = {
	{ "identity_path", FIELD_TEXT, AT(state_dir), .check = check_directory,
		.alias = "state_dir", .env = "IDENTITY_PATH",
		.env_alias = "ADIT_STATE_DIR", .argument = "directory",
		.help = "directory of the identity, certificate and database; default:"
			" /var/lib/adit/relay for root, else ~/.local/share/adit/relay" },
	{ "portal_url", FIELD_CHARS, AT(url), .check = check_url,
		.initial = "https://relay.localhost:4017", .env = "PORTAL_URL",
		.argument = "url",
		.help = "public URL of this relay; names of leases end in its host" },
	{ "host", FIELD_TEXT, AT(host), .check = check_host, .env = "ADIT_HOST",
		.argument = "address",
		.help = "listen on this address only, instead of all" },
	{ "api_port", FIELD_PORT, AT(api_port), .initial = "4017", .env = "API_PORT",
		.argument = "number",
		.help = "port of the API; 0: a free one, which is logged" },
	{ "sni_port", FIELD_PORT, AT(sni_port), .initial = "443", .env = "SNI_PORT",
		.argument = "number",
		.help = "port for visitors, which TLS server names lead to a lease; 0: a free one,"
			" which is logged" },
	{ "tcp_enabled", FIELD_BOOL, AT(has_tcp), .initial = "false",
		.env = "TCP_ENABLED",
		.help = "let leases have TCP ports, from --min-port to --max-port" },
	{ "min_port", FIELD_PORT, AT(port_min), .initial = "0", .env = "MIN_PORT",
		.argument = "number", .help = "the first port for leases" },
	{ "max_port", FIELD_PORT, AT(port_max), .initial = "0", .env = "MAX_PORT",
		.argument = "number", .help = "the last port for leases" },
	{ "trust_proxy_headers", FIELD_BOOL, LIVE, AT(trusts_proxy), .initial = "false",
		.env = "TRUST_PROXY_HEADERS",
		.help = "trust the X-Forwarded-For of proxies on the API port" },
	{ "trusted_proxy_cidrs", FIELD_LIST, LIVE, AT(proxies), .max = PREFIXES_MAX,
		.check = prefix_check_list, .env = "TRUSTED_PROXY_CIDRS",
		.argument = "list",
		.help = "addresses and ranges of these proxies, with commas between them; default:"
			" loopback, private and link-local addresses" },
	{ "admin_wallets", FIELD_LIST, LIVE, AT(admin_wallets), .max = RELAY_WALLETS_MAX,
		.check = check_wallets, .env = "ADMIN_WALLETS", .argument = "list",
		.help = "wallet addresses of administrators, with commas between them; the relay's"
			" own is always one" },
	{ "landing_page_enabled", FIELD_BOOL, AT(has_landing_page), .initial = "false",
		.env = "LANDING_PAGE_ENABLED",
		.help = "explain this relay on the page at /, above the list of tunnels, until an"
			" administrator changes it" },
	{ "workers", FIELD_COUNT, AT(workers), .max = DATA_WORKERS_MAX, .initial = "0",
		.env = "ADIT_WORKERS", .argument = "count",
		.help = "threads that carry data; 0: one for each core" },
	{ "drain", FIELD_DURATION, LIVE, AT(drain_ms), .max = DRAIN_MAX_MS,
		.initial = "5s", .env = "ADIT_DRAIN", .argument = "duration",
		.help = "the time that connections get to end after SIGTERM" },
	{ "sign_rate", FIELD_COUNT, LIVE, AT(sign_per_s), .min = 1, .max = SIGN_RATE_MAX,
		.initial = "1000", .env = "ADIT_SIGN_RATE", .argument = "count",
		.help = "signatures a second for one lease, after a burst of ten seconds' worth" },
	{ "name_grace", FIELD_DURATION, LIVE, AT(name_grace_ms), .max = NAME_GRACE_MAX_MS,
		.initial = "10m", .env = "ADIT_NAME_GRACE", .argument = "duration",
		.help = "how long a name stays reserved for its holder after the lease has expired"
			" and after a start; 0 disables this" },
	{ "reserved_names", FIELD_LIST, LIVE, AT(reserved_names), .max = RESERVED_MAX,
		.check = check_labels, .initial = RESERVED_STANDARD,
		.env = "ADIT_RESERVED_NAMES", .argument = "list",
		.help = "names that no lease gets; \"standard\" is the list in the manual, and xn--*"
			" all names with that beginning" },
	{ "leases_per_network", FIELD_COUNT, LIVE, AT(leases_per_network),
		.max = LEASE_TABLE_MAX, .initial = "100",
		.env = "ADIT_LEASES_PER_NETWORK", .argument = "count",
		.help = "maximum of leases and reserved names of one client network, which is an"
			" IPv4 address or an IPv6 /48; 0: no limit" },
	{ "leases_exempt", FIELD_LIST, LIVE, AT(exempt), .max = PREFIXES_MAX,
		.check = prefix_check_list, .initial = "127.0.0.0/8,::1",
		.env = "ADIT_LEASES_EXEMPT", .argument = "list",
		.help = "networks without that limit, as addresses and ranges" },
	{ "domain", FIELD_CHARS, AT(domain), .check = check_domain, .env = "ADIT_DOMAIN",
		.argument = "name",
		.help = "names of tunnels end in it; without it there are leases only" },
	{ "link_listen", FIELD_TEXT, AT(link_listen), .check = check_links,
		.env = "ADIT_LINK_LISTEN", .argument = "address:port",
		.help = "accept links of agents here without TLS, such as 127.0.0.1:9090 behind"
			" a proxy; at tunnel.<domain> they are accepted anyway" },
	{ "http_port", FIELD_PORT, AT(http_port), .initial = "0", .env = "ADIT_HTTP_PORT",
		.argument = "number",
		.help = "redirect requests to this port, usually 80, to HTTPS; 0: do not" },
	{ "acme", FIELD_BOOL, AT(acme.is_on), .initial = "false", .env = "ADIT_ACME",
		.help = "get certificates for names of tunnels by ACME, and agree to the terms"
			" of the CA, which is Let's Encrypt unless acme_url names another" },
	{ "acme_email", FIELD_TEXT, AT(acme.email), .env = "ADIT_ACME_EMAIL",
		.argument = "address", .help = "where the CA may write to" },
	{ "acme_url", FIELD_TEXT, AT(acme.url), .env = "ADIT_ACME_URL", .argument = "url",
		.help = "the directory of another CA" },
	{ "acme_ca_file", FIELD_TEXT, AT(acme.ca_file), .env = "ADIT_ACME_CA_FILE",
		.argument = "file",
		.help = "verify the server of acme_url with these roots (PEM) in place of the"
			" system's" },
	{ "acme_dns_hook", FIELD_TEXT, AT(acme.dns_hook), .env = "ADIT_ACME_DNS_HOOK",
		.argument = "program",
		.help = "a program that sets TXT records: all tunnels share a wildcard by"
			" DNS-01 then" },
	{ "acme_eab_kid", FIELD_TEXT, AT(acme.eab_kid), .env = "ADIT_ACME_EAB_KID",
		.argument = "text",
		.help = "id of an external account, if the CA requires one" },
	{ "acme_eab_key", FIELD_SECRET, AT(acme.eab_key), .env = "ADIT_ACME_EAB_KEY",
		.argument = "text", .help = "the key of that account, base64url" },
	{ "public_addresses", FIELD_LIST, AT(addresses), .max = DNS_OWN_MAX,
		.check = check_addresses, .env = "ADIT_PUBLIC_ADDRESSES",
		.argument = "list",
		.help = "addresses that the DNS records of tunnels lead to, with commas between"
			" them, if the machine does not have them itself, as behind NAT" },
	{ "dns_server", FIELD_TEXT, AT(dns_server), .check = check_dns_server,
		.env = "ADIT_DNS_SERVER", .argument = "address:port",
		.help = "ask this name server for the DNS records of tunnels, instead of the"
			" system's" },
	{ "metrics", FIELD_TEXT, AT(metrics), .check = check_metrics,
		.env = "ADIT_METRICS", .argument = "address:port",
		.help = "serve metrics for Prometheus on this loopback address, at /metrics" },

	{ MISSING("discovery", FIELD_BOOL, "discovery of relays is",
		  "let relays find each other"),
		.initial = "false", .env = "DISCOVERY" },
	{ MISSING("bootstraps", FIELD_LIST, "discovery of relays is",
		  "the first relays to contact"),
		.env = "BOOTSTRAPS", .argument = "list" },
	{ MISSING("wireguard_port", FIELD_PORT, "the overlay of relays is",
		  "the port of the overlay"),
		.initial = "51820", .env = "WIREGUARD_PORT", .argument = "number" },
	{ MISSING("udp_enabled", FIELD_BOOL, "UDP is", "let leases have UDP ports"),
		.initial = "false", .env = "UDP_ENABLED" },
	{ MISSING("headless_shell_url", FIELD_TEXT, "pictures of pages are",
		  "a browser that takes pictures of pages"),
		.env = "HEADLESS_SHELL_URL", .argument = "url" },
	{ MISSING("pprof_enabled", FIELD_BOOL, "profiling over HTTP is",
		  "profiling over HTTP"),
		.initial = "false", .env = "PPROF_ENABLED" },
	{ MISSING("pprof_addr", FIELD_TEXT, "profiling over HTTP is",
		  "where profiling listens"),
		.initial = "127.0.0.1:6060", .env = "PPROF_ADDR",
		.argument = "address:port" },
	{ MISSING("ens_gasless_enabled", FIELD_BOOL, "names in ENS are", "names in ENS"),
		.initial = "false", .env = "ENS_GASLESS_ENABLED" },
	{ MISSING("acme_dns_provider", FIELD_TEXT, "certificates by ACME are",
		  "certificates by ACME; put the files into --identity-path"),
		.env = "ACME_DNS_PROVIDER", .argument = "name" },
	CREDENTIAL("cloudflare_token", "for Cloudflare"),
	CREDENTIAL("gcp_project_id", "for Google Cloud"),
	CREDENTIAL("gcp_managed_zone", "for Google Cloud"),
	CREDENTIAL("aws_access_key_id", "for Amazon Route 53"),
	CREDENTIAL("aws_secret_access_key", "for Amazon Route 53"),
	CREDENTIAL("aws_session_token", "for Amazon Route 53"),
	CREDENTIAL("aws_region", "for Amazon Route 53"),
	CREDENTIAL("aws_hosted_zone_id", "for Amazon Route 53"),
	CREDENTIAL("aws_dnssec_kms_key_arn", "for Amazon Route 53"),
};

/* clang-format on */

const struct field_table relay_fields = FIELD_TABLE_OF(struct relay_options, rows);
const struct field_table relay_path_fields = {
	.bytes = sizeof(struct relay_options),
	.rows = rows, /* the first of them */
	.count = 1,
};

/* ---- the file ---- */

enum err relay_config_read_file(const char *path, struct relay_options *o,
	struct why *why)
{
	const char *file = path != NULL ? path : RELAY_CONFIG_FILE;
	const struct field_toml_options strict = { .file = file };
	struct toml *t = NULL;
	struct buf text;
	enum err rc;

	buf_init(&text, TOML_BYTES_MAX + 1);
	rc = file_read(file, &text, why);
	if (rc == ERR_NOENT) { /* only a file that the user names must exist */
		rc = path == NULL ? ERR_OK : ERR_SYS;
	} else if (rc == ERR_OK) {
		rc = toml_parse(buf_span(&text), file, &t, why);
		if (rc == ERR_OK)
			rc = field_read_toml(&relay_fields, toml_root(t), &strict, o,
				why);
		if (rc == ERR_LIMIT)
			rc = ERR_SYNTAX;
	}
	toml_free(t);
	buf_wipe(&text);
	return rc;
}

/* ---- settings that depend on each other ---- */

static enum err check_ports(const struct relay_options *o, struct why *why)
{
	if (o->api_port != 0 && o->api_port == o->sni_port)
		return err_set(why, ERR_USAGE,
			"api_port and sni_port are both %u; they need a port each",
			o->api_port);
	if (o->has_tcp && (o->port_min == 0 || o->port_max == 0))
		return err_set(why, ERR_USAGE,
			"tcp_enabled needs ports for leases; set min_port and max_port, such as"
			" 20000 and 20999");
	if (o->port_max < o->port_min)
		return err_set(why, ERR_USAGE,
			"min_port is %u and max_port %u; the first may not be above the second",
			o->port_min, o->port_max);
	if (o->port_min != 0 &&
		((o->api_port >= o->port_min && o->api_port <= o->port_max) ||
			(o->sni_port >= o->port_min && o->sni_port <= o->port_max)))
		return err_set(why, ERR_USAGE,
			"api_port or sni_port lies between min_port and max_port; leases need"
			" ports of their own");
	return ERR_OK;
}

/* A '*' at the end stands for any text. */
static bool label_matches(struct span label, const char *pattern)
{
	struct span start = span_str(pattern);

	if (start.p[start.n - 1] == '*') {
		start.n--;
		label.n = label.n < start.n ? label.n : start.n;
	}
	return span_eq(label, start);
}

bool relay_config_reserves(const struct relay_options *o, const char *host)
{
	struct span label = span_of(host, strcspn(host, "."));
	bool found = false;

	for (unsigned i = 0; i < o->reserved_names.n && !found; i++) {
		const char *name = o->reserved_names.v[i];

		if (strcmp(name, RESERVED_STANDARD) != 0)
			found = label_matches(label, name);
		else
			for (size_t k = 0; k < mem_count(reserved_standard); k++)
				found = found || span_is(label, reserved_standard[k]);
	}
	return found;
}

static enum err use_directory(struct relay_options *o, struct why *why)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	const char *service = getenv("STATE_DIRECTORY"); /* from systemd */

	if (o->state_dir != NULL)
		return ERR_OK;
	if (service != NULL && service[0] == '/' && strchr(service, ':') == NULL)
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

enum err relay_config_complete(struct relay_options *o, struct why *why)
{
	enum err rc = relay_url_host(o->url, o->root, why);

	if (rc == ERR_OK)
		rc = check_ports(o, why);
	return rc == ERR_OK ? use_directory(o, why) : rc;
}

enum err relay_config_make_dir(const struct relay_options *o, struct why *why)
{
	return file_make_private_directory(o->state_dir, "the state directory", why);
}
