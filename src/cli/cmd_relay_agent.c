/* adit relay agent: the agents of the relay on this machine. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/relay_action.h"

struct agent_args {
	struct relay_args relay; /* first */
	struct field_list capabilities;
};

#define AT(member) FIELD_AT(struct agent_args, member)

static const struct field rows[] = {
	{ .kind = FIELD_TABLE, AT(relay), .of = &relay_admin_fields },
	{ "capabilities", FIELD_LIST, AT(capabilities), .max = 32, .argument = "list",
		.help = "rights of the agent in the API, with commas between them, such as"
			" tunnels:read,tunnels:write; tunnels:read is always one" },
};

static const struct field_table fields = FIELD_TABLE_OF(struct agent_args, rows);

/* "/api/certs/agent/LABEL". A label that the relay would not accept is refused here, so
 * that it can stand in a path. */
static enum err target_of(struct relay_work *w, char to[128])
{
	const char *label = w->words[0];
	size_t n = strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-");
	char shown[64];

	if (n == 0 || n > 50 || label[n] != '\0')
		return err_set(w->why, ERR_USAGE,
			"%s is not the label of an agent; write lower-case letters, digits and"
			" \"-\", such as nas",
			str_quote(shown, sizeof(shown), span_str(label)));
	snprintf(to, 128, "/api/certs/agent/%s", label);
	return ERR_OK;
}

/* ---- enroll ---- */

static json_t *capabilities_of(const struct agent_args *args)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < args->capabilities.n; i++)
		json_array_append_new(all, json_string(args->capabilities.v[i]));
	return all;
}

static void print_token(struct relay_work *w, const json_t *reply)
{
	char command[RELAY_ACTION_TEXT], time[RELAY_ACTION_TEXT];
	json_t *out;

	if (!w->args->is_json) {
		fprintf(w->out, "On the machine of the app, until %s, once:\n\n  %s\n",
			relay_action_text(reply, "expiresAt", time),
			relay_action_text(reply, "command", command));
		return;
	}
	out = json_pack("{sO sO sO sO}", "label", json_object_get(reply, "label"),
		"token", json_object_get(reply, "token"), "command",
		json_object_get(reply, "command"), "expires_at",
		json_object_get(reply, "expiresAt"));
	relay_action_print_json(w, out);
	json_decref(out);
}

static enum err enroll(struct relay_work *w)
{
	const struct agent_args *args = (const struct agent_args *)w->args;
	json_t *reply = NULL;
	char target[128];
	enum err rc = target_of(w, target);

	if (rc == ERR_OK)
		rc = relay_action_ask(w, "POST", "/api/certs/agent/enroll",
			json_pack("{ss so}", "label", w->words[0], "capabilities",
				capabilities_of(args)),
			&reply);
	if (rc == ERR_OK)
		print_token(w, reply);
	json_decref(reply);
	return rc;
}

/* ---- list ---- */

static void print_agent(struct relay_work *w, const json_t *a)
{
	char label[RELAY_ACTION_TEXT], state[RELAY_ACTION_TEXT],
		address[RELAY_ACTION_TEXT];
	char until[RELAY_ACTION_TEXT], since[RELAY_ACTION_TEXT];

	relay_action_text(a, "connectedSince", since);
	relay_action_text(a, "address", address);
	if (json_is_true(json_object_get(a, "revoked")))
		str_copy(state, sizeof(state), "revoked");
	else if (since[0] != '\0')
		snprintf(state, sizeof(state), "since %.16sZ", since);
	else
		str_copy(state, sizeof(state), "not connected");
	fprintf(w->out, "%-20s %-24s %-16s %7" PRId64 "  %.10s\n",
		relay_action_text(a, "label", label), state,
		address[0] != '\0' ? address : "-",
		(int64_t)json_integer_value(json_object_get(a, "tunnels")),
		relay_action_text(a, "expiresAt", until));
}

static enum err list(struct relay_work *w)
{
	char label[RELAY_ACTION_TEXT], until[RELAY_ACTION_TEXT];
	json_t *all = NULL;
	const json_t *a;
	size_t i;
	enum err rc = relay_action_ask(w, "GET", "/api/certs/agent", NULL, &all);

	if (rc == ERR_OK && w->args->is_json) {
		relay_action_print_json(w, all);
	} else if (rc == ERR_OK) {
		fprintf(w->out, "%-20s %-24s %-16s %7s  %s\n", "LABEL", "CONNECTED",
			"ADDRESS", "TUNNELS", "CERTIFICATE UNTIL");
		json_array_foreach(json_object_get(all, "agents"), i, a)
			print_agent(w, a);
		json_array_foreach(json_object_get(all, "tokens"), i, a)
			fprintf(w->out, "%-20s a token waits for it until %s\n",
				relay_action_text(a, "label", label),
				relay_action_text(a, "expiresAt", until));
	}
	json_decref(all);
	return rc;
}

/* ---- changes ---- */

static enum err change(struct relay_work *w, const char *method, const char *end,
	json_t *body, const char *result)
{
	json_t *reply = NULL;
	char target[128], whole[160];
	enum err rc = target_of(w, target);

	if (rc != ERR_OK) {
		json_decref(body);
		return rc;
	}
	snprintf(whole, sizeof(whole), "%s%s", target, end);
	rc = relay_action_ask(w, method, whole, body, &reply);
	if (rc == ERR_OK && w->args->is_json)
		relay_action_print_json(w, reply);
	else if (rc == ERR_OK)
		fprintf(w->out, "%s: %s\n", w->words[0], result);
	json_decref(reply);
	return rc;
}

static enum err revoke(struct relay_work *w)
{
	return change(w, "DELETE", "", NULL, "revoked");
}

static enum err set(struct relay_work *w)
{
	const struct agent_args *args = (const struct agent_args *)w->args;

	if (args->capabilities.n == 0)
		return err_set(w->why, ERR_USAGE,
			"write the rights, such as --capabilities tunnels:read,tunnels:write");
	return change(w, "PATCH", "/capabilities",
		json_pack("{so}", "capabilities", capabilities_of(args)), "changed");
}

/* ---- the command ---- */

static const struct relay_action actions[] = {
	{ "enroll", "LABEL", 1, 1, enroll, NULL },
	{ "list", "", 0, 0, list, NULL },
	{ "set", "LABEL --capabilities LIST", 1, 1, set, NULL },
	{ "revoke", "LABEL", 1, 1, revoke, NULL },
};

static int run(struct call *c, void *object)
{
	struct agent_args *args = object;
	struct relay_work w;

	return relay_action_run(c, &args->relay, actions, mem_count(actions), &w);
}

const struct command command_relay_agent = {
	.name = "relay agent",
	.arguments = "[flags] <action> [argument]...",
	.summary = "enroll, list and revoke agents of the relay on this machine",
	.about =
		"  enroll LABEL  print the command by which a machine becomes this agent: it is\n"
		"                good for 10 minutes, and once\n"
		"  list          print agents, when they connected, and their tunnels\n"
		"  set LABEL     change its rights in the API\n"
		"  revoke LABEL  end its certificate and its connection\n"
		"\n"
		"A change takes effect at once, and is stored and audited. The first agent gets\n"
		"the tunnels that have no agent yet.\n"
		"\n"
		"Only root and the user that the relay runs as may use this command.\n",
	.examples = "  @ relay agent enroll nas\n"
		    "  @ relay agent revoke nas\n",
	.fields = &fields,
	.run = run,
	.has_flags_anywhere = true,
	.words = "enroll list set revoke",
};
