/* adit relay status: what the relay on this machine says of itself. */
#include "cli/command.h"

#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "cli/relay_args.h"
#include "cli/relay_ask.h"

#define ROW "%-13s"

/* ---- for people ---- */

/* A relay's words, fit for a terminal. */
static const char *shown(const json_t *value, char *to, size_t size)
{
	const char *text = json_string_value(value);

	return text != NULL ? str_quote(to, size, span_str(text)) : "?";
}

static const char *member(const json_t *object, const char *key, char *to, size_t size)
{
	return shown(json_object_get(object, key), to, size);
}

static void print_port(FILE *out, const json_t *s, const char *what, const char *key)
{
	char host[64];

	fprintf(out, ROW "port %" PRId64, what,
		(int64_t)json_integer_value(json_object_get(s, key)));
	if (json_is_string(json_object_get(s, "host")))
		fprintf(out, " of %s\n", member(s, "host", host, sizeof(host)));
	else
		fprintf(out, ", all addresses\n");
}

static void print_certificate(FILE *out, const json_t *certificate)
{
	int64_t days = json_integer_value(json_object_get(certificate, "days"));
	const json_t *name;
	char text[300];
	size_t i;

	fprintf(out, ROW, "certificate");
	json_array_foreach(json_object_get(certificate, "names"), i, name)
		fprintf(out, "%s%s", i > 0 ? ", " : "", shown(name, text, sizeof(text)));
	member(certificate, "until", text, sizeof(text));
	if (days < 0)
		fprintf(out, "\n" ROW "it has ended on %s: visitors see a warning\n", "",
			text);
	else
		fprintf(out, "\n" ROW "until %s, %" PRId64 " days from now\n", "", text,
			days);
}

static void print_tcp(FILE *out, const json_t *tcp)
{
	if (!json_is_object(tcp))
		return;
	fprintf(out, ROW "ports %" PRId64 " to %" PRId64 " for leases%s\n", "TCP",
		(int64_t)json_integer_value(json_object_get(tcp, "min_port")),
		(int64_t)json_integer_value(json_object_get(tcp, "max_port")),
		json_is_true(json_object_get(tcp, "enabled")) ? "" : ", switched off");
}

/* "adit_relay_sessions_ready" is "sessions ready". */
static void print_metric(FILE *out, const char *name, const json_t *value)
{
	char text[64];

	str_copy(text, sizeof(text),
		name + (str_has_prefix(name, "adit_relay_") ? 11 : 0));
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '_' ? ' ' : *c;
	fprintf(out, "  %-28s %" PRId64 "\n", text, (int64_t)json_integer_value(value));
}

static void print_text(FILE *out, json_t *s)
{
	char one[300], two[64];
	const char *key;
	json_t *value;

	fprintf(out, ROW "%s\n", "relay", member(s, "url", one, sizeof(one)));
	fprintf(out, ROW "%s, protocol %s, ", "running",
		member(s, "release", one, sizeof(one)),
		member(s, "protocol", two, sizeof(two)));
	fprintf(out, "process %" PRId64 ", since %s\n",
		(int64_t)json_integer_value(json_object_get(s, "pid")),
		member(s, "since", one, sizeof(one)));
	print_port(out, s, "API", "api_port");
	print_port(out, s, "visitors", "sni_port");
	print_tcp(out, json_object_get(s, "tcp"));
	print_certificate(out, json_object_get(s, "certificate"));
	fprintf(out, ROW "%s\n", "approval", member(s, "approval", one, sizeof(one)));
	if (json_is_string(json_object_get(s, "metrics_address")))
		fprintf(out, ROW "http://%s/metrics\n", "metrics",
			member(s, "metrics_address", one, sizeof(one)));
	json_object_foreach(json_object_get(s, "metrics"), key, value)
		print_metric(out, key, value);
}

/* ---- for programs ---- */

static void print_json(FILE *out, json_t *running, json_t *status)
{
	json_t *object = json_pack("{s:o}", "running", running);

	if (object != NULL && status != NULL)
		json_object_update(object, status);
	if (object != NULL)
		json_dumpf(object, out, JSON_COMPACT);
	fputc('\n', out);
	json_decref(object);
}

/* Unknown if this user may not ask. */
static json_t *running_of(enum err rc)
{
	switch (rc) {
	case ERR_OK:
	case ERR_AGAIN:
		return json_true();
	case ERR_NOENT:
		return json_false();
	default:
		return json_null();
	}
}

static enum err ask(const struct relay_options *o, json_t **status, struct why *why)
{
	struct relay_ask *a = NULL;
	enum err rc = relay_ask_open(o->state_dir, &a, why);

	if (rc == ERR_OK)
		rc = relay_ask(a, "GET", "/admin/status", NULL, status, why);
	relay_ask_close(a);
	return rc;
}

static int tell(const struct call *c, struct relay_args *args)
{
	struct relay_options options = { .workers = 0 };
	struct why why = { "" };
	json_t *status = NULL;
	enum err rc;

	rc = call_refuse_words(c, &why);
	if (rc == ERR_OK)
		rc = relay_args_read(args, &options, &why);
	if (rc != ERR_OK)
		return call_fail(c, rc == ERR_SYNTAX ? ERR_USAGE : rc, &why);
	rc = ask(&options, &status, &why);
	if (args->is_json)
		print_json(c->out, running_of(rc), status);
	else if (rc == ERR_OK)
		print_text(c->out, status);
	json_decref(status);
	field_fini(&relay_fields, &options);
	return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc, &why);
}

static int run(struct call *c)
{
	struct relay_args args = { .config = NULL };
	int exit_code;

	if (relay_args_call(c, &args, &exit_code))
		exit_code = tell(c, &args);
	relay_args_fini(&args);
	return exit_code;
}

const struct command command_relay_status = {
	.name = "relay status",
	.arguments = "[--json] [flags]",
	.summary = "ask the relay on this machine how it is",
	.about =
		"Asks over the socket in the relay's state directory, which root and the relay's\n"
		"own user may use. Exits with 1 if no relay serves from that directory.\n",
	.examples = "  @ relay status\n"
		    "  @ relay status --json --identity-path /srv/relay\n",
	.fields = &relay_status_fields,
	.run = run,
};
