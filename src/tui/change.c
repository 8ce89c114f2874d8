/* Changes: requests to the control API, and their undo. */
#include "tui/change.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/json.h"

#define BODY_MAX 8192 /* of the control API: portal-protocol 15.4 */

#define TUNNELS "/v1/agent/tunnels"

void change_free(struct change *c)
{
	while (c != NULL) {
		struct change *then = c->then;

		change_free(c->undo);
		buf_fini(&c->body);
		free(c->target);
		free(c->selects);
		free(c);
		c = then;
	}
}

/* "/v1/agent/tunnels/{id}" and @suffix; NULL: no memory. */
static char *print_target(const char *id, const char *suffix)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	struct buf out;
	char *target;

	buf_init(&out, SIZE_MAX / 2);
	buf_put_str(&out, TUNNELS "/");
	for (const char *c = id; *c != '\0'; c++)
		if (strchr(plain, *c) != NULL)
			buf_put_u8(&out, (uint8_t)*c);
		else
			buf_printf(&out, "%%%02X", (unsigned char)*c);
	buf_put_str(&out, suffix);
	target = out.failed == ERR_OK ? span_dup(buf_span(&out)) : NULL;
	buf_fini(&out);
	return target;
}

/* Takes @target, which may be NULL: no memory. */
static struct change *new_change(const char *method, char *target)
{
	struct change *c = target != NULL ? mem_new(c) : NULL;

	if (c == NULL) {
		free(target);
		return NULL;
	}
	list_init(&c->in_queue);
	c->method = method;
	c->target = target;
	buf_init(&c->body, BODY_MAX);
	return c;
}

PRINTF_LIKE(3, 4)
static void set_texts(struct change *c, const char *verbs, const char *fmt, ...)
{
	const char *slash = strchr(verbs, '/');
	char object[CHANGE_TEXT_MAX / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(object, sizeof(object), fmt, args);
	va_end(args);
	snprintf(c->doing, sizeof(c->doing), "%.*s %s", (int)(slash - verbs), verbs,
		object);
	snprintf(c->done, sizeof(c->done), "%s %s", slash + 1, object);
}

/* Without a body that is complete there is no change. */
static struct change *check_body(struct change *c)
{
	if (c == NULL || c->body.failed == ERR_OK)
		return c;
	change_free(c);
	return NULL;
}

static void put_member(struct json_writer *w, const char *key, struct span text)
{
	json_put_key(w, key);
	json_put_text(w, text);
}

/* The words of @text, between any of @separators, as a list. */
static void put_words(struct json_writer *w, const char *key, const char *text,
	const char *separators)
{
	json_put_key(w, key);
	json_put_open_list(w);
	for (;;) {
		struct span word;
		size_t n;

		text += strspn(text, separators);
		n = strcspn(text, separators);
		if (n == 0)
			break;
		word = span_trim(span_of(text, n));
		if (word.n > 0)
			json_put_text(w, word);
		text += n;
	}
	json_put_close_list(w);
}

/* ---- tunnels ---- */

static const char *name_of(const struct status_tunnel *t)
{
	return t->name != NULL ? t->name : t->id;
}

static struct change *new_delete(const char *target_id, const char *name)
{
	struct change *c = new_change("DELETE", print_target(target_id, ""));

	if (c != NULL)
		set_texts(c, "delete/deleted", "%s", name);
	return c;
}

/* The id that an agent gives to a tunnel without one: portal-protocol 15.5. Owned. */
static char *print_id(const char *name)
{
	char *id = strdup(name);
	size_t n = 0;

	if (id == NULL)
		return NULL;
	str_lower(id);
	for (const char *c = id; *c != '\0'; c++)
		if ((unsigned char)*c > ' ' && *c != 0x7f &&
			strchr("<>:\"/\\|?*", *c) == NULL)
			id[n++] = *c;
		else if (n > 0 && id[n - 1] != '-')
			id[n++] = '-';
	while (n > 0 && id[n - 1] == '-')
		n--;
	id[n] = '\0';
	return id;
}

struct change *change_new_add(const char *name, const char *target, const char *relays)
{
	struct change *c = new_change("POST", strdup(TUNNELS));
	struct json_writer w;
	char *id;

	if (c == NULL)
		return NULL;
	json_writer_init(&w, &c->body);
	json_put_open(&w);
	put_member(&w, "name", span_str(name));
	put_member(&w, "target_addr", span_str(target));
	put_words(&w, "relays", relays, " \t,");
	json_put_close(&w);
	set_texts(c, "add/added", "%s", name);
	id = print_id(name);
	c->undo = id != NULL ? new_delete(id, name) : NULL;
	free(id);
	c->selects = strdup(name);
	c->closes_dialog = true;
	return check_body(c);
}

/* Puts a simple tunnel back with a stock agent, which cannot restore. */
static struct change *new_add_again(const struct status_tunnel *t)
{
	struct change *c;
	struct json_writer w;

	if (t->target_addr == NULL)
		return NULL;
	c = new_change("POST", strdup(TUNNELS));
	if (c == NULL)
		return NULL;
	json_writer_init(&w, &c->body);
	json_put_open(&w);
	put_member(&w, "id", span_str(t->id));
	put_member(&w, "name", span_str(name_of(t)));
	put_member(&w, "target_addr", span_str(t->target_addr));
	json_put_key(&w, "relays");
	json_put_open_list(&w);
	for (unsigned i = 0; i < t->relays.n; i++)
		if (status_relay(t, i)->is_explicit)
			json_put_text(&w, span_str(status_relay(t, i)->relay_url));
	json_put_close_list(&w);
	json_put_close(&w);
	return check_body(c);
}

/* The metadata that a deleted tunnel had. */
static struct change *new_settings_again(const struct status_tunnel *t)
{
	struct change *c = new_change("PATCH", print_target(t->id, ""));
	const struct status_metadata *m = &t->metadata;
	struct json_writer w;

	if (c == NULL)
		return NULL;
	json_writer_init(&w, &c->body);
	json_put_open(&w);
	json_put_key(&w, "max_active_relays");
	json_put_int(&w, t->max_active_relays > 0 ? t->max_active_relays : 3);
	json_put_key(&w, "metadata");
	json_put_open(&w);
	put_member(&w, "description", span_str(status_text(m->description)));
	put_member(&w, "owner", span_str(status_text(m->owner)));
	put_member(&w, "thumbnail", span_str(status_text(m->thumbnail)));
	json_put_key(&w, "hide");
	json_put_flag(&w, m->is_hidden);
	json_put_key(&w, "tags");
	json_put_open_list(&w);
	for (unsigned i = 0; i < m->tags.n; i++)
		json_put_text(&w, span_str(m->tags.v[i]));
	json_put_close_list(&w);
	json_put_close(&w);
	json_put_close(&w);
	set_texts(c, "restore/restored", "%s", name_of(t));
	return check_body(c);
}

static struct change *new_restore(const struct status_tunnel *t)
{
	struct change *c = new_change("POST", strdup(TUNNELS "/restore"));
	struct json_writer w;

	if (c == NULL)
		return NULL;
	json_writer_init(&w, &c->body);
	json_put_open(&w);
	put_member(&w, "id", span_str(t->id));
	json_put_close(&w);
	return check_body(c);
}

struct change *change_new_delete(const struct status_tunnel *t, bool is_ours)
{
	struct change *c = new_delete(t->id, name_of(t));
	struct change *undo = is_ours ? new_restore(t) : new_add_again(t);

	if (undo != NULL) {
		set_texts(undo, "restore/restored", "%s", name_of(t));
		undo->selects = strdup(t->id);
		if (!is_ours)
			undo->then = new_settings_again(t);
	}
	if (c == NULL)
		change_free(undo);
	else
		c->undo = undo;
	return c;
}

/* ---- relays ---- */

static struct change *new_relay(const struct status_tunnel *t, const char *relay_url,
	bool connects)
{
	struct change *c = new_change(connects ? "POST" : "DELETE",
		print_target(t->id, "/relays"));
	struct json_writer w;
	char shown[64];

	if (c == NULL)
		return NULL;
	json_writer_init(&w, &c->body);
	json_put_open(&w);
	put_member(&w, "relay_url", span_str(relay_url));
	json_put_close(&w);
	set_texts(c, connects ? "connect/connecting" : "disconnect/disconnected",
		"%s %s %s", name_of(t), connects ? "to" : "from",
		status_short_url(relay_url, shown, sizeof(shown)));
	c->closes_dialog = true;
	return check_body(c);
}

struct change *change_new_relay(const struct status_tunnel *t, const char *relay_url,
	bool connects)
{
	struct change *c = new_relay(t, relay_url, connects);

	if (c != NULL)
		c->undo = new_relay(t, relay_url, !connects);
	return c;
}

static struct change *new_hops(const struct status_tunnel *t, char *const *relays,
	unsigned count)
{
	struct change *c = new_change(count > 0 ? "POST" : "DELETE",
		print_target(t->id, "/multi-hop"));
	struct json_writer w;

	if (c == NULL)
		return NULL;
	if (count > 0) {
		json_writer_init(&w, &c->body);
		json_put_open(&w);
		json_put_key(&w, "relays");
		json_put_open_list(&w);
		for (unsigned i = 0; i < count; i++)
			json_put_text(&w, span_str(relays[i]));
		json_put_close_list(&w);
		json_put_close(&w);
		set_texts(c, "apply/applied", "the route of %s through %u relays",
			name_of(t), count);
	} else {
		set_texts(c, "clear/cleared", "the route of %s", name_of(t));
	}
	return check_body(c);
}

struct change *change_new_hops(const struct status_tunnel *t, char *const *relays,
	unsigned count)
{
	struct change *c = new_hops(t, relays, count);

	if (c != NULL)
		c->undo = new_hops(t, t->multi_hop.v, t->multi_hop.n);
	return c;
}

/* ---- forms ---- */

/* Lists with ", " between; owned, or NULL. */
static char *join(const struct field_list *list)
{
	struct buf out;
	char *text;

	buf_init(&out, SIZE_MAX / 2);
	for (unsigned i = 0; i < list->n; i++)
		buf_printf(&out, "%s%s", i > 0 ? ", " : "", list->v[i]);
	text = out.failed == ERR_OK ? span_dup(buf_span(&out)) : NULL;
	buf_fini(&out);
	return text;
}

static char *join_routes(const struct status_tunnel *t)
{
	struct buf out;
	char *text;

	buf_init(&out, SIZE_MAX / 2);
	for (unsigned i = 0; i < t->http_routes.n; i++) {
		const struct status_route *r = (struct status_route *)t->http_routes.v +
			i;

		buf_printf(&out, "%s%s=%s", i > 0 ? ", " : "", status_text(r->prefix),
			status_text(r->upstream));
	}
	text = out.failed == ERR_OK ? span_dup(buf_span(&out)) : NULL;
	buf_fini(&out);
	return text;
}

static char *join_relays(const struct status_tunnel *t)
{
	struct buf out;
	char *text;

	buf_init(&out, SIZE_MAX / 2);
	for (unsigned i = 0; i < t->relays.n; i++) {
		const struct status_relay *r = status_relay(t, i);

		if (r->is_explicit)
			buf_printf(&out, "%s%s", out.n > 0 ? ", " : "", r->relay_url);
	}
	text = out.failed == ERR_OK ? span_dup(buf_span(&out)) : NULL;
	buf_fini(&out);
	return text;
}

struct line_text {
	enum form_kind kind;
	const char *label, *hint, *text;
};

static enum err fill(struct form *f, const struct line_text *lines, unsigned count)
{
	bool is_new = f->count == 0;
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < count && rc == ERR_OK; i++) {
		if (lines[i].text == NULL)
			return ERR_NOMEM;
		if (is_new)
			rc = form_add(f, lines[i].kind, lines[i].label, lines[i].hint,
				lines[i].text);
		else
			rc = form_rebase(&f->lines[i], lines[i].text);
	}
	return rc;
}

enum err change_fill_settings(struct form *f, const struct status_tunnel *t)
{
	const struct status_metadata *m = &t->metadata;
	char *tags = join(&m->tags);
	char relays[24];
	const struct line_text lines[CHANGE_SETTINGS] = {
		[CHANGE_MAX_RELAYS] = { FORM_TEXT, "max relays", "3", relays },
		[CHANGE_DESCRIPTION] = { FORM_TEXT, "description", "for visitors",
			status_text(m->description) },
		[CHANGE_TAGS] = { FORM_TEXT, "tags", "web, demo", tags },
		[CHANGE_OWNER] = { FORM_TEXT, "owner", "", status_text(m->owner) },
		[CHANGE_THUMBNAIL] = { FORM_TEXT, "thumbnail",
			"https://example.com/picture.png", status_text(m->thumbnail) },
		[CHANGE_HIDDEN] = { FORM_FLAG, "hidden", "",
			m->is_hidden ? "yes" : "no" },
	};
	enum err rc;

	snprintf(relays, sizeof(relays), "%lld", (long long)t->max_active_relays);
	rc = fill(f, lines, CHANGE_SETTINGS);
	free(tags);
	return rc;
}

enum err change_fill_edit(struct form *f, const struct status_tunnel *t)
{
	char *relays = join_relays(t), *routes = join_routes(t);
	const struct line_text lines[CHANGE_EDITS] = {
		[CHANGE_NAME] = { FORM_TEXT, "name", t->id, status_text(t->name) },
		[CHANGE_TARGET] = { FORM_TEXT, "target", "127.0.0.1:3000",
			status_text(t->target_addr) },
		[CHANGE_RELAYS] = { FORM_TEXT, "relays", "https://portal.example.com",
			relays },
		[CHANGE_ROUTES] = { FORM_TEXT, "routes",
			"/api=http://127.0.0.1:3001, /=http://127.0.0.1:5173", routes },
	};
	enum err rc = fill(f, lines, CHANGE_EDITS);

	free(relays);
	free(routes);
	return rc;
}

/* ---- forms as requests ---- */

static struct span line_text(const struct form_line *l, bool is_original)
{
	return span_trim(span_str(is_original ? l->original : l->text));
}

static bool is_metadata(unsigned line)
{
	return line != CHANGE_MAX_RELAYS;
}

static void put_setting(struct json_writer *w, const struct form_line *l, unsigned line,
	bool is_original)
{
	static const char *const keys[CHANGE_SETTINGS] = { "max_active_relays",
		"description", "tags", "owner", "thumbnail", "hide" };
	struct span text = line_text(l, is_original);
	unsigned long number = 0;

	if (line == CHANGE_TAGS) {
		put_words(w, keys[line], is_original ? l->original : l->text, ",");
		return;
	}
	json_put_key(w, keys[line]);
	if (line == CHANGE_HIDDEN) {
		json_put_flag(w, span_is(text, "yes"));
	} else if (line == CHANGE_MAX_RELAYS) {
		(void)str_to_uint(is_original ? l->original : l->text, INT32_MAX,
			&number);
		json_put_int(w, number > 0 ? (int64_t)number : 3);
	} else {
		json_put_text(w, text);
	}
}

static void put_settings(struct json_writer *w, const struct form *f, bool is_original)
{
	bool has_metadata = false;

	json_put_open(w);
	for (unsigned i = 0; i < f->count; i++) {
		if (!form_line_is_changed(&f->lines[i]))
			continue;
		if (is_metadata(i) && !has_metadata) {
			json_put_key(w, "metadata");
			json_put_open(w);
			has_metadata = true;
		}
		put_setting(w, &f->lines[i], i, is_original);
	}
	if (has_metadata)
		json_put_close(w);
	json_put_close(w);
}

/* "/api=http://a, /=http://b" */
static void put_routes(struct json_writer *w, const char *text)
{
	struct span rest = span_str(text), route, prefix;

	json_put_key(w, "http_routes");
	json_put_open_list(w);
	while (rest.n > 0) {
		(void)span_split(&rest, ',', &route);
		route = span_trim(route);
		if (route.n == 0)
			continue;
		(void)span_split(&route, '=', &prefix);
		json_put_open(w);
		put_member(w, "prefix", span_trim(prefix));
		put_member(w, "upstream", span_trim(route));
		json_put_close(w);
	}
	json_put_close_list(w);
}

static void put_edit(struct json_writer *w, const struct form *f, bool is_original)
{
	json_put_open(w);
	for (unsigned i = 0; i < f->count; i++) {
		const struct form_line *l = &f->lines[i];
		const char *text = is_original ? l->original : l->text;

		if (!form_line_is_changed(l))
			continue;
		if (i == CHANGE_RELAYS)
			put_words(w, "relays", text, " \t,");
		else if (i == CHANGE_ROUTES)
			put_routes(w, text);
		else
			put_member(w, i == CHANGE_NAME ? "name" : "target",
				line_text(l, is_original));
	}
	json_put_close(w);
}

typedef void put_fn(struct json_writer *w, const struct form *f, bool is_original);

static struct change *new_patch(const struct status_tunnel *t, const struct form *f,
	put_fn *put, bool is_original)
{
	struct change *c = new_change("PATCH", print_target(t->id, ""));
	struct json_writer w;

	if (c == NULL)
		return NULL;
	json_writer_init(&w, &c->body);
	put(&w, f, is_original);
	if (is_original)
		set_texts(c, "change/changed", "%s back", name_of(t));
	else
		set_texts(c, "change/changed", "%s", name_of(t));
	c->closes_dialog = true;
	return check_body(c);
}

static enum err new_undoable(const struct status_tunnel *t, const struct form *f,
	put_fn *put, struct change **out, struct why *why)
{
	struct change *c = new_patch(t, f, put, false);

	if (c == NULL)
		return err_set(why, ERR_USAGE,
			"the form is too long: the agent takes at most 8 KiB");
	c->undo = new_patch(t, f, put, true);
	*out = c;
	return ERR_OK;
}

enum err change_of_settings(const struct status_tunnel *t, const struct form *f,
	struct change **out, struct why *why)
{
	const struct form_line *l = &f->lines[CHANGE_MAX_RELAYS];
	char text[24], shown[48];
	unsigned long number;

	form_trimmed(l, text, sizeof(text));
	if (form_line_is_changed(l) &&
		(!str_to_uint(text, INT32_MAX, &number) || number == 0))
		return err_set(why, ERR_USAGE,
			"max relays takes a whole number above 0, not \"%s\"",
			str_quote(shown, sizeof(shown), span_str(l->text)));
	return new_undoable(t, f, put_settings, out, why);
}

enum err change_of_edit(const struct status_tunnel *t, const struct form *f,
	struct change **out, struct why *why)
{
	struct span rest = span_str(f->lines[CHANGE_ROUTES].text), route, prefix;

	while (rest.n > 0) {
		(void)span_split(&rest, ',', &route);
		route = span_trim(route);
		if (route.n > 0 && !span_split(&route, '=', &prefix))
			return err_set(why, ERR_USAGE,
				"a route is a prefix, \"=\" and a URL: /api=http://127.0.0.1:3001, /=http://127.0.0.1:5173");
	}
	return new_undoable(t, f, put_edit, out, why);
}
