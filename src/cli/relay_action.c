/* Actions on the relay of this machine. */
#include "cli/relay_action.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/admin_request.h"
#include "text/nearest.h"

static enum err find(const struct call *c, const struct relay_action *actions,
	size_t count, const struct relay_action **out, struct why *why)
{
	const char *word = c->argc > 0 ? c->argv[0] : "";
	struct nearest near;
	char shown[64];

	if (c->argc == 0)
		return err_set(why, ERR_USAGE,
			"the action is missing: write one such as list; --help lists them");
	nearest_init(&near, word);
	for (size_t i = 0; i < count; i++) {
		const struct relay_action *a = &actions[i];

		nearest_try(&near, a->name);
		if (strcmp(a->name, word) != 0)
			continue;
		*out = a;
		if (c->argc - 1 >= a->least && c->argc - 1 <= a->most)
			return ERR_OK;
		return err_set(why, ERR_USAGE, "write: %s%s%s", a->name,
			a->arguments[0] != '\0' ? " " : "", a->arguments);
	}
	str_quote(shown, sizeof(shown), span_str(word));
	return near.best != NULL ?
		err_set(why, ERR_USAGE, "there is no action \"%s\"; did you mean %s?",
			shown, near.best) :
		err_set(why, ERR_USAGE, "there is no action \"%s\"; --help lists them",
			shown);
}

int relay_action_run(struct call *c, struct relay_args *args,
	const struct relay_action *actions, size_t count, struct relay_work *w)
{
	struct relay_options options;
	enum err rc;

	*w = (struct relay_work){
		.args = args,
		.call = c,
		.out = c->out,
		.words = c->argv + 1,
		.why = &c->why,
	};
	rc = find(c, actions, count, &w->action, &c->why);
	args->call = c;
	if (rc == ERR_OK)
		rc = relay_args_read(args, &options, &c->why);
	if (rc != ERR_OK)
		return call_fail(c, rc);
	w->directory = options.state_dir;
	rc = w->action->fn(w);
	field_fini(&relay_fields, &options);
	return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc);
}

enum err relay_action_ask(struct relay_work *w, const char *method, const char *target,
	json_t *body, json_t **data)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	enum err rc = ERR_NOMEM;

	if (body == NULL || text != NULL)
		rc = admin_request(w->directory, method, target, text, data, w->why);
	free(text);
	json_decref(body);
	return rc;
}

void relay_action_print_json(struct relay_work *w, const json_t *object)
{
	json_dumpf(object, w->out, JSON_COMPACT);
	fputc('\n', w->out);
}

const char *relay_action_text(const json_t *object, const char *key,
	char to[RELAY_ACTION_TEXT])
{
	const char *text = json_string_value(json_object_get(object, key));

	return str_quote(to, RELAY_ACTION_TEXT, span_str(text != NULL ? text : ""));
}
