/* Fields read from TOML. */
#include "text/field_toml.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "text/nearest.h"

#define LABEL_MAX (TOML_PLACE_MAX + 40)

static bool array_next(struct field_value *array, struct field_value *element);

static struct field_value value_of(const struct toml_node *n)
{
	struct field_value v = { .form = FIELD_OTHER, .noun = toml_kind_name(n->kind) };

	switch (n->kind) {
	case TOML_TEXT:
		v.form = FIELD_STRING;
		v.text = n->text;
		break;
	case TOML_INT:
		v.form = FIELD_INTEGER;
		v.number = n->number;
		break;
	case TOML_FLAG:
		v.form = FIELD_BOOLEAN;
		v.number = n->flag;
		break;
	case TOML_ARRAY:
		v.node = n->first;
		v.next = array_next;
		break;
	default:
		break;
	}
	return v;
}

/* Texts without spaces around them; empty ones are skipped. */
static bool array_next(struct field_value *array, struct field_value *element)
{
	const struct toml_node *n = array->node;

	for (; n != NULL; n = n->next) {
		*element = value_of(n);
		element->text = span_trim(element->text);
		if (n->kind != TOML_TEXT || element->text.n > 0)
			break;
	}
	array->node = n != NULL ? n->next : NULL;
	return n != NULL;
}

static enum err refuse_key(const struct field_table *t, const struct toml_node *n,
	const char *file, struct why *why)
{
	struct field_cursor c;
	struct nearest near;
	char shown[64];

	nearest_init(&near, (const char *)n->key.p);
	for (field_first(&c, t); c.row != NULL; field_next(&c))
		nearest_try(&near, c.row->name);
	str_quote(shown, sizeof(shown), n->key);
	return toml_refuse(file, &n->key_at, why, "unknown key \"%s\"%s%s%s", shown,
		near.best != NULL ? "; did you mean " : "",
		near.best != NULL ? near.best : "", near.best != NULL ? "?" : "");
}

/* Where a value of the wrong kind is: in an array of texts, the element. */
static const struct toml_node *culprit_of(const struct field *f,
	const struct toml_node *n)
{
	const struct toml_node *element = n->first;

	if (n->kind != TOML_ARRAY || f->kind == FIELD_TABLES)
		return n;
	while (element != NULL && element->kind == TOML_TEXT)
		element = element->next;
	return element != NULL ? element : n;
}

static enum err read_tables(const struct field *f, const struct toml_node *array,
	const char *label, const char *file, struct field_tables *tables, struct why *why)
{
	const struct toml_node *n;
	enum err rc = ERR_OK;

	if (f->max != 0 && array->count > (unsigned)f->max)
		return err_set(why, ERR_SYNTAX, "%s: there are more than %d", label,
			(int)f->max);
	tables->v = calloc(array->count + 1, f->of->bytes);
	if (tables->v == NULL)
		return err_set(why, ERR_NOMEM, "no memory for %s", label);
	for (n = array->first; rc == ERR_OK && n != NULL; n = n->next) {
		void *object = (char *)tables->v + tables->n++ * f->of->bytes;

		rc = field_defaults(f->of, object, why);
		if (rc == ERR_OK)
			rc = field_read_toml(f->of, n, file, object, why);
	}
	return rc;
}

static bool has_only_tables(const struct toml_node *array)
{
	const struct toml_node *n = array->first;

	while (n != NULL && n->kind == TOML_TABLE)
		n = n->next;
	return array->kind == TOML_ARRAY && n == NULL;
}

enum err field_read_toml(const struct field_table *t, const struct toml_node *table,
	const char *file, void *object, struct why *why)
{
	enum err rc = ERR_OK;

	for (const struct toml_node *n = table->first; rc == ERR_OK && n != NULL;
		n = n->next) {
		struct field_value v = value_of(n);
		char label[LABEL_MAX], place[TOML_PLACE_MAX];
		struct field_cursor c;
		void *at;

		field_first(&c, t);
		while (c.row != NULL && !span_is(n->key, c.row->name))
			field_next(&c);
		if (c.row == NULL)
			return refuse_key(t, n, file, why);
		at = (char *)object + c.at;
		toml_print_place(place, file, &culprit_of(c.row, n)->at);
		snprintf(label, sizeof(label), "%s: %s", place, c.row->name);
		if (c.row->kind == FIELD_TABLE && n->kind == TOML_TABLE)
			rc = field_read_toml(c.row->of, n, file, at, why);
		else if (c.row->kind == FIELD_TABLES && has_only_tables(n))
			rc = read_tables(c.row, n, label, file, at, why);
		else
			rc = field_set(c.row, label, &v, at, why);
	}
	return rc == ERR_LIMIT ? ERR_SYNTAX : rc;
}
