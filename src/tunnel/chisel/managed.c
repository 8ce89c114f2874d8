/* The list of a managed link's tunnels. */
#include "tunnel/chisel/managed.h"

#include <string.h>

#include "base/str.h"
#include "text/field_json.h"
#include "text/names.h"

#define AT(member) FIELD_AT(struct managed_tunnel, member)

static const struct field tunnel_rows[] = {
	{ "host", FIELD_TEXT, AT(host), .text_max = NAMES_HOST_MAX + 1 },
	{ "target", FIELD_TEXT, AT(target), .text_max = REMOTE_TEXT_MAX },
	{ "access", FIELD_TEXT, AT(access), .text_max = 32 },
	{ "paused", FIELD_BOOL, AT(is_paused) },
};
const struct field_table managed_tunnel_fields = FIELD_TABLE_OF(struct managed_tunnel,
	tunnel_rows);

#undef AT
#define AT(member) FIELD_AT(struct managed_list, member)

static const struct field list_rows[] = {
	{ "tunnels", FIELD_TABLES, AT(tunnels), .max = MANAGED_TUNNELS_MAX,
		.of = &managed_tunnel_fields },
};
static const struct field_table list_fields = FIELD_TABLE_OF(struct managed_list,
	list_rows);

enum err managed_list_parse(struct span json, struct managed_list *out, struct why *why)
{
	struct remote_target target;
	char shown[80];
	enum err rc;

	*out = (struct managed_list){ .tunnels = { 0 } };
	if (json.n > MANAGED_LIST_MAX)
		return err_set(why, ERR_LIMIT, "the list of tunnels is too long");
	rc = field_read_json(&list_fields, NULL, json, out, why);
	for (unsigned i = 0; i < out->tunnels.n && rc == ERR_OK; i++) {
		const struct managed_tunnel *t = managed_list_at(out, i);
		const char *text = t->target != NULL ? t->target : "";

		if (t->host == NULL ||
			remote_target_parse(span_str(text), &target) != ERR_OK)
			rc = err_set(why, ERR_SYNTAX,
				"the list of tunnels has the target \"%s\"",
				str_quote(shown, sizeof(shown), span_str(text)));
	}
	return rc;
}

enum err managed_list_print(const struct managed_list *list, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	field_put_json(&list_fields, list, &w);
	return out->failed;
}

void managed_list_fini(struct managed_list *list)
{
	field_fini(&list_fields, list);
}

bool managed_list_covers(const struct managed_list *list,
	const struct remote_target *target)
{
	struct remote_target own;

	for (unsigned i = 0; i < list->tunnels.n; i++) {
		const char *text = managed_list_at(list, i)->target;

		if (remote_target_parse(span_str(text), &own) == ERR_OK &&
			own.is_udp == target->is_udp && !target->is_socks &&
			strcmp(own.host, target->host) == 0 &&
			strcmp(own.port, target->port) == 0)
			return true;
	}
	return false;
}
