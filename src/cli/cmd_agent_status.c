/* adit agent status: what the agent of this machine does. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/agent_args.h"
#include "cli/agent_links.h"
#include "cli/agent_request.h"

#define WAIT_MS 60000
#define POLL_MS 300
#define SHOWN_MAX 600

#define AT(member) FIELD_AT(struct agent_args, member)

static const struct field rows[] = {
	{ "json", FIELD_BOOL, AT(is_json), .help = "print the status as a JSON object" },
	{ "wait", FIELD_BOOL, AT(waits),
		.help = "wait until all tunnels and links are well, a minute at most" },
	{ .kind = FIELD_TABLE,
		.size = sizeof(struct agent_args),
		.of = &agent_place_fields },
};
static const struct field_table fields = FIELD_TABLE_OF(struct agent_args, rows);

/* ---- text ---- */

/* A text of the agent's, in which relays and files have a part: fit for a terminal. */
static const char *text_of(const json_t *object, const char *key, char to[SHOWN_MAX])
{
	const char *text = json_string_value(json_object_get(object, key));

	return str_quote(to, SHOWN_MAX, span_str(text != NULL ? text : ""));
}

static int64_t number_of(const json_t *object, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(object, key));
}

static void print_error(FILE *out, const json_t *object)
{
	char error[SHOWN_MAX], next[SHOWN_MAX];

	if (text_of(object, "last_error", error)[0] == '\0')
		return;
	fprintf(out, "    %s", error);
	if (text_of(object, "next_try_at", next)[0] != '\0')
		fprintf(out, "; next try at %s", next);
	fputc('\n', out);
}

static void print_relay(FILE *out, const json_t *relay, const char *tunnel_error)
{
	char url[SHOWN_MAX], public[SHOWN_MAX], tcp[SHOWN_MAX], state[SHOWN_MAX],
		error[SHOWN_MAX];
	bool is_open = text_of(relay, "public_url", public)[0] != '\0';

	if (is_open)
		fprintf(out, "    %s%s%s\n", public,
			text_of(relay, "tcp_addr", tcp)[0] != '\0' ? " and tcp://" : "",
			tcp);
	else
		fprintf(out, "    %s: %s\n", text_of(relay, "relay_url", url),
			text_of(relay, "state", state));
	if (!is_open && text_of(relay, "last_error", error)[0] != '\0' &&
		strcmp(error, tunnel_error) != 0)
		fprintf(out, "      %s\n", error);
}

static void print_tunnel(FILE *out, const json_t *t)
{
	char id[SHOWN_MAX], state[SHOWN_MAX], target[SHOWN_MAX], health[SHOWN_MAX],
		error[SHOWN_MAX];
	const json_t *relay;
	size_t i;

	fprintf(out, "tunnel %s: %s", text_of(t, "id", id), text_of(t, "state", state));
	text_of(t, "health", health);
	if (strcmp(state, "running") == 0 && strcmp(health, "ok") != 0)
		fprintf(out, ", %s", health);
	if (text_of(t, "target_addr", target)[0] != '\0')
		fprintf(out, ", leads to %s", target);
	fprintf(out, ", visitors: %" PRId64 " now, %" PRId64 " so far\n",
		number_of(t, "visitors_now"), number_of(t, "visitors"));
	print_error(out, t);
	text_of(t, "last_error", error);
	json_array_foreach(json_object_get(t, "relays"), i, relay)
	{
		print_relay(out, relay, error);
	}
	if (text_of(t, "target_error", error)[0] != '\0')
		fprintf(out, "    the target does not respond: %s\n", error);
}

static void print_link(FILE *out, const json_t *l)
{
	char id[SHOWN_MAX], state[SHOWN_MAX], server[SHOWN_MAX], remote[SHOWN_MAX];
	const json_t *value;
	size_t i;

	fprintf(out, "link %s: %s, %s\n", text_of(l, "id", id),
		text_of(l, "state", state), text_of(l, "server", server));
	print_error(out, l);
	if (agent_links_is_managed(l))
		agent_links_print_connection(out, l);
	if (json_object_get(l, "tunnels_at") != NULL)
		agent_links_print_tunnels(out, l, NULL);
	json_array_foreach(json_object_get(l, "remotes"), i, value)
	{
		const char *text = json_string_value(value);

		fprintf(out, "    %s\n",
			str_quote(remote, sizeof(remote),
				span_str(text != NULL ? text : "")));
	}
}

static void print_text(FILE *out, const json_t *s)
{
	char config[SHOWN_MAX], addr[SHOWN_MAX], error[SHOWN_MAX], since[SHOWN_MAX];
	const json_t *value;
	size_t i;

	fprintf(out, "agent: process %" PRId64 " since %s\n", number_of(s, "pid"),
		text_of(s, "started_at", since));
	fprintf(out, "config: %s\n", text_of(s, "config_path", config));
	fprintf(out, "control: http://%s\n", text_of(s, "control_addr", addr));
	if (text_of(s, "config_error", error)[0] != '\0')
		fprintf(out, "config error, not used: %s\n", error);
	json_array_foreach(json_object_get(s, "tunnels"), i, value)
	{
		print_tunnel(out, value);
	}
	json_array_foreach(json_object_get(s, "links"), i, value)
	{
		print_link(out, value);
	}
}

/* ---- the command ---- */

/* A stock agent has no health: its tunnels are all in state running, or not. */
static bool is_well(const json_t *s)
{
	const char *health = json_string_value(json_object_get(s, "health"));
	const json_t *t;
	size_t i;

	if (health != NULL)
		return strcmp(health, "ok") == 0 &&
			json_object_get(s, "config_error") == NULL;
	json_array_foreach(json_object_get(s, "tunnels"), i, t)
	{
		const char *state = json_string_value(json_object_get(t, "state"));

		if (state == NULL || strcmp(state, "running") != 0)
			return false;
	}
	return true;
}

static enum err ask(const char *state_dir, bool waits, json_t **status, struct why *why)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	uint64_t until = clock_now_ms() + WAIT_MS;
	enum err rc;

	for (;;) {
		rc = agent_request(state_dir, "GET", "/v1/agent/status", NULL, status,
			why);
		if (!waits || clock_now_ms() >= until ||
			(rc == ERR_OK && is_well(*status)))
			return rc;
		json_decref(*status);
		*status = NULL;
		nanosleep(&pause, NULL);
	}
}

static int run(struct call *c, void *object)
{
	struct agent_args *args = object;
	struct agent_whereabouts where = { .mistake = { "" } };
	json_t *status = NULL;
	int exit_code = EXIT_CODE_FAILED;
	enum err rc = agent_whereabouts(c, args, &where, &c->why);

	if (rc == ERR_OK)
		rc = ask(where.state_dir, args->waits, &status, &c->why);
	if (rc == ERR_OK && args->is_json) {
		json_dumpf(status, c->out, JSON_COMPACT);
		fputc('\n', c->out);
	} else if (rc == ERR_OK) {
		print_text(c->out, status);
	}
	if (rc == ERR_OK && is_well(status))
		exit_code = EXIT_CODE_DONE;
	if (rc == ERR_NOENT && where.mistake.text[0] != '\0')
		command_print_error(c->err, LOG_WARN, c->persona->name,
			where.mistake.text);
	json_decref(status);
	return rc == ERR_OK ? exit_code : call_fail(c, rc);
}

const struct command command_agent_status = {
	.name = "agent status",
	.arguments = "[--json] [--wait] [flags]",
	.summary = "show the state of the agent on this machine",
	.about =
		"Prints each tunnel and link with its state, and the reason if it is not running.\n"
		"Exits with 0 only if all is well: every tunnel is published at all its relays,\n"
		"every target responds, every link is open, and the config has no mistake.\n",
	.examples = "  @ agent status\n"
		    "  @ agent status --wait && echo published\n",
	.fields = &fields,
	.has_flags_only = true,
	.run = run,
};
