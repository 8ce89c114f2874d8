/* adit agent update: managed links connect again, and their tunnels are shown. */
#include <stdlib.h>

#include "base/str.h"
#include "cli/agent_args.h"
#include "cli/agent_links.h"
#include "cli/agent_request.h"

#define OPEN_MS 15000
#define SHOWN_MAX 300

static const struct field rows[] = {
	{ .kind = FIELD_TABLE,
		.size = sizeof(struct agent_args),
		.of = &agent_place_fields },
};
static const struct field_table fields = FIELD_TABLE_OF(struct agent_args, rows);

static enum err update_link(struct call *c, const char *state_dir, const char *id)
{
	char shown[SHOWN_MAX];
	json_t *status = NULL;
	const json_t *link;
	enum err rc = agent_links_reconnect(state_dir, id, &c->why);

	if (rc == ERR_OK)
		rc = agent_links_wait(state_dir, id, OPEN_MS, &status, &c->why);
	if (rc != ERR_OK)
		return rc;
	link = agent_links_find(status, id);
	fprintf(c->out, "link %s: connected\n",
		str_quote(shown, sizeof(shown), span_str(id)));
	agent_links_print_connection(c->out, link);
	agent_links_print_tunnels(c->out, link, NULL);
	json_decref(status);
	return ERR_OK;
}

/* All of them, also if one fails. */
static int update_all(struct call *c, const char *state_dir)
{
	int exit_code = EXIT_CODE_DONE;
	json_t *status = NULL;
	const json_t *link;
	unsigned n = 0;
	size_t i;
	enum err rc;

	rc = agent_request(state_dir, "GET", "/v1/agent/status", NULL, &status, &c->why);
	if (rc != ERR_OK)
		return call_fail(c, rc);
	json_array_foreach(json_object_get(status, "links"), i, link)
	{
		const char *id = json_string_value(json_object_get(link, "id"));

		if (!agent_links_is_managed(link) || id == NULL)
			continue;
		n++;
		rc = update_link(c, state_dir, id);
		if (rc != ERR_OK)
			exit_code = call_fail(c, rc);
	}
	json_decref(status);
	if (n > 0)
		return exit_code;
	rc = err_set(&c->why, ERR_NOENT,
		"the agent has no managed link: %s %s enrols it at a relay",
		c->persona->name, persona_command_name(c->persona, &command_agent_setup));
	return call_fail(c, rc);
}

static int run(struct call *c, void *object)
{
	struct agent_whereabouts where;
	enum err rc = agent_whereabouts(c, object, &where, &c->why);

	return rc == ERR_OK ? update_all(c, where.state_dir) : call_fail(c, rc);
}

const struct command command_agent_update = {
	.name = "agent update",
	.arguments = "[flags]",
	.summary = "reconnect the managed links, and show their tunnels",
	.about =
		"A relay sends its agents each change of their tunnels at once, so that this is\n"
		"not needed for it: it shows what an agent serves, after a new connection.\n"
		"Exits with 1 if a link does not open, with the reason.\n",
	.examples = "  @ agent update\n",
	.fields = &fields,
	.has_flags_only = true,
	.run = run,
};
