/* adit relay run: the relay itself. */
#include "cli/command.h"

#include "cli/relay_args.h"
#include "relay/relay.h"

/* A mistake is told here as one of the command line, before there is a log. */
static enum err try_settings(struct relay_args *args, struct why *why)
{
	struct relay_options options;
	enum err rc = relay_args_read(args, &options, why);

	if (rc != ERR_OK)
		return rc;
	rc = relay_config_make_dir(&options, why);
	field_fini(&relay_fields, &options);
	return rc;
}

static int run(struct call *c)
{
	struct relay_args args = { .config = NULL };
	struct why why = { "" };
	int exit_code;
	enum err rc;

	if (relay_args_call(c, &args, &exit_code)) {
		rc = call_refuse_words(c, &why);
		if (rc == ERR_OK)
			rc = try_settings(&args, &why);
		if (rc == ERR_OK)
			rc = daemon_start(&args.daemon, &why);
		exit_code = rc == ERR_OK ?
			relay_run(relay_args_read, &args) :
			call_fail(c, rc == ERR_SYNTAX ? ERR_USAGE : rc, &why);
	}
	relay_args_fini(&args);
	return exit_code;
}

const struct command command_relay_run = {
	.name = "relay run",
	.arguments = "[flags]",
	.summary = "serve, in this terminal or as a service",
	.about =
		"Takes agents that ask for names under this relay's host, and visitors who call\n"
		"these names. The TLS of a visitor ends at the agent: what passes here is\n"
		"ciphertext. Each agent can have handshakes signed with the certificate's key:\n"
		"approve them by hand if you do not trust them, see docs/relay.md.\n"
		"\n"
		"A setting is looked for among the flags, then in the environment, then in the\n"
		"file, where it has the same name with underscores: api_port = 4017. One that\n"
		"cannot be applied stops the program.\n"
		"\n"
		"SIGHUP reads file and certificate again, SIGINT and SIGTERM end it when its\n"
		"connections have ended, or after --drain.\n",
	.examples =
		"  @ relay run --portal-url https://relay.example.com\n"
		"  @ relay run --config relay.toml\n"
		"  @ relay run --api-port 4017 --sni-port 8443      on this machine only\n",
	.fields = &relay_run_fields,
	.run = run,
	.stays = true,
};
