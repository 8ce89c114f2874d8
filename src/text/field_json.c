/* Fields and JSON: read with jansson, and written with text/json. */
#include "text/field_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "text/duration.h"

/* ---- reading ---- */

static bool array_next(struct field_value *array, struct field_value *element)
{
	const json_t *value = json_array_get(array->node, array->index++);

	*element = (struct field_value){ .form = FIELD_STRING };
	if (value != NULL)
		element->text = span_of(json_string_value(value),
			json_string_length(value));
	return value != NULL;
}

/* In an array of objects, null is accepted and skipped. */
static bool is_array_of(const json_t *value, json_type type)
{
	bool ok = json_is_array(value);

	for (size_t i = 0; ok && i < json_array_size(value); i++) {
		json_type found = json_typeof(json_array_get(value, i));

		ok = found == type || (found == JSON_NULL && type == JSON_OBJECT);
	}
	return ok;
}

/* Converts @value to @out. False: its type does not fit the field. */
static bool value_of(enum field_kind kind, const json_t *value, struct field_value *out)
{
	*out = (struct field_value){ .form = FIELD_OTHER };
	switch (kind) {
	case FIELD_BOOL:
		out->form = FIELD_BOOLEAN;
		out->number = json_is_true(value);
		return json_is_boolean(value);
	case FIELD_PORT:
	case FIELD_INT:
	case FIELD_COUNT:
	case FIELD_BYTES:
	case FIELD_NUMBER:
		out->form = FIELD_INTEGER;
		out->number = json_integer_value(value);
		return json_is_integer(value);
	case FIELD_TABLE:
		return json_is_object(value);
	case FIELD_TABLES:
		return is_array_of(value, JSON_OBJECT);
	case FIELD_SERIES:
		return false;
	case FIELD_LIST:
	case FIELD_REPEATED:
	case FIELD_LIST_OR_ONE:
		out->node = value;
		out->next = array_next;
		if (kind != FIELD_LIST_OR_ONE || !json_is_string(value))
			return is_array_of(value, JSON_STRING);
		break;
	case FIELD_CHARS:
	case FIELD_TEXT:
	case FIELD_SECRET:
	case FIELD_DURATION:
	case FIELD_TIME:
		break;
	}
	out->form = FIELD_STRING;
	out->text = span_of(json_string_value(value), json_string_length(value));
	return json_is_string(value);
}

static enum err read_tables(const struct field *f, const json_t *array,
	struct field_tables *to, struct why *why)
{
	size_t n = json_array_size(array);
	enum err rc = ERR_OK;

	if (f->max != 0 && n > (size_t)f->max)
		return err_set(why, ERR_LIMIT, "%s takes at most %d entries", f->name,
			(int)f->max);
	field_member_fini(f, to); /* the same key may come twice, in another case */
	to->v = calloc(n + 1, f->of->bytes);
	if (to->v == NULL)
		return err_set(why, ERR_NOMEM, "no memory for %s", f->name);
	for (size_t i = 0; i < n && rc == ERR_OK; i++) {
		const json_t *element = json_array_get(array, i);

		if (!json_is_null(element))
			rc = field_read_json_value(f->of, element,
				(char *)to->v + to->n++ * f->of->bytes, why);
	}
	return rc;
}

static enum err read_member(const struct field *f, const json_t *value, void *at,
	struct why *why)
{
	struct field_value v;

	if (json_is_null(value))
		return ERR_OK;
	if (!value_of(f->kind, value, &v))
		return err_set(why, ERR_SYNTAX, "%s has the wrong type", f->name);
	if (f->kind == FIELD_TABLE)
		return field_read_json_value(f->of, value, at, why);
	if (f->kind == FIELD_TABLES)
		return read_tables(f, value, at, why);
	return field_set(f, f->name, &v, at, why);
}

enum err field_read_json_value(const struct field_table *t, const json_t *value,
	void *object, struct why *why)
{
	json_t *members = (json_t *)value; /* iteration does not change it */
	enum err rc = ERR_OK;

	if (!json_is_object(value))
		return err_set(why, ERR_SYNTAX, "not a JSON object");

	for (void *it = json_object_iter(members); it != NULL && rc == ERR_OK;
		it = json_object_iter_next(members, it)) {
		const char *key = json_object_iter_key(it);
		struct field_cursor c;

		field_first(&c, t);
		while (c.row != NULL && strcasecmp(c.row->name, key) != 0)
			field_next(&c);
		if (c.row != NULL)
			rc = read_member(c.row, json_object_iter_value(it),
				(char *)object + c.at, why);
	}
	return rc;
}

/* Fills a zeroed struct. On failure it owns nothing. */
static enum err read_root(const struct field_table *t, const char *key,
	const json_t *root, void *to, struct why *why)
{
	const json_t *value = root;
	enum err rc;

	if (json_is_object(root) && key != NULL)
		value = json_object_get(root, key);
	if (json_is_object(root) && (value == NULL || json_is_null(value)))
		return ERR_OK;
	rc = field_read_json_value(t, value, to, why);
	if (rc != ERR_OK)
		field_fini(t, to);
	return rc;
}

enum err field_read_json(const struct field_table *t, const char *key, struct span text,
	void *out, struct why *why)
{
	json_error_t wrong;
	json_t *root = json_loadb((const char *)text.p, text.n, JSON_DISABLE_EOF_CHECK,
		&wrong);
	void *draft = calloc(1, t->bytes);
	enum err rc = draft == NULL ? ERR_NOMEM : ERR_SYNTAX;

	if (draft == NULL)
		(void)err_set(why, rc, "no memory for a message");
	else if (root == NULL)
		(void)err_set(why, rc, "not JSON at byte %d", wrong.position);
	else
		rc = read_root(t, key, root, draft, why);
	if (rc == ERR_OK)
		memcpy(out, draft, t->bytes);
	mem_free_secret(draft, t->bytes); /* it may be an identity */
	json_decref(root);
	return rc;
}

/* ---- writing ---- */

static bool is_zero(const struct field *f, const void *at)
{
	const struct timestamp *time = at;
	bool is = true;

	switch (f->kind) {
	case FIELD_CHARS:
		return *(const char *)at == '\0';
	case FIELD_TEXT:
	case FIELD_SECRET:
		return *(char *const *)at == NULL;
	case FIELD_LIST:
	case FIELD_REPEATED:
	case FIELD_LIST_OR_ONE:
		return ((const struct field_list *)at)->n == 0;
	case FIELD_TABLES:
		return ((const struct field_tables *)at)->n == 0;
	case FIELD_TIME:
		return time->s == 0 && time->ns == 0;
	case FIELD_TABLE:
		for (unsigned i = 0; i < f->of->count && is; i++)
			is = is_zero(&f->of->rows[i],
				(const char *)at + f->of->rows[i].at);
		return is;
	case FIELD_SERIES:
		return *(struct field_series *const *)at == NULL;
	default:
		return field_number(f, at) == 0;
	}
}

static void put_texts(const struct field_list *list, struct json_writer *w)
{
	json_put_open_list(w);
	for (unsigned i = 0; i < list->n; i++)
		json_put_text(w, span_str(list->v[i]));
	json_put_close_list(w);
}

static void put_tables(const struct field *f, const struct field_tables *tables,
	struct json_writer *w)
{
	json_put_open_list(w);
	for (unsigned i = 0; i < tables->n; i++)
		field_put_json(f->of, (const char *)tables->v + i * f->of->bytes, w);
	json_put_close_list(w);
}

static void put_series(const struct field *f, struct field_series *s,
	struct json_writer *w)
{
	const void *element;

	json_put_open_list(w);
	while (s != NULL && (element = s->next(s)) != NULL) {
		if (f->of != NULL)
			field_put_json(f->of, element, w);
		else
			json_put_text(w, span_str(element));
	}
	json_put_close_list(w);
}

static void put_member(const struct field *f, const void *at, struct json_writer *w)
{
	char duration[DURATION_TEXT_MAX], time[TIMEFMT_TEXT_MAX];
	const char *text = at;

	json_put_key(w, f->name);
	if (f->is_nullable && is_zero(f, at)) {
		json_put_null(w);
		return;
	}
	switch (f->kind) {
	case FIELD_BOOL:
		json_put_flag(w, *(const bool *)at);
		return;
	case FIELD_TEXT:
	case FIELD_SECRET:
		text = *(char *const *)at;
		break;
	case FIELD_DURATION:
		text = duration_print((uint64_t)field_number(f, at) * 1000, duration);
		break;
	case FIELD_TIME:
		text = timefmt_print(*(const struct timestamp *)at, time);
		break;
	case FIELD_LIST:
	case FIELD_REPEATED:
	case FIELD_LIST_OR_ONE:
		put_texts(at, w);
		return;
	case FIELD_TABLE:
		field_put_json(f->of, at, w);
		return;
	case FIELD_TABLES:
		put_tables(f, at, w);
		return;
	case FIELD_SERIES:
		put_series(f, *(struct field_series *const *)at, w);
		return;
	case FIELD_CHARS:
		break;
	default:
		json_put_int(w, field_number(f, at));
		return;
	}
	json_put_text(w, span_str(text != NULL ? text : ""));
}

void field_put_json(const struct field_table *t, const void *object,
	struct json_writer *w)
{
	struct field_cursor c;

	json_put_open(w);
	for (field_first(&c, t); c.row != NULL; field_next(&c)) {
		const void *at = (const char *)object + c.at;

		if (c.row->kind != FIELD_SECRET &&
			(!c.row->is_optional || !is_zero(c.row, at)))
			put_member(c.row, at, w);
	}
	json_put_close(w);
}
