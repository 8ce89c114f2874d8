/* The description of an API, from its table. */
#include "http/openapi.h"

#include <ctype.h>
#include <stdio.h>

#include "base/str.h"

static void put_string(struct json_writer *w, const char *key, const char *text)
{
	json_put_key(w, key);
	json_put_text(w, span_str(text));
}

static void put_number(struct json_writer *w, const char *key, int64_t value)
{
	json_put_key(w, key);
	json_put_int(w, value);
}

static void open_object(struct json_writer *w, const char *key)
{
	json_put_key(w, key);
	json_put_open(w);
}

/* ---- schemas ---- */

/* What kinds of fields are in JSON. */
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
};

static void put_object(struct json_writer *w, const struct field_table *fields);

static void put_field(struct json_writer *w, const struct field *f)
{
	const char *type = kinds[f->kind].type;
	const bool is_bounded = f->min != 0 || f->max != 0;
	const int64_t min = is_bounded ? f->min : kinds[f->kind].min;
	const int64_t max = is_bounded ? f->max : kinds[f->kind].max;
	const size_t text_max = f->kind == FIELD_CHARS ? f->size : f->text_max;

	open_object(w, f->name);
	if (f->kind == FIELD_TABLE) {
		put_object(w, f->of);
		json_put_close(w);
		return;
	}
	put_string(w, "type", type);
	if (kinds[f->kind].format != NULL)
		put_string(w, "format", kinds[f->kind].format);
	if (strcmp(type, "integer") == 0 && (min != 0 || max != 0)) {
		put_number(w, "minimum", min);
		put_number(w, "maximum", max);
	}
	if (strcmp(type, "array") == 0) {
		if (f->max > 0)
			put_number(w, "maxItems", f->max);
		open_object(w, "items");
		if (f->kind == FIELD_TABLES)
			put_object(w, f->of);
		else
			put_string(w, "type", "string");
	}
	if (text_max > 0 && f->kind != FIELD_TIME && f->kind != FIELD_TABLES)
		put_number(w, "maxLength", (int64_t)text_max - 1);
	if (strcmp(type, "array") == 0)
		json_put_close(w);
	json_put_close(w);
}

/* The members of a schema; @fields may be NULL: any. */
static void put_object(struct json_writer *w, const struct field_table *fields)
{
	struct field_cursor c;

	put_string(w, "type", "object");
	if (fields == NULL)
		return;
	open_object(w, "properties");
	for (field_first(&c, fields); c.row != NULL; field_next(&c))
		if (c.row->name != NULL)
			put_field(w, c.row);
	json_put_close(w);
}

static void open_content(struct json_writer *w, const char *type)
{
	open_object(w, "content");
	open_object(w, type);
	open_object(w, "schema");
}

static void close_content(struct json_writer *w)
{
	for (int i = 0; i < 3; i++)
		json_put_close(w);
}

/* ---- operations ---- */

/* "/admin/ips/{part1}/ban": without the '/' at the end, which may be left out. */
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

static void put_parameter(struct json_writer *w, const char *in, const char *name)
{
	json_put_open(w);
	put_string(w, "in", in);
	put_string(w, "name", name);
	json_put_key(w, "required");
	json_put_flag(w, true);
	open_object(w, "schema");
	put_string(w, "type", "string");
	json_put_close(w);
	json_put_close(w);
}

static void put_parameters(struct json_writer *w, const struct api_operation *row)
{
	char name[16];
	unsigned part = 1;

	json_put_key(w, "parameters");
	json_put_open_list(w);
	for (const char *p = row->path; (p = strchr(p, '*')) != NULL; p++) {
		snprintf(name, sizeof(name), "part%u", part++);
		put_parameter(w, "path", name);
	}
	if (row->query != NULL)
		put_parameter(w, "query", row->query);
	json_put_close_list(w);
}

static void put_responses(struct json_writer *w, const struct api_operation *row,
	const struct api_envelope *envelope)
{
	char status[8];

	snprintf(status, sizeof(status), "%u", row->status != 0 ? row->status : 200);
	open_object(w, "responses");
	open_object(w, status);
	put_string(w, "description", "Success.");
	if (row->type != NULL) {
		open_content(w, row->type);
		close_content(w);
	} else if (!row->takes_over) {
		open_content(w, "application/json");
		if (envelope->member != NULL) {
			put_string(w, "type", "object");
			open_object(w, "properties");
			open_object(w, "ok");
			put_string(w, "type", "boolean");
			json_put_close(w);
			open_object(w, envelope->member);
		}
		put_object(w, row->response);
		for (int i = envelope->member != NULL ? 2 : 0; i > 0; i--)
			json_put_close(w);
		close_content(w);
	}
	json_put_close(w);
	open_object(w, "default");
	put_string(w, "description", "The operation was refused, or failed.");
	json_put_close(w);
	json_put_close(w);
}

static void put_operation(struct json_writer *w, const struct api_operation *row,
	const struct api_envelope *envelope)
{
	char method[16];
	size_t n;

	str_copy(method, sizeof(method), row->method != NULL ? row->method : "GET");
	for (n = 0; method[n] != '\0'; n++)
		method[n] = (char)tolower((unsigned char)method[n]);
	open_object(w, method);
	put_string(w, "summary", row->summary);
	put_string(w, "x-authority", row->authority->name);
	json_put_key(w, "x-own");
	json_put_flag(w, row->is_own);
	if (row->authority->key != NULL) {
		json_put_key(w, "security");
		json_put_open_list(w);
		json_put_open(w);
		json_put_key(w, row->authority->name);
		json_put_open_list(w);
		json_put_close_list(w);
		json_put_close(w);
		json_put_close_list(w);
	}
	put_parameters(w, row);
	if (row->request != NULL) {
		open_object(w, "requestBody");
		open_content(w, "application/json");
		put_object(w, row->request);
		close_content(w);
		json_put_close(w);
	}
	put_responses(w, row, row->envelope != NULL ? row->envelope : envelope);
	json_put_close(w);
}

/* ---- the whole ---- */

struct place {
	const struct api_table *const *table;
	unsigned row;
};

/* The next row that is described. NULL at the end. */
static const struct api_operation *next_row(struct place *at)
{
	for (; *at->table != NULL; at->table++, at->row = 0)
		while (at->row < (*at->table)->count)
			if ((*at->table)->rows[at->row++].summary != NULL)
				return &(*at->table)->rows[at->row - 1];
	return NULL;
}

static void put_paths(struct json_writer *w, const struct api_options *api)
{
	const struct api_operation *row, *other, *first;
	char path[256];

	open_object(w, "paths");
	for (struct place at = { api->tables, 0 }; (row = next_row(&at)) != NULL;) {
		struct place from = { api->tables, 0 };

		for (first = next_row(&from); strcmp(first->path, row->path) != 0;)
			first = next_row(&from);
		if (first != row) /* its path is there already */
			continue;
		path_print(row->path, path, sizeof(path));
		open_object(w, path);
		put_operation(w, row, api->envelope);
		while ((other = next_row(&from)) != NULL)
			if (strcmp(other->path, row->path) == 0)
				put_operation(w, other, api->envelope);
		json_put_close(w);
	}
	json_put_close(w);
}

static void put_authorities(struct json_writer *w, const struct api_options *api)
{
	const struct api_operation *row, *other;

	open_object(w, "components");
	open_object(w, "securitySchemes");
	for (struct place at = { api->tables, 0 }; (row = next_row(&at)) != NULL;) {
		struct place from = { api->tables, 0 };

		while ((other = next_row(&from)) != row)
			if (other->authority == row->authority)
				break;
		if (other != row || row->authority->key == NULL)
			continue;
		open_object(w, row->authority->name);
		put_string(w, "type", "apiKey");
		put_string(w, "in", row->authority->in);
		put_string(w, "name", row->authority->key);
		put_string(w, "description", row->authority->meaning);
		json_put_close(w);
	}
	json_put_close(w);
	json_put_close(w);
}

void openapi_put(const struct api_options *api, const char *title, const char *version,
	struct json_writer *w)
{
	json_put_open(w);
	put_string(w, "openapi", "3.0.3");
	open_object(w, "info");
	put_string(w, "title", title);
	put_string(w, "version", version);
	json_put_close(w);
	put_paths(w, api);
	put_authorities(w, api);
	json_put_close(w);
}
