/* adit relay lease: lists the leases of the relay on this machine, and changes its
 * policy. */
#include "cli/command.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/relay_args.h"
#include "cli/relay_ask.h"
#include "net/prefix.h"
#include "text/base64.h"
#include "text/nearest.h"
#include "tunnel/portal/identity.h"

#define TARGET_MAX 1024

/* One call of the command. */
struct work {
	const struct call *call;
	struct relay_ask *relay;
	char **words; /* behind the verb, NULL at the end */
	bool is_json;
	json_t *snapshot, *policy; /* what there is; owned */
	struct why *why;
};

/* ---- identities ---- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

/* Both parts are in form. */
static bool key_split(const char *key, char name[NAMES_LABEL_MAX + 1],
	char address[ADDRESS_TEXT_SIZE])
{
	const char *colon = strrchr(key, ':');

	return colon != NULL &&
		names_parse_label(span_of(key, (size_t)(colon - key)), name, NULL) ==
		ERR_OK &&
		address_parse(span_str(colon + 1), address) == ERR_OK;
}

/* Is the identity @key meant by @word: a name, an address, or both? */
static bool key_is_meant(const char *key, const char *word)
{
	char name[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE];
	char wanted[NAMES_LABEL_MAX + 1], wanted_address[ADDRESS_TEXT_SIZE];

	if (!key_split(key, name, address))
		return false;
	if (address_parse(span_str(word), wanted_address) == ERR_OK)
		return strcmp(address, wanted_address) == 0;
	return names_parse_label(span_str(word), wanted, NULL) == ERR_OK &&
		strcmp(name, wanted) == 0;
}

static enum err work_look(struct work *w)
{
	enum err rc = relay_ask(w->relay, "GET", "/admin/snapshot", NULL, &w->snapshot,
		w->why);

	return rc == ERR_OK ?
		relay_ask(w->relay, "GET", "/admin/policy", NULL, &w->policy, w->why) :
		rc;
}

static bool has_key(const json_t *keys, const char *key)
{
	const json_t *value;
	size_t i;

	json_array_foreach(keys, i,
		value) if (strcmp(json_string_value(value), key) == 0) return true;
	return false;
}

static void collect(const json_t *from, const char *word, json_t *keys)
{
	const json_t *value;
	size_t i;

	json_array_foreach(from, i, value)
	{
		const char *key = text_of(value, "identity_key");

		if (key_is_meant(key, word) && !has_key(keys, key))
			json_array_append_new(keys, json_string(key));
	}
}

/* The keys of identities that @word means; ERR_NOENT: there is none. */
static enum err find_identities(struct work *w, const char *word, json_t **out)
{
	char name[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE];
	char key[IDENTITY_KEY_SIZE], shown[128];
	json_t *keys = json_array();
	enum err rc = work_look(w);

	if (rc == ERR_OK && key_split(word, name, address)) {
		json_array_append_new(keys,
			json_string(identity_key_print(name, address, key)));
	} else if (rc == ERR_OK) {
		collect(json_object_get(w->snapshot, "leases"), word, keys);
		collect(json_object_get(w->policy, "identities"), word, keys);
	}
	if (rc == ERR_OK && json_array_size(keys) == 0)
		rc = err_set(w->why, ERR_NOENT,
			"no lease has the name or address %s; for an identity without a lease,"
			" write NAME:0xADDRESS",
			str_quote(shown, sizeof(shown), span_str(word)));
	if (rc == ERR_OK)
		*out = keys;
	else
		json_decref(keys);
	return rc;
}

/* ---- changes ---- */

static enum err work_change(struct work *w, const char *method, const char *target,
	const char *body)
{
	json_t *data = NULL;
	enum err rc = relay_ask(w->relay, method, target, body, &data, w->why);

	json_decref(data);
	return rc;
}

static void put_part(char *to, const char *text)
{
	base64_encode(BASE64_URL, span_str(text), to);
}

static enum err change_identity(struct work *w, const char *method, const char *key,
	const char *what, const char *body)
{
	char name[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE];
	char name_part[BASE64_TEXT_SIZE(sizeof(name))];
	char address_part[BASE64_TEXT_SIZE(sizeof(address))];
	char target[TARGET_MAX];

	if (!key_split(key, name, address))
		return err_set(w->why, ERR_PROTO, "the relay's words make no sense");
	put_part(name_part, name);
	put_part(address_part, address);
	snprintf(target, sizeof(target), "/admin/leases/%s/%s/%s", name_part,
		address_part, what);
	return work_change(w, method, target, body);
}

static enum err change_identities(struct work *w, const char *method, const char *word,
	const char *what, const char *body)
{
	json_t *keys = NULL, *key;
	enum err rc = find_identities(w, word, &keys);
	size_t i;

	json_array_foreach(keys, i, key)
	{
		if (rc == ERR_OK)
			rc = change_identity(w, method, json_string_value(key), what,
				body);
		if (rc == ERR_OK)
			fprintf(w->call->out, "%s: %s\n", json_string_value(key),
				w->call->argv[0]);
	}
	json_decref(keys);
	return rc;
}

/* "2001:db8::/32" is a part of a path but for its slash. */
static enum err change_network(struct work *w, const char *method,
	const struct prefix *network)
{
	char text[PREFIX_TEXT_MAX], target[TARGET_MAX], *slash;
	enum err rc;

	prefix_print(network, text);
	slash = strchr(text, '/');
	snprintf(target, sizeof(target), "/admin/ips/%.*s%s%s/ban",
		(int)(slash != NULL ? (size_t)(slash - text) : strlen(text)), text,
		slash != NULL ? "%2f" : "", slash != NULL ? slash + 1 : "");
	rc = work_change(w, method, target, NULL);
	if (rc == ERR_OK)
		fprintf(w->call->out, "%s: %s\n", text, w->call->argv[0]);
	return rc;
}

static enum err work_approve(struct work *w)
{
	return change_identities(w, "POST", w->words[0], "approve", NULL);
}

static enum err work_deny(struct work *w)
{
	return change_identities(w, "POST", w->words[0], "deny", NULL);
}

static enum err ban_or_not(struct work *w, const char *method)
{
	const char *word = w->words[0];
	struct prefix network;
	char shown[128];

	if (prefix_parse(span_str(word), &network) == ERR_OK)
		return change_network(w, method, &network);
	if (strpbrk(word, "/.") != NULL) /* neither is in the name of a lease */
		return err_set(w->why, ERR_USAGE,
			"%s is not a network; write one such as 203.0.113.5, 203.0.113.0/24 or"
			" 2001:db8::/48, or the name of a lease",
			str_quote(shown, sizeof(shown), span_str(word)));
	return change_identities(w, method, word, "ban", NULL);
}

static enum err work_ban(struct work *w)
{
	return ban_or_not(w, "POST");
}

static enum err work_unban(struct work *w)
{
	return ban_or_not(w, "DELETE");
}

static enum err work_limit(struct work *w)
{
	unsigned long rate;
	char body[64];

	if (!str_to_uint(w->words[1], LONG_MAX, &rate))
		return err_set(w->why, ERR_USAGE,
			"limit takes a number of bytes per second, or 0 for no limit");
	snprintf(body, sizeof(body), "{\"bps\":%lu}", rate);
	return change_identities(w, rate > 0 ? "POST" : "DELETE", w->words[0], "bps",
		rate > 0 ? body : NULL);
}

/* Removes all policy about them. */
static enum err work_forget(struct work *w)
{
	static const char *const marks[] = { "approve", "deny", "ban", "bps" };
	json_t *keys = NULL, *key;
	enum err rc = find_identities(w, w->words[0], &keys);
	size_t i;

	json_array_foreach(keys, i, key)
	{
		for (size_t k = 0; k < mem_count(marks) && rc == ERR_OK; k++)
			rc = change_identity(w, "DELETE", json_string_value(key),
				marks[k], NULL);
		if (rc == ERR_OK)
			fprintf(w->call->out, "%s: forget\n", json_string_value(key));
	}
	json_decref(keys);
	return rc;
}

/* ---- settings ---- */

static enum err work_approval(struct work *w)
{
	char body[64];

	if (strcmp(w->words[0], "auto") != 0 && strcmp(w->words[0], "manual") != 0)
		return err_set(w->why, ERR_USAGE, "approval is auto or manual");
	snprintf(body, sizeof(body), "{\"mode\":\"%s\"}", w->words[0]);
	return work_change(w, "POST", "/admin/settings/approval-mode", body);
}

static enum err read_switch(struct work *w, bool *is_on)
{
	*is_on = strcmp(w->words[0], "on") == 0;
	return *is_on || strcmp(w->words[0], "off") == 0 ?
		ERR_OK :
		err_set(w->why, ERR_USAGE, "write on or off");
}

/* Else "on" would be stored, and change nothing. */
static enum err check_has_ports(struct work *w)
{
	json_t *status = NULL;
	enum err rc = relay_ask(w->relay, "GET", "/admin/status", NULL, &status, w->why);

	if (rc == ERR_OK && json_is_null(json_object_get(status, "tcp")))
		rc = err_set(w->why, ERR_DENIED,
			"this relay has no ports for leases; set tcp_enabled, min_port and"
			" max_port, and start it again");
	json_decref(status);
	return rc;
}

static enum err work_tcp(struct work *w)
{
	unsigned long most = 0;
	char body[96];
	bool is_on;
	enum err rc = read_switch(w, &is_on);

	if (rc == ERR_OK && w->words[1] != NULL &&
		!str_to_uint(w->words[1], UINT32_MAX, &most))
		rc = err_set(w->why, ERR_USAGE,
			"write how many leases may have a TCP port, or 0 for any number");
	if (rc == ERR_OK && is_on)
		rc = check_has_ports(w);
	if (rc != ERR_OK)
		return rc;
	snprintf(body, sizeof(body), "{\"enabled\":%s,\"max_leases\":%lu}",
		is_on ? "true" : "false", most);
	return work_change(w, "POST", "/admin/settings/tcp-port", body);
}

static enum err work_page(struct work *w)
{
	bool is_on;
	enum err rc = read_switch(w, &is_on);

	return rc == ERR_OK ?
		work_change(w, "POST", "/admin/settings/landing-page",
			is_on ? "{\"enabled\":true}" : "{\"enabled\":false}") :
		rc;
}

/* ---- the list ---- */

/* The same in plain keys, for programs. */
static json_t *lease_of(const json_t *l)
{
	static const struct {
		const char *key, *from;
	} rows[] = {
		{ "name", "name" },
		{ "hostname", "Hostname" },
		{ "address", "address" },
		{ "client_ip", "ClientIP" },
		{ "reported_ip", "ReportedIP" },
		{ "tcp_address", "TCPAddr" },
		{ "sessions", "Ready" },
		{ "first_seen", "FirstSeenAt" },
		{ "last_seen", "LastSeenAt" },
		{ "expires", "ExpiresAt" },
		{ "approved", "IsApproved" },
		{ "denied", "IsDenied" },
		{ "banned", "IsBanned" },
		{ "ip_banned", "IsIPBanned" },
		{ "bytes_per_s", "BPS" },
	};
	json_t *out = json_object();

	for (size_t i = 0; i < mem_count(rows); i++) {
		json_t *value = json_object_get(l, rows[i].from);
		bool is_empty = value == NULL ||
			(json_is_string(value) && json_string_length(value) == 0);

		json_object_set(out, rows[i].key, is_empty ? json_null() : value);
	}
	return out;
}

static void print_json(struct work *w)
{
	json_t *leases = json_array(), *value, *all;
	size_t i;

	json_array_foreach(json_object_get(w->snapshot, "leases"), i, value)
		json_array_append_new(leases, lease_of(value));
	all = json_pack("{s:O, s:o, s:O, s:O}", "approval",
		json_object_get(w->snapshot, "approval_mode"), "leases", leases,
		"identities", json_object_get(w->policy, "identities"), "banned_networks",
		json_object_get(w->policy, "banned_networks"));
	if (all != NULL)
		json_dumpf(all, w->call->out, JSON_COMPACT);
	fputc('\n', w->call->out);
	json_decref(all);
}

/* "served, limited to 1000 bytes/s" */
static const char *state_print(bool is_approved, bool is_denied, bool is_banned,
	bool is_ip_banned, int64_t rate, char to[128])
{
	const char *state = "served";

	if (is_banned)
		state = "banned";
	else if (is_ip_banned)
		state = "IP address banned";
	else if (is_denied)
		state = "denied";
	else if (!is_approved)
		state = "waits for approval";
	snprintf(to, 128, "%s", state);
	if (rate > 0)
		snprintf(to + strlen(to), 128 - strlen(to),
			", limited to %" PRId64 " bytes/s", rate);
	return to;
}

static bool flag_of(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static int64_t number_of(const json_t *object, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(object, key));
}

static void print_lease(FILE *out, const json_t *l)
{
	char name[80], address[64], client[80], state[128];

	fprintf(out, "%-20s %-42s %-15s %8" PRId64 "  %s\n",
		str_quote(name, sizeof(name), span_str(text_of(l, "name"))),
		str_quote(address, sizeof(address), span_str(text_of(l, "address"))),
		str_quote(client, sizeof(client), span_str(text_of(l, "ClientIP"))),
		number_of(l, "Ready"),
		state_print(flag_of(l, "IsApproved"), flag_of(l, "IsDenied"),
			flag_of(l, "IsBanned"), flag_of(l, "IsIPBanned"),
			number_of(l, "BPS"), state));
}

/* An identity that policy knows and that has no lease now. */
static void print_identity(FILE *out, const json_t *e)
{
	char name[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE], state[128];

	if (!key_split(text_of(e, "identity_key"), name, address))
		return;
	fprintf(out, "%-20s %-42s %-15s %8s  %s\n", name, address, "-", "-",
		flag_of(e, "approved") ?
			"approved" :
			state_print(true, flag_of(e, "denied"), flag_of(e, "banned"),
				false, number_of(e, "bytes_per_s"), state));
}

static bool has_lease(struct work *w, const char *key)
{
	const json_t *l;
	size_t i;

	json_array_foreach(json_object_get(w->snapshot, "leases"), i,
		l) if (strcmp(text_of(l, "identity_key"), key) == 0) return true;
	return false;
}

static void print_text(struct work *w)
{
	FILE *out = w->call->out;
	const json_t *value;
	char shown[80];
	size_t i;

	fprintf(out, "%-20s %-42s %-15s %8s  %s\n", "NAME", "ADDRESS", "CLIENT",
		"SESSIONS", "STATE");
	json_array_foreach(json_object_get(w->snapshot, "leases"), i, value)
		print_lease(out, value);
	json_array_foreach(json_object_get(w->policy, "identities"), i,
		value) if (!has_lease(w, text_of(value, "identity_key")))
		print_identity(out, value);
	json_array_foreach(json_object_get(w->policy, "banned_networks"), i,
		value) fprintf(out, "%s%s", i == 0 ? "\nbanned networks: " : ", ",
		str_quote(shown, sizeof(shown), span_str(json_string_value(value))));
	if (json_array_size(json_object_get(w->policy, "banned_networks")) > 0)
		fputc('\n', out);
}

static enum err work_list(struct work *w)
{
	enum err rc = work_look(w);

	if (rc == ERR_OK && w->is_json)
		print_json(w);
	else if (rc == ERR_OK)
		print_text(w);
	return rc;
}

/* ---- the command ---- */

static const struct verb {
	const char *name, *arguments;
	int least, most; /* words behind it */
	enum err (*fn)(struct work *w);
} verbs[] = {
	{ "list", "", 0, 0, work_list },
	{ "approve", "LEASE", 1, 1, work_approve },
	{ "deny", "LEASE", 1, 1, work_deny },
	{ "ban", "LEASE|NETWORK", 1, 1, work_ban },
	{ "unban", "LEASE|NETWORK", 1, 1, work_unban },
	{ "limit", "LEASE BYTES_PER_S", 2, 2, work_limit },
	{ "forget", "LEASE", 1, 1, work_forget },
	{ "approval", "auto|manual", 1, 1, work_approval },
	{ "tcp", "on|off [MAX_LEASES]", 1, 2, work_tcp },
	{ "page", "on|off", 1, 1, work_page },
};

static const struct verb *verb_find(const struct call *c, struct why *why)
{
	const char *word = c->argc > 0 ? c->argv[0] : "";
	struct nearest near;
	char shown[64];

	nearest_init(&near, word);
	for (size_t i = 0; i < mem_count(verbs); i++) {
		const struct verb *v = &verbs[i];

		nearest_try(&near, v->name);
		if (strcmp(v->name, word) != 0)
			continue;
		if (c->argc - 1 >= v->least && c->argc - 1 <= v->most)
			return v;
		(void)err_set(why, ERR_USAGE, "write: %s%s%s", v->name,
			v->most > 0 ? " " : "", v->arguments);
		return NULL;
	}
	if (c->argc == 0)
		(void)err_set(why, ERR_USAGE,
			"say what to do, such as list; --help has the rest");
	else if (near.best != NULL)
		(void)err_set(why, ERR_USAGE, "there is no \"%s\"; did you mean %s?",
			str_quote(shown, sizeof(shown), span_str(word)), near.best);
	else
		(void)err_set(why, ERR_USAGE, "there is no \"%s\"; --help lists what is",
			str_quote(shown, sizeof(shown), span_str(word)));
	return NULL;
}

static int work(const struct call *c, struct relay_args *args)
{
	struct relay_options options = { .workers = 0 };
	struct why why = { "" };
	struct work w = { .call = c, .is_json = args->is_json, .why = &why };
	const struct verb *v = verb_find(c, &why);
	enum err rc = v == NULL ? ERR_USAGE : ERR_OK;

	if (rc == ERR_OK)
		rc = relay_args_read(args, &options, &why);
	if (rc != ERR_OK)
		return call_fail(c, rc == ERR_SYNTAX ? ERR_USAGE : rc, &why);
	w.words = c->argv + 1;
	rc = relay_ask_open(options.state_dir, &w.relay, &why);
	if (rc == ERR_OK)
		rc = v->fn(&w);
	relay_ask_close(w.relay);
	json_decref(w.snapshot);
	json_decref(w.policy);
	field_fini(&relay_fields, &options);
	return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc, &why);
}

static int run(struct call *c)
{
	struct relay_args args = { .config = NULL };
	int exit_code;

	if (relay_args_call(c, &args, &exit_code))
		exit_code = work(c, &args);
	relay_args_fini(&args);
	return exit_code;
}

const struct command command_relay_lease = {
	.name = "relay lease",
	.arguments = "[flags] <action> [argument]...",
	.summary = "list the leases of the relay on this machine, approve, deny, ban",
	.about =
		"  list                     print leases, their holders and the policy\n"
		"  approve LEASE            serve it, also where leases need approval\n"
		"  deny LEASE               do not serve it\n"
		"  ban LEASE                do not serve it, and close its connections\n"
		"  ban NETWORK              end its leases and sessions; no registration, no\n"
		"                           session and no signature from there\n"
		"  unban LEASE|NETWORK      end a ban\n"
		"  limit LEASE BYTES_PER_S  for both directions together; 0 is no limit\n"
		"  forget LEASE             remove all policy about it\n"
		"  approval auto|manual     whether leases need approval\n"
		"  tcp on|off [MAX_LEASES]  whether leases may have TCP ports\n"
		"  page on|off              the landing page\n"
		"\n"
		"LEASE is a name, the address of an identity (0x...), or both with a colon\n"
		"between them, NAME:0xADDRESS, for an identity without a lease. NETWORK is an IP\n"
		"address or a range. A change takes effect at once, is stored, and is in the\n"
		"audit.\n"
		"\n"
		"Only root and the user that the relay runs as may use this command.\n",
	.examples = "  @ relay lease list\n"
		    "  @ relay lease approval manual\n"
		    "  @ relay lease approve myapp\n"
		    "  @ relay lease ban 203.0.113.0/24\n",
	.fields = &relay_lease_fields,
	.run = run,
	.has_flags_anywhere = true,
	.words = "list approve deny ban unban limit forget approval tcp page",
};
