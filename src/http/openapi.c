/* The description of an API, from its table. */
#include "http/openapi.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

/* Without memory, jansson's values are NULL, and it accepts NULL: the last step fails. */

/* ---- schemas ---- */

/* The JSON types of the kinds of fields. */
static const struct {
	const char *type, *format;
	int64_t min, max; /* both 0: none */
} kinds[] = {
	[FIELD_BOOL] = { "boolean", NULL, 0, 0 },
	[FIELD_CHARS] = { "string", NULL, 0, 0 },
	[FIELD_TEXT] = { "string", NULL, 0, 0 },
	[FIELD_SECRET] = { "string", "password", 0, 0 },
	[FIELD_PORT] = { "integer", NULL, 0, UINT16_MAX },
	[FIELD_INT] = { "integer", "int32", INT32_MIN, INT32_MAX },
	[FIELD_COUNT] = { "integer", "int64", 0, UINT32_MAX },
	[FIELD_BYTES] = { "integer", "int64", 0, INT64_MAX },
	[FIELD_NUMBER] = { "integer", "int64", 0, 0 },
	[FIELD_DURATION] = { "string", NULL, 0, 0 },
	[FIELD_TIME] = { "string", "date-time", 0, 0 },
	[FIELD_LIST] = { "array", NULL, 0, 0 },
	[FIELD_REPEATED] = { "array", NULL, 0, 0 },
	[FIELD_LIST_OR_ONE] = { "array", NULL, 0, 0 },
	[FIELD_TABLE] = { "object", NULL, 0, 0 },
	[FIELD_TABLES] = { "array", NULL, 0, 0 },
	[FIELD_SERIES] = { "array", NULL, 0, 0 },
};

static json_t *object_schema(const struct field_table *fields);

static json_t *field_schema(const struct field *f)
{
	const char *type = kinds[f->kind].type;
	const bool is_array = strcmp(type, "array") == 0,
		   is_bounded = f->min != 0 || f->max != 0;
	const int64_t min = is_bounded ? f->min : kinds[f->kind].min;
	const int64_t max = is_bounded ? f->max : kinds[f->kind].max;
	const size_t text_max = f->kind == FIELD_CHARS ? f->size : f->text_max;
	json_t *schema, *text;

	schema = f->kind == FIELD_TABLE ?
		object_schema(f->of) :
		json_pack("{ss ss*}", "type", type, "format", kinds[f->kind].format);
	if (f->is_nullable)
		json_object_set_new(schema, "nullable", json_true());
	text = schema;
	if (is_array) {
		text = f->of != NULL ? object_schema(f->of) :
				       json_pack("{ss}", "type", "string");
		json_object_set_new(schema, "items", text);
		if (f->max > 0)
			json_object_set_new(schema, "maxItems", json_integer(f->max));
	} else if (strcmp(type, "integer") == 0 && (min != 0 || max != 0)) {
		json_object_set_new(schema, "minimum", json_integer(min));
		json_object_set_new(schema, "maximum", json_integer(max));
	}
	if (text_max > 0 && f->kind != FIELD_TIME && f->of == NULL)
		json_object_set_new(text, "maxLength",
			json_integer((json_int_t)text_max - 1));
	return schema;
}

/* If @fields is NULL, the schema of any object. */
static json_t *object_schema(const struct field_table *fields)
{
	json_t *members = fields != NULL ? json_object() : NULL;
	struct field_cursor c;

	if (fields != NULL)
		for (field_first(&c, fields); c.row != NULL; field_next(&c))
			if (c.row->name != NULL)
				json_object_set_new(members, c.row->name,
					field_schema(c.row));
	return json_pack("{ss so*}", "type", "object", "properties", members);
}

/* ---- operations ---- */

/* "/admin/ips/{part1}/ban", without the optional '/' at the end. */
static void path_print(const char *pattern, char *to, size_t size)
{
	size_t n = 0;

	for (unsigned part = 1; *pattern != '\0' && n < size; pattern++) {
		if (*pattern == '*')
			n += (size_t)snprintf(to + n, size - n, "{part%u}", part++);
		else if (pattern[0] != '/' || pattern[1] != '\0' || n == 0)
			n += (size_t)snprintf(to + n, size - n, "%c", *pattern);
	}
}

static json_t *parameter(const char *in, const char *name, bool is_optional)
{
	return json_pack("{ss ss sb s{ss}}", "in", in, "name", name, "required",
		!is_optional, "schema", "type", "string");
}

static json_t *parameters_of(const struct api_operation *row)
{
	json_t *all = json_array();
	char name[16];
	unsigned part = 1;

	for (const char *p = row->path; (p = strchr(p, '*')) != NULL; p++) {
		snprintf(name, sizeof(name), "part%u", part++);
		json_array_append_new(all, parameter("path", name, false));
	}
	if (row->query != NULL)
		json_array_append_new(all,
			parameter("query", row->query, row->is_query_optional));
	return all;
}

static json_t *content(const char *type, json_t *schema)
{
	return json_pack("{s{s{so}}}", "content", type, "schema", schema);
}

static json_t *responses_of(const struct api_operation *row,
	const struct api_envelope *envelope)
{
	json_t *schema, *success = json_object();
	char status[8];

	snprintf(status, sizeof(status), "%u", row->status != 0 ? row->status : 200);
	if (row->type != NULL) {
		json_object_update_new(success, content(row->type, json_object()));
	} else if (!row->takes_over) {
		schema = object_schema(row->response);
		if (envelope->member != NULL)
			schema = json_pack("{ss s{s{ss} so}}", "type", "object",
				"properties", "ok", "type", "boolean", envelope->member,
				schema);
		json_object_update_new(success, content("application/json", schema));
	}
	json_object_set_new(success, "description", json_string("Success."));
	return json_pack("{so s{ss}}", status, success, "default", "description",
		"The operation was refused, or failed.");
}

static json_t *operation(const struct api_operation *row,
	const struct api_envelope *envelope)
{
	json_t *o = json_pack("{ss ss sb so so}", "summary", row->summary, "x-authority",
		row->authority->name, "x-own", row->is_own, "parameters",
		parameters_of(row), "responses",
		responses_of(row, row->envelope != NULL ? row->envelope : envelope));

	if (row->authority->key != NULL)
		json_object_set_new(o, "security",
			json_pack("[{s[]}]", row->authority->name));
	if (row->request != NULL)
		json_object_set_new(o, "requestBody",
			content("application/json", object_schema(row->request)));
	return o;
}

/* ---- the whole ---- */

enum err openapi_put(const struct api_options *api, const char *title,
	const char *version, struct buf *out)
{
	json_t *paths = json_object(), *schemes = json_object(), *item, *all;
	char path[256], method[16], *text;
	enum err rc = ERR_NOMEM;

	for (const struct api_table *const *t = api->tables; *t != NULL; t++) {
		for (unsigned i = 0; i < (*t)->count; i++) {
			const struct api_operation *row = &(*t)->rows[i];
			const struct api_authority *authority = row->authority;

			if (row->summary == NULL)
				continue;
			path_print(row->path, path, sizeof(path));
			item = json_object_get(paths, path);
			if (item == NULL)
				json_object_set_new(paths, path, item = json_object());
			str_copy(method, sizeof(method),
				row->method != NULL ? row->method : "GET");
			for (char *c = method; *c != '\0'; c++)
				*c = (char)tolower((unsigned char)*c);
			json_object_set_new(item, method, operation(row, api->envelope));
			if (authority->key != NULL)
				json_object_set_new(schemes, authority->name,
					json_pack("{ss ss ss ss}", "type", "apiKey", "in",
						authority->in, "name", authority->key,
						"description", authority->meaning));
		}
	}
	all = json_pack("{ss s{ss ss} so s{so}}", "openapi", "3.0.3", "info", "title",
		title, "version", version, "paths", paths, "components",
		"securitySchemes", schemes);
	text = json_dumps(all, JSON_COMPACT);
	if (text != NULL)
		rc = buf_put_str(out, text);
	free(text);
	json_decref(all);
	return rc;
}
