/* The command lines of a relay: a row for each setting, which relay/relay_config.c applies. */
#include "cli/relay_args.h"

#include <assert.h>

#include "base/str.h"

/* clang-format off: these are rows of tables, not statements */

#define GIVEN(member) offsetof(struct relay_args, given.member)

#define SETTING(flag, variable, member, value, word, text) \
	{ \
		.name = flag, .kind = FLAG_OVERRIDE, .offset = GIVEN(member), \
		.env = variable, .preset = value, .argument = word, .help = text \
	}

#define SWITCH(flag, variable, member, text) \
	{ \
		.name = flag, .kind = FLAG_OVERRIDE_SWITCH, .offset = GIVEN(member), \
		.env = variable, .preset = "false", .help = text \
	}

/* Those that all commands have. */
#define CONFIG_FLAG \
	{ \
		.name = "config", .kind = FLAG_TEXT, \
		.offset = offsetof(struct relay_args, config), .argument = "file", \
		.help = "read settings from this file; without it, from " RELAY_CONFIG_FILE \
			" if that is there" \
	}
#define PATH_FLAG \
	SETTING("identity-path", "IDENTITY_PATH", identity_path, NULL, "directory", \
		"where identity, certificate and database are kept; without it," \
		" /var/lib/adit/relay for root and ~/.local/share/adit/relay for others")

#define NOT_YET "not supported yet: "

const struct flag relay_run_flags[] = {
	CONFIG_FLAG,
	SETTING("portal-url", "PORTAL_URL", portal_url, "https://relay.localhost:4017",
		"url",
		"the address of this relay as its users write it; names of leases end in"
		" the host"),
	PATH_FLAG,
	SETTING("host", "ADIT_HOST", host, NULL, "address",
		"listen on this address only, and not on all"),
	SETTING("api-port", "API_PORT", api_port, "4017", "number",
		"the port of the API; 0 takes a free one and logs it"),
	SETTING("sni-port", "SNI_PORT", sni_port, "443", "number",
		"the port where visitors arrive, by the name in their TLS; 0 takes a free one"
		" and logs it"),
	SWITCH("tcp-enabled", "TCP_ENABLED", tcp_enabled,
		"let leases have TCP ports, from --min-port to --max-port"),
	SETTING("min-port", "MIN_PORT", min_port, "0", "number",
		"the first port for leases"),
	SETTING("max-port", "MAX_PORT", max_port, "0", "number",
		"the last port for leases"),
	SWITCH("trust-proxy-headers", "TRUST_PROXY_HEADERS", trust_proxy_headers,
		"believe the X-Forwarded-For of proxies on the API port"),
	SETTING("trusted-proxy-cidrs", "TRUSTED_PROXY_CIDRS", trusted_proxy_cidrs, NULL,
		"list",
		"which proxies, as addresses and ranges with commas between them; without it,"
		" those at loopback, private and link-local addresses"),
	SETTING("admin-wallets", "ADMIN_WALLETS", admin_wallets, NULL, "list",
		"wallet addresses of administrators, with commas between them; the relay's own"
		" is always one"),
	SWITCH("landing-page-enabled", "LANDING_PAGE_ENABLED", landing_page_enabled,
		"on the page at / say what this relay is and how to publish there, besides the"
		" list of tunnels, until an administrator says otherwise"),
	SETTING("workers", "ADIT_WORKERS", workers, "0", "count",
		"threads that carry data; 0 is one for each core"),
	SETTING("drain", "ADIT_DRAIN", drain, "5s", "duration",
		"how long connections may go on after SIGTERM"),
	SETTING("sign-rate", "ADIT_SIGN_RATE", sign_rate, "1000", "count",
		"signatures a second for one lease, after a burst of ten seconds' worth"),
	SETTING("name-grace", "ADIT_NAME_GRACE", name_grace, "10m", "duration",
		"how long a name stays reserved for its holder after the lease has expired"
		" and after a start; 0 disables this"),
	SETTING("reserved-names", "ADIT_RESERVED_NAMES", reserved_names, "standard",
		"list",
		"names that no lease gets; \"standard\" is a list of them, which the manual has,"
		" and xn--* all names that begin so"),
	SETTING("leases-per-network", "ADIT_LEASES_PER_NETWORK", leases_per_network,
		"100", "count",
		"leases and reserved names of one client network, which is an IPv4 address"
		" or an IPv6 /48; 0 is no limit"),
	SETTING("leases-exempt", "ADIT_LEASES_EXEMPT", leases_exempt, "127.0.0.0/8,::1",
		"list", "networks without that limit, as addresses and ranges"),
	SETTING("metrics", "ADIT_METRICS", metrics, NULL, "address:port",
		"serve metrics for Prometheus on this loopback address, at /metrics"),
	SWITCH("discovery", "DISCOVERY", discovery, NOT_YET "let relays find each other"),
	SETTING("bootstraps", "BOOTSTRAPS", bootstraps, NULL, "list",
		NOT_YET "the first relays to ask"),
	SETTING("wireguard-port", "WIREGUARD_PORT", wireguard_port, "51820", "number",
		NOT_YET "the port of the overlay"),
	SWITCH("udp-enabled", "UDP_ENABLED", udp_enabled,
		NOT_YET "let leases have UDP ports"),
	SETTING("headless-shell-url", "HEADLESS_SHELL_URL", headless_shell_url, NULL,
		"url", NOT_YET "a browser that takes pictures of pages"),
	SWITCH("pprof-enabled", "PPROF_ENABLED", pprof_enabled,
		NOT_YET "profiling over HTTP"),
	SETTING("pprof-addr", "PPROF_ADDR", pprof_addr, "127.0.0.1:6060", "address:port",
		NOT_YET "where profiling listens"),
	SWITCH("ens-gasless-enabled", "ENS_GASLESS_ENABLED", ens_gasless_enabled,
		NOT_YET "names in ENS"),
	SETTING("acme-dns-provider", "ACME_DNS_PROVIDER", acme_dns_provider, NULL, "name",
		NOT_YET "certificates by ACME; put the files into --identity-path"),
	SETTING("cloudflare-token", NULL, cloudflare_token, NULL, "text",
		NOT_YET "for Cloudflare"),
	SETTING("gcp-project-id", NULL, gcp_project_id, NULL, "text",
		NOT_YET "for Google Cloud"),
	SETTING("gcp-managed-zone", NULL, gcp_managed_zone, NULL, "text",
		NOT_YET "for Google Cloud"),
	SETTING("aws-access-key-id", NULL, aws_access_key_id, NULL, "text",
		NOT_YET "for Amazon Route 53"),
	SETTING("aws-secret-access-key", NULL, aws_secret_access_key, NULL, "text",
		NOT_YET "for Amazon Route 53"),
	SETTING("aws-session-token", NULL, aws_session_token, NULL, "text",
		NOT_YET "for Amazon Route 53"),
	SETTING("aws-region", NULL, aws_region, NULL, "text",
		NOT_YET "for Amazon Route 53"),
	SETTING("aws-hosted-zone-id", NULL, aws_hosted_zone_id, NULL, "text",
		NOT_YET "for Amazon Route 53"),
	SETTING("aws-dnssec-kms-key-arn", NULL, aws_dnssec_kms_key_arn, NULL, "text",
		NOT_YET "for Amazon Route 53"),
	LOG_FLAGS(struct relay_args, daemon),
	{ .kind = FLAG_END },
};

#define ASKING_FLAGS(text) \
	{ .name = "json", \
		.kind = FLAG_BOOL, \
		.offset = offsetof(struct relay_args, is_json), \
		.help = text }, \
		CONFIG_FLAG, PATH_FLAG, \
	{ \
		.kind = FLAG_END \
	}

const struct flag relay_status_flags[] = { ASKING_FLAGS("print a JSON object") };

const struct flag relay_lease_flags[] = { ASKING_FLAGS("list: print a JSON object") };

/* clang-format on */

enum err relay_args_check(const struct flag *table, struct relay_args *args, int argc,
	char **argv, struct relay_config *out, struct why *why)
{
	struct relay_config c = { .file = args->config, .overrides = args->overrides };
	const struct flag *f;
	char shown[64];

	if (argc > 0)
		return err_set(why, ERR_USAGE,
			"it takes flags only, not \"%s\"; --help lists them",
			str_quote(shown, sizeof(shown), span_str(argv[0])));
	for (f = table; f->kind != FLAG_END; f++) {
		const char *text;

		if (f->kind != FLAG_OVERRIDE && f->kind != FLAG_OVERRIDE_SWITCH)
			continue;
		text = *(const char **)(void *)((char *)args + f->offset);
		if (text == NULL)
			continue;
		assert(c.overrides_n < RELAY_FLAGS_MAX);
		args->overrides[c.overrides_n++] =
			(struct relay_override){ .name = f->name, .text = text };
	}
	*out = c;
	return ERR_OK;
}
