/*
 * Changes of tunnels through the control API, which are edits of the file.
 * portal-protocol 15.5.
 */
#include "agent/control_priv.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/config_edit.h"
#include "agent/config_priv.h"
#include "base/mem.h"
#include "base/str.h"
#include "text/toml_edit.h"

#define TARGET_DEFAULT "127.0.0.1:3000"
#define FORBIDDEN "<>:\"/\\|?*" /* in ids, besides white space */

/* ---- bodies ---- */

struct new_tunnel {
	char *id, *name, *target;
	struct field_list relays;
};

#define AT(member) FIELD_AT(struct new_tunnel, member)

static const struct field new_tunnel_rows[] = {
	{ "id", FIELD_TEXT, AT(id), .text_max = AGENT_ID_MAX },
	{ "name", FIELD_TEXT, AT(name), .text_max = NAMES_INPUT_MAX },
	{ "target_addr", FIELD_TEXT, AT(target), .text_max = URL_TEXT_MAX },
	{ "relays", FIELD_LIST, AT(relays), .text_max = URL_TEXT_MAX,
		.max = RELAY_URLS_MAX },
};
static const struct field_table new_tunnel_fields = FIELD_TABLE_OF(struct new_tunnel,
	new_tunnel_rows);

#undef AT
#define AT(member) FIELD_AT(struct route_config, member)

static const struct field route_rows[] = {
	{ "prefix", FIELD_TEXT, AT(prefix), .text_max = URL_TEXT_MAX },
	{ "upstream", FIELD_TEXT, AT(upstream), .text_max = URL_TEXT_MAX },
};
static const struct field_table route_fields = FIELD_TABLE_OF(struct route_config,
	route_rows);

struct change {
	int64_t max_active_relays;
	struct message_metadata metadata;
	char *name, *target;
	struct field_list relays;
	struct field_tables routes; /* struct route_config */
};

#undef AT
#define AT(member) FIELD_AT(struct change, member)

static const struct field change_rows[] = {
	{ "max_active_relays", FIELD_NUMBER, AT(max_active_relays) },
	{ "metadata", FIELD_TABLE, AT(metadata), .of = &message_metadata_fields },
	{ "name", FIELD_TEXT, AT(name), .text_max = NAMES_INPUT_MAX },
	{ "target", FIELD_TEXT, AT(target), .text_max = URL_TEXT_MAX },
	{ "relays", FIELD_LIST, AT(relays), .text_max = URL_TEXT_MAX,
		.max = RELAY_URLS_MAX },
	{ "http_routes", FIELD_TABLES, AT(routes), .max = HTTP_ROUTES_MAX,
		.of = &route_fields },
};
static const struct field_table change_fields = FIELD_TABLE_OF(struct change,
	change_rows);

/* ---- values ---- */

static enum err check_target(const char *text, struct why *why)
{
	struct why words = { "" };
	struct target scratch;
	char shown[80];
	enum err rc = target_parse(span_str(text), &scratch, &words);

	if (rc == ERR_OK)
		return rc;
	return err_set(why, rc, "target \"%s\": %s",
		str_quote(shown, sizeof(shown), span_str(text)), err_text(rc, &words));
}

static enum err check_name(const char *text, struct why *why)
{
	char label[NAMES_LABEL_MAX + 1], shown[80];
	enum err rc = names_parse_label(span_str(text), label, NULL);

	if (rc == ERR_OK)
		return rc;
	return err_set(why, rc,
		"\"%s\" cannot be a name; write letters, digits and hyphens, %d at most",
		str_quote(shown, sizeof(shown), span_str(text)), NAMES_LABEL_MAX);
}

/* Reads @list to @urls, and makes @out the list of these; an element may be several with
 * commas between them. */
static enum err read_relays(const struct field_list *list, struct relay_urls *urls,
	struct field_list *out, struct why *why)
{
	char piece[URL_TEXT_MAX], url[URL_TEXT_MAX];
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < list->n; i++) {
		const char *at = list->v[i];
		size_t n;

		for (; rc == ERR_OK && *at != '\0'; at += n + (at[n] != '\0')) {
			n = strcspn(at, ",");
			snprintf(piece, sizeof(piece), "%.*s", (int)n, at);
			if (names_trim(span_str(piece)).n == 0)
				continue;
			rc = control_relay(piece, url, why);
			if (rc == ERR_OK)
				rc = relay_urls_add(urls, span_str(url), why);
		}
	}
	*out = (struct field_list){ .v = urls->urls, .n = urls->count };
	return rc;
}

/* An owned copy without the white space around it; NULL: there was nothing else. */
static char *trimmed(const char *text)
{
	struct span rest = names_trim(span_str(text != NULL ? text : ""));

	return rest.n > 0 ? span_dup(rest) : NULL;
}

/* ---- adding ---- */

/* "My  App:2/x" is "my-app-2-x". */
static void make_id(const char *name, char id[AGENT_ID_MAX])
{
	size_t n = 0;

	for (const char *c = name; *c != '\0' && n + 1 < AGENT_ID_MAX; c++) {
		bool is_bad = isspace((unsigned char)*c) || iscntrl((unsigned char)*c) ||
			strchr(FORBIDDEN, *c) != NULL;

		if (!is_bad)
			id[n++] = (char)tolower((unsigned char)*c);
		else if (n > 0 && id[n - 1] != '-')
			id[n++] = '-';
	}
	while (n > 0 && id[n - 1] == '-')
		n--;
	id[n] = '\0';
}

static enum err edit_add(void *arg, const struct toml *t, struct buf *out,
	struct why *why)
{
	return config_edit_add(t, arg, out, why);
}

/* With the texts of a stock agent. */
static enum err check_id(const char *id, struct why *why)
{
	struct why words = { "" };
	size_t n = strcspn(id, FORBIDDEN " \t\r\n");
	enum err rc = agent_id_check(id, &words);

	if (rc == ERR_OK)
		return rc;
	if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return err_set(why, rc, "tunnel id cannot be \"%s\"", id);
	if (id[n] != '\0')
		return err_set(why, rc, "tunnel id contains invalid character '%c'",
			id[n]);
	return err_set(why, rc, "tunnel id: %s", words.text);
}

static enum err check_addition(const struct agent *a, const struct config_addition *add,
	struct why *why)
{
	enum err rc = check_id(add->id, why);

	if (rc != ERR_OK)
		return rc;
	if (agent_find_tunnel(a, add->id) != NULL)
		return err_set(why, ERR_EXISTS, "tunnel \"%.60s\" already exists",
			add->id);
	rc = check_name(add->name, why);
	return rc == ERR_OK ? check_target(add->target, why) : rc;
}

static void add_tunnel(void *context, struct api_call *call)
{
	struct control *c = context;
	const struct new_tunnel *asked = call->request;
	char *given = trimmed(asked->id), *name = trimmed(asked->name);
	char *target = trimmed(asked->target), id[AGENT_ID_MAX] = "";
	struct relay_urls urls = { .count = 0 };
	struct field_list relays;
	struct config_addition add = { .id = id, .name = id, .relays = &relays };
	struct why why = { "" };
	enum err rc;

	add.target = target != NULL ? target : TARGET_DEFAULT;
	if (given != NULL)
		str_copy(id, sizeof(id), given);
	else if (name != NULL)
		make_id(name, id);
	if (name != NULL)
		add.name = name;
	if (id[0] == '\0')
		rc = err_set(&why, ERR_USAGE, "tunnel name is required");
	else
		rc = check_addition(c->agent, &add, &why);
	if (rc == ERR_OK)
		rc = read_relays(&asked->relays, &urls, &relays, &why);
	if (rc == ERR_OK)
		rc = agent_edit(c->agent, edit_add, &add, &why);
	control_finish(call, rc, &why);
	relay_urls_fini(&urls);
	free(target);
	free(name);
	free(given);
}

/* ---- changing ---- */

struct changing {
	const char *id;
	const struct change *change;
	const json_t *given; /* which members there are */
	struct field_list relays;
};

static bool is_given(const json_t *object, const char *key)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		if (strcasecmp(name, key) == 0 && !json_is_null(value))
			return true;
	}
	return false;
}

static const json_t *metadata_of(const json_t *given)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)given, name, value)
	{
		if (strcasecmp(name, "metadata") == 0)
			return value;
	}
	return NULL;
}

static void edit_trimmed(struct config_edit *e, const char *key, const char *text)
{
	char *value = trimmed(text);

	config_edit_text(e, key, value);
	free(value);
}

/* Sets the members that are given. */
static void edit_metadata(struct config_edit *e, const struct changing *x)
{
	const struct message_metadata *m = &x->change->metadata;
	const json_t *given = metadata_of(x->given);

	if (is_given(given, "description"))
		edit_trimmed(e, "description", m->description);
	if (is_given(given, "owner"))
		edit_trimmed(e, "owner", m->owner);
	if (is_given(given, "thumbnail"))
		edit_trimmed(e, "thumbnail", m->thumbnail);
	if (is_given(given, "tags"))
		config_edit_list(e, "tags", &m->tags);
	if (is_given(given, "hide"))
		config_edit_flag(e, "hide", m->hide);
}

static enum err edit_change(void *arg, const struct toml *t, struct buf *out,
	struct why *why)
{
	const struct changing *x = arg;
	const struct change *c = x->change;
	struct config_edit e;

	config_edit_open(&e, t, x->id, why);
	if (is_given(x->given, "max_active_relays"))
		config_edit_number(&e, "max_active_relays", c->max_active_relays);
	if (is_given(x->given, "metadata"))
		edit_metadata(&e, x);
	if (is_given(x->given, "name")) {
		config_edit_text(&e, "id", x->id); /* stays, also if it was the name */
		config_edit_text(&e, "name", c->name);
	}
	if (is_given(x->given, "target"))
		config_edit_text(&e, "target", c->target);
	if (is_given(x->given, "http_routes"))
		config_edit_routes(&e, &c->routes);
	if (is_given(x->given, "relays"))
		config_edit_list(&e, "relays", &x->relays);
	return config_edit_close(&e, out);
}

/* The service that the change leads to: @is is what runs. */
static enum err check_service(const struct changing *x, const struct service_config *is,
	struct why *why)
{
	const struct change *c = x->change;
	const struct route_config *routes = c->routes.v;
	const char *target = is_given(x->given, "target") ? c->target : is->target;
	unsigned n = is_given(x->given, "http_routes") ? c->routes.n : is->http_routes.n;
	struct http_routes scratch = { .count = 0 };
	enum err rc = ERR_OK;

	if (!is_given(x->given, "target") && !is_given(x->given, "http_routes"))
		return rc;
	if (target != NULL && n > 0)
		return err_set(why, ERR_USAGE,
			"a tunnel has a target or http_routes, not both: send one of them"
			" empty");
	if (target == NULL && n == 0)
		return err_set(why, ERR_USAGE, "a tunnel has a target or http_routes");
	if (is_given(x->given, "target") && target != NULL)
		rc = check_target(target, why);
	for (unsigned i = 0; i < c->routes.n && rc == ERR_OK; i++)
		rc = config_add_route(&scratch, &routes[i], why);
	http_routes_fini(&scratch);
	return rc;
}

static enum err check_change(const struct changing *x, const struct tunnel_config *is,
	struct why *why)
{
	static const char *const keys[] = { "max_active_relays", "name", "target",
		"relays", "http_routes" };
	const struct change *c = x->change;
	const json_t *metadata = metadata_of(x->given);
	bool is_any = false;
	enum err rc = ERR_OK;

	for (size_t i = 0; i < mem_count(keys); i++)
		is_any = is_any || is_given(x->given, keys[i]);
	for (unsigned i = 0; i < message_metadata_fields.count; i++)
		is_any = is_any ||
			is_given(metadata, message_metadata_fields.rows[i].name);
	if (!is_any)
		return err_set(why, ERR_USAGE,
			"tunnel update requires at least one field");
	if (is_given(x->given, "max_active_relays") && c->max_active_relays <= 0)
		return err_set(why, ERR_USAGE,
			"max_active_relays must be a positive integer");
	if (is_given(x->given, "name") && c->name != NULL)
		rc = check_name(c->name, why);
	return rc == ERR_OK ? check_service(x, &is->service, why) : rc;
}

static void change_tunnel(void *context, struct api_call *call)
{
	struct control *c = context;
	json_t *given = json_loadb((const char *)call->read_from.p, call->read_from.n,
		JSON_DISABLE_EOF_CHECK, NULL);
	char id[AGENT_ID_MAX];
	const struct change *change = call->request;
	struct changing x = { .id = id, .change = change, .given = given };
	struct relay_urls urls = { .count = 0 };
	const struct agent_tunnel *t = control_tunnel(c, call, id);
	struct why why = { "" };
	enum err rc;

	if (t != NULL) {
		rc = check_change(&x, agent_tunnel_config(t), &why);
		if (rc == ERR_OK)
			rc = read_relays(&change->relays, &urls, &x.relays, &why);
		if (rc == ERR_OK)
			rc = agent_edit(c->agent, edit_change, &x, &why);
		control_finish(call, rc, &why);
	}
	relay_urls_fini(&urls);
	json_decref(given);
}

/* ---- removing ---- */

struct removal {
	struct control *c;
	const char *id;
};

static enum err edit_remove(void *arg, const struct toml *t, struct buf *out,
	struct why *why)
{
	struct removal *r = arg;
	const struct toml_node *n = config_edit_find(t, r->id, &r->c->removed_index);
	enum err rc;

	if (n == NULL)
		return err_set(why, ERR_NOENT, "the file has no tunnel \"%.60s\"", r->id);
	buf_reset(&r->c->removed);
	rc = toml_edit_remove(t, n, &r->c->removed, out);
	if (rc != ERR_OK)
		err_set(why, rc, "the file cannot be changed in this place: edit it");
	return rc;
}

static void remove_tunnel(void *context, struct api_call *call)
{
	struct control *c = context;
	char id[AGENT_ID_MAX];
	struct removal r = { .c = c, .id = id };
	struct why why = { "" };
	enum err rc;

	if (control_tunnel(c, call, id) == NULL)
		return;
	rc = agent_edit(c->agent, edit_remove, &r, &why);
	control_finish(call, rc, &why);
}

static enum err edit_restore(void *arg, const struct toml *t, struct buf *out,
	struct why *why)
{
	struct control *c = arg;
	enum err rc = toml_edit_restore(t, toml_root(t), "tunnels", c->removed_index,
		buf_span(&c->removed), out);

	if (rc != ERR_OK)
		err_set(why, rc, "the tunnel cannot be put back into the file: edit it");
	return rc;
}

static void restore_tunnel(void *context, struct api_call *call)
{
	struct control *c = context;
	struct why why = { "" };
	enum err rc;

	if (c->removed.n == 0)
		rc = err_set(&why, ERR_NOENT, "no tunnel was removed");
	else
		rc = agent_edit(c->agent, edit_restore, c, &why);
	if (rc == ERR_OK)
		buf_reset(&c->removed);
	control_finish(call, rc, &why);
}

#define ROW CONTROL_CHANGE

static const struct api_operation rows[] = {
	{ ROW("POST", "tunnels", add_tunnel, "add a tunnel with a target"),
		.request = &new_tunnel_fields },
	{ ROW("POST", "tunnels/restore", restore_tunnel,
		  "put back the tunnel that was removed last"),
		.is_own = true },
	{ ROW("PATCH", "tunnels/*", change_tunnel, "change a tunnel"),
		.request = &change_fields },
	{ ROW("DELETE", "tunnels/*", remove_tunnel, "remove a tunnel") },
};

const struct api_table control_edit_table = API_TABLE_OF(rows);
