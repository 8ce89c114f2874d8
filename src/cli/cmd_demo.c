/* adit demo: both tunnels at work, on one machine. */
#include "cli/command.h"

#include <string.h>

#include "cli/check.h"
#include "cli/demo.h"
#include "net/addr.h"

struct demo_args {
	bool is_once;
	const char *target;
};

static const struct flag flags[] = {
	{
		.name = "once",
		.kind = FLAG_BOOL,
		.offset = offsetof(struct demo_args, is_once),
		.help = "end after the fetch",
	},
	{
		.name = "target",
		.kind = FLAG_TEXT,
		.offset = offsetof(struct demo_args, target),
		.argument = "host:port",
		.help = "publish this service in place of the page",
	},
	{ .kind = FLAG_END },
};

static enum err read_target(const char *target, struct addr_listen *out, struct why *why)
{
	/* Unlike a place to listen at, it has a host, and a port that somebody chose. */
	if (addr_parse_listen(target, out) != ERR_OK || out->port == 0 ||
		target[0] == ':' || strchr(target, ':') == NULL)
		return err_set(why, ERR_USAGE,
			"--target takes host:port, such as localhost:3000");
	return check_host("--target", out->host, why);
}

static int run(struct call *c)
{
	struct demo_args args = { 0 };
	struct demo_options o = { .out = c->out, .err = c->err };
	struct why why = { "" };
	struct addr_listen target;
	enum err rc = ERR_OK;
	int exit_code;

	if (!call_read(c, &args, &exit_code))
		return exit_code;
	if (c->argc > 0)
		rc = err_set(&why, ERR_USAGE, "it takes flags only; --help lists them");
	if (rc == ERR_OK && args.target != NULL)
		rc = read_target(args.target, &target, &why);
	if (rc != ERR_OK)
		return call_fail(c, rc, &why);
	o.is_once = args.is_once;
	if (args.target != NULL) {
		o.target_host = target.host;
		o.target_port = target.port;
	}
	return demo_run(&o);
}

const struct command command_demo = {
	.name = "demo",
	.arguments = "[--once] [--target host:port]",
	.summary = "see the tunnels at work, on this machine",
	.about =
		"Shows both tunnels on the loopback addresses: a server and a client, then a\n"
		"relay and an agent. Says what it starts, fetches a small web page through each,\n"
		"and shows the answer and its figures, and that the relay could not read it.\n"
		"Then the page stays open for a browser, until Ctrl-C.\n",
	.examples = "  @ demo\n"
		    "  @ demo --once\n"
		    "  @ demo --target localhost:3000\n",
	.flags = flags,
	.run = run,
	.stays = true,
};
