/* adit relay status: the state of the relay on this machine. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/admin_request.h"
#include "cli/relay_args.h"

/* The member at @path, "tcp.min_port". */
static const json_t *member_at(const json_t *object, const char *path)
{
	char key[64];

	for (;;) {
		size_t n = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		object = json_object_get(object, key);
		if (path[n] == '\0')
			return object;
		path += n + 1;
	}
}

/* The relay may not send a terminal's control characters. */
static void print_value(FILE *out, const json_t *value)
{
	const json_t *element;
	char shown[300];
	size_t i;

	if (json_is_string(value))
		fputs(str_quote(shown, sizeof(shown), span_str(json_string_value(value))),
			out);
	else if (json_is_integer(value))
		fprintf(out, "%" PRId64, (int64_t)json_integer_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "on" : "off", out);
	else if (!json_is_array(value))
		fputc('?', out);
	json_array_foreach(value, i, element)
	{
		fputs(i > 0 ? ", " : "", out);
		print_value(out, element);
	}
}

/* Prints @text, where "{path}" is a member of @s. */
static void print_line(FILE *out, const json_t *s, const char *label, const char *text)
{
	char path[64];

	fprintf(out, "%-13s", label);
	while (*text != '\0') {
		size_t n = strcspn(text, "{");

		fwrite(text, 1, n, out);
		text += n;
		if (*text != '{')
			continue;
		n = strcspn(text, "}");
		snprintf(path, sizeof(path), "%.*s", (int)n - 1, text + 1);
		print_value(out, member_at(s, path));
		text += n + 1;
	}
	fputc('\n', out);
}

/* A line is printed if its member @has is there, and not negative; or if not @has_not. */
static const struct line {
	const char *has, *has_not;
	const char *label, *text;
} lines[] = {
	{ NULL, NULL, "relay", "{url}" },
	{ NULL, NULL, "running",
		"{release}, protocol {protocol}, process {pid}, since {since}" },
	{ "host", NULL, "API", "port {api_port} of {host}" },
	{ NULL, "host", "API", "port {api_port}, all addresses" },
	{ "host", NULL, "visitors", "port {sni_port} of {host}" },
	{ NULL, "host", "visitors", "port {sni_port}, all addresses" },
	{ "tcp", NULL, "TCP",
		"ports {tcp.min_port} to {tcp.max_port} for leases: {tcp.enabled}" },
	{ NULL, NULL, "certificate", "{certificate.names}" },
	{ "certificate.days", NULL, "",
		"until {certificate.until}, {certificate.days} days from now" },
	{ NULL, "certificate.days", "",
		"expired on {certificate.until}: visitors see a warning" },
	{ NULL, NULL, "approval", "{approval}" },
	{ "metrics_address", NULL, "metrics", "http://{metrics_address}/metrics" },
};

static bool is_there(const json_t *s, const char *path)
{
	const json_t *value = member_at(s, path);

	return value != NULL && !json_is_null(value) && json_integer_value(value) >= 0;
}

static void print_text(FILE *out, json_t *s)
{
	static const char prefix[] = "adit_relay_";
	const char *key;
	char name[64];
	json_t *value;

	for (size_t i = 0; i < mem_count(lines); i++) {
		const struct line *l = &lines[i];

		if ((l->has == NULL || is_there(s, l->has)) &&
			(l->has_not == NULL || !is_there(s, l->has_not)))
			print_line(out, s, l->label, l->text);
	}
	/* "adit_relay_sessions_ready" is "sessions ready". */
	json_object_foreach(json_object_get(s, "metrics"), key, value)
	{
		str_copy(name, sizeof(name),
			key + (str_has_prefix(key, prefix) ? strlen(prefix) : 0));
		for (char *c = name; *c != '\0'; c++)
			*c = *c == '_' ? ' ' : *c;
		fprintf(out, "  %-28s %" PRId64 "\n", name,
			(int64_t)json_integer_value(value));
	}
}

/* @rc is the request's. Without an answer it is not known whether a relay runs. */
static void print_json(FILE *out, enum err rc, json_t *status)
{
	json_t *object = json_object();
	bool is_running = rc == ERR_OK || rc == ERR_AGAIN;

	json_object_set_new(object, "running",
		is_running || rc == ERR_NOENT ? json_boolean(is_running) : json_null());
	if (status != NULL)
		json_object_update(object, status);
	json_dumpf(object, out, JSON_COMPACT);
	fputc('\n', out);
	json_decref(object);
}

static int run(struct call *c, void *object)
{
	struct relay_args *args = object;
	struct relay_options options;
	json_t *status = NULL;
	enum err rc;

	args->call = c;
	rc = relay_args_read(args, &options, &c->why);
	if (rc != ERR_OK)
		return call_fail(c, rc);
	rc = admin_request(options.state_dir, "GET", "/admin/status", NULL, &status,
		&c->why);
	if (args->is_json)
		print_json(c->out, rc, status);
	else if (rc == ERR_OK)
		print_text(c->out, status);
	json_decref(status);
	field_fini(&relay_fields, &options);
	return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc);
}

const struct command command_relay_status = {
	.name = "relay status",
	.arguments = "[--json] [flags]",
	.summary = "show the state of the relay on this machine",
	.about =
		"Uses the socket in the relay's state directory, which is for root and the\n"
		"relay's own user. Exits with 1 if no relay serves from that directory.\n",
	.examples = "  @ relay status\n"
		    "  @ relay status --json --identity-path /srv/relay\n",
	.fields = &relay_admin_fields,
	.has_flags_only = true,
	.run = run,
};
