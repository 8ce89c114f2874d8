/* adit relay status: what a relay on this machine says of itself. */
#include "cli/command.h"

#include "cli/relay_args.h"
#include "cli/relay_probe.h"

static int tell(const struct call *c, struct relay_args *args)
{
	struct relay_options options = { .workers = 0 };
	struct relay_config config;
	struct relay_probe probe;
	struct why why = { "" };
	enum err rc;

	rc = relay_args_check(relay_status_flags, args, c->argc, c->argv, &config, &why);
	if (rc == ERR_OK)
		rc = relay_config_read(&config, &options, &why);
	if (rc != ERR_OK)
		return call_fail(c, rc == ERR_SYNTAX ? ERR_USAGE : rc, &why);
	rc = relay_probe_run(&options, &probe, &why);
	if (rc == ERR_OK && args->is_json)
		relay_probe_print_json(c->out, &options, &probe);
	else if (rc == ERR_OK)
		relay_probe_print(c->out, &options, &probe);
	relay_options_fini(&options);
	return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc, &why);
}

static int run(struct call *c)
{
	struct relay_args args = { .config = NULL };
	int exit_code;

	if (call_read(c, &args, &exit_code))
		exit_code = tell(c, &args);
	flags_fini(relay_status_flags, &args);
	return exit_code;
}

const struct command command_relay_status = {
	.name = "relay status",
	.arguments = "[--json] [flags]",
	.summary = "ask the relay on this machine how it is",
	.about =
		"Finds the relay by the settings that it was started with: file, environment and\n"
		"the flags below. Exits with 1 if none answers there.\n",
	.examples = "  @ relay status\n"
		    "  @ relay status --json --api-port 4017\n",
	.flags = relay_status_flags,
	.run = run,
};
