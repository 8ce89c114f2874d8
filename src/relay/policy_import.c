/* Other relays' policy. */
#include "relay/policy_import.h"

#include <jansson.h>

#include "base/str.h"
#include "tunnel/portal/identity.h"

#define QUOTED_MAX 100

static enum err wrong(struct why *why, const char *key, const char *want)
{
	return err_set(why, ERR_SYNTAX, "\"%s\" must be %s", key, want);
}

/* "name:0x...", brought into form. */
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
			"\"%s\" has \"%s\", which is not a name, a colon and an address",
			member, str_quote(quoted, sizeof(quoted), span_str(text)));
	identity_key_print(name, address, out);
	return ERR_OK;
}

static enum err read_marks(const json_t *root, const char *member, enum policy_mark mark,
	const struct policy_importer *importer, struct why *why)
{
	const json_t *list = json_object_get(root, member);
	char key[IDENTITY_KEY_SIZE];
	enum err rc = ERR_OK;

	if (list == NULL || json_is_null(list))
		return ERR_OK;
	if (!json_is_array(list))
		return wrong(why, member, "a list");
	for (size_t i = 0; i < json_array_size(list) && rc == ERR_OK; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text == NULL)
			return wrong(why, member, "a list of texts");
		rc = key_parse(text, member, key, why);
		if (rc == ERR_OK)
			rc = importer->on_mark(importer->arg, key, mark);
	}
	return rc;
}

static enum err read_bans(const json_t *root, const struct policy_importer *importer,
	struct why *why)
{
	const json_t *list = json_object_get(root, "banned_ips");
	enum err rc = ERR_OK;

	if (list == NULL || json_is_null(list))
		return ERR_OK;
	if (!json_is_array(list))
		return wrong(why, "banned_ips", "a list");
	for (size_t i = 0; i < json_array_size(list) && rc == ERR_OK; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		char quoted[QUOTED_MAX];
		struct prefix prefix;

		if (text == NULL)
			return wrong(why, "banned_ips", "a list of texts");
		if (prefix_parse(names_trim(span_str(text)), &prefix) != ERR_OK)
			return err_set(why, ERR_SYNTAX,
				"\"banned_ips\" has \"%s\", which is no address",
				str_quote(quoted, sizeof(quoted), span_str(text)));
		rc = importer->on_ban(importer->arg, &prefix);
	}
	return rc;
}

static enum err read_rates(json_t *root, const struct policy_importer *importer,
	struct why *why)
{
	json_t *map = json_object_get(root, "identity_bps"), *value;
	char key[IDENTITY_KEY_SIZE];
	const char *text;

	if (map == NULL || json_is_null(map))
		return ERR_OK;
	if (!json_is_object(map))
		return wrong(why, "identity_bps", "an object");
	json_object_foreach(map, text, value)
	{
		enum err rc = key_parse(text, "identity_bps", key, why);

		if (rc == ERR_OK &&
			(!json_is_integer(value) || json_integer_value(value) < 0))
			rc = wrong(why, "identity_bps",
				"an object of numbers, not below 0");
		if (rc == ERR_OK)
			rc = importer->on_rate(importer->arg, key,
				(uint64_t)json_integer_value(value));
		if (rc != ERR_OK)
			return rc;
	}
	return ERR_OK;
}

/* ---- settings ---- */

static enum err read_flag(const json_t *root, const char *member, bool *out,
	struct why *why)
{
	const json_t *value = json_object_get(root, member);

	if (value == NULL || json_is_null(value))
		return ERR_OK;
	if (!json_is_boolean(value))
		return wrong(why, member, "true or false");
	*out = json_is_true(value);
	return ERR_OK;
}

static enum err read_count(const json_t *root, const char *member, uint32_t *out,
	struct why *why)
{
	const json_t *value = json_object_get(root, member);

	if (value == NULL || json_is_null(value))
		return ERR_OK;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		json_integer_value(value) > UINT32_MAX)
		return wrong(why, member, "a number, not below 0");
	*out = (uint32_t)json_integer_value(value);
	return ERR_OK;
}

static enum err read_mode(const json_t *root, bool *is_manual, struct why *why)
{
	const json_t *value = json_object_get(root, "approval_mode");
	const char *text = json_string_value(value);

	if (value == NULL || json_is_null(value) || (text != NULL && *text == '\0'))
		return ERR_OK;
	if (text == NULL || (strcmp(text, "auto") != 0 && strcmp(text, "manual") != 0))
		return wrong(why, "approval_mode", "\"auto\" or \"manual\"");
	*is_manual = strcmp(text, "manual") == 0;
	return ERR_OK;
}

static enum err read_settings(const json_t *root, struct policy_settings *settings,
	struct why *why)
{
	struct policy_settings s = *settings;
	enum err rc = read_mode(root, &s.is_manual, why);

	if (rc == ERR_OK)
		rc = read_flag(root, "landing_page_enabled", &s.has_landing_page, why);
	if (rc == ERR_OK)
		rc = read_flag(root, "udp_enabled", &s.udp_enabled, why);
	if (rc == ERR_OK)
		rc = read_flag(root, "tcp_port_enabled", &s.tcp_enabled, why);
	if (rc == ERR_OK)
		rc = read_count(root, "udp_max_leases", &s.udp_max_leases, why);
	if (rc == ERR_OK)
		rc = read_count(root, "tcp_port_max_leases", &s.tcp_max_leases, why);
	if (rc == ERR_OK)
		*settings = s;
	return rc;
}

/* Whoever is approved and denied is denied: that comes last. */
static enum err read_root(json_t *root, struct policy_settings *settings,
	const struct policy_importer *importer, struct why *why)
{
	enum err rc;

	if (!json_is_object(root))
		return err_set(why, ERR_SYNTAX, "it is not a JSON object");
	rc = read_settings(root, settings, why);
	if (rc == ERR_OK)
		rc = read_marks(root, "approved_identity_keys", POLICY_APPROVED, importer,
			why);
	if (rc == ERR_OK)
		rc = read_marks(root, "denied_identity_keys", POLICY_DENIED, importer,
			why);
	if (rc == ERR_OK)
		rc = read_marks(root, "banned_identity_keys", POLICY_BANNED, importer,
			why);
	if (rc == ERR_OK)
		rc = read_bans(root, importer, why);
	return rc == ERR_OK ? read_rates(root, importer, why) : rc;
}

enum err policy_import_parse(struct span text, struct policy_settings *settings,
	const struct policy_importer *importer, struct why *why)
{
	json_error_t error;
	json_t *root = json_loadb((const char *)text.p, text.n, 0, &error);
	enum err rc;

	if (root == NULL)
		return err_set(why, ERR_SYNTAX, "line %d is not JSON: %.100s", error.line,
			error.text);
	rc = read_root(root, settings, importer, why);
	json_decref(root);
	return rc;
}
