/* The command lines of a relay: the settings of relay/relay_config.h, and what reads
 * them. */
#include "cli/relay_args.h"

#define AT(member) FIELD_AT(struct relay_args, member)

#define CONFIG_ROW \
	{ \
		"config", FIELD_TEXT, AT(config), \
			.argument = "file", \
			.help = "read settings from this file; without it, from " RELAY_CONFIG_FILE \
				" if that is there" \
	}

static const struct field run_rows[] = {
	CONFIG_ROW,
	{ .kind = FIELD_TABLE, AT(options), .of = &relay_fields },
	{ .kind = FIELD_TABLE, AT(daemon), .of = &log_fields },
};

const struct field_table relay_run_fields = FIELD_TABLE_OF(struct relay_args, run_rows);

static const struct field status_rows[] = {
	{ "json", FIELD_BOOL, AT(is_json), .help = "print a JSON object" },
	CONFIG_ROW,
	{ .kind = FIELD_TABLE, AT(options), .of = &relay_path_fields },
};

const struct field_table relay_status_fields = FIELD_TABLE_OF(struct relay_args,
	status_rows);

static const struct field lease_rows[] = {
	{ "json", FIELD_BOOL, AT(is_json), .help = "list: print a JSON object" },
	CONFIG_ROW,
	{ .kind = FIELD_TABLE, AT(options), .of = &relay_path_fields },
};

const struct field_table relay_lease_fields = FIELD_TABLE_OF(struct relay_args,
	lease_rows);

bool relay_args_call(struct call *c, struct relay_args *args, int *exit_code)
{
	char **argv = c->argv;

	args->fields = c->command->fields;
	args->argv = argv;
	if (!call_read(c, args, exit_code))
		return false;
	args->argc = (int)(c->argv - argv);
	return true;
}

void relay_args_fini(struct relay_args *args)
{
	if (args->fields != NULL)
		field_fini(args->fields, args);
}

enum err relay_args_read(void *arg, struct relay_options *out, struct why *why)
{
	const struct relay_args *args = arg;
	struct relay_args next = { .fields = args->fields };
	struct args_result result;
	enum err rc = field_defaults(&relay_fields, &next.options, why);

	if (rc == ERR_OK)
		rc = relay_config_read_file(args->config, &next.options, why);
	if (rc == ERR_OK)
		rc = args_read_environment(&relay_fields, 0, &next.options, why);
	if (rc == ERR_OK)
		rc = args_read(args->fields, args->argc, args->argv, ARGS_TAKES_EMPTY,
			&next, &result, why);
	if (rc == ERR_OK)
		rc = relay_config_complete(&next.options, why);
	if (rc == ERR_OK) {
		*out = next.options;
		next.options = (struct relay_options){ .workers = 0 };
	}
	field_fini(&relay_fields, &next.options);
	relay_args_fini(&next);
	return rc;
}
