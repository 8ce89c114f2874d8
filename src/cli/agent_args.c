/* Which config and state directory a command of an agent means. */
#include "cli/agent_args.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "text/toml.h"

#define AT(member) FIELD_AT(struct agent_args, member)

static const struct field place_rows[] = {
	{ "config", FIELD_TEXT, AT(config), .argument = "file",
		.help = "the agent's config; without it, config.toml in the place that the"
			" manual names" },
	{ "state_dir", FIELD_TEXT, AT(state_dir), .argument = "directory",
		.help = "the agent's state directory; with it, no config is needed" },
};

const struct field_table agent_config_fields = {
	.bytes = sizeof(struct agent_args),
	.rows = place_rows, /* the first of them */
	.count = 1,
};
const struct field_table agent_place_fields = FIELD_TABLE_OF(struct agent_args,
	place_rows);

/* @path below the current directory. */
static enum err make_absolute(const char *path, char out[AGENT_PATH_MAX], struct why *why)
{
	char here[AGENT_PATH_MAX];

	if (getcwd(here, sizeof(here)) == NULL)
		here[0] = '\0';
	if (here[0] == '\0' && path[0] != '/')
		return err_set(why, ERR_LIMIT, "the path of this directory is too long");
	if (agent_path_below(here, path, out) != ERR_OK)
		return err_set(why, ERR_LIMIT, "the path %.60s... is too long", path);
	return ERR_OK;
}

enum err agent_place_find(const struct call *c, const struct agent_args *args,
	struct agent_place *out, struct why *why)
{
	struct agent_environment environment = agent_environment();
	struct agent_paths paths = { .config = "" };
	enum err rc = ERR_OK;

	if (args->config == NULL || args->state_dir == NULL)
		rc = agent_paths(c->persona->agent, &environment, &paths, why);
	if (rc == ERR_USAGE && (args->config != NULL || args->state_dir != NULL))
		rc = ERR_OK; /* the config has to have a state_dir, or is in it */
	if (rc == ERR_OK)
		rc = make_absolute(args->state_dir != NULL ? args->state_dir :
							     paths.state_dir,
			out->default_state_dir, why);
	if (rc != ERR_OK)
		return rc;
	if (args->config == NULL && args->state_dir != NULL &&
		strcmp(out->default_state_dir, paths.state_dir) != 0)
		return agent_path_below(out->default_state_dir, AGENT_CONFIG_NAME,
			       out->config) == ERR_OK ?
			ERR_OK :
			err_set(why, ERR_LIMIT, "the path %.60s... is too long",
				out->default_state_dir);
	return make_absolute(args->config != NULL ? args->config : paths.config,
		out->config, why);
}

struct config_source agent_place_source(const struct call *c,
	const struct agent_place *place)
{
	return (struct config_source){
		.path = place->config,
		.names = c->persona->agent,
		.state_dir = place->default_state_dir,
		.is_lenient = c->persona->only_warns,
	};
}

static void take_places(struct agent_whereabouts *out, const char *state_dir,
	const char *service_name)
{
	str_copy(out->state_dir, sizeof(out->state_dir), state_dir);
	str_copy(out->service_name, sizeof(out->service_name), service_name);
}

enum err agent_whereabouts(const struct call *c, const struct agent_args *args,
	struct agent_whereabouts *out, struct why *why)
{
	struct agent_config *config = NULL;
	struct config_places places;
	struct config_source source;
	struct agent_place place;
	struct buf text;
	enum err rc = agent_place_find(c, args, &place, why);

	if (rc != ERR_OK)
		return rc;
	str_copy(out->config, sizeof(out->config), place.config);
	out->mistake.text[0] = '\0';
	take_places(out, place.default_state_dir, c->persona->agent->service);
	if (args->state_dir != NULL && args->config == NULL)
		return ERR_OK;
	source = agent_place_source(c, &place);
	buf_init(&text, TOML_BYTES_MAX + 1);
	rc = agent_config_read(&source, &text, &config, why);
	if (rc == ERR_OK) {
		take_places(out, config->state_dir, config->service_name);
	} else if (rc == ERR_SYNTAX) { /* its agent goes on as before */
		agent_config_guess(&source, buf_span(&text), &places);
		take_places(out, places.state_dir, places.service_name);
		out->mistake = *why;
		rc = ERR_OK;
	} else if (rc == ERR_NOENT) {
		err_set(why, rc, "there is no config %.150s", place.config);
	}
	if (rc == ERR_OK && args->state_dir != NULL)
		str_copy(out->state_dir, sizeof(out->state_dir), place.default_state_dir);
	agent_config_free(config);
	buf_wipe(&text);
	return rc;
}
