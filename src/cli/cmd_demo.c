/* adit demo: both tunnels at work, on one machine. */
#include "cli/command.h"

#include <string.h>

#include "cli/check.h"
#include "cli/demo/demo.h"
#include "net/addr.h"

struct demo_args {
	bool is_once;
	char *target;
};

static enum err check_target(void *member, struct why *why)
{
	const char *target = *(char **)member, *host;
	struct addr_listen at;

	/* Unlike a place to listen at, it has a host, and a port that somebody chose. */
	if (target == NULL)
		return ERR_OK;
	if (addr_parse_listen(target, &at) != ERR_OK || at.port == 0 ||
		target[0] == ':' || strchr(target, ':') == NULL)
		return err_set(why, ERR_USAGE,
			"it takes host:port, such as localhost:3000");
	host = at.host;
	return check_host(&host, why);
}

#define AT(member) FIELD_AT(struct demo_args, member)

static const struct field rows[] = {
	{ "once", FIELD_BOOL, AT(is_once), .help = "end after the fetch" },
	{ "target", FIELD_TEXT, AT(target), .check = check_target,
		.argument = "host:port",
		.help = "publish this service in place of the page" },
};

static const struct field_table fields = FIELD_TABLE_OF(struct demo_args, rows);

static int run(struct call *c, void *object)
{
	const struct demo_args *args = object;
	struct demo_options o = { .is_once = args->is_once,
		.out = c->out,
		.err = c->err };
	struct addr_listen target;

	if (args->target != NULL && addr_parse_listen(args->target, &target) == ERR_OK) {
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
	.fields = &fields,
	.run = run,
	.has_flags_only = true,
	.stays = true,
};
