/* Bindings: values on their way from a document or a text into a struct. */
#include "text/bind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/duration.h"
#include "text/nearest.h"

#define LABEL_MAX 160

/* A value that was given, as a node of a document or as a text. */
struct given {
	const struct bind_row *row;
	const char *label; /* "relay.toml: line 3: api_port", "--api-port" */
	const struct toml_node *node;
	const char *text;
	const char *file;
	struct why *why;
};

static void *field_at(const struct bind_row *row, void *object)
{
	return (char *)object + row->at;
}

/* ---- freeing ---- */

static void list_fini(struct bind_list *list)
{
	for (unsigned i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct bind_list){ .n = 0 };
}

static void tables_fini(const struct bind *of, struct bind_tables *tables)
{
	for (unsigned i = 0; i < tables->n; i++)
		bind_fini(of, (char *)tables->v + i * of->bytes);
	free(tables->v);
	*tables = (struct bind_tables){ .n = 0 };
}

static void text_fini(char **text)
{
	mem_free_secret_str(*text); /* it may be one */
	*text = NULL;               /* several rows may share a field */
}

void bind_fini(const struct bind *b, void *object)
{
	for (unsigned i = 0; i < b->count; i++) {
		const struct bind_row *row = &b->rows[i];
		void *field = field_at(row, object);

		if (row->kind == BIND_TEXT)
			text_fini(field);
		else if (row->kind == BIND_LIST)
			list_fini(field);
		else if (row->kind == BIND_TABLE)
			bind_fini(row->of, field);
		else if (row->kind == BIND_TABLES)
			tables_fini(row->of, field);
	}
	mem_wipe(object, b->bytes);
}

/* ---- sentences ---- */

static enum err wrong_code(const struct given *g)
{
	return g->node != NULL ? ERR_SYNTAX : ERR_USAGE;
}

static enum err no_memory(const struct given *g)
{
	return err_set(g->why, ERR_NOMEM, "no memory for %s", g->label);
}

/* "--api-port takes a port from 1 to 65535, not "70000"" */
static enum err refuse(const struct given *g, const char *takes)
{
	char shown[48] = "";

	if (g->node == NULL)
		str_quote(shown, sizeof(shown), span_str(g->text));
	else if (g->node->kind == TOML_TEXT)
		str_quote(shown, sizeof(shown), g->node->text);
	if (g->node != NULL && g->node->kind == TOML_INT)
		return err_set(g->why, ERR_SYNTAX, "%s takes %s, not %" PRId64, g->label,
			takes, g->node->number);
	if (g->node != NULL && g->node->kind != TOML_TEXT)
		return err_set(g->why, ERR_SYNTAX, "%s takes %s, not %s", g->label, takes,
			toml_kind_name(g->node->kind));
	return err_set(g->why, wrong_code(g), "%s takes %s, not \"%s\"", g->label, takes,
		shown);
}

/* ---- values that are one word ---- */

/* The text that was given. False: it is something else, or has zeros in it. */
static bool given_text(const struct given *g, struct span *out)
{
	if (g->node != NULL && g->node->kind != TOML_TEXT)
		return false;
	*out = g->node != NULL ? g->node->text : span_str(g->text);
	return out->n == 0 || memchr(out->p, '\0', out->n) == NULL;
}

static enum err set_text(const struct given *g, void *field)
{
	struct span text;
	char *copy = NULL;

	if (!given_text(g, &text))
		return refuse(g, "a text in quotes");
	if (text.n > 0) {
		copy = span_dup(text);
		if (copy == NULL)
			return no_memory(g);
	}
	mem_free_secret_str(*(char **)field);
	*(char **)field = copy;
	return ERR_OK;
}

/* As Go reads them, for those who write TRUE or 1 into the environment. */
static enum err set_flag(const struct given *g, void *field)
{
	static const char *const words[][2] = { { "true", "false" }, { "1", "0" },
		{ "t", "f" }, { "T", "F" }, { "TRUE", "FALSE" }, { "True", "False" } };

	if (g->node != NULL && g->node->kind == TOML_FLAG) {
		*(bool *)field = g->node->flag;
		return ERR_OK;
	}
	for (size_t i = 0; g->node == NULL && i < mem_count(words); i++) {
		bool is_on = strcmp(g->text, words[i][0]) == 0;

		if (is_on || strcmp(g->text, words[i][1]) == 0) {
			*(bool *)field = is_on;
			return ERR_OK;
		}
	}
	return refuse(g, "true or false");
}

/* A whole number within the bounds of the row and of the field. */
static bool given_number(const struct given *g, unsigned long limit, unsigned long *out)
{
	unsigned long max = g->row->max != 0 ? g->row->max : limit;

	if (g->node == NULL)
		return str_to_uint(g->text, max, out) && *out >= g->row->min;
	if (g->node->kind != TOML_INT || g->node->number < 0 ||
		(uint64_t)g->node->number > max)
		return false;
	*out = (unsigned long)g->node->number;
	return *out >= g->row->min;
}

static enum err set_port(const struct given *g, void *field)
{
	unsigned long port;
	char takes[64];

	if (!given_number(g, UINT16_MAX, &port)) {
		snprintf(takes, sizeof(takes), "a port from %u to 65535", g->row->min);
		return refuse(g, takes);
	}
	*(uint16_t *)field = (uint16_t)port;
	return ERR_OK;
}

static enum err set_count(const struct given *g, void *field)
{
	unsigned long count;
	char takes[64];

	if (!given_number(g, UINT32_MAX, &count)) {
		snprintf(takes, sizeof(takes), "a whole number from %u to %u",
			g->row->min, g->row->max != 0 ? g->row->max : UINT32_MAX);
		return refuse(g, takes);
	}
	*(uint32_t *)field = (uint32_t)count;
	return ERR_OK;
}

static enum err set_duration(const struct given *g, void *field)
{
	uint32_t max = g->row->max != 0 ? g->row->max : UINT32_MAX;
	char least[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX], takes[128];
	struct span text;
	uint64_t ms;

	if (given_text(g, &text) && duration_parse(text, &ms) == ERR_OK && ms <= max &&
		ms >= g->row->min) {
		*(uint32_t *)field = (uint32_t)ms;
		return ERR_OK;
	}
	snprintf(takes, sizeof(takes),
		"a duration such as \"25s\" or \"1m30s\", from %s to %s",
		duration_print((uint64_t)g->row->min * 1000, least),
		duration_print((uint64_t)max * 1000, most));
	return refuse(g, takes);
}

/* ---- lists ---- */

static enum err list_add(const struct given *g, struct span item, struct bind_list *list)
{
	char **v;

	while (item.n > 0 && (item.p[0] == ' ' || item.p[0] == '\t'))
		item = span_of(item.p + 1, item.n - 1);
	while (item.n > 0 && (item.p[item.n - 1] == ' ' || item.p[item.n - 1] == '\t'))
		item.n--;
	if (item.n == 0)
		return ERR_OK;
	if (g->row->max != 0 && list->n == g->row->max)
		return err_set(g->why, wrong_code(g), "%s takes at most %u entries",
			g->label, g->row->max);
	v = realloc(list->v, (list->n + 1) * sizeof(*v));
	if (v == NULL)
		return no_memory(g);
	list->v = v;
	v[list->n] = span_dup(item);
	if (v[list->n] == NULL)
		return no_memory(g);
	list->n++;
	return ERR_OK;
}

static enum err list_add_all(const struct given *g, struct span text,
	struct bind_list *list)
{
	enum err rc = ERR_OK;

	while (rc == ERR_OK && text.n > 0) {
		const uint8_t *comma = memchr(text.p, ',', text.n);
		size_t n = comma != NULL ? (size_t)(comma - text.p) : text.n;

		rc = list_add(g, span_of(text.p, n), list);
		text = span_of(text.p + n, text.n - n);
		if (text.n > 0)
			text = span_of(text.p + 1, text.n - 1);
	}
	return rc;
}

static enum err list_read(const struct given *g, struct bind_list *list)
{
	struct given element = *g;
	enum err rc = ERR_OK;
	struct span text;

	if (given_text(g, &text))
		return list_add_all(g, text, list);
	if (g->node == NULL || g->node->kind != TOML_ARRAY)
		return refuse(g, "an array of texts");
	for (element.node = g->node->first; rc == ERR_OK && element.node != NULL;
		element.node = element.node->next) {
		if (!given_text(&element, &text))
			return refuse(&element, "texts in quotes");
		rc = list_add(g, text, list);
	}
	return rc;
}

static enum err set_list(const struct given *g, void *field)
{
	struct bind_list list = { .n = 0 };
	enum err rc = list_read(g, &list);

	if (rc != ERR_OK) {
		list_fini(&list);
		return rc;
	}
	list_fini(field);
	*(struct bind_list *)field = list;
	return ERR_OK;
}

/* ---- tables ---- */

static enum err set_table(const struct given *g, void *field)
{
	if (g->node == NULL || g->node->kind != TOML_TABLE)
		return refuse(g, "a table");
	return bind_table(g->row->of, g->node, g->file, field, g->why);
}

static enum err set_tables(const struct given *g, void *field)
{
	const struct bind *of = g->row->of;
	struct bind_tables *tables = field;
	const struct toml_node *n;
	enum err rc = ERR_OK;

	if (g->node == NULL || g->node->kind != TOML_ARRAY)
		return refuse(g, "tables, each below a header in double brackets");
	if (g->row->max != 0 && g->node->count > g->row->max)
		return err_set(g->why, ERR_SYNTAX, "%s: there are more than %u", g->label,
			g->row->max);
	tables_fini(of, tables);
	tables->v = calloc(g->node->count + 1, of->bytes);
	if (tables->v == NULL)
		return no_memory(g);
	for (n = g->node->first; rc == ERR_OK && n != NULL; n = n->next) {
		void *object = (char *)tables->v + tables->n++ * of->bytes;

		if (n->kind != TOML_TABLE)
			return refuse(g,
				"tables, each below a header in double brackets");
		rc = bind_presets(of, object, g->why);
		if (rc == ERR_OK)
			rc = bind_table(of, n, g->file, object, g->why);
	}
	return rc;
}

/* ---- rows ---- */

static bool is_only(const struct bind_row *row, const void *field)
{
	const char *text;

	switch (row->kind) {
	case BIND_TEXT:
		text = *(char *const *)field;
		return strcmp(text != NULL ? text : "", row->only) == 0;
	case BIND_FLAG:
		return *(const bool *)field == (strcmp(row->only, "true") == 0);
	case BIND_PORT:
		return *(const uint16_t *)field == strtoul(row->only, NULL, 10);
	case BIND_COUNT:
		return *(const uint32_t *)field == strtoul(row->only, NULL, 10);
	case BIND_LIST:
		return ((const struct bind_list *)field)->n == 0;
	case BIND_DURATION:
	case BIND_TABLE:
	case BIND_TABLES:
		break;
	}
	return true;
}

static enum err row_check(const struct given *g, const void *field)
{
	struct why detail = { "" };
	enum err rc;

	if (g->row->only != NULL && !is_only(g->row, field))
		return err_set(g->why, wrong_code(g),
			"%s: %s not supported yet; leave it out%s%s", g->label,
			g->row->lacks, g->row->only[0] != '\0' ? ", or write " : "",
			g->row->only);
	if (g->row->check == NULL)
		return ERR_OK;
	rc = g->row->check(field, &detail);
	if (rc == ERR_OK || rc == ERR_NOMEM)
		return rc;
	return err_set(g->why, wrong_code(g), "%s: %s", g->label, err_text(rc, &detail));
}

static enum err row_set(const struct given *g, void *object)
{
	static enum err (*const setters[])(const struct given *g, void *field) = {
		[BIND_TEXT] = set_text,
		[BIND_FLAG] = set_flag,
		[BIND_PORT] = set_port,
		[BIND_COUNT] = set_count,
		[BIND_DURATION] = set_duration,
		[BIND_LIST] = set_list,
		[BIND_TABLE] = set_table,
		[BIND_TABLES] = set_tables,
	};
	void *field = field_at(g->row, object);
	enum err rc = setters[g->row->kind](g, field);

	return rc == ERR_OK ? row_check(g, field) : rc;
}

static bool is_key(const char *known, const char *key)
{
	for (; *known != '\0' && (*known == *key || (*known == '_' && *key == '-'));
		known++)
		key++;
	return *known == '\0' && *key == '\0';
}

const struct bind_row *bind_find(const struct bind *b, const char *key)
{
	for (unsigned i = 0; i < b->count; i++) {
		if (is_key(b->rows[i].key, key))
			return &b->rows[i];
	}
	return NULL;
}

static enum err refuse_key(const struct bind *b, const struct toml_node *n,
	const char *file, struct why *why)
{
	struct nearest near;
	char shown[64];

	nearest_init(&near, (const char *)n->key.p);
	for (unsigned i = 0; i < b->count; i++)
		nearest_try(&near, b->rows[i].key);
	str_quote(shown, sizeof(shown), n->key);
	return err_set(why, ERR_SYNTAX, "%.80s: line %u: there is no key \"%s\"%s%s%s",
		file, n->key_at.line, shown, near.best != NULL ? "; did you mean " : "",
		near.best != NULL ? near.best : "", near.best != NULL ? "?" : "");
}

enum err bind_table(const struct bind *b, const struct toml_node *table, const char *file,
	void *object, struct why *why)
{
	const struct toml_node *n;
	enum err rc = ERR_OK;

	for (n = table->first; rc == ERR_OK && n != NULL; n = n->next) {
		struct given g = { .node = n, .file = file, .why = why };
		char label[LABEL_MAX];

		if (memchr(n->key.p, '-', n->key.n) == NULL)
			g.row = bind_find(b, (const char *)n->key.p);
		if (g.row == NULL || strlen(g.row->key) != n->key.n)
			return refuse_key(b, n, file, why);
		snprintf(label, sizeof(label), "%.80s: line %u: %s", file, n->key_at.line,
			g.row->key);
		g.label = label;
		rc = row_set(&g, object);
	}
	return rc;
}

enum err bind_text(const struct bind_row *row, const char *label, const char *text,
	void *object, struct why *why)
{
	struct given g = { .row = row, .label = label, .text = text, .why = why };

	return row_set(&g, object);
}

enum err bind_presets(const struct bind *b, void *object, struct why *why)
{
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < b->count && rc == ERR_OK; i++) {
		const struct bind_row *row = &b->rows[i];

		if (row->preset != NULL)
			rc = bind_text(row, row->key, row->preset, object, why);
		else if (row->kind == BIND_TABLE)
			rc = bind_presets(row->of, field_at(row, object), why);
	}
	return rc;
}
