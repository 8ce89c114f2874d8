/*
 * Changes that others make to an agent. What is to last is an edit of the file; relays
 * are connected and disconnected until the next start. portal-protocol 15.5.
 */
#include "agent/control_priv.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/toml_edit.h"

#define TARGET_DEFAULT "127.0.0.1:3000"
#define LITERAL_MAX 262144

/* ---- bodies ---- */

struct accepted {
	bool is_accepted;
};

static const struct field accepted_rows[] = {
	{ "accepted", FIELD_BOOL, FIELD_AT(struct accepted, is_accepted) },
};
static const struct field_table accepted_fields = FIELD_TABLE_OF(struct accepted,
	accepted_rows);

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

struct relay_name {
	char *url;
};

static const struct field relay_rows[] = {
	{ "relay_url", FIELD_TEXT, FIELD_AT(struct relay_name, url),
		.text_max = URL_TEXT_MAX },
};
static const struct field_table relay_fields = FIELD_TABLE_OF(struct relay_name,
	relay_rows);

struct hops {
	struct field_list relays;
};

static const struct field hops_rows[] = {
	{ "relays", FIELD_LIST, FIELD_AT(struct hops, relays), .text_max = URL_TEXT_MAX,
		.max = RELAY_URLS_MAX },
};
static const struct field_table hops_fields = FIELD_TABLE_OF(struct hops, hops_rows);

/* ---- answers ---- */

static void finish(struct api_call *call, enum err rc, const struct why *why)
{
	const struct accepted accepted = { .is_accepted = true };
	struct why words;

	if (rc == ERR_OK) {
		api_reply(call, &accepted);
		return;
	}
	err_set(&words, rc, "%s", err_text(rc, why));
	control_refuse(call, &words);
}

/* The tunnel in the path. NULL: the call was refused. */
static struct agent_tunnel *tunnel_of(struct control *c, struct api_call *call,
	char id[AGENT_ID_MAX])
{
	struct agent_tunnel *t = NULL;
	char shown[2 * AGENT_ID_MAX];
	struct why why;

	if (!api_decode(call->parts[0], API_PATH, id, AGENT_ID_MAX) ||
		span_trim(span_str(id)).n == 0) {
		err_set(&why, ERR_SYNTAX, "invalid tunnel id");
		control_refuse(call, &why);
		return NULL;
	}
	if (strchr(id, '/') != NULL) { /* it is no part of a path */
		call->envelope->refuse(call, API_NOT_FOUND, ERR_NOENT, NULL);
		return NULL;
	}
	t = agent_find_tunnel(c->agent, id);
	if (t == NULL) {
		err_set(&why, ERR_NOENT, "tunnel \"%s\" not found",
			str_quote(shown, sizeof(shown), span_str(id)));
		control_refuse(call, &why);
	}
	return t;
}

/* ---- the document ---- */

/* A document while it is changed step by step. */
struct document {
	struct toml *toml; /* owned */
	struct buf literal, next;
	struct why *why;
};

static enum err document_open(struct document *d, const struct toml *t, struct why *why)
{
	*d = (struct document){ .why = why };
	buf_init(&d->literal, LITERAL_MAX);
	buf_init(&d->next, TOML_BYTES_MAX);
	return toml_parse(toml_text(t), "config.toml", &d->toml, why);
}

/* Writes the text to @out, if all went well. */
static enum err document_close(struct document *d, enum err rc, struct buf *out)
{
	if (rc == ERR_OK)
		rc = buf_put_span(out, toml_text(d->toml));
	toml_free(d->toml);
	buf_wipe(&d->literal);
	buf_wipe(&d->next);
	return rc;
}

/* After a step, whose result is in @next. */
static enum err document_step(struct document *d, enum err rc)
{
	struct toml *toml;

	if (rc == ERR_OK)
		rc = toml_parse(buf_span(&d->next), "config.toml", &toml, d->why);
	else
		err_set(d->why, rc, "the file cannot be changed in this place: edit it");
	if (rc == ERR_OK) {
		toml_free(d->toml);
		d->toml = toml;
	}
	buf_reset(&d->next);
	buf_reset(&d->literal);
	return rc;
}

/* The element of tunnels with that id, found as the config finds it. */
static const struct toml_node *find_tunnel(const struct toml *t, const char *id,
	unsigned *index)
{
	const struct toml_node *tunnels = toml_find(toml_root(t), "tunnels"), *n;
	char made[32];
	unsigned i = 0;

	n = tunnels != NULL && tunnels->kind == TOML_ARRAY ? tunnels->first : tunnels;
	for (; n != NULL; n = n->next, i++) {
		const struct toml_node *key = toml_find(n, "id");

		if (key == NULL)
			key = toml_find(n, "name");
		snprintf(made, sizeof(made), "tunnel-%u", i + 1);
		if (key != NULL && key->kind == TOML_TEXT ? span_is(key->text, id) :
							    strcmp(made, id) == 0)
			break;
		if (tunnels->kind != TOML_ARRAY)
			return NULL;
	}
	if (index != NULL)
		*index = i;
	return n;
}

/* Sets @key of the tunnel to the literal; an empty literal removes it. */
static enum err set_key(struct document *d, const char *id, const char *key)
{
	const struct toml_node *t = find_tunnel(d->toml, id, NULL);
	const struct toml_node *old = t != NULL ? toml_find(t, key) : NULL;

	if (t == NULL)
		return err_set(d->why, ERR_NOENT, "the file has no tunnel \"%.60s\"", id);
	if (d->literal.n > 0)
		return document_step(d,
			toml_edit_set(d->toml, t, key, buf_span(&d->literal), &d->next));
	if (old == NULL)
		return ERR_OK;
	return document_step(d, toml_edit_remove(d->toml, old, NULL, &d->next));
}

/* ---- literals ---- */

static void put_text(struct buf *out, const char *text)
{
	if (text != NULL)
		toml_put_text(out, span_str(text));
}

static void put_list(struct buf *out, const struct field_list *list)
{
	for (unsigned i = 0; i < list->n; i++) {
		buf_put_str(out, i == 0 ? "[" : ", ");
		toml_put_text(out, span_str(list->v[i]));
	}
	if (list->n > 0)
		buf_put_u8(out, ']');
}

static void put_routes(struct buf *out, const struct field_tables *routes)
{
	const struct route_config *r = routes->v;

	for (unsigned i = 0; i < routes->n; i++) {
		buf_put_str(out, i == 0 ? "[{ prefix = " : ", { prefix = ");
		toml_put_text(out, span_str(r[i].prefix != NULL ? r[i].prefix : ""));
		buf_put_str(out, ", upstream = ");
		toml_put_text(out, span_str(r[i].upstream != NULL ? r[i].upstream : ""));
		buf_put_str(out, " }");
	}
	if (routes->n > 0)
		buf_put_u8(out, ']');
}

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

static enum err check_relays(const struct field_list *list, struct why *why)
{
	struct relay_urls urls = { .count = 0 };
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < list->n && rc == ERR_OK; i++)
		rc = relay_urls_add(&urls, span_str(list->v[i]), why);
	for (unsigned i = 0; i < urls.count && rc == ERR_OK; i++)
		rc = relay_url_check_host(urls.urls[i], why);
	relay_urls_fini(&urls);
	return rc;
}

/* ---- adding ---- */

/* "My  App:2/x" is "my-app-2-x". */
static void make_id(const char *name, char id[AGENT_ID_MAX])
{
	size_t n = 0;

	for (const char *c = name; *c != '\0' && n + 1 < AGENT_ID_MAX; c++) {
		bool is_bad = isspace((unsigned char)*c) || iscntrl((unsigned char)*c) ||
			strchr("<>:\"/\\|?*", *c) != NULL;

		if (!is_bad)
			id[n++] = (char)tolower((unsigned char)*c);
		else if (n > 0 && id[n - 1] != '-')
			id[n++] = '-';
	}
	while (n > 0 && id[n - 1] == '-')
		n--;
	id[n] = '\0';
}

struct addition {
	const char *id, *name, *target;
	const struct field_list *relays;
};

static enum err edit_add(void *arg, const struct toml *t, struct buf *out,
	struct why *why)
{
	const struct addition *a = arg;
	struct buf pairs;
	enum err rc;

	buf_init(&pairs, LITERAL_MAX);
	buf_put_str(&pairs, "id = ");
	put_text(&pairs, a->id);
	buf_put_str(&pairs, "\nname = ");
	put_text(&pairs, a->name);
	buf_put_str(&pairs, "\ntarget = ");
	put_text(&pairs, a->target);
	if (a->relays->n > 0)
		buf_put_str(&pairs, "\nrelays = ");
	put_list(&pairs, a->relays);
	buf_put_str(&pairs, "\ndiscovery = true\n");
	rc = pairs.failed;
	if (rc == ERR_OK)
		rc = toml_edit_append(t, toml_root(t), "tunnels", buf_span(&pairs), out);
	if (rc != ERR_OK)
		err_set(why, rc, "the file cannot be changed: edit it");
	buf_fini(&pairs);
	return rc;
}

static enum err check_addition(const struct agent *a, const struct addition *add,
	struct why *why)
{
	struct why words = { "" };
	enum err rc = agent_id_check(add->id, &words);

	if (rc != ERR_OK)
		return err_set(why, rc, "tunnel id: %s", words.text);
	if (agent_find_tunnel(a, add->id) != NULL)
		return err_set(why, ERR_EXISTS, "tunnel \"%.60s\" already exists",
			add->id);
	rc = check_name(add->name, why);
	if (rc == ERR_OK)
		rc = check_target(add->target, why);
	return rc == ERR_OK ? check_relays(add->relays, why) : rc;
}

static void add_tunnel(void *context, struct api_call *call)
{
	struct control *c = context;
	const struct new_tunnel *asked = call->request;
	char *name = asked->name != NULL ? span_dup(span_trim(span_str(asked->name))) :
					   NULL;
	char id[AGENT_ID_MAX] = "";
	struct addition add = { .id = id, .name = name, .relays = &asked->relays };
	struct why why = { "" };
	enum err rc;

	add.target = asked->target != NULL ? asked->target : TARGET_DEFAULT;
	if (asked->id != NULL)
		str_copy(id, sizeof(id), asked->id);
	else if (name != NULL)
		make_id(name, id);
	if (name == NULL || name[0] == '\0')
		add.name = id;
	if (id[0] == '\0')
		rc = err_set(&why, ERR_USAGE, "tunnel name is required");
	else
		rc = check_addition(c->agent, &add, &why);
	if (rc == ERR_OK)
		rc = agent_edit(c->agent, edit_add, &add, &why);
	finish(call, rc, &why);
	free(name);
}

/* ---- changing ---- */

struct changing {
	const char *id;
	const struct change *change;
	const json_t *given; /* which members there are */
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

/* Sets the members that are given. */
static enum err edit_metadata(struct document *d, const struct changing *x)
{
	const struct message_metadata *m = &x->change->metadata;
	const struct {
		const char *key, *text;
	} texts[] = { { "description", m->description }, { "owner", m->owner },
		{ "thumbnail", m->thumbnail } };
	const json_t *given = metadata_of(x->given);
	enum err rc = ERR_OK;

	for (size_t i = 0; i < mem_count(texts) && rc == ERR_OK; i++) {
		if (!is_given(given, texts[i].key))
			continue;
		put_text(&d->literal, texts[i].text);
		rc = set_key(d, x->id, texts[i].key);
	}
	if (rc == ERR_OK && is_given(given, "tags")) {
		put_list(&d->literal, &m->tags);
		rc = set_key(d, x->id, "tags");
	}
	if (rc == ERR_OK && is_given(given, "hide")) {
		buf_put_str(&d->literal, m->hide ? "true" : "");
		rc = set_key(d, x->id, "hide");
	}
	return rc;
}

static enum err edit_change(void *arg, const struct toml *t, struct buf *out,
	struct why *why)
{
	const struct changing *x = arg;
	const struct change *c = x->change;
	struct document d;
	enum err rc = document_open(&d, t, why);

	if (rc == ERR_OK && is_given(x->given, "max_active_relays")) {
		buf_printf(&d.literal, "%lld", (long long)c->max_active_relays);
		rc = set_key(&d, x->id, "max_active_relays");
	}
	if (rc == ERR_OK && is_given(x->given, "metadata"))
		rc = edit_metadata(&d, x);
	if (rc == ERR_OK && is_given(x->given, "name")) {
		/* The id stays, also if it was the name. */
		toml_put_text(&d.literal, span_str(x->id));
		rc = set_key(&d, x->id, "id");
		if (rc == ERR_OK)
			put_text(&d.literal, c->name);
		if (rc == ERR_OK)
			rc = set_key(&d, x->id, "name");
	}
	if (rc == ERR_OK && is_given(x->given, "target")) {
		put_text(&d.literal, c->target);
		rc = set_key(&d, x->id, "target");
	}
	if (rc == ERR_OK && is_given(x->given, "http_routes")) {
		put_routes(&d.literal, &c->routes);
		rc = set_key(&d, x->id, "http_routes");
	}
	if (rc == ERR_OK && is_given(x->given, "relays")) {
		put_list(&d.literal, &c->relays);
		rc = set_key(&d, x->id, "relays");
	}
	return document_close(&d, rc, out);
}

static enum err check_change(const struct changing *x, struct why *why)
{
	static const char *const keys[] = { "max_active_relays", "name", "target",
		"relays", "http_routes" };
	const struct change *c = x->change;
	const json_t *metadata = metadata_of(x->given);
	bool is_any = json_is_object(metadata) && json_object_size(metadata) > 0;
	enum err rc = ERR_OK;

	for (size_t i = 0; i < mem_count(keys); i++)
		is_any = is_any || is_given(x->given, keys[i]);
	if (!is_any)
		return err_set(why, ERR_USAGE,
			"tunnel update requires at least one field");
	if (is_given(x->given, "max_active_relays") && c->max_active_relays <= 0)
		return err_set(why, ERR_USAGE,
			"max_active_relays must be a positive integer");
	if (is_given(x->given, "name") && c->name != NULL)
		rc = check_name(c->name, why);
	if (rc == ERR_OK && is_given(x->given, "target") && c->target != NULL)
		rc = check_target(c->target, why);
	return rc == ERR_OK ? check_relays(&c->relays, why) : rc;
}

static void change_tunnel(void *context, struct api_call *call)
{
	struct control *c = context;
	json_t *given = json_loadb((const char *)call->read_from.p, call->read_from.n,
		JSON_DISABLE_EOF_CHECK, NULL);
	char id[AGENT_ID_MAX];
	struct changing x = { .id = id, .change = call->request, .given = given };
	struct why why = { "" };
	enum err rc;

	if (tunnel_of(c, call, id) != NULL) {
		rc = check_change(&x, &why);
		if (rc == ERR_OK)
			rc = agent_edit(c->agent, edit_change, &x, &why);
		finish(call, rc, &why);
	}
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
	const struct toml_node *n = find_tunnel(t, r->id, &r->c->removed_index);
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

	if (tunnel_of(c, call, id) == NULL)
		return;
	rc = agent_edit(c->agent, edit_remove, &r, &why);
	finish(call, rc, &why);
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
	finish(call, rc, &why);
}

/* ---- relays and routes through several ---- */

static void connect_relay(void *context, struct api_call *call)
{
	const struct relay_name *asked = call->request;
	char id[AGENT_ID_MAX];
	struct agent_tunnel *t = tunnel_of(context, call, id);
	struct why why = { "" };
	enum err rc;

	if (t == NULL)
		return;
	if (asked->url == NULL)
		rc = err_set(&why, ERR_SYNTAX, "relay url is empty");
	else
		rc = tunnel_connect(t->tunnel, asked->url, &why);
	finish(call, rc, &why);
}

static void disconnect_relay(void *context, struct api_call *call)
{
	const struct relay_name *asked = call->request;
	char id[AGENT_ID_MAX];
	struct agent_tunnel *t = tunnel_of(context, call, id);
	struct why why = { "" };
	enum err rc;

	if (t == NULL)
		return;
	if (asked->url == NULL)
		rc = err_set(&why, ERR_SYNTAX, "relay url is empty");
	else
		rc = tunnel_disconnect(t->tunnel, asked->url, &why);
	finish(call, rc, &why);
}

static enum err edit_clear_hops(void *arg, const struct toml *t, struct buf *out,
	struct why *why)
{
	const char *id = arg;
	struct document d;
	enum err rc = document_open(&d, t, why);

	if (rc == ERR_OK)
		rc = set_key(&d, id, "multi_hop");
	if (rc == ERR_OK)
		rc = set_key(&d, id, "multi_hop_depth");
	return document_close(&d, rc, out);
}

static void clear_hops(void *context, struct api_call *call)
{
	struct control *c = context;
	char id[AGENT_ID_MAX];
	const struct agent_tunnel *t = tunnel_of(c, call, id);
	struct why why = { "" };
	enum err rc = ERR_OK;

	if (t == NULL)
		return;
	if (tunnel_config(t->tunnel)->lease.multi_hop.n > 0 ||
		tunnel_config(t->tunnel)->lease.multi_hop_depth > 0)
		rc = agent_edit(c->agent, edit_clear_hops, id, &why);
	finish(call, rc, &why);
}

static enum err check_hops(const struct field_list *relays, struct why *why)
{
	struct relay_urls urls = { .count = 0 };
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < relays->n && rc == ERR_OK; i++)
		rc = relay_urls_add(&urls, span_str(relays->v[i]), why);
	if (rc == ERR_OK && relays->n < 2)
		rc = err_set(why, ERR_USAGE,
			"multi-hop requires at least entry and exit relay urls");
	else if (rc == ERR_OK && urls.count < relays->n)
		rc = err_set(why, ERR_USAGE, "multi-hop relay url repeated");
	else if (rc == ERR_OK)
		rc = err_set(why, ERR_USAGE,
			"multi-hop: publishing through several relays is not supported yet");
	relay_urls_fini(&urls);
	return rc;
}

/* A route that cannot be built is refused, and nothing is closed. */
static void set_hops(void *context, struct api_call *call)
{
	const struct hops *asked = call->request;
	char id[AGENT_ID_MAX];
	struct why why = { "" };
	enum err rc;

	if (asked->relays.n == 0) {
		clear_hops(context, call);
		return;
	}
	if (tunnel_of(context, call, id) == NULL)
		return;
	rc = check_hops(&asked->relays, &why);
	finish(call, rc, &why);
}

/* ---- the end ---- */

static void shut_down(void *context, struct api_call *call)
{
	struct control *c = context;

	finish(call, ERR_OK, NULL);
	log_info(&c->agent->log, "stopping: the control API was asked to");
	agent_leave(c->agent);
}

/* "/v1/agent/tunnels/" has an empty id. */
static void refuse_id(void *context, struct api_call *call)
{
	const struct http1_head *head = http_request(call->x);
	struct span path = http1_path(head);
	struct why why;

	if (path.n == 0 || path.p[path.n - 1] != '/') {
		api_refuse_unknown(context, call);
		return;
	}
	err_set(&why, ERR_SYNTAX, "invalid tunnel id");
	control_refuse(call, &why);
}

#define ROW(method, path, function, words) \
	method, "/v1/agent/" path, &control_bearer, function, \
		.response = &accepted_fields, .summary = words, .status = 202, \
		.body_max = CONTROL_BODY_MAX, .is_at_once = true

static const struct api_operation rows[] = {
	{ ROW("POST", "shutdown", shut_down, "stop the agent") },
	{ ROW("POST", "tunnels", add_tunnel, "add a tunnel with a target"),
		.request = &new_tunnel_fields },
	{ ROW("POST", "tunnels/restore", restore_tunnel,
		  "put back the tunnel that was removed last"),
		.is_own = true },
	{ ROW("PATCH", "tunnels/*", change_tunnel, "change a tunnel"),
		.request = &change_fields },
	{ ROW("DELETE", "tunnels/*", remove_tunnel, "remove a tunnel") },
	{ ROW("POST", "tunnels/*/relays", connect_relay,
		  "connect a relay until the next start"),
		.request = &relay_fields },
	{ ROW("DELETE", "tunnels/*/relays", disconnect_relay,
		  "disconnect a relay until the next start"),
		.request = &relay_fields },
	{ ROW("POST", "tunnels/*/multi-hop", set_hops,
		  "publish through several relays in a row"),
		.request = &hops_fields },
	{ ROW("DELETE", "tunnels/*/multi-hop", clear_hops,
		"publish through one relay at a time") },
	{ .path = "/v1/agent/tunnels/",
		.authority = &control_bearer,
		.fn = refuse_id,
		.is_at_once = true },
};

const struct api_table control_edit_table = API_TABLE_OF(rows);
