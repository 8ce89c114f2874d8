/* The command line of "adit client": a row for each flag, and what makes no sense. */
#include "cli/client_args.h"

#include <stdlib.h>

#include "base/str.h"
#include "cli/check.h"
#include "tunnel/chisel/remote.h"

#define AT(member) FIELD_AT(struct client_args, member)

static const struct field client_rows[] = {
	{ "fingerprint", FIELD_TEXT, AT(link.fingerprint), .check = check_fingerprint,
		.argument = "text",
		.help = "insist on the server whose log shows this fingerprint; without it any"
			" server that answers gets the password" },
	{ "auth", FIELD_SECRET, AT(link.auth), .check = check_auth, .env = "AUTH",
		.argument = "name:password",
		.help = "sign in with this; AUTH keeps the password out of the list of processes" },
	{ "keepalive", FIELD_DURATION, AT(link.tuning.keepalive_ms), .initial = "25s",
		.argument = "duration",
		.help = "time between pings, which find a dead server and keep middleboxes awake;"
			" 0s is none" },
	{ "max_retry_count", FIELD_INT, AT(link.max_retry_count), .initial = "-1",
		.argument = "number",
		.help = "give up after so many failed retries; -1 is never" },
	{ "max_retry_interval", FIELD_DURATION, AT(link.max_retry_ms),
		.argument = "duration",
		.help = "the longest wait between retries (under 5s; 30s after a login or a remote"
			" that was not allowed)" },
	{ "min_retry_interval", FIELD_DURATION, AT(link.min_retry_ms),
		.argument = "duration",
		.help = "the shortest wait before a retry (the first is at once)" },
	{ "check", FIELD_BOOL, AT(checks),
		.help = "connect once for each remote, print whether it would work, and end with"
			" status 0 if all would" },
	{ "proxy", FIELD_TEXT, AT(link.proxy), .check = check_proxy, .argument = "url",
		.help = "connect through this proxy: http://, socks5:// or socks5h://, with"
			" name:password@ before the host if it wants them" },
	{ "header", FIELD_REPEATED, AT(headers), .check = check_headers,
		.max = ARGS_REPEATED_MAX, .argument = "name: value",
		.help = "send this HTTP header too; may be given many times" },
	{ "hostname", FIELD_TEXT, AT(link.hostname), .check = check_hostname,
		.argument = "name",
		.help = "ask the server for this host, in HTTP and in TLS" },
	{ "sni", FIELD_TEXT, AT(link.sni), .check = check_host, .argument = "name",
		.help = "ask for this host in TLS only; wins over --hostname" },
	{ "tls_ca", FIELD_TEXT, AT(link.tls_ca), .argument = "file",
		.help = "trust the authorities of this PEM file, instead of the system's" },
	{ "tls_skip_verify", FIELD_BOOL, AT(link.tls_skip_verify),
		.help = "take any certificate: only with --fingerprint does it stay safe" },
	{ "tls_key", FIELD_TEXT, AT(link.tls_key), .argument = "file",
		.help = "show a certificate that has this PEM private key; needs --tls-cert" },
	{ "tls_cert", FIELD_TEXT, AT(link.tls_cert), .argument = "file",
		.help = "show this PEM certificate to the server; needs --tls-key" },
	{ .kind = FIELD_TABLE, AT(daemon), .of = &daemon_fields },
	{ NULL, FIELD_DURATION, AT(link.connect_timeout_ms), .env = "CHISEL_WS_TIMEOUT",
		.argument = "duration",
		.help = "timeout of a connection, up to the HTTP response (45s)" },
	{ .kind = FIELD_TABLE, AT(link.tuning), .of = &tuning_fields },
};

const struct field_table client_fields = FIELD_TABLE_OF(struct client_args, client_rows);

static bool read_remote(const char *word, struct remote *out, struct why *why)
{
	struct why words = { "" };
	char shown[80];
	enum err rc;

	if (*word == '-') {
		err_set(why, ERR_USAGE,
			"\"%s\" stands where a remote is expected: flags come before the"
			" server",
			str_quote(shown, sizeof(shown), span_str(word)));
		return false;
	}
	rc = remote_parse(span_str(word), out, &words);
	if (rc == ERR_OK)
		return true;
	err_set(why, rc, "remote \"%s\": %s; write one such as R:3000:localhost:3000",
		str_quote(shown, sizeof(shown), span_str(word)), err_text(rc, &words));
	return false;
}

static enum err read_remotes(struct client_args *args, int count, char **words,
	struct why *why)
{
	unsigned stdio_count = 0;

	if (count > CONFIG_REMOTES_MAX)
		return err_set(why, ERR_USAGE, "%d remotes are too many: give at most %d",
			count, CONFIG_REMOTES_MAX);
	args->remotes = calloc((size_t)count, sizeof(*args->remotes));
	if (args->remotes == NULL)
		return err_set(why, ERR_NOMEM, "no memory for the remotes");
	for (int i = 0; i < count; i++) {
		if (!read_remote(words[i], &args->remotes[i], why))
			return ERR_USAGE;
		stdio_count += args->remotes[i].is_stdio;
	}
	if (stdio_count > 1)
		return err_set(why, ERR_USAGE,
			"only one remote can have standard input: give stdio once");
	args->link.remotes = args->remotes;
	args->link.remote_count = (unsigned)count;
	return ERR_OK;
}

enum err client_args_check(struct client_args *args, int argc, char **argv,
	struct why *why)
{
	enum err rc;

	if (argc < 2)
		return err_set(why, ERR_USAGE,
			"%s: write <server> <remote>..., such as https://example.com"
			" R:3000:localhost:3000",
			argc == 0 ? "the server is missing" : "there is no remote");
	rc = check_server(argv[0], why);
	if (rc == ERR_OK)
		rc = check_tls_pair(args->link.tls_key, args->link.tls_cert, why);
	if (rc == ERR_OK)
		rc = read_remotes(args, argc - 1, argv + 1, why);
	args->link.headers = (const char *const *)args->headers.v;
	args->link.server = argv[0];
	return rc;
}

void client_args_fini(struct client_args *args)
{
	free(args->remotes);
	field_fini(&client_fields, args);
}
