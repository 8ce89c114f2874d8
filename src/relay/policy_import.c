/* The policy of other relays. */
#include "relay/policy_import.h"

#include <jansson.h>

#include "base/str.h"
#include "text/field_json.h"
#include "tunnel/portal/identity.h"

#define QUOTED_MAX 100

/* "name:0x...": canonical in @out. */
static enum err key_parse(const char *text, const char *member,
	char out[IDENTITY_KEY_SIZE], struct why *why)
{
	const char *colon = strrchr(text, ':');
	char name[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE];
	char quoted[QUOTED_MAX];

	if (colon == NULL ||
		names_parse_label(span_of(text, (size_t)(colon - text)), name, NULL) !=
			ERR_OK ||
		address_parse(span_str(colon + 1), address) != ERR_OK)
		return err_set(why, ERR_SYNTAX,
			"\"%s\" has \"%s\", which is not an identity; write name:address",
			member, str_quote(quoted, sizeof(quoted), span_str(text)));
	identity_key_print(name, address, out);
	return ERR_OK;
}

static enum err check_mode(void *member, struct why *why)
{
	const char *mode = *(char **)member;

	if (mode == NULL || strcmp(mode, "auto") == 0 || strcmp(mode, "manual") == 0)
		return ERR_OK;
	return err_set(why, ERR_SYNTAX, "it must be \"auto\" or \"manual\"");
}

struct admin_settings {
	char *approval_mode;
	struct policy_settings settings;
	struct field_list keys[POLICY_BANNED + 1]; /* by enum policy_rule */
	struct field_list banned_ips;
};

#define AT(member) FIELD_AT(struct admin_settings, member)

static const struct field rows[] = {
	[POLICY_APPROVED] = { "approved_identity_keys", FIELD_LIST,
		AT(keys[POLICY_APPROVED]) },
	[POLICY_DENIED] = { "denied_identity_keys", FIELD_LIST, AT(keys[POLICY_DENIED]) },
	[POLICY_BANNED] = { "banned_identity_keys", FIELD_LIST, AT(keys[POLICY_BANNED]) },
	{ "approval_mode", FIELD_TEXT, AT(approval_mode), .check = check_mode },
	{ "landing_page_enabled", FIELD_BOOL, AT(settings.has_landing_page) },
	{ "udp_enabled", FIELD_BOOL, AT(settings.udp_enabled) },
	{ "tcp_port_enabled", FIELD_BOOL, AT(settings.tcp_enabled) },
	{ "udp_max_leases", FIELD_COUNT, AT(settings.udp_max_leases) },
	{ "tcp_port_max_leases", FIELD_COUNT, AT(settings.tcp_max_leases) },
	{ "banned_ips", FIELD_LIST, AT(banned_ips) },
};

static const struct field_table fields = FIELD_TABLE_OF(struct admin_settings, rows);

/* Denials come after approvals: an identity with both is denied. */
static enum err use_rules(const struct admin_settings *s,
	const struct policy_importer *importer, struct why *why)
{
	char key[IDENTITY_KEY_SIZE];
	enum err rc = ERR_OK;

	for (unsigned rule = POLICY_APPROVED; rule <= POLICY_BANNED; rule++)
		for (unsigned i = 0; i < s->keys[rule].n && rc == ERR_OK; i++) {
			rc = key_parse(s->keys[rule].v[i], rows[rule].name, key, why);
			if (rc == ERR_OK)
				rc = importer->on_rule(importer->arg, key, rule, true);
		}
	return rc;
}

static enum err use_bans(const struct field_list *list,
	const struct policy_importer *importer, struct why *why)
{
	char quoted[QUOTED_MAX];
	struct prefix prefix;
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < list->n && rc == ERR_OK; i++) {
		struct span text = span_str(list->v[i]);

		if (prefix_parse(names_trim(text), &prefix) != ERR_OK)
			return err_set(why, ERR_SYNTAX,
				"\"banned_ips\" has \"%s\", which is not an address",
				str_quote(quoted, sizeof(quoted), text));
		rc = importer->on_ban(importer->arg, &prefix);
	}
	return rc;
}

/* "identity_bps": its members are identities, so that no table has them. */
static enum err read_rates(json_t *root, const struct policy_importer *importer,
	struct why *why)
{
	static const char member[] = "identity_bps";
	json_t *map = json_object_get(root, member), *value;
	char key[IDENTITY_KEY_SIZE];
	const char *text;

	if (map == NULL || json_is_null(map))
		return ERR_OK;
	if (!json_is_object(map))
		return err_set(why, ERR_SYNTAX, "\"%s\" must be an object", member);
	json_object_foreach(map, text, value)
	{
		enum err rc = key_parse(text, member, key, why);

		if (rc == ERR_OK &&
			(!json_is_integer(value) || json_integer_value(value) < 0))
			rc = err_set(why, ERR_SYNTAX,
				"\"%s\" must be an object of numbers that are not negative",
				member);
		if (rc == ERR_OK)
			rc = importer->on_rule(importer->arg, key, POLICY_RATE,
				(uint64_t)json_integer_value(value));
		if (rc != ERR_OK)
			return rc;
	}
	return ERR_OK;
}

enum err policy_import_parse(struct span text, struct policy_settings *settings,
	const struct policy_importer *importer, struct why *why)
{
	struct admin_settings s = { .settings = *settings };
	json_error_t error;
	json_t *root = json_loadb((const char *)text.p, text.n, 0, &error);
	enum err rc;

	if (root == NULL)
		return err_set(why, ERR_SYNTAX, "line %d is not JSON: %.100s", error.line,
			error.text);
	rc = field_read_json_value(&fields, root, &s, why);
	if (rc == ERR_OK && s.approval_mode != NULL)
		s.settings.is_manual = strcmp(s.approval_mode, "manual") == 0;
	if (rc == ERR_OK)
		*settings = s.settings;
	if (rc == ERR_OK)
		rc = use_rules(&s, importer, why);
	if (rc == ERR_OK)
		rc = use_bans(&s.banned_ips, importer, why);
	if (rc == ERR_OK)
		rc = read_rates(root, importer, why);
	field_fini(&fields, &s);
	json_decref(root);
	return rc;
}
