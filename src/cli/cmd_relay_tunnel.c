/* adit relay tunnel: the tunnels of the relay on this machine. */
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/relay_action.h"

#define TARGET_MAX 256
#define WAIT_MS 60000
#define WAIT_LOOK_MS 250

struct tunnel_args {
	struct relay_args relay; /* first */
	char *access, *agent, *target, *note, *name;
	uint16_t port;
	bool is_paused, has_hsts, is_anyway, waits;
	struct field_list limits;
};

#define AT(member) FIELD_AT(struct tunnel_args, member)

static const struct field rows[] = {
	{ .kind = FIELD_TABLE, AT(relay), .of = &relay_admin_fields },
	{ "access", FIELD_TEXT, AT(access), .argument = "mode",
		.help = "who may visit it: public, authenticated (who signs in) or restricted"
			" (who signs in and was chosen); without it a new tunnel is restricted" },
	{ "agent", FIELD_TEXT, AT(agent), .argument = "label",
		.help = "the agent that serves it; without it a new tunnel goes to the only"
			" agent, if there is one" },
	{ "target", FIELD_TEXT, AT(target), .argument = "host:port",
		.help = "the app, as the agent reaches it; without it the port"
			" on the agent's localhost" },
	{ "note", FIELD_TEXT, AT(note), .argument = "text",
		.help = "a description for people" },
	{ "anyway", FIELD_BOOL, AT(is_anyway),
		.help = "also if the DNS record of the name does not lead here" },
	{ "wait", FIELD_BOOL, AT(waits),
		.help = "wait until it is live, a minute at most, and print what it waits for" },
	{ "name", FIELD_TEXT, AT(name), .argument = "name", .help = "set: another name" },
	{ "port", FIELD_PORT, AT(port), .argument = "number",
		.help = "set: another port" },
	{ "paused", FIELD_BOOL, AT(is_paused),
		.help = "visitors see a page that says so; --paused=false ends it" },
	{ "hsts", FIELD_BOOL, AT(has_hsts), .initial = "true",
		.help = "tell browsers to use https only" },
	{ "limit", FIELD_REPEATED, AT(limits), .argument = "name=number",
		.help = "a limit such as bodyBytes=1000000; the manual lists them; 0 is the"
			" default" },
};

static const struct field_table fields = FIELD_TABLE_OF(struct tunnel_args, rows);

/* ---- what the flags say ---- */

/* The flags as they were given, and which: an empty text is a value. */
struct given {
	struct tunnel_args args;
	uint64_t bits;
};

static enum err read_given(struct relay_work *w, struct given *g)
{
	struct args_result result = { .given = 0 };
	enum err rc = args_read(&fields, w->call->flag_count, w->call->flags,
		ARGS_TAKES_EMPTY, &g->args, &result, w->why);

	g->bits = result.given;
	return rc;
}

static bool is_given(const struct given *g, size_t at)
{
	struct field_cursor c;

	for (field_first(&c, &fields); c.row != NULL; field_next(&c))
		if (c.at == at)
			return (g->bits >> c.index & 1) != 0;
	return false;
}

#define IS_GIVEN(g, member) is_given(g, offsetof(struct tunnel_args, member))

static void add_texts(const struct given *g, json_t *body)
{
	const struct {
		const char *key;
		size_t at;
		const char *text;
	} texts[] = {
#define TEXT(key, member) { key, offsetof(struct tunnel_args, member), g->args.member }
		TEXT("accessMode", access),
		TEXT("agent", agent),
		TEXT("target", target),
		TEXT("description", note),
		TEXT("subdomain", name),
#undef TEXT
	};

	for (size_t i = 0; i < mem_count(texts); i++)
		if (is_given(g, texts[i].at))
			json_object_set_new(body, texts[i].key,
				texts[i].text != NULL ? json_string(texts[i].text) :
							json_null());
}

static enum err add_limits(struct relay_work *w, const struct given *g, json_t *body)
{
	json_t *limits = json_object();
	char name[64], shown[64];
	unsigned long number;

	json_object_set_new(body, "limits", limits);
	for (unsigned i = 0; i < g->args.limits.n; i++) {
		const char *text = g->args.limits.v[i], *sign = strchr(text, '=');

		if (sign == NULL || (size_t)(sign - text) >= sizeof(name) ||
			!str_to_uint(sign + 1, INT64_MAX, &number))
			return err_set(w->why, ERR_USAGE,
				"--limit %s: write a name and a number such as"
				" bodyBytes=1000000",
				str_quote(shown, sizeof(shown), span_str(text)));
		snprintf(name, sizeof(name), "%.*s", (int)(sign - text), text);
		json_object_set_new(limits, name, json_integer((json_int_t)number));
	}
	return ERR_OK;
}

static enum err add_flags(struct relay_work *w, json_t *body)
{
	struct given g = { .bits = 0 };
	enum err rc = read_given(w, &g);

	add_texts(&g, body);
	if (IS_GIVEN(&g, port))
		json_object_set_new(body, "port", json_integer(g.args.port));
	if (IS_GIVEN(&g, is_paused))
		json_object_set_new(body, "enabled", json_boolean(!g.args.is_paused));
	if (IS_GIVEN(&g, has_hsts))
		json_object_set_new(body, "hsts", json_boolean(g.args.has_hsts));
	if (rc == ERR_OK && g.args.limits.n > 0)
		rc = add_limits(w, &g, body);
	field_fini(&fields, &g.args);
	return rc;
}

/* ---- finding ---- */

/* The name of a tunnel, or its public address: "web", "web.example.com". */
static enum err parse_name(struct relay_work *w, const char *word, char name[64])
{
	char shown[64];
	size_t n = strcspn(word, ".");

	snprintf(name, 64, "%.*s", (int)(n < 64 ? n : 63), word);
	str_lower(name);
	if (n > 0 && n < 64 &&
		name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0')
		return ERR_OK;
	return err_set(w->why, ERR_USAGE,
		"%s is not the name of a tunnel; write one such as my-app",
		str_quote(shown, sizeof(shown), span_str(word)));
}

/* The tunnel that the first word names, an object of the list. */
static enum err find_tunnel(struct relay_work *w, json_t **out)
{
	char name[64], target[TARGET_MAX];
	json_t *all = NULL;
	enum err rc = parse_name(w, w->words[0], name);

	snprintf(target, sizeof(target), "/api/tunnels?name=%s", name);
	if (rc == ERR_OK)
		rc = relay_action_ask(w, "GET", target, NULL, &all);
	if (rc == ERR_OK) {
		json_t *found = json_array_get(json_object_get(all, "tunnels"), 0);

		*out = json_incref(found);
		if (found == NULL)
			rc = err_set(w->why, ERR_NOENT,
				"there is no tunnel %s; adit relay tunnel list prints all",
				name);
	}
	json_decref(all);
	return rc;
}

static const char *target_of(const json_t *tunnel, const char *end, char to[TARGET_MAX])
{
	snprintf(to, TARGET_MAX, "/api/tunnels/%s%s",
		json_string_value(json_object_get(tunnel, "id")), end);
	return to;
}

/* ---- printing ---- */

/* "https://web.example.com leads to localhost:3000 at nas" */
static void print_line(struct relay_work *w, const json_t *t)
{
	char host[RELAY_ACTION_TEXT], target[RELAY_ACTION_TEXT], agent[RELAY_ACTION_TEXT];
	char type[RELAY_ACTION_TEXT];

	relay_action_text(t, "agent", agent);
	if (strcmp(relay_action_text(t, "type", type), "app") == 0)
		fprintf(w->out, "https://%s", relay_action_text(t, "fqdn", host));
	else
		fprintf(w->out, "%s %s:%" PRId64, type,
			relay_action_text(t, "fqdn", host),
			(int64_t)json_integer_value(json_object_get(t, "port")));
	fprintf(w->out, " leads to %s%s%s\n", relay_action_text(t, "target", target),
		agent[0] != '\0' ? " at " : "; no agent serves it yet", agent);
}

static void print_reply(struct relay_work *w, const json_t *reply)
{
	char warning[RELAY_ACTION_TEXT], name[RELAY_ACTION_TEXT];
	const json_t *tunnel = json_object_get(reply, "tunnel");

	if (w->args->is_json) {
		relay_action_print_json(w, reply);
		return;
	}
	print_line(w, tunnel);
	if (relay_action_text(reply, "warning", warning)[0] != '\0')
		fprintf(w->out,
			"warning: %s\nIf everyone may open it: adit relay tunnel set %s"
			" --access public\n",
			warning, relay_action_text(tunnel, "subdomain", name));
}

static void print_station(struct relay_work *w, const json_t *s)
{
	char name[RELAY_ACTION_TEXT], state[RELAY_ACTION_TEXT], text[RELAY_ACTION_TEXT];

	fprintf(w->out, "  %-12s %-8s %s", relay_action_text(s, "name", name),
		relay_action_text(s, "state", state), relay_action_text(s, "text", text));
	if (relay_action_text(s, "remedy", text)[0] != '\0')
		fprintf(w->out, " %s", text);
	fputc('\n', w->out);
}

static void print_path(struct relay_work *w, const json_t *tunnel, const json_t *path)
{
	char text[RELAY_ACTION_TEXT], since[RELAY_ACTION_TEXT];
	const json_t *station;
	size_t i;

	print_line(w, tunnel);
	fprintf(w->out, "access: %s", relay_action_text(tunnel, "accessMode", text));
	if (relay_action_text(tunnel, "description", text)[0] != '\0')
		fprintf(w->out, "; note: %s", text);
	fprintf(w->out, "\nstatus: %s", relay_action_text(path, "status", text));
	if (relay_action_text(path, "since", since)[0] != '\0')
		fprintf(w->out, ", since %s", since);
	fputc('\n', w->out);
	json_array_foreach(json_object_get(path, "stations"), i, station)
		print_station(w, station);
}

/* ---- waiting ---- */

/* The text of the station that names the status, such as "no-agent"; or "". */
static const char *reason_of(const json_t *path, const char *status,
	char to[RELAY_ACTION_TEXT])
{
	const json_t *station;
	char name[RELAY_ACTION_TEXT], state[RELAY_ACTION_TEXT];
	const bool is_checking = strcmp(status, "checking") == 0;
	size_t i;

	to[0] = '\0';
	json_array_foreach(json_object_get(path, "stations"), i, station)
	{
		relay_action_text(station, "name", name);
		relay_action_text(station, "state", state);
		if (to[0] == '\0' &&
			(is_checking ? strcmp(state, "unknown") == 0 :
				       strstr(status, name) != NULL))
			relay_action_text(station, "text", to);
	}
	return to;
}

/* Only a person changes these. */
static bool is_final(const char *status)
{
	return strcmp(status, "live") == 0 || strcmp(status, "app-error") == 0 ||
		strcmp(status, "certificate-expiring") == 0 ||
		strcmp(status, "paused") == 0 || strcmp(status, "no-sign-in") == 0;
}

static enum err wait_until_live(struct relay_work *w, const json_t *tunnel)
{
	const uint64_t until_ms = clock_now_ms() + WAIT_MS;
	char status[RELAY_ACTION_TEXT] = "", is[RELAY_ACTION_TEXT];
	char reason[RELAY_ACTION_TEXT] = "", target[TARGET_MAX];
	json_t *path = NULL;
	enum err rc = ERR_OK;

	while (rc == ERR_OK && !is_final(status) && clock_now_ms() < until_ms) {
		if (status[0] != '\0')
			(void)poll(NULL, 0, WAIT_LOOK_MS);
		rc = relay_action_ask(w, "GET", target_of(tunnel, "/path", target), NULL,
			&path);
		relay_action_text(path, "status", is);
		if (rc == ERR_OK && strcmp(is, status) != 0) {
			str_copy(status, sizeof(status), is);
			reason_of(path, status, reason);
			if (!w->args->is_json)
				fprintf(w->out, "%s%s%s\n", status,
					reason[0] != '\0' ? ": " : "", reason);
			fflush(w->out);
		}
		json_decref(path);
		path = NULL;
	}
	if (rc != ERR_OK || strcmp(status, "live") == 0 ||
		strcmp(status, "app-error") == 0 ||
		strcmp(status, "certificate-expiring") == 0)
		return rc;
	return err_set(w->why, ERR_TIMEOUT, "visitors do not reach it yet: %s: %s",
		status, reason);
}

/* Prints the response, and waits if that is wanted. Takes @reply. */
static enum err finish(struct relay_work *w, json_t *reply)
{
	const struct tunnel_args *args = (const struct tunnel_args *)w->args;
	enum err rc = ERR_OK;

	print_reply(w, reply);
	fflush(w->out);
	if (args->waits)
		rc = wait_until_live(w, json_object_get(reply, "tunnel"));
	json_decref(reply);
	return rc;
}

/* ---- actions ---- */

static enum err add(struct relay_work *w)
{
	const struct tunnel_args *args = (const struct tunnel_args *)w->args;
	json_t *body = json_object(), *reply = NULL;
	unsigned long port;
	char name[64];
	enum err rc = parse_name(w, w->words[0], name);

	if (rc == ERR_OK && !str_to_uint(w->words[1], UINT16_MAX, &port))
		rc = err_set(w->why, ERR_USAGE,
			"write the port of the app after the name, such as: add my-app 3000");
	if (rc == ERR_OK)
		rc = add_flags(w, body);
	if (rc != ERR_OK) {
		json_decref(body);
		return rc;
	}
	json_object_set_new(body, "subdomain", json_string(name));
	json_object_set_new(body, "port", json_integer((json_int_t)port));
	rc = relay_action_ask(w, "POST",
		args->is_anyway ? "/api/tunnels?anyway=1" : "/api/tunnels", body, &reply);
	return rc == ERR_OK ? finish(w, reply) : rc;
}

static enum err patch(struct relay_work *w, json_t *body)
{
	const struct tunnel_args *args = (const struct tunnel_args *)w->args;
	json_t *tunnel = NULL, *reply = NULL;
	char target[TARGET_MAX];
	enum err rc = find_tunnel(w, &tunnel);

	if (rc == ERR_OK)
		rc = relay_action_ask(w, "PATCH",
			target_of(tunnel, args->is_anyway ? "?anyway=1" : "", target),
			json_incref(body), &reply);
	json_decref(tunnel);
	json_decref(body);
	return rc == ERR_OK ? finish(w, reply) : rc;
}

static enum err set(struct relay_work *w)
{
	json_t *body = json_object();
	enum err rc = add_flags(w, body);

	if (rc == ERR_OK && json_object_size(body) == 0)
		rc = err_set(w->why, ERR_USAGE,
			"write what to change, such as --access public or --target"
			" localhost:3000");
	if (rc == ERR_OK)
		return patch(w, body);
	json_decref(body);
	return rc;
}

/* pause and resume */
static enum err pause_or_resume(struct relay_work *w)
{
	return patch(w,
		json_pack("{sb}", "enabled", strcmp(w->action->name, "resume") == 0));
}

static enum err show(struct relay_work *w)
{
	json_t *tunnel = NULL, *path = NULL;
	char target[TARGET_MAX];
	enum err rc = find_tunnel(w, &tunnel);

	if (rc == ERR_OK)
		rc = relay_action_ask(w, "GET", target_of(tunnel, "/path", target), NULL,
			&path);
	if (rc == ERR_OK && w->args->is_json) {
		json_object_set(tunnel, "path", path);
		relay_action_print_json(w, tunnel);
	} else if (rc == ERR_OK) {
		print_path(w, tunnel, path);
	}
	json_decref(path);
	json_decref(tunnel);
	return rc;
}

static enum err remove_tunnel(struct relay_work *w)
{
	char target[TARGET_MAX], host[RELAY_ACTION_TEXT];
	json_t *tunnel = NULL, *reply = NULL;
	enum err rc = find_tunnel(w, &tunnel);

	if (rc == ERR_OK)
		rc = relay_action_ask(w, "DELETE", target_of(tunnel, "", target), NULL,
			&reply);
	if (rc == ERR_OK && w->args->is_json)
		relay_action_print_json(w, reply);
	else if (rc == ERR_OK)
		fprintf(w->out, "%s: removed\n", relay_action_text(tunnel, "fqdn", host));
	json_decref(reply);
	json_decref(tunnel);
	return rc;
}

static void print_row(struct relay_work *w, const json_t *t)
{
	static const char *const keys[] = { "subdomain", "status", "accessMode", "agent",
		"target", "description" };
	static const int widths[] = { 20, 20, 14, 16, 22, 0 };
	char text[RELAY_ACTION_TEXT];

	for (size_t i = 0; i < mem_count(keys); i++) {
		relay_action_text(t, keys[i], text);
		fprintf(w->out, "%s%-*s", i > 0 ? " " : "", widths[i],
			text[0] == '\0' && i < mem_count(keys) - 1 ? "-" : text);
	}
	fputc('\n', w->out);
}

static enum err list(struct relay_work *w)
{
	json_t *all = NULL;
	const json_t *t;
	size_t i;
	enum err rc = relay_action_ask(w, "GET", "/api/tunnels", NULL, &all);

	if (rc == ERR_OK && w->args->is_json) {
		relay_action_print_json(w, all);
	} else if (rc == ERR_OK) {
		fprintf(w->out, "%-20s %-20s %-14s %-16s %-22s %s\n", "NAME", "STATUS",
			"ACCESS", "AGENT", "TARGET", "NOTE");
		json_array_foreach(json_object_get(all, "tunnels"), i, t) print_row(w, t);
	}
	json_decref(all);
	return rc;
}

/* ---- the command ---- */

static const struct relay_action actions[] = {
	{ "add", "NAME PORT [flags]", 2, 2, add, NULL },
	{ "list", "", 0, 0, list, NULL },
	{ "show", "NAME", 1, 1, show, NULL },
	{ "set", "NAME flags", 1, 1, set, NULL },
	{ "pause", "NAME", 1, 1, pause_or_resume, NULL },
	{ "resume", "NAME", 1, 1, pause_or_resume, NULL },
	{ "remove", "NAME", 1, 1, remove_tunnel, NULL },
};

static int run(struct call *c, void *object)
{
	struct tunnel_args *args = object;
	struct relay_work w;

	return relay_action_run(c, &args->relay, actions, mem_count(actions), &w);
}

const struct command command_relay_tunnel = {
	.name = "relay tunnel",
	.arguments = "[flags] <action> [argument]...",
	.summary =
		"add, list, show, change and remove tunnels of the relay on this machine",
	.about =
		"  add NAME PORT  publish the app on this port of an agent as NAME.DOMAIN\n"
		"  list           print all tunnels and their status\n"
		"  show NAME      print its path: where requests arrive, and where not\n"
		"  set NAME       change what the flags name\n"
		"  pause NAME     visitors see a page that says so\n"
		"  resume NAME    end the pause\n"
		"  remove NAME    end the tunnel\n"
		"\n"
		"A change takes effect at once, and is stored and audited. Only public tunnels\n"
		"are served: this relay has no sign-in yet.\n"
		"\n"
		"Only root and the user that the relay runs as may use this command.\n",
	.examples =
		"  @ relay tunnel add myapp 3000 --access public --wait\n"
		"  @ relay tunnel set myapp --target localhost:8080 --note \"the new one\"\n"
		"  @ relay tunnel show myapp\n",
	.fields = &fields,
	.run = run,
	.has_flags_anywhere = true,
	.words = "add list show set pause resume remove",
};
