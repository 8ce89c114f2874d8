/* adit relay lease: lists the leases of the relay on this machine, and changes its
 * policy. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/admin_request.h"
#include "cli/relay_action.h"
#include "net/prefix.h"
#include "text/base64.h"
#include "tunnel/portal/identity.h"

#define TARGET_MAX 1024

/* What is sent, and what is printed of it. */
struct change {
	const char *method;
	const char
		*parts; /* last segments of targets, one for each space-separated word */
	const char *body;
	const char *result;
};

/* One call of the command. */
struct work {
	struct relay_work
		base; /* first; its action's @what is a struct change, or NULL */
	json_t *snapshot, *policy; /* owned */
};

static struct work *work_of(struct relay_work *base)
{
	return mem_container(base, struct work, base);
}

static const struct change *change_of(const struct work *w)
{
	return w->base.action->what;
}

static enum err send_change(struct work *w, const char *method, const char *target,
	const char *body)
{
	json_t *data = NULL;
	enum err rc = admin_request(w->base.directory, method, target, body, &data,
		w->base.why);

	json_decref(data);
	return rc;
}

static enum err fetch(struct work *w)
{
	enum err rc = admin_request(w->base.directory, "GET", "/admin/snapshot", NULL,
		&w->snapshot, w->base.why);

	return rc == ERR_OK ? admin_request(w->base.directory, "GET", "/admin/policy",
				      NULL, &w->policy, w->base.why) :
			      rc;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static bool has_lease(const struct work *w, const char *key)
{
	const json_t *lease;
	size_t i;

	json_array_foreach(json_object_get(w->snapshot, "leases"), i, lease)
	{
		if (strcmp(text_of(lease, "identity_key"), key) == 0)
			return true;
	}
	return false;
}

/* ---- policy of identities ---- */

/* The parts of an identity key, "name:address", in canonical form. */
struct key {
	char name[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE];
};

static bool key_parse(const char *text, struct key *key)
{
	const char *colon = strrchr(text, ':');

	return colon != NULL &&
		names_parse_label(span_of(text, (size_t)(colon - text)), key->name,
			NULL) == ERR_OK &&
		address_parse(span_str(colon + 1), key->address) == ERR_OK;
}

/* Is @word the name or the address of the identity? */
static bool key_matches(const struct key *key, const char *word)
{
	struct key wanted;

	if (address_parse(span_str(word), wanted.address) == ERR_OK)
		return strcmp(key->address, wanted.address) == 0;
	return names_parse_label(span_str(word), wanted.name, NULL) == ERR_OK &&
		strcmp(key->name, wanted.name) == 0;
}

static enum err change_identity(struct work *w, const struct key *key,
	const struct change *what)
{
	char name[BASE64_TEXT_SIZE(sizeof(key->name))];
	char address[BASE64_TEXT_SIZE(sizeof(key->address))];
	char target[TARGET_MAX], text[IDENTITY_KEY_SIZE];
	enum err rc = ERR_OK;

	base64_encode(BASE64_URL, span_str(key->name), name);
	base64_encode(BASE64_URL, span_str(key->address), address);
	for (const char *part = what->parts; rc == ERR_OK && *part != '\0';) {
		size_t n = strcspn(part, " ");

		snprintf(target, sizeof(target), "/admin/leases/%s/%s/%.*s", name,
			address, (int)n, part);
		rc = send_change(w, what->method, target, what->body);
		part += n + (part[n] == ' ');
	}
	if (rc == ERR_OK)
		fprintf(w->base.out, "%s: %s\n",
			identity_key_print(key->name, key->address, text), what->result);
	return rc;
}

/* Changes all identities that the first word selects: with a lease, or with a policy. */
static enum err change_identities(struct work *w, const struct change *what)
{
	const json_t *lists[2], *value;
	const char *word = w->base.words[0];
	bool is_found = false;
	char shown[128];
	struct key key;
	enum err rc;
	size_t i;

	if (key_parse(word, &key))
		return change_identity(w, &key, what);
	rc = fetch(w);
	lists[0] = json_object_get(w->snapshot, "leases");
	lists[1] = json_object_get(w->policy, "identities");
	for (int list = 0; list < 2 && rc == ERR_OK; list++) {
		json_array_foreach(lists[list], i, value)
		{
			const char *text = text_of(value, "identity_key");

			if (rc != ERR_OK || !key_parse(text, &key) ||
				!key_matches(&key, word) ||
				(list == 1 && has_lease(w, text)))
				continue;
			is_found = true;
			rc = change_identity(w, &key, what);
		}
	}
	if (rc != ERR_OK || is_found)
		return rc;
	return err_set(w->base.why, ERR_NOENT,
		"no lease has the name or address %s; for an identity without a lease, write"
		" NAME:0xADDRESS",
		str_quote(shown, sizeof(shown), span_str(word)));
}

static enum err change_policy(struct relay_work *base)
{
	struct work *w = work_of(base);
	return change_identities(w, change_of(w));
}

/* A network or a lease. */
static enum err change_ban(struct relay_work *base)
{
	struct work *w = work_of(base);
	const char *word = w->base.words[0];
	char text[PREFIX_TEXT_MAX], target[TARGET_MAX], shown[128];
	struct prefix network;
	int n;
	enum err rc;

	if (prefix_parse(span_str(word), &network) != ERR_OK) {
		if (strpbrk(word, "/.") == NULL) /* neither is in the name of a lease */
			return change_policy(&w->base);
		return err_set(w->base.why, ERR_USAGE,
			"%s is not a network; write one such as 203.0.113.5, 203.0.113.0/24 or"
			" 2001:db8::/48, or the name of a lease",
			str_quote(shown, sizeof(shown), span_str(word)));
	}
	prefix_print(&network, text);
	/* In a path its slash is escaped. */
	n = (int)strcspn(text, "/");
	snprintf(target, sizeof(target), "/admin/ips/%.*s%s%s/ban", n, text,
		text[n] == '/' ? "%2f" : "", text[n] == '/' ? text + n + 1 : "");
	rc = send_change(w, change_of(w)->method, target, NULL);
	if (rc == ERR_OK)
		fprintf(w->base.out, "%s: %s\n", text, change_of(w)->result);
	return rc;
}

static enum err change_limit(struct relay_work *base)
{
	struct work *w = work_of(base);
	char body[64], result[64];
	struct change what = { "DELETE", "bps", NULL, "no limit" };
	unsigned long rate;

	if (!str_to_uint(w->base.words[1], LONG_MAX, &rate))
		return err_set(w->base.why, ERR_USAGE,
			"limit takes a number of bytes per second, or 0 for no limit");
	if (rate > 0) {
		snprintf(body, sizeof(body), "{\"bps\":%lu}", rate);
		snprintf(result, sizeof(result), "limited to %lu bytes/s", rate);
		what = (struct change){ "POST", "bps", body, result };
	}
	return change_identities(w, &what);
}

/* ---- settings ---- */

static enum err set(struct work *w, const char *body)
{
	char target[TARGET_MAX];
	enum err rc;

	snprintf(target, sizeof(target), "/admin/settings/%s", change_of(w)->parts);
	rc = send_change(w, "POST", target, body);
	if (rc == ERR_OK)
		fprintf(w->base.out, "%s: %s\n", w->base.action->name, w->base.words[0]);
	return rc;
}

static enum err set_approval(struct relay_work *base)
{
	struct work *w = work_of(base);
	char body[64];

	if (strcmp(w->base.words[0], "auto") != 0 &&
		strcmp(w->base.words[0], "manual") != 0)
		return err_set(w->base.why, ERR_USAGE, "approval is auto or manual");
	snprintf(body, sizeof(body), "{\"mode\":\"%s\"}", w->base.words[0]);
	return set(w, body);
}

static enum err set_switch(struct relay_work *base)
{
	struct work *w = work_of(base);
	bool is_on = strcmp(w->base.words[0], "on") == 0;
	unsigned long most = 0;
	char body[96];

	if (!is_on && strcmp(w->base.words[0], "off") != 0)
		return err_set(w->base.why, ERR_USAGE, "write on or off");
	if (w->base.words[1] != NULL && !str_to_uint(w->base.words[1], UINT32_MAX, &most))
		return err_set(w->base.why, ERR_USAGE,
			"write how many leases may have a TCP port, or 0 for any number");
	snprintf(body, sizeof(body), "{\"enabled\":%s,\"max_leases\":%lu}",
		is_on ? "true" : "false", most);
	return set(w, body);
}

/* The relay would store "on" even if its settings have no ports. */
static enum err set_tcp(struct relay_work *base)
{
	struct work *w = work_of(base);
	json_t *status = NULL;
	enum err rc = ERR_OK;

	if (strcmp(w->base.words[0], "on") == 0)
		rc = admin_request(w->base.directory, "GET", "/admin/status", NULL,
			&status, w->base.why);
	if (rc == ERR_OK && json_is_null(json_object_get(status, "tcp")))
		rc = err_set(w->base.why, ERR_DENIED,
			"this relay has no ports for leases; set tcp_enabled, min_port and"
			" max_port, and restart it");
	json_decref(status);
	return rc == ERR_OK ? set_switch(&w->base) : rc;
}

/* ---- the list ---- */

/* A lease with keys like those of an identity in the policy. */
static json_t *lease_of(const json_t *l)
{
	static const char *const keys[][2] = {
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

	for (size_t i = 0; i < mem_count(keys); i++) {
		json_t *value = json_object_get(l, keys[i][1]);
		bool is_empty = value == NULL ||
			(json_is_string(value) && json_string_length(value) == 0);

		json_object_set(out, keys[i][0], is_empty ? json_null() : value);
	}
	return out;
}

static void print_json(const struct work *w, json_t *leases)
{
	json_t *all = json_pack("{s:O, s:O, s:O, s:O}", "approval",
		json_object_get(w->snapshot, "approval_mode"), "leases", leases,
		"identities", json_object_get(w->policy, "identities"), "banned_networks",
		json_object_get(w->policy, "banned_networks"));

	if (all != NULL)
		json_dumpf(all, w->base.out, JSON_COMPACT);
	fputc('\n', w->base.out);
	json_decref(all);
}

static const char *quoted(const char *text, char to[80])
{
	return str_quote(to, 80, span_str(text));
}

/* "served, limited to 1000 bytes/s", of a lease or of an identity in the policy */
static void print_state(FILE *out, const json_t *o, const char *approved,
	const char *not_approved)
{
	int64_t rate = json_integer_value(json_object_get(o, "bytes_per_s"));
	bool is_approved = json_is_true(json_object_get(o, "approved"));
	const char *state = is_approved ? approved : not_approved;

	if (json_is_true(json_object_get(o, "denied")))
		state = "denied";
	if (json_is_true(json_object_get(o, "ip_banned")))
		state = "IP address banned";
	if (json_is_true(json_object_get(o, "banned")))
		state = "banned";
	fputs(state, out);
	if (rate > 0)
		fprintf(out, ", limited to %" PRId64 " bytes/s", rate);
	fputc('\n', out);
}

static void print_text(const struct work *w, const json_t *leases)
{
	const json_t *networks = json_object_get(w->policy, "banned_networks");
	char name[80], address[80], client[80];
	FILE *out = w->base.out;
	const json_t *value;
	struct key key;
	size_t i;

	fprintf(out, "%-20s %-42s %-15s %8s  %s\n", "NAME", "ADDRESS", "CLIENT",
		"SESSIONS", "STATE");
	json_array_foreach(leases, i, value)
	{
		fprintf(out, "%-20s %-42s %-15s %8" PRId64 "  ",
			quoted(text_of(value, "name"), name),
			quoted(text_of(value, "address"), address),
			quoted(text_of(value, "client_ip"), client),
			(int64_t)json_integer_value(json_object_get(value, "sessions")));
		print_state(out, value, "served", "waits for approval");
	}
	json_array_foreach(json_object_get(w->policy, "identities"), i, value)
	{
		const char *text = text_of(value, "identity_key");

		if (!key_parse(text, &key) || has_lease(w, text))
			continue;
		fprintf(out, "%-20s %-42s %-15s %8s  ", key.name, key.address, "-", "-");
		print_state(out, value, "approved", "served");
	}
	json_array_foreach(networks, i, value)
	{
		fprintf(out, "%s%s", i == 0 ? "\nbanned networks: " : ", ",
			quoted(json_string_value(value), name));
	}
	fputs(i > 0 ? "\n" : "", out);
}

static enum err list(struct relay_work *base)
{
	struct work *w = work_of(base);
	json_t *leases = json_array(), *value;
	enum err rc = fetch(w);
	size_t i;

	json_array_foreach(json_object_get(w->snapshot, "leases"), i, value)
		json_array_append_new(leases, lease_of(value));
	if (rc == ERR_OK && w->base.args->is_json)
		print_json(w, leases);
	else if (rc == ERR_OK)
		print_text(w, leases);
	json_decref(leases);
	return rc;
}

/* ---- the command ---- */

#define WHAT(...) (&(const struct change){ __VA_ARGS__ })

static const struct relay_action actions[] = {
	{ "list", "", 0, 0, list, NULL },
	{ "approve", "LEASE", 1, 1, change_policy,
		WHAT("POST", "approve", NULL, "approved") },
	{ "deny", "LEASE", 1, 1, change_policy, WHAT("POST", "deny", NULL, "denied") },
	{ "ban", "LEASE|NETWORK", 1, 1, change_ban, WHAT("POST", "ban", NULL, "banned") },
	{ "unban", "LEASE|NETWORK", 1, 1, change_ban,
		WHAT("DELETE", "ban", NULL, "not banned") },
	{ "limit", "LEASE BYTES_PER_S", 2, 2, change_limit, NULL },
	{ "forget", "LEASE", 1, 1, change_policy,
		WHAT("DELETE", "approve deny ban bps", NULL, "no policy") },
	{ "approval", "auto|manual", 1, 1, set_approval, WHAT(.parts = "approval-mode") },
	{ "tcp", "on|off [MAX_LEASES]", 1, 2, set_tcp, WHAT(.parts = "tcp-port") },
	{ "page", "on|off", 1, 1, set_switch, WHAT(.parts = "landing-page") },
};

static int run(struct call *c, void *args)
{
	struct work w = { .snapshot = NULL };
	int code = relay_action_run(c, args, actions, mem_count(actions), &w.base);

	json_decref(w.snapshot);
	json_decref(w.policy);
	return code;
}

const struct command command_relay_lease = {
	.name = "relay lease",
	.arguments = "[flags] <action> [argument]...",
	.summary = "list the leases of the relay on this machine, approve, deny, ban",
	.about =
		"  list                     print leases, their holders and the policy\n"
		"  approve LEASE            serve it, also if leases need approval\n"
		"  deny LEASE               do not serve it\n"
		"  ban LEASE                do not serve it, and close its connections\n"
		"  ban NETWORK              end its leases and sessions; refuse registrations,\n"
		"                           sessions and signatures from there\n"
		"  unban LEASE|NETWORK      end a ban\n"
		"  limit LEASE BYTES_PER_S  for both directions together; 0 is no limit\n"
		"  forget LEASE             remove the policy of its identity\n"
		"  approval auto|manual     manual: new leases need approval\n"
		"  tcp on|off [MAX_LEASES]  allow TCP ports for leases\n"
		"  page on|off              show the landing page\n"
		"\n"
		"LEASE is a name, the address of an identity (0x...), or both with a colon\n"
		"between them, NAME:0xADDRESS, for an identity without a lease. NETWORK is an IP\n"
		"address or a range. A change takes effect at once, and is stored and audited.\n"
		"\n"
		"Only root and the user that the relay runs as may use this command.\n",
	.examples = "  @ relay lease list\n"
		    "  @ relay lease approval manual\n"
		    "  @ relay lease approve myapp\n"
		    "  @ relay lease ban 203.0.113.0/24\n",
	.fields = &relay_admin_fields,
	.run = run,
	.has_flags_anywhere = true,
	.words = "list approve deny ban unban limit forget approval tcp page",
};
