/* adit version: what this program is. */
#include "cli/command.h"

#include <jansson.h>

#include "tunnel/chisel/session.h"
#include "tunnel/portal/message.h"

struct version_args {
	bool is_json;
};

static const struct field rows[] = {
	{ "json", FIELD_BOOL, FIELD_AT(struct version_args, is_json),
		.help = "print a JSON object" },
};

static const struct field_table fields = FIELD_TABLE_OF(struct version_args, rows);

static int print_json(FILE *out)
{
	json_t *object = json_pack("{s:s, s:s, s:[s, s]}", "name", "adit", "version",
		ADIT_VERSION, "protocols", CHISEL_PROTOCOL, "portal-" MESSAGE_PROTOCOL);
	int rc = object != NULL ? json_dumpf(object, out, 0) : -1;

	json_decref(object);
	fputc('\n', out);
	return rc == 0 ? EXIT_CODE_DONE : EXIT_CODE_FAILED;
}

static int run(struct call *c, void *object)
{
	const struct version_args *args = object;

	if (args->is_json)
		return print_json(c->out);
	fprintf(c->out, "%s\n", c->persona->version);
	return EXIT_CODE_DONE;
}

const struct command command_version = {
	.name = "version",
	.arguments = "[--json]",
	.summary = "show the version",
	.fields = &fields,
	.run = run,
};
