/* Commands: what they all do before their own work. */
#include "cli/command.h"

#include <string.h>

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

bool call_read(struct call *c, void *options, int *exit_code)
{
	struct flag_result result;
	struct why why = { "" };
	enum err rc;

	rc = (persona_has_flags_anywhere(c->persona, c->command) ?
			flags_parse_anywhere :
			flags_parse)(c->command->flags, c->argc, c->argv, options,
		&result, &why);
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
