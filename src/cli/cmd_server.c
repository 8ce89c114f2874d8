/* adit server: the server end of links, with Chisel's command line. */
#include "base/log.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/keygen.h"
#include "cli/link_args.h"
#include "cli/runner.h"
#include "text/names.h"
#include "tunnel/chisel/check.h"

#define AT(member) FIELD_AT(struct server_args, member)

/* Makes each name canonical. */
static enum err check_domains(void *member, struct why *why)
{
	const struct field_list *names = member;
	char host[NAMES_HOST_MAX + 1];

	for (unsigned i = 0; i < names->n; i++) {
		char *name = names->v[i] + (str_has_prefix(names->v[i], "*.") ? 2 : 0);

		if (names_parse_host(span_str(name), host, NULL) != ERR_OK ||
			names_host_is_address(host) || strlen(host) > strlen(name))
			return err_set(why, ERR_USAGE,
				"\"%.100s\" is not a host name; write one such as "
				"tunnel.example.com",
				names->v[i]);
		(void)str_copy(name, strlen(name) + 1, host);
	}
	return ERR_OK;
}

static const struct field server_rows[] = {
	{ "host", FIELD_TEXT, AT(link.host), .check = check_host, .env = "HOST",
		.initial = "0.0.0.0", .argument = "address",
		.help = "listen on this address, such as 127.0.0.1 behind nginx; 0.0.0.0"
			" means all addresses, including IPv6" },
	{ "port", FIELD_PORT, AT(link.port), .alias = "p", .env = "PORT",
		.initial = "8080", .argument = "number",
		.help = "listen on this port; 0 picks a free one and logs it" },
	{ "keyfile", FIELD_TEXT, AT(link.key_file), .env = "CHISEL_KEY_FILE",
		.argument = "file",
		.help = "the host key: a file with a ck- string or an unencrypted PEM key, or the"
			" ck- string itself; without one, each start makes a new key" },
	{ "keygen", FIELD_TEXT, AT(keygen), .argument = "file",
		.help = "write a new host key to this file (- is standard output), print"
			" its fingerprint, and exit; with --key, write the key of that seed" },
	{ "force", FIELD_BOOL, AT(forces),
		.help = "with --keygen, replace an existing file" },
	{ "key", FIELD_SECRET, AT(link.key_seed), .env = "CHISEL_KEY", .argument = "seed",
		.help = "compute the host key from this text; anyone who guesses the text"
			" has the key, so prefer --keyfile" },
	{ "auth", FIELD_SECRET, AT(link.auth), .check = check_auth, .env = "AUTH",
		.argument = "name:password",
		.help = "allow this user to connect, with access to everything; the"
			" variable AUTH, or --authfile, keeps the password out of the"
			" process list" },
	{ "authfile", FIELD_TEXT, AT(link.auth_file), .argument = "file",
		.help = "allow the users in this JSON file to connect, each to what its"
			" patterns allow; the file is read again when it changes" },
	{ "reverse", FIELD_BOOL, AT(link.allows_reverse),
		.help = "allow clients to open ports here, with remotes that begin with R:" },
	{ "socks5", FIELD_BOOL, AT(link.allows_socks),
		.help = "allow clients to reach any address from here by SOCKS5, loopback"
			" included, with remotes that end in socks" },
	{ "socks_acl", FIELD_BOOL, AT(link.checks_socks),
		.help = "check each SOCKS5 destination against the user's list in --authfile; by"
			" default the word socks in the list allows all destinations" },
	{ "keepalive", FIELD_DURATION, AT(link.tuning.keepalive_ms), .initial = "25s",
		.argument = "duration",
		.help = "time between pings, which detect dead clients and keep NAT and"
			" firewall entries alive; 0s sends none" },
	{ "backend", FIELD_TEXT, AT(link.backend), .check = check_backend,
		.alias = "proxy", .argument = "url",
		.help = "forward web requests that do not open a tunnel to this http or"
			" https server" },
	{ "trusted_proxies", FIELD_LIST, AT(link.trusted_proxies),
		.check = prefix_check_list, .argument = "ranges",
		.help = "take clients' addresses from X-Forwarded-For if a request comes"
			" from these proxies, such as 127.0.0.1,10.0.0.0/8" },
	{ "tls_key", FIELD_TEXT, AT(link.tls_key), .argument = "file",
		.help = "serve TLS with this PEM private key; needs --tls-cert" },
	{ "tls_cert", FIELD_TEXT, AT(link.tls_cert), .argument = "file",
		.help = "serve TLS with this PEM certificate chain; needs --tls-key" },
	{ "tls_domain", FIELD_REPEATED, AT(link.acme.domains), .check = check_domains,
		.argument = "name",
		.help = "serve TLS with a certificate for this name, which is got and renewed by"
			" ACME; port 443 or 80 of the name must be this machine's; several are"
			" possible" },
	{ "acme_url", FIELD_TEXT, AT(link.acme.url), .is_own = true,
		.env = "ADIT_ACME_URL", .argument = "url",
		.help = "for --tls-domain, the directory of another CA than Let's Encrypt" },
	{ "acme_ca_file", FIELD_TEXT, AT(link.acme.ca_file), .is_own = true,
		.env = "ADIT_ACME_CA_FILE", .argument = "file",
		.help = "verify the server of --acme-url with these roots (PEM) in place of the"
			" system's" },
	{ "acme_dns_hook", FIELD_TEXT, AT(link.acme.dns_hook), .is_own = true,
		.env = "ADIT_ACME_DNS_HOOK", .argument = "program",
		.help = "prove names by DNS-01 with this program, which sets TXT records; needed"
			" for a wildcard such as *.example.com" },
	{ "tls_ca", FIELD_TEXT, AT(link.tls_ca), .argument = "file",
		.help = "require a client certificate of one of these CAs (a PEM file, or a"
			" directory of PEM files)" },
	{ "metrics", FIELD_TEXT, AT(link.metrics), .is_own = true,
		.argument = "address:port",
		.help = "serve metrics for Prometheus on this local address, such as"
			" 127.0.0.1:9464, under /metrics" },
	{ .kind = FIELD_TABLE, AT(daemon), .of = &daemon_fields },
	{ NULL, FIELD_DURATION, AT(link.tuning.config_ms), .env = "CHISEL_CONFIG_TIMEOUT",
		.argument = "duration",
		.help = "timeout of the configuration that a client sends (10s)" },
	{ NULL, FIELD_TEXT, AT(link.acme.email), .env = "CHISEL_LE_EMAIL",
		.argument = "address",
		.help = "mail address for the CA of --tls-domain, for its warnings" },
	{ NULL, FIELD_TEXT, AT(link.acme.cache), .env = "CHISEL_LE_CACHE",
		.argument = "directory",
		.help = "where certificates of --tls-domain are stored (~/.cache/chisel); -"
			" stores none" },
	{ NULL, FIELD_TEXT, AT(link.acme.eab_kid), .env = "ADIT_ACME_EAB_KID",
		.argument = "id",
		.help = "id of an external account, if the CA of --acme-url requires one" },
	{ NULL, FIELD_SECRET, AT(link.acme.eab_key), .env = "ADIT_ACME_EAB_KEY",
		.argument = "key", .help = "its HMAC key, in base64url" },
	{ NULL, FIELD_PORT, AT(link.acme.http_port), .env = "ADIT_ACME_HTTP_PORT",
		.initial = "80", .argument = "number",
		.help = "port for HTTP-01 challenges of --tls-domain; 0 uses none" },
	{ NULL, FIELD_COUNT, AT(link.workers), .env = "ADIT_WORKERS", .argument = "count",
		.help = "threads that carry data (one for each core)" },
	{ NULL, FIELD_COUNT, AT(link.head_max), .env = "ADIT_HEAD_MAX",
		.argument = "bytes",
		.help = "the longest head of a web request, at most 1048576 (65536)" },
	{ .kind = FIELD_TABLE, AT(link.tuning), .of = &tuning_fields },
};

const struct field_table server_fields = FIELD_TABLE_OF(struct server_args, server_rows);

enum err server_args_check(const struct server_args *args, struct why *why)
{
	const struct link_server_options *link = &args->link;

	if (args->forces && args->keygen == NULL)
		return err_set(why, ERR_USAGE,
			"--force replaces the file of --keygen: give that too");
	if (link->tls_ca != NULL && link->tls_key == NULL && link->tls_cert == NULL &&
		link->acme.domains.n == 0)
		return err_set(why, ERR_USAGE,
			"--tls-ca asks clients for certificates, which needs TLS: give --tls-key"
			" and --tls-cert too");
	if (link->acme.domains.n > 0 && (link->tls_key != NULL || link->tls_cert != NULL))
		return err_set(why, ERR_USAGE,
			"--tls-domain gets a certificate, so --tls-key and --tls-cert cannot be"
			" given too");
	if ((link->acme.eab_kid == NULL) != (link->acme.eab_key == NULL))
		return err_set(why, ERR_USAGE,
			"ADIT_ACME_EAB_KID needs ADIT_ACME_EAB_KEY: set both, or none");
	return check_tls_pair(link->tls_key, link->tls_cert, why);
}

/* ---- what it does ---- */

struct serving {
	const struct link_server_options *options;
	struct runner *runner;
	struct link_server *server;
};

static enum err serving_open(void *arg, struct runner *r, struct why *why)
{
	struct serving *x = arg;

	x->runner = r;
	return link_server_open(x->options, &r->worker, r->notify, &x->server, why);
}

static void serving_reload(void *arg)
{
	struct serving *x = arg;

	link_server_reload(x->server);
}

static void serving_report(void *arg)
{
	struct serving *x = arg;

	link_server_report(x->server);
}

static void serving_end(void *arg, bool is_again)
{
	struct serving *x = arg;

	(void)is_again;
	link_server_end(x->server);
	runner_stop(x->runner, EXIT_CODE_DONE);
}

static void serving_close(void *arg)
{
	struct serving *x = arg;

	link_server_close(x->server);
}

static const struct runner_ops serving_ops = {
	.name = "server",
	.open = serving_open,
	.reload = serving_reload,
	.report = serving_report,
	.end = serving_end,
	.close = serving_close,
};

static int run(struct call *c, void *object)
{
	const struct server_args *args = object;
	struct serving serving = { .options = &args->link };
	const struct keygen_options keygen = {
		.path = args->keygen,
		.seed = args->link.key_seed,
		.replaces = args->forces || c->persona->is_lenient,
		.out = c->out,
		.err = c->err,
	};
	struct log log;
	enum err rc = server_args_check(args, &c->why);

	if (rc == ERR_OK && args->keygen != NULL) {
		rc = keygen_write(&keygen, &c->why);
		return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc);
	}
	if (rc == ERR_OK)
		rc = daemon_start(&args->daemon, &c->why);
	if (rc != ERR_OK)
		return call_fail(c, rc);
	log_init(&log, NULL, "server");
	if (args->link.key_seed != NULL && args->link.key_file == NULL)
		log_warn(&log,
			"--key (or CHISEL_KEY): anyone who guesses the seed has the key;"
			" write a key to a file with --keygen and use --keyfile");
	return runner_run(&serving_ops, &serving);
}

const struct command command_server = {
	.name = "server",
	.arguments = "[flags]",
	.summary = "accept tunnels from clients (the public end)",
	.about =
		"Accepts tunnels from adit and Chisel clients over HTTP, and carries TCP, UDP\n"
		"and SOCKS5 both ways. Without --auth and --authfile any client can use it.\n"
		"\n"
		"SIGINT and SIGTERM stop it, SIGHUP reads files again, SIGUSR2 logs\n"
		"statistics. GET /health answers OK, GET /version the version.\n",
	.examples = "  @ server --reverse --port 9090 --host 127.0.0.1\n"
		    "  AUTH=ann:secret @ server --reverse --keyfile /etc/adit/host.key\n"
		    "  @ server --keygen /etc/adit/host.key\n",
	.fields = &server_fields,
	.has_flags_only = true,
	.run = run,
	.stays = true,
};
