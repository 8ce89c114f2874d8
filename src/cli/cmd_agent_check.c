/* adit agent check: whether a config is right. */
#include "base/str.h"
#include "cli/agent_args.h"

static void on_warning(void *arg, const char *text)
{
	FILE *out = arg;

	fprintf(out, "warning: %s\n", text);
}

static int run(struct call *c, void *object)
{
	struct agent_args *args = object;
	struct agent_config *config;
	struct config_source source;
	struct agent_place place;
	enum err rc = ERR_OK;

	if (c->argc > 1 || (c->argc == 1 && args->config != NULL))
		rc = err_set(&c->why, ERR_USAGE, "give one file");
	else if (c->argc == 1)
		args->config = strdup(c->argv[0]);
	if (rc == ERR_OK)
		rc = agent_place_find(c, args, &place, &c->why);
	if (rc != ERR_OK)
		return call_fail(c, rc);
	source = agent_place_source(c, &place);
	source.warn = on_warning;
	source.arg = c->out;
	rc = agent_config_read(&source, NULL, &config, &c->why);
	if (rc != ERR_OK)
		return call_fail(c, rc);
	fprintf(c->out, "%s: good: tunnels: %u, links: %u\n", place.config,
		config->tunnels.n, config->links.n);
	agent_config_free(config);
	return EXIT_CODE_DONE;
}

const struct command command_agent_check = {
	.name = "agent check",
	.arguments = "[file]",
	.summary = "find mistakes in a config",
	.about =
		"Reads a config as an agent does, and prints the first mistake, with its line\n"
		"and what to write, or that there is none. Exits with 1 after a mistake.\n",
	.examples = "  @ agent check config.toml\n",
	.fields = &agent_config_fields,
	.has_flags_anywhere = true,
	.takes_file = true,
	.run = run,
};
