/* Edits of tunnels in the text of a config. */
#include "agent/config_edit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/config.h"
#include "text/toml_edit.h"

#define LITERAL_MAX 262144
#define FILE_NAME "config.toml" /* for errors that are not expected */

#define TUNNELS "tunnels"
#define LINKS "links"

/* The table @id of the array @kind. */
static const struct toml_node *find(const struct toml *t, const char *kind,
	const char *id, unsigned *index)
{
	const struct toml_node *all = toml_find(toml_root(t), kind), *n;
	bool is_array = all != NULL && all->kind == TOML_ARRAY;
	bool is_tunnel = strcmp(kind, TUNNELS) == 0;
	char made[32];
	unsigned i = 0;

	for (n = is_array ? all->first : all; n != NULL; i++) {
		const struct toml_node *key = toml_find(n, "id");

		if (key == NULL && is_tunnel)
			key = toml_find(n, "name");
		snprintf(made, sizeof(made), "%s-%u", is_tunnel ? "tunnel" : "link",
			i + 1);
		if (key != NULL && key->kind == TOML_TEXT ? span_is(key->text, id) :
							    strcmp(made, id) == 0)
			break;
		n = is_array ? n->next : NULL;
	}
	if (n != NULL && index != NULL)
		*index = i;
	return n;
}

const struct toml_node *config_edit_find(const struct toml *t, const char *id,
	unsigned *index)
{
	return find(t, TUNNELS, id, index);
}

/* ---- steps ---- */

static void edit_open(struct config_edit *e, const struct toml *t, const char *kind,
	const char *id, struct why *why)
{
	*e = (struct config_edit){ .kind = kind, .id = id, .why = why };
	buf_init(&e->literal, LITERAL_MAX);
	buf_init(&e->next, TOML_BYTES_MAX);
	e->rc = toml_parse(toml_text(t), FILE_NAME, &e->toml, why);
}

void config_edit_open(struct config_edit *e, const struct toml *t, const char *id,
	struct why *why)
{
	edit_open(e, t, TUNNELS, id, why);
}

void config_edit_open_link(struct config_edit *e, const struct toml *t, const char *id,
	struct why *why)
{
	edit_open(e, t, LINKS, id, why);
}

enum err config_edit_close(struct config_edit *e, struct buf *out)
{
	if (e->rc == ERR_OK)
		e->rc = buf_put_span(out, toml_text(e->toml));
	toml_free(e->toml);
	buf_wipe(&e->literal);
	buf_wipe(&e->next);
	return e->rc;
}

/* The text after a step is in @next. */
static enum err take_next(struct config_edit *e)
{
	struct toml *toml;
	enum err rc = toml_parse(buf_span(&e->next), FILE_NAME, &toml, e->why);

	if (rc != ERR_OK)
		return rc;
	toml_free(e->toml);
	e->toml = toml;
	return ERR_OK;
}

/* Sets @key to the literal; an empty literal removes it. */
static void set(struct config_edit *e, const char *key)
{
	const struct toml_node *t, *old;

	if (e->rc == ERR_OK)
		e->rc = e->literal.failed;
	if (e->rc != ERR_OK)
		return;
	t = find(e->toml, e->kind, e->id, NULL);
	old = t != NULL ? toml_find(t, key) : NULL;
	if (t == NULL)
		e->rc = err_set(e->why, ERR_NOENT, "the file has no %s \"%.60s\"",
			strcmp(e->kind, LINKS) == 0 ? "link" : "tunnel", e->id);
	else if (e->literal.n > 0)
		e->rc = toml_edit_set(e->toml, t, key, buf_span(&e->literal), &e->next);
	else if (old != NULL)
		e->rc = toml_edit_remove(e->toml, old, NULL, &e->next);
	if (e->rc != ERR_OK && t != NULL)
		err_set(e->why, e->rc,
			"%s cannot be changed in this place of the file: edit it", key);
	if (e->rc == ERR_OK && e->next.n > 0)
		e->rc = take_next(e);
	buf_reset(&e->next);
	buf_reset(&e->literal);
}

/* ---- values ---- */

static void put_list(struct buf *out, const struct field_list *list)
{
	for (unsigned i = 0; i < list->n; i++) {
		buf_put_str(out, i == 0 ? "[" : ", ");
		toml_put_text(out, span_str(list->v[i]));
	}
	if (list->n > 0)
		buf_put_u8(out, ']');
}

void config_edit_text(struct config_edit *e, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		toml_put_text(&e->literal, span_str(text));
	set(e, key);
}

void config_edit_list(struct config_edit *e, const char *key,
	const struct field_list *list)
{
	put_list(&e->literal, list);
	set(e, key);
}

void config_edit_number(struct config_edit *e, const char *key, int64_t number)
{
	if (number != 0)
		buf_printf(&e->literal, "%" PRId64, number);
	set(e, key);
}

void config_edit_flag(struct config_edit *e, const char *key, bool flag)
{
	buf_put_str(&e->literal, flag ? "true" : "");
	set(e, key);
}

void config_edit_routes(struct config_edit *e, const struct field_tables *routes)
{
	const struct route_config *r = routes->v;

	for (unsigned i = 0; i < routes->n; i++) {
		buf_put_str(&e->literal, i == 0 ? "[{ prefix = " : ", { prefix = ");
		toml_put_text(&e->literal,
			span_str(r[i].prefix != NULL ? r[i].prefix : ""));
		buf_put_str(&e->literal, ", upstream = ");
		toml_put_text(&e->literal,
			span_str(r[i].upstream != NULL ? r[i].upstream : ""));
		buf_put_str(&e->literal, " }");
	}
	if (routes->n > 0)
		buf_put_u8(&e->literal, ']');
	set(e, "http_routes");
}

/* ---- a new tunnel ---- */

enum err config_edit_add(const struct toml *t, const struct config_addition *a,
	struct buf *out, struct why *why)
{
	struct buf pairs;
	enum err rc;

	buf_init(&pairs, LITERAL_MAX);
	buf_put_str(&pairs, "id = ");
	toml_put_text(&pairs, span_str(a->id));
	buf_put_str(&pairs, "\nname = ");
	toml_put_text(&pairs, span_str(a->name));
	buf_put_str(&pairs, "\ntarget = ");
	toml_put_text(&pairs, span_str(a->target));
	if (a->relays->n > 0)
		buf_put_str(&pairs, "\nrelays = ");
	put_list(&pairs, a->relays);
	buf_put_str(&pairs, "\ndiscovery = true\n");
	rc = pairs.failed;
	if (rc == ERR_OK)
		rc = toml_edit_append(t, toml_root(t), TUNNELS, buf_span(&pairs), out);
	if (rc != ERR_OK)
		err_set(why, rc, "the file cannot be changed: edit it");
	buf_fini(&pairs);
	return rc;
}

/* ---- a managed link ---- */

static enum err add_link(const struct toml *t, const struct config_managed *m,
	struct buf *out, struct why *why)
{
	struct buf pairs;
	enum err rc;

	buf_init(&pairs, LITERAL_MAX);
	buf_put_str(&pairs, "id = ");
	toml_put_text(&pairs, span_str(m->id));
	buf_put_str(&pairs, "\nserver = ");
	toml_put_text(&pairs, span_str(m->server));
	buf_put_str(&pairs, "\nmanaged = true\n");
	if (m->fingerprint != NULL) {
		buf_put_str(&pairs, "fingerprint = ");
		toml_put_text(&pairs, span_str(m->fingerprint));
		buf_put_u8(&pairs, '\n');
	}
	rc = pairs.failed;
	if (rc == ERR_OK)
		rc = toml_edit_append(t, toml_root(t), LINKS, buf_span(&pairs), out);
	if (rc != ERR_OK)
		err_set(why, rc, "the file cannot be changed: edit it");
	buf_fini(&pairs);
	return rc;
}

enum err config_edit_put_managed(const struct toml *t, const struct config_managed *m,
	struct buf *out, struct why *why)
{
	struct config_edit e;

	if (find(t, LINKS, m->id, NULL) == NULL)
		return add_link(t, m, out, why);
	config_edit_open_link(&e, t, m->id, why);
	config_edit_text(&e, "server", m->server);
	config_edit_flag(&e, "managed", true);
	config_edit_text(&e, "fingerprint", m->fingerprint);
	return config_edit_close(&e, out);
}

/* ---- the agent's own settings ---- */

enum err config_edit_put_agent(const struct toml *t, const char *key, const char *value,
	struct buf *out, struct why *why)
{
	const struct toml_node *agent = toml_find(toml_root(t), "agent");
	struct buf literal;
	enum err rc;

	buf_init(&literal, LITERAL_MAX);
	toml_put_text(&literal, span_str(value));
	rc = literal.failed;
	if (rc == ERR_OK && agent != NULL) {
		rc = toml_edit_set(t, agent, key, buf_span(&literal), out);
	} else if (rc == ERR_OK) {
		struct span text = toml_text(t);

		buf_put_span(out, text);
		if (text.n > 0)
			buf_put_str(out, text.p[text.n - 1] == '\n' ? "\n" : "\n\n");
		buf_printf(out, "[agent]\n%s = ", key);
		buf_put_span(out, buf_span(&literal));
		buf_put_u8(out, '\n');
		rc = out->failed;
	}
	if (rc != ERR_OK)
		err_set(why, rc, "%s cannot be set in the file: edit it", key);
	buf_fini(&literal);
	return rc;
}
