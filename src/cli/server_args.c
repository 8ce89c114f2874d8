/* The command line of "adit server": a row for each flag, and what makes no sense. */
#include "cli/server_args.h"

#include "base/str.h"
#include "cli/check.h"
#include "net/prefix.h"
#include "wire/http1.h"

#define AT(member) offsetof(struct server_args, member)

const struct flag server_flags[] = {
	{
		.name = "host",
		.kind = FLAG_TEXT,
		.offset = AT(link.host),
		.env = "HOST",
		.preset = "0.0.0.0",
		.argument = "address",
		.help = "listen on this address only, 127.0.0.1 behind nginx; 0.0.0.0 is all"
			" addresses, of IPv6 too",
	},
	{
		.name = "port",
		.alias = "p",
		.kind = FLAG_PORT,
		.offset = AT(link.port),
		.env = "PORT",
		.preset = "8080",
		.argument = "number",
		.help = "listen on this port; 0 takes a free one and logs it",
	},
	{
		.name = "keyfile",
		.kind = FLAG_TEXT,
		.offset = AT(link.key_file),
		.env = "CHISEL_KEY_FILE",
		.argument = "file",
		.help = "the host key: a file with a ck- string or an unencrypted PEM key, or the"
			" ck- string itself; without one, each start makes a new key",
	},
	{
		.name = "keygen",
		.kind = FLAG_TEXT,
		.offset = AT(keygen),
		.argument = "file",
		.help = "write a new host key to this file, or - for standard output, print its"
			" fingerprint, and end; with --key, the key of that seed",
	},
	{
		.name = "force",
		.kind = FLAG_BOOL,
		.offset = AT(forces),
		.help = "with --keygen, replace a key that is there",
	},
	{
		.name = "key",
		.kind = FLAG_SECRET,
		.offset = AT(key_seed),
		.env = "CHISEL_KEY",
		.argument = "seed",
		.help = "compute the host key from this text; whoever guesses the text has the"
			" key, so prefer --keyfile",
	},
	{
		.name = "auth",
		.kind = FLAG_SECRET,
		.offset = AT(auth),
		.env = "AUTH",
		.argument = "name:password",
		.help = "let in this user, with access to everything; AUTH or --authfile keep the"
			" password out of the list of processes",
	},
	{
		.name = "authfile",
		.kind = FLAG_TEXT,
		.offset = AT(link.auth_file),
		.argument = "file",
		.help = "let in the users of this JSON file, each to what its patterns allow;"
			" read again when it changes",
	},
	{
		.name = "reverse",
		.kind = FLAG_BOOL,
		.offset = AT(link.allows_reverse),
		.help = "let clients open ports here, with remotes that begin with R:",
	},
	{
		.name = "socks5",
		.kind = FLAG_BOOL,
		.offset = AT(link.allows_socks),
		.help = "let clients reach anything from here by SOCKS5, also on this machine's"
			" loopback, with remotes that end in socks",
	},
	{
		.name = "socks-acl",
		.kind = FLAG_BOOL,
		.offset = AT(link.checks_socks),
		.help = "check each SOCKS5 destination against the user's list in --authfile; by"
			" default the word socks in the list allows all destinations",
	},
	{
		.name = "keepalive",
		.kind = FLAG_DURATION,
		.offset = AT(link.tuning.keepalive_ms),
		.preset = "25s",
		.argument = "duration",
		.help = "time between pings, which find dead clients and keep middleboxes awake;"
			" 0s is none",
	},
	{
		.name = "backend",
		.alias = "proxy",
		.kind = FLAG_TEXT,
		.offset = AT(link.backend),
		.argument = "url",
		.help = "pass all web requests that are no tunnels on to this http or https server",
	},
	{
		.name = "trusted-proxies",
		.kind = FLAG_TEXT,
		.offset = AT(link.trusted_proxies),
		.argument = "ranges",
		.help = "believe what these proxies say of clients' addresses in X-Forwarded-For;"
			" for example 127.0.0.1,10.0.0.0/8",
	},
	{
		.name = "tls-key",
		.kind = FLAG_TEXT,
		.offset = AT(link.tls_key),
		.argument = "file",
		.help = "serve TLS with this PEM private key; needs --tls-cert",
	},
	{
		.name = "tls-cert",
		.kind = FLAG_TEXT,
		.offset = AT(link.tls_cert),
		.argument = "file",
		.help = "serve TLS with this PEM certificate chain; needs --tls-key",
	},
	{
		.name = "tls-domain",
		.kind = FLAG_LIST,
		.offset = AT(tls_domains),
		.argument = "name",
		.help = "get a certificate for this name by ACME; not available yet",
	},
	{
		.name = "tls-ca",
		.kind = FLAG_TEXT,
		.offset = AT(link.tls_ca),
		.argument = "file",
		.help = "ask clients for a certificate of one of these authorities (a PEM file or"
			" a directory of them)",
	},
	DAEMON_FLAGS(struct server_args, daemon),
	{
		.env = "CHISEL_CONFIG_TIMEOUT",
		.kind = FLAG_DURATION,
		.offset = AT(link.tuning.config_ms),
		.argument = "duration",
		.help = "timeout of the configuration that a client sends (10s)",
	},
	{
		.env = "ADIT_WORKERS",
		.kind = FLAG_COUNT,
		.offset = AT(link.workers),
		.argument = "count",
		.help = "threads that carry data (one for each core)",
	},
	{
		.env = "ADIT_HEAD_MAX",
		.kind = FLAG_COUNT,
		.offset = AT(link.head_max),
		.argument = "bytes",
		.help = "the longest head of a web request, at most 1048576 (65536)",
	},
	TUNING_FLAGS(struct server_args, link.tuning),
	{ .kind = FLAG_END },
};

static enum err check_words(int argc, char **argv, struct why *why)
{
	char shown[64];

	if (argc == 0)
		return ERR_OK;
	return err_set(why, ERR_USAGE,
		"a server takes flags only, not \"%s\": write all flags as --name value",
		str_quote(shown, sizeof(shown), span_str(argv[0])));
}

static enum err check_proxies(const char *text, struct why *why)
{
	struct span list = span_str(text != NULL ? text : ""), element;
	struct prefix p;
	char shown[64];

	while (http1_list_next(&list, &element)) {
		if (prefix_parse(element, &p) == ERR_OK)
			continue;
		return err_set(why, ERR_USAGE,
			"--trusted-proxies: \"%s\" is no address and no range; write them as"
			" 127.0.0.1,10.0.0.0/8",
			str_quote(shown, sizeof(shown), element));
	}
	return ERR_OK;
}

static enum err check_tls(const struct server_args *args, struct why *why)
{
	const struct link_server_options *link = &args->link;

	if (args->tls_domains.count > 0 &&
		(link->tls_key != NULL || link->tls_cert != NULL))
		return err_set(why, ERR_USAGE,
			"--tls-domain and --tls-key with --tls-cert exclude each other:"
			" give the two files only");
	if (args->tls_domains.count > 0)
		return err_set(why, ERR_USAGE,
			"--tls-domain: certificates by ACME are not available yet; give --tls-key"
			" and --tls-cert, or put nginx in front");
	if (link->tls_ca != NULL && link->tls_key == NULL && link->tls_cert == NULL)
		return err_set(why, ERR_USAGE,
			"--tls-ca asks clients for certificates, which needs TLS: give --tls-key"
			" and --tls-cert too");
	return check_tls_pair(link->tls_key, link->tls_cert, why);
}

enum err server_args_check(struct server_args *args, int argc, char **argv,
	struct why *why)
{
	enum err rc = check_words(argc, argv, why);

	if (rc == ERR_OK && args->forces && args->keygen == NULL)
		rc = err_set(why, ERR_USAGE,
			"--force replaces the file of --keygen: give that too");
	if (rc == ERR_OK)
		rc = check_host("--host", args->link.host, why);
	if (rc == ERR_OK)
		rc = check_auth(args->auth, why);
	if (rc == ERR_OK)
		rc = check_tls(args, why);
	if (rc == ERR_OK)
		rc = check_backend(args->link.backend, why);
	if (rc == ERR_OK)
		rc = check_proxies(args->link.trusted_proxies, why);
	if (rc != ERR_OK)
		return rc;
	args->link.auth = args->auth;
	args->link.key_seed = args->key_seed;
	return ERR_OK;
}
