/* adit client: one link, with Chisel's command line. */
#include <stdlib.h>

#include "agent/link_check.h"
#include "agent/link_fields.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/link_args.h"
#include "cli/runner.h"
#include "tunnel/chisel/check.h"
#include "tunnel/chisel/remote.h"

#define AT(member) FIELD_AT(struct client_args, member)

static const struct field client_rows[] = {
	{ .kind = FIELD_TABLE, AT(link), .of = &link_fields },
	{ "max_retry_count", FIELD_INT, AT(link.max_retry_count), .initial = "-1",
		.argument = "number",
		.help = "give up after this many failed retries; -1 means never" },
	{ "max_retry_interval", FIELD_DURATION, AT(link.max_retry_ms),
		.argument = "duration",
		.help = "the longest wait between retries (under 5s; 30s after a refused"
			" login or remote)" },
	{ "min_retry_interval", FIELD_DURATION, AT(link.min_retry_ms),
		.argument = "duration",
		.help = "the shortest wait before a retry (none before the first)" },
	{ "check", FIELD_BOOL, AT(checks),
		.help = "connect once, print for each remote whether it would work, and"
			" exit with status 0 if all would" },
	{ "header", FIELD_REPEATED, AT(headers), .check = check_headers,
		.max = ARGS_REPEATED_MAX, .argument = "name: value",
		.help = "send this HTTP header, too; can be repeated" },
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
			"\"%s\" is given where a remote is expected: write flags before the"
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

/* ---- the link ---- */

struct client {
	struct runner *runner;
	const struct link_client_options *options;
	struct agent_session *link;
	struct link_check *check;
	FILE *out; /* of the check */
};

static void client_on_change(void *owner, struct agent_session *link)
{
	struct client *c = owner;
	struct agent_session_status s = agent_session_status(link);

	if (s.state == AGENT_OPEN)
		notify_status(c->runner->notify, "connected to %s", s.host);
	else if (s.state == AGENT_WAITING)
		notify_status(c->runner->notify, "not connected to %s", s.host);
}

static void client_on_closed(void *owner, struct agent_session *link, enum err rc)
{
	struct client *c = owner;

	(void)link;
	runner_stop(c->runner, rc == ERR_LIMIT ? EXIT_CODE_FAILED : EXIT_CODE_DONE);
}

static enum err client_open(void *arg, struct runner *r, struct why *why)
{
	static const struct agent_session_hooks hooks = {
		.on_change = client_on_change,
		.on_closed = client_on_closed,
	};
	struct client *c = arg;
	struct link_options o = {
		.worker = &r->worker,
		.client = c->options,
		.log = &r->log,
		.hooks = &hooks,
		.owner = c,
	};

	c->runner = r;
	return link_open(&o, &c->link, why);
}

static void client_reload(void *arg)
{
	struct client *c = arg;

	agent_session_retry_now(c->link, "SIGHUP", true);
}

static void client_on_network(void *arg, const char *reason)
{
	struct client *c = arg;

	agent_session_retry_now(c->link, reason, false);
}

static void client_report(void *arg)
{
	struct client *c = arg;
	struct agent_session_status s = agent_session_status(c->link);

	log_info(&c->runner->log, "%s, channels: %llu, sent: %llu B, received: %llu B",
		s.state == AGENT_OPEN ? "connected" : "not connected",
		(unsigned long long)s.visitors, (unsigned long long)s.sent_bytes,
		(unsigned long long)s.received_bytes);
}

static void client_end(void *arg, bool is_again)
{
	struct client *c = arg;

	(void)is_again;
	log_info(&c->runner->log, "Cancelled");
	runner_stop(c->runner, EXIT_CODE_DONE);
}

static void client_close(void *arg)
{
	struct client *c = arg;

	agent_session_close(c->link);
	link_check_close(c->check);
}

static const struct runner_ops client_ops = {
	.name = "client",
	.open = client_open,
	.reload = client_reload,
	.report = client_report,
	.on_network = client_on_network,
	.end = client_end,
	.close = client_close,
};

/* ---- --check ---- */

static void check_on_done(void *arg, bool is_good)
{
	struct client *c = arg;

	if (fflush(c->out) != 0)
		is_good = false;
	runner_stop(c->runner, is_good ? EXIT_CODE_DONE : EXIT_CODE_FAILED);
}

static enum err check_open(void *arg, struct runner *r, struct why *why)
{
	struct client *c = arg;
	struct link_check_options o = {
		.worker = &r->worker,
		.client = c->options,
		.log = &r->log,
		.out = c->out,
		.on_done = check_on_done,
		.arg = c,
	};

	c->runner = r;
	return link_check_open(&o, &c->check, why);
}

static void check_end(void *arg, bool is_again)
{
	struct client *c = arg;

	(void)is_again;
	runner_stop(c->runner, EXIT_CODE_FAILED);
}

static const struct runner_ops check_ops = {
	.name = "client",
	.open = check_open,
	.end = check_end,
	.close = client_close,
};

static int run(struct call *c, void *object)
{
	struct client_args *args = object;
	struct client client = { .options = &args->link, .out = c->out };
	int exit_code;
	enum err rc = client_args_check(args, c->argc, c->argv, &c->why);

	/* Stock Chisel does not read these variables. */
	args->link.uses_proxy_env = !c->persona->is_lenient;
	if (rc == ERR_OK)
		rc = daemon_start(&args->daemon, &c->why);
	exit_code = rc == ERR_OK ?
		runner_run(args->checks ? &check_ops : &client_ops, &client) :
		call_fail(c, rc);
	client_args_fini(args);
	return exit_code;
}

const struct command command_client = {
	.name = "client",
	.arguments = "[flags] <server> <remote> [<remote>...]",
	.summary = "open tunnels to a server (the end behind the firewall)",
	.about =
		"Connects to an adit or Chisel server, https://example.com or example.com:8080,\n"
		"and stays connected. Each remote is one tunnel:\n"
		"\n"
		"  3000                        port 3000 here goes to port 3000 of the server\n"
		"  8080:intranet:80            port 8080 here goes to intranet:80 over there\n"
		"  127.0.0.1:8080:intranet:80  the same, on one address only\n"
		"  R:3000:localhost:3000       port 3000 of the server goes to port 3000 here\n"
		"  socks, 5000:socks           SOCKS5 here (1080), connecting from the server\n"
		"  R:socks                     SOCKS5 on the server, connecting from here\n"
		"  5353:1.1.1.1:53/udp         UDP, either way\n"
		"  stdio:example.com:22        standard input and output, for ssh ProxyCommand\n"
		"\n"
		"The default listening address is 0.0.0.0 (127.0.0.1 for SOCKS5), the default\n"
		"target host 127.0.0.1. Write IPv6 addresses in brackets.\n"
		"\n"
		"SIGINT and SIGTERM stop it, SIGHUP reconnects now, SIGUSR2 logs statistics.\n",
	.examples =
		"  @ client https://tunnel.example.com R:3000:localhost:3000\n"
		"  AUTH=ann:secret @ client --keepalive 25s https://tunnel.example.com \\\n"
		"    R:3000:localhost:3000 R:8080:localhost:8080\n"
		"  ssh -o ProxyCommand='@ client https://example.com stdio:%h:%p' host\n",
	.fields = &client_fields,
	.has_flags_anywhere = true,
	.run = run,
	.stays = true,
};
