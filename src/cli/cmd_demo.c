/* adit demo: both tunnels at work, on one machine. */
#include "cli/command.h"

#include <stdlib.h>

#include "base/str.h"
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

/* Sets host and port of @o; the host is to be freed. */
static enum err read_target(const char *target, struct demo_options *o, char **out,
	struct why *why)
{
	struct span host, port;
	unsigned long number = 0;
	char *host_text = NULL, *port_text = NULL;
	enum err rc = ERR_OK;

	if (addr_split(span_str(target), &host, &port) == ERR_OK && host.n > 0) {
		host_text = span_dup(host);
		port_text = span_dup(port);
	}
	if (port_text == NULL || !str_to_uint(port_text, UINT16_MAX, &number) ||
		number == 0)
		rc = err_set(why, ERR_USAGE,
			"--target takes host:port, such as localhost:3000");
	else if (host_text != NULL)
		rc = check_host("--target", host_text, why);
	free(port_text);
	if (rc != ERR_OK) {
		free(host_text);
		return rc;
	}
	o->target_host = *out = host_text;
	o->target_port = (uint16_t)number;
	return ERR_OK;
}

static int run(struct call *c)
{
	struct demo_args args = { 0 };
	struct demo_options o = { .out = c->out, .err = c->err };
	struct why why = { "" };
	char *host = NULL;
	enum err rc = ERR_OK;
	int exit_code;

	if (!call_read(c, &args, &exit_code))
		return exit_code;
	if (c->argc > 0)
		rc = err_set(&why, ERR_USAGE, "it takes flags only; --help lists them");
	if (rc == ERR_OK && args.target != NULL)
		rc = read_target(args.target, &o, &host, &why);
	if (rc != ERR_OK)
		return call_fail(c, rc, &why);
	o.is_once = args.is_once;
	exit_code = demo_run(&o);
	free(host);
	return exit_code;
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
