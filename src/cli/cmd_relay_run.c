/* adit relay run: the relay itself. */
#include "cli/command.h"

#include "cli/relay_args.h"
#include "cli/runner.h"
#include "relay/relay.h"

struct relaying {
	struct relay_args *args;
	struct runner *runner;
	struct relay *relay;
};

static void relaying_on_ended(void *arg, bool has_failed)
{
	struct relaying *x = arg;

	runner_stop(x->runner, has_failed ? EXIT_CODE_FAILED : EXIT_CODE_DONE);
}

static enum err relaying_open(void *arg, struct runner *r, struct why *why)
{
	struct relaying *x = arg;
	struct relay_owner owner = {
		.control = &r->worker,
		.notify = r->notify,
		.read = relay_args_read,
		.read_arg = x->args,
		.on_ended = relaying_on_ended,
		.arg = x,
	};

	x->runner = r;
	return relay_open(&owner, &x->relay, why);
}

static void relaying_reload(void *arg)
{
	struct relaying *x = arg;

	relay_reload(x->relay);
}

static void relaying_end(void *arg, bool is_again)
{
	struct relaying *x = arg;

	(void)is_again; /* it knows */
	relay_end(x->relay);
}

static void relaying_close(void *arg)
{
	struct relaying *x = arg;

	relay_close(x->relay);
}

static const struct runner_ops relaying_ops = {
	.name = "relay",
	.open = relaying_open,
	.reload = relaying_reload,
	.end = relaying_end,
	.close = relaying_close,
};

static int run(struct call *c, void *object)
{
	struct relay_args *args = object;
	struct relaying relaying = { .args = args };
	struct relay_options options;
	enum err rc;

	/* Mistakes are reported as those of the command line, before there is a log. */
	args->call = c;
	rc = relay_args_read(args, &options, &c->why);
	if (rc == ERR_OK) {
		rc = relay_config_make_dir(&options, &c->why);
		field_fini(&relay_fields, &options);
	}
	if (rc == ERR_OK)
		rc = daemon_start(&args->daemon, &c->why);
	return rc == ERR_OK ? runner_run(&relaying_ops, &relaying) : call_fail(c, rc);
}

const struct command command_relay_run = {
	.name = "relay run",
	.arguments = "[flags]",
	.summary = "run the relay, in this terminal or as a service",
	.about =
		"Serves agents, which register names under this relay's host, and the visitors\n"
		"of these names. The TLS of a visitor ends at the agent: the relay carries\n"
		"ciphertext. Each agent can have handshakes signed with the certificate's key:\n"
		"if you do not trust all agents, approve them by hand; see docs/relay.md.\n"
		"\n"
		"A flag overrides the environment, which overrides the file, where the setting\n"
		"has the same name with underscores: api_port = 4017. The program exits if a\n"
		"setting cannot be applied.\n"
		"\n"
		"SIGHUP reads file and certificate again. SIGINT and SIGTERM stop the relay when\n"
		"its connections have ended, or after --drain.\n",
	.examples =
		"  @ relay run --portal-url https://relay.example.com\n"
		"  @ relay run --config relay.toml\n"
		"  @ relay run --api-port 4017 --sni-port 8443      on this machine only\n",
	.fields = &relay_run_fields,
	.run = run,
	.has_flags_only = true,
	.stays = true,
};
