/* Shapes: structs read from JSON with jansson, and written with the writer of ours. */
#include "text/shape.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

static void *member_at(const struct shape_field *f, void *object)
{
	return (char *)object + f->at;
}

static const void *const_member_at(const struct shape_field *f, const void *object)
{
	return (const char *)object + f->at;
}

/* ---- freeing ---- */

static void free_owned(char **text)
{
	free(*text);
	*text = NULL;
}

static void free_list(struct shape_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct shape_list){ .n = 0 };
}

void shape_fini(const struct shape *shape, void *object)
{
	for (unsigned i = 0; i < shape->count; i++) {
		const struct shape_field *f = &shape->fields[i];

		if (f->kind == SHAPE_OWNED)
			free_owned(member_at(f, object));
		else if (f->kind == SHAPE_LIST || f->kind == SHAPE_LIST_OR_ONE)
			free_list(member_at(f, object));
		else if (f->kind == SHAPE_OBJECT)
			shape_fini(f->of, member_at(f, object));
	}
	memset(object, 0, shape->bytes);
}

/* ---- reading ---- */

static enum err read_object(const struct shape *shape, const json_t *value, void *to,
	struct why *why);

static enum err wrong_type(const struct shape_field *f, struct why *why)
{
	return err_set(why, ERR_SYNTAX, "%s has the wrong type", f->key);
}

static enum err check_text(const struct shape_field *f, const json_t *value,
	struct why *why)
{
	if (!json_is_string(value))
		return wrong_type(f, why);
	if (json_string_length(value) >= f->bytes)
		return err_set(why, ERR_LIMIT, "%s is too long", f->key);
	return ERR_OK;
}

static enum err read_text(const struct shape_field *f, const json_t *value, void *to,
	struct why *why)
{
	enum err rc = check_text(f, value, why);

	if (rc == ERR_OK)
		str_copy(to, f->bytes, json_string_value(value));
	return rc;
}

/* Replaces what a key that came before in another case has left. */
static enum err read_owned(const struct shape_field *f, const json_t *value, void *to,
	struct why *why)
{
	enum err rc = check_text(f, value, why);
	char **text = to;

	if (rc != ERR_OK)
		return rc;
	free_owned(text);
	if (json_string_length(value) == 0)
		return ERR_OK;
	*text = strdup(json_string_value(value));
	return *text != NULL ? ERR_OK :
			       err_set(why, ERR_NOMEM, "no memory for %s", f->key);
}

static enum err read_list(const struct shape_field *f, const json_t *value, void *to,
	struct why *why)
{
	struct shape_list *list = to;
	bool is_one = f->kind == SHAPE_LIST_OR_ONE && json_is_string(value);
	size_t n = is_one ? 1 : json_array_size(value);
	enum err rc = ERR_OK;

	if (!is_one && !json_is_array(value))
		return wrong_type(f, why);
	if (n > f->count)
		return err_set(why, ERR_LIMIT, "%s are too many", f->key);
	free_list(list);
	list->v = n > 0 ? calloc(n, sizeof(*list->v)) : NULL;
	if (n > 0 && list->v == NULL)
		return err_set(why, ERR_NOMEM, "no memory for %s", f->key);
	for (size_t i = 0; i < n && rc == ERR_OK; i++) {
		const json_t *element = is_one ? value : json_array_get(value, i);

		rc = check_text(f, element, why);
		if (rc != ERR_OK)
			break;
		list->v[list->n] = strdup(json_string_value(element));
		if (list->v[list->n] == NULL)
			rc = err_set(why, ERR_NOMEM, "no memory for %s", f->key);
		else
			list->n++;
	}
	return rc;
}

static enum err read_flag(const struct shape_field *f, const json_t *value, void *to,
	struct why *why)
{
	if (!json_is_boolean(value))
		return wrong_type(f, why);
	*(bool *)to = json_is_true(value);
	return ERR_OK;
}

static enum err read_number(const struct shape_field *f, const json_t *value, void *to,
	struct why *why)
{
	if (!json_is_integer(value))
		return wrong_type(f, why);
	*(int64_t *)to = json_integer_value(value);
	return ERR_OK;
}

static enum err read_time(const struct shape_field *f, const json_t *value, void *to,
	struct why *why)
{
	struct span text;

	if (!json_is_string(value))
		return wrong_type(f, why);
	text = span_of(json_string_value(value), json_string_length(value));
	if (timefmt_parse(text, to) != ERR_OK)
		return err_set(why, ERR_SYNTAX, "%s is not a time", f->key);
	return ERR_OK;
}

static enum err read_member_object(const struct shape_field *f, const json_t *value,
	void *to, struct why *why)
{
	if (!json_is_object(value))
		return wrong_type(f, why);
	return read_object(f->of, value, to, why);
}

static enum err read_member(const struct shape_field *f, const json_t *value, void *to,
	struct why *why)
{
	static enum err (*const readers[])(const struct shape_field *f,
		const json_t *value, void *to, struct why *why) = {
		[SHAPE_TEXT] = read_text,
		[SHAPE_OWNED] = read_owned,
		[SHAPE_LIST] = read_list,
		[SHAPE_LIST_OR_ONE] = read_list,
		[SHAPE_FLAG] = read_flag,
		[SHAPE_NUMBER] = read_number,
		[SHAPE_TIME] = read_time,
		[SHAPE_OBJECT] = read_member_object,
	};

	return json_is_null(value) ? ERR_OK : readers[f->kind](f, value, to, why);
}

static const struct shape_field *find_field(const struct shape *shape, const char *key)
{
	for (unsigned i = 0; i < shape->count; i++)
		if (strcasecmp(shape->fields[i].key, key) == 0)
			return &shape->fields[i];
	return NULL;
}

static enum err read_object(const struct shape *shape, const json_t *value, void *to,
	struct why *why)
{
	json_t *object = (json_t *)value; /* iterating changes nothing */
	enum err rc = ERR_OK;

	for (void *it = json_object_iter(object); it != NULL && rc == ERR_OK;
		it = json_object_iter_next(object, it)) {
		const struct shape_field *f = find_field(shape, json_object_iter_key(it));

		if (f != NULL)
			rc = read_member(f, json_object_iter_value(it), member_at(f, to),
				why);
	}
	return rc;
}

/* Fills a zeroed struct, and on failure leaves nothing in it that is owned. */
static enum err read_root(const struct shape *shape, const char *key, const json_t *root,
	void *to, struct why *why)
{
	const json_t *value = root;
	enum err rc;

	if (json_is_object(root) && key != NULL)
		value = json_object_get(root, key);
	if (json_is_object(root) && (value == NULL || json_is_null(value)))
		return ERR_OK;
	if (!json_is_object(value))
		return err_set(why, ERR_SYNTAX, "not a JSON object");
	rc = read_object(shape, value, to, why);
	if (rc != ERR_OK)
		shape_fini(shape, to);
	return rc;
}

enum err shape_parse(const struct shape *shape, const char *key, struct span text,
	void *out, struct why *why)
{
	json_error_t wrong;
	json_t *root = json_loadb((const char *)text.p, text.n, JSON_DISABLE_EOF_CHECK,
		&wrong);
	void *draft = calloc(1, shape->bytes);
	enum err rc = draft == NULL ? ERR_NOMEM : ERR_SYNTAX;

	if (draft == NULL)
		(void)err_set(why, rc, "no memory for a message");
	else if (root == NULL)
		(void)err_set(why, rc, "not JSON at byte %d", wrong.position);
	else
		rc = read_root(shape, key, root, draft, why);
	if (rc == ERR_OK)
		memcpy(out, draft, shape->bytes);
	mem_free_secret(draft, shape->bytes); /* it may have been an identity */
	json_decref(root);
	return rc;
}

/* ---- writing ---- */

static bool time_is_zero(const struct timestamp *t)
{
	return t->s == 0 && t->ns == 0;
}

static bool is_zero(const struct shape_field *f, const void *member)
{
	switch (f->kind) {
	case SHAPE_TEXT:
		return *(const char *)member == '\0';
	case SHAPE_OWNED:
		return *(char *const *)member == NULL;
	case SHAPE_LIST:
	case SHAPE_LIST_OR_ONE:
		return ((const struct shape_list *)member)->n == 0;
	case SHAPE_FLAG:
		return !*(const bool *)member;
	case SHAPE_NUMBER:
		return *(const int64_t *)member == 0;
	case SHAPE_TIME:
		return time_is_zero(member);
	case SHAPE_OBJECT:
		break;
	}
	return false;
}

static void put_owned(const char *text, struct json_writer *w)
{
	json_put_text(w, span_str(text != NULL ? text : ""));
}

static void put_time(const struct timestamp *t, struct json_writer *w)
{
	char text[TIMEFMT_TEXT_MAX];

	json_put_text(w, span_str(timefmt_print(*t, text)));
}

static void put_list(const struct shape_list *list, struct json_writer *w)
{
	json_put_open_list(w);
	for (size_t i = 0; i < list->n; i++)
		json_put_text(w, span_str(list->v[i]));
	json_put_close_list(w);
}

static void put_member(const struct shape_field *f, const void *member,
	struct json_writer *w)
{
	json_put_key(w, f->key);
	switch (f->kind) {
	case SHAPE_TEXT:
		json_put_text(w, span_str(member));
		break;
	case SHAPE_OWNED:
		put_owned(*(char *const *)member, w);
		break;
	case SHAPE_LIST:
	case SHAPE_LIST_OR_ONE:
		put_list(member, w);
		break;
	case SHAPE_FLAG:
		json_put_flag(w, *(const bool *)member);
		break;
	case SHAPE_NUMBER:
		json_put_int(w, *(const int64_t *)member);
		break;
	case SHAPE_TIME:
		put_time(member, w);
		break;
	case SHAPE_OBJECT:
		shape_put(f->of, member, w);
		break;
	}
}

void shape_put(const struct shape *shape, const void *object, struct json_writer *w)
{
	json_put_open(w);
	for (unsigned i = 0; i < shape->count; i++) {
		const struct shape_field *f = &shape->fields[i];
		const void *member = const_member_at(f, object);

		if (!f->is_optional || !is_zero(f, member))
			put_member(f, member, w);
	}
	json_put_close(w);
}
