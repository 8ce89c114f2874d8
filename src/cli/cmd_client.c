/* adit client: one link, with Chisel's command line. */
#include "cli/command.h"

#include "agent/link_check.h"
#include "cli/client_args.h"
#include "cli/runner.h"

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

static int connect_to_server(const struct call *c, struct client_args *args)
{
	struct client client = { .options = &args->link, .out = c->out };
	struct why why = { "" };
	enum err rc;

	rc = client_args_check(args, c->argc, c->argv, &why);
	if (rc == ERR_OK)
		rc = daemon_start(&args->daemon, &why);
	if (rc != ERR_OK)
		return call_fail(c, rc, &why);
	return runner_run(args->checks ? &check_ops : &client_ops, &client);
}

static int run(struct call *c)
{
	struct client_args args = { .checks = false };
	int exit_code;

	if (call_read(c, &args, &exit_code))
		exit_code = connect_to_server(c, &args);
	client_args_fini(&args);
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
		"  socks, 5000:socks           SOCKS5 here (1080), dialling from the server\n"
		"  R:socks                     SOCKS5 on the server, dialling from here\n"
		"  5353:1.1.1.1:53/udp         UDP, either way\n"
		"  stdio:example.com:22        standard input and output, for ssh ProxyCommand\n"
		"\n"
		"Left out, the listening address is 0.0.0.0 (127.0.0.1 for SOCKS5), and the\n"
		"target host 127.0.0.1. IPv6 addresses stand in brackets.\n"
		"\n"
		"SIGINT and SIGTERM end it, SIGHUP reconnects now, SIGUSR2 logs statistics.\n",
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
