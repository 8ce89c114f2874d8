/* Commands: what they all do before their own work. */
#include "cli/command.h"

#include <string.h>

#include "base/str.h"
#include "cli/help.h"
#include "cli/persona.h"
#include "loop/loop.h"

const char *command_word(const struct command *c)
{
	const char *space = strrchr(c->name, ' ');

	return space != NULL ? space + 1 : c->name;
}

const struct command *command_find(const struct command *const *list, const char *word)
{
	for (; *list != NULL; list++) {
		if (strcmp(command_word(*list), word) == 0)
			return *list;
	}
	return NULL;
}

bool call_read(struct call *c, void *args, int *exit_code)
{
	const struct field_table *fields = c->command->fields;
	bool is_anywhere = persona_has_flags_anywhere(c->persona, c->command);
	struct args_result result = { .rest = 0 };
	struct why why = { "" };
	enum err rc = fields != NULL ? field_defaults(fields, args, &why) : ERR_OK;

	if (rc == ERR_OK)
		rc = args_read(fields, c->argc, c->argv,
			is_anywhere ? ARGS_ANYWHERE : ARGS_FIRST, args, &result, &why);
	if (rc == ERR_OK && !result.wants_help)
		rc = args_read_environment(fields, result.given, args, &why);
	if (rc != ERR_OK) {
		*exit_code = call_fail(c, rc, &why);
		return false;
	}
	if (result.wants_help) {
		loop_signals_release();
		help_print_command(c->out, c->persona, c->command);
		*exit_code = EXIT_CODE_DONE;
		return false;
	}
	c->argc -= result.rest;
	c->argv += result.rest;
	return true;
}

enum err call_refuse_words(const struct call *c, struct why *why)
{
	char shown[64];

	if (c->argc == 0)
		return ERR_OK;
	return err_set(why, ERR_USAGE,
		"it takes flags only, not \"%s\": write them as --name value; --help lists"
		" them",
		str_quote(shown, sizeof(shown), span_str(c->argv[0])));
}

void command_tell(FILE *err, enum log_level level, const char *who, const char *text)
{
	struct log log;

	if (log_is_for_programs()) {
		log_init(&log, NULL, "%s", who != NULL ? who : "");
		log_at(level, who != NULL ? &log : NULL, "%s", text);
	} else {
		fprintf(err, "%s%s%s\n", who != NULL ? who : "", who != NULL ? ": " : "",
			text);
	}
}

/* It ends now: if nobody reads what it says, signals end it as usual. */
int call_fail(const struct call *c, enum err rc, const struct why *why)
{
	char who[64];

	loop_signals_release();
	snprintf(who, sizeof(who), "%s %s", c->persona->name, c->command->name);
	command_tell(c->err, LOG_ERROR, who, err_text(rc, why));
	return rc == ERR_USAGE ? EXIT_CODE_USAGE : EXIT_CODE_FAILED;
}
