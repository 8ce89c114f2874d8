/*
 * Actions of "adit relay lease", "tunnel" and "agent": the first word after the flags
 * names one, and the others are its arguments. Each asks the relay on this machine.
 */
#ifndef CLI_RELAY_ACTION_H
#define CLI_RELAY_ACTION_H

#include <jansson.h>

#include "cli/relay_args.h"

struct relay_work;

struct relay_action {
	const char *name, *arguments;
	int least, most; /* words after it */
	enum err (*fn)(struct relay_work *w);
	const void *what; /* for @fn; or NULL */
};

/* One call of a command. */
struct relay_work {
	const struct relay_action *action;
	const struct relay_args *args; /* borrowed: of the command's own struct */
	struct call *call;             /* borrowed */
	FILE *out;
	const char *directory; /* borrowed: of the relay */
	char **words;          /* after the action, NULL at the end */
	struct why *why;
};

/* Runs the action that the words of @c name, with @w, which is filled in here. Returns
 * the exit code. */
int relay_action_run(struct call *c, struct relay_args *args,
	const struct relay_action *actions, size_t count, struct relay_work *w);

/* As admin_request(); @body is taken, and may be NULL. */
enum err relay_action_ask(struct relay_work *w, const char *method, const char *target,
	json_t *body, json_t **data) MUST_USE;

/* Prints the object and a newline. */
void relay_action_print_json(struct relay_work *w, const json_t *object);

/* A member that is a text, fit for a terminal; "" if there is none. Returns @to. */
#define RELAY_ACTION_TEXT 400
const char *relay_action_text(const json_t *object, const char *key,
	char to[RELAY_ACTION_TEXT]);

#endif
