/* The command lines of "adit relay run", "adit relay status" and "adit relay lease". */
#ifndef CLI_RELAY_ARGS_H
#define CLI_RELAY_ARGS_H

#include "cli/daemon.h"
#include "cli/flags.h"
#include "relay/relay_config.h"

#define RELAY_FLAGS_MAX 48

/* What the command line says of each setting; NULL when it says nothing. */
struct relay_given {
	const char *portal_url, *identity_path, *host, *api_port, *sni_port;
	const char *tcp_enabled, *min_port, *max_port;
	const char *trust_proxy_headers, *trusted_proxy_cidrs;
	const char *admin_wallets, *landing_page_enabled;
	const char *workers, *drain, *sign_rate, *metrics;
	const char *name_grace, *reserved_names, *leases_per_network, *leases_exempt;
	const char *discovery, *bootstraps, *wireguard_port, *udp_enabled;
	const char *headless_shell_url, *pprof_enabled, *pprof_addr, *ens_gasless_enabled;
	const char *acme_dns_provider, *cloudflare_token, *gcp_project_id,
		*gcp_managed_zone;
	const char *aws_access_key_id, *aws_secret_access_key, *aws_session_token;
	const char *aws_region, *aws_hosted_zone_id, *aws_dnssec_kms_key_arn;
};

struct relay_args {
	const char *config;
	struct relay_given given;
	struct daemon_args daemon;
	bool is_json;
	struct relay_override overrides[RELAY_FLAGS_MAX];
};

extern const struct flag relay_run_flags[], relay_status_flags[], relay_lease_flags[];

/*
 * Makes @out of what was read by @table, with @argc words left behind the flags. It is as
 * good as @args.
 * ERR_USAGE: there are such words.
 */
enum err relay_args_check(const struct flag *table, struct relay_args *args, int argc,
	char **argv, struct relay_config *out, struct why *why) MUST_USE;

#endif
