/* The command lines of a relay: its settings (relay/relay_config.h) and their reader. */
#include "cli/relay_args.h"

#include <stdlib.h>

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

static const struct field admin_rows[] = {
	{ "json", FIELD_BOOL, AT(is_json), .help = "print the result as a JSON object" },
	CONFIG_ROW,
	{ .kind = FIELD_TABLE, AT(options), .of = &relay_path_fields },
};

const struct field_table relay_admin_fields = FIELD_TABLE_OF(struct relay_args,
	admin_rows);

enum err relay_args_read(void *arg, struct relay_options *out, struct why *why)
{
	const struct relay_args *args = arg;
	const struct call *c = args->call;
	struct relay_args *next = calloc(1, c->command->fields->bytes);
	struct args_result result;
	enum err rc;

	if (next == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	rc = field_defaults(&relay_fields, &next->options, why);
	if (rc == ERR_OK)
		rc = relay_config_read_file(args->config, &next->options, why);
	if (rc == ERR_OK)
		rc = args_read_environment(&relay_fields, 0, &next->options, why);
	if (rc == ERR_OK)
		rc = args_read(c->command->fields, c->flag_count, c->flags,
			ARGS_TAKES_EMPTY, next, &result, why);
	if (rc == ERR_OK)
		rc = relay_config_complete(&next->options, why);
	if (rc == ERR_OK) {
		*out = next->options;
		next->options = (struct relay_options){ .workers = 0 };
	}
	field_fini(&relay_fields, &next->options);
	field_fini(c->command->fields, next);
	free(next);
	return rc == ERR_SYNTAX ? ERR_USAGE : rc;
}
