/* Fields read from TOML. */
#include "text/field_toml.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "text/nearest.h"
#include "text/toml_convert.h"

#define LABEL_MAX (TOML_PLACE_MAX + 40)

struct reader {
	const struct field_toml_options *o;
	struct why *why;
};

static bool is_lenient(const struct reader *r)
{
	return r->o->warn != NULL;
}

static void warn(const struct reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void warn(const struct reader *r, const char *fmt, ...)
{
	char text[sizeof(r->why->text) + 100];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	r->o->warn(r->o->arg, text);
}

/* "relay.toml:3:8: port" */
static const char *print_label(char to[LABEL_MAX], const struct reader *r,
	const struct toml_place *at, const struct field *f)
{
	char place[TOML_PLACE_MAX];

	snprintf(to, LABEL_MAX, "%s: %s", toml_print_place(place, r->o->file, at),
		f->name);
	return to;
}

/* ---- values as they are ---- */

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
		v.noun = n->flag ? "true" : "false";
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

static bool is_list(const struct field *f)
{
	return f->kind == FIELD_LIST || f->kind == FIELD_REPEATED ||
		f->kind == FIELD_LIST_OR_ONE;
}

/* Where a value of the wrong kind is: in an array of texts, the element. */
static const struct toml_node *culprit_of(const struct field *f,
	const struct toml_node *n)
{
	const struct toml_node *element = n->first;

	if (!is_list(f) || n->kind != TOML_ARRAY)
		return n;
	while (element != NULL && element->kind == TOML_TEXT)
		element = element->next;
	return element != NULL ? element : n;
}

/* ---- values of another kind ---- */

/* A text of an array that has been converted; the last is empty. */
struct element {
	struct span text;
	char converted[TOML_CONVERTED_MAX];
};

static bool elements_next(struct field_value *array, struct field_value *out)
{
	const struct element *e = (const struct element *)array->node + array->index++;

	*out = (struct field_value){ .form = FIELD_STRING, .text = e->text };
	return e->text.n > 0;
}

/* Texts and what may stand for one. False: an element may not. */
static bool convert_elements(const struct toml_node *n, unsigned count, struct element *e)
{
	for (; count > 0; count--, n = n->next) {
		if (n->kind == TOML_TEXT)
			e->text = span_trim(n->text);
		else if (toml_convert_to_text(n, e->converted))
			e->text = span_str(e->converted);
		else
			return false;
		e += e->text.n > 0;
	}
	return true;
}

static bool is_empty_table(const struct toml_node *n)
{
	return n->kind == TOML_TABLE && n->count == 0;
}

/* What @n is not: an array, or for its elements, texts. */
static void warn_of_list(const struct reader *r, const struct field *f,
	const struct toml_node *n)
{
	const struct toml_node *culprit = culprit_of(f, n);
	char label[LABEL_MAX];

	print_label(label, r, &culprit->at, f);
	if (n->kind != TOML_ARRAY)
		warn(r, "%s takes an array of texts, not %s; read as an array of %s",
			label, toml_kind_name(n->kind),
			is_empty_table(n) ? "none" : "one");
	else if (culprit != n)
		warn(r, "%s takes texts in quotes, not %s; read as a text", label,
			toml_kind_name(culprit->kind));
}

static enum err read_list(const struct reader *r, const struct field *f,
	const struct toml_node *n, void *at)
{
	bool is_array = n->kind == TOML_ARRAY;
	const struct toml_node *first = is_array ? n->first : n;
	unsigned count = is_array ? n->count : is_empty_table(n) ? 0 : 1;
	struct element *elements = calloc(count + 1, sizeof(*elements));
	struct field_value v = { .form = FIELD_OTHER,
		.noun = toml_kind_name(n->kind),
		.node = elements,
		.next = elements_next };
	char label[LABEL_MAX];
	enum err rc;

	print_label(label, r, &culprit_of(f, n)->at, f);
	if (elements == NULL)
		return err_set(r->why, ERR_NOMEM, "no memory for %s", label);
	if (!convert_elements(first, count, elements))
		v = value_of(n); /* an error, which has words for it */
	rc = field_set(f, label, &v, at, r->why);
	if (rc == ERR_OK)
		warn_of_list(r, f, n);
	free(elements);
	return rc;
}

/* What @n stands for, if it is of another kind than @f takes; @text keeps it. */
static bool convert(const struct field *f, const struct toml_node *n,
	struct field_value *v, char text[TOML_CONVERTED_MAX])
{
	bool flag = false;

	*v = (struct field_value){ .form = FIELD_INTEGER };
	switch (f->kind) {
	case FIELD_CHARS:
	case FIELD_TEXT:
	case FIELD_SECRET:
		if (!toml_convert_to_text(n, text))
			return false;
		v->form = FIELD_STRING;
		v->text = span_str(text);
		return true;
	case FIELD_BOOL:
		if (!toml_convert_to_flag(n, &flag))
			return false;
		v->form = FIELD_BOOLEAN;
		v->number = flag;
		return true;
	case FIELD_PORT:
	case FIELD_INT:
	case FIELD_COUNT:
	case FIELD_BYTES:
	case FIELD_NUMBER:
		return toml_convert_to_number(n, &v->number);
	default:
		return false;
	}
}

static void warn_of_value(const struct reader *r, const char *refusal,
	const struct field_value *v)
{
	if (v->form == FIELD_INTEGER)
		warn(r, "%s; read as %" PRId64, refusal, v->number);
	else if (v->form == FIELD_BOOLEAN)
		warn(r, "%s; read as %s", refusal, v->number != 0 ? "true" : "false");
	else
		warn(r, "%s; read as \"%s\"", refusal, (const char *)v->text.p);
}

static enum err read_value(const struct reader *r, const struct field *f,
	const struct toml_node *n, void *at)
{
	struct field_value given = value_of(n), converted;
	char label[LABEL_MAX], text[TOML_CONVERTED_MAX];
	struct why refusal = { "" };
	enum err rc;

	if (is_lenient(r) && is_list(f))
		return read_list(r, f, n, at);
	print_label(label, r, &culprit_of(f, n)->at, f);
	rc = field_set(f, label, &given, at, &refusal);
	if (rc == ERR_OK)
		return ERR_OK;
	if (rc != ERR_SYNTAX || !is_lenient(r) || !convert(f, n, &converted, text))
		return err_set(r->why, rc, "%s", refusal.text);
	rc = field_set(f, label, &converted, at, r->why);
	if (rc == ERR_OK)
		warn_of_value(r, refusal.text, &converted);
	return rc;
}

/* ---- tables ---- */

static enum err read_table(const struct reader *r, const struct field_table *t,
	const struct toml_node *table, void *object);

/* @count tables, of which @n is the first. */
static enum err read_tables(const struct reader *r, const struct field *f,
	const struct toml_node *n, unsigned count, struct field_tables *tables)
{
	enum err rc = ERR_OK;

	tables->v = calloc(count + 1, f->of->bytes);
	if (tables->v == NULL)
		return err_set(r->why, ERR_NOMEM, "no memory for %s", f->name);
	for (; rc == ERR_OK && tables->n < count; n = n->next) {
		void *object = (char *)tables->v + tables->n++ * f->of->bytes;

		rc = field_defaults(f->of, object, r->why);
		if (rc == ERR_OK)
			rc = read_table(r, f->of, n, object);
	}
	return rc;
}

static enum err read_array(const struct reader *r, const struct field *f,
	const struct toml_node *array, struct field_tables *tables)
{
	char label[LABEL_MAX];

	if (f->max == 0 || array->count <= (unsigned)f->max)
		return read_tables(r, f, array->first, array->count, tables);
	return err_set(r->why, ERR_SYNTAX, "%s: there are more than %d",
		print_label(label, r, &array->at, f), (int)f->max);
}

static enum err read_single(const struct reader *r, const struct field *f,
	const struct toml_node *table, struct field_tables *tables)
{
	unsigned count = is_empty_table(table) ? 0 : 1;
	char label[LABEL_MAX];

	warn(r, "%s takes tables, each below a header in double brackets; read as %s of them",
		print_label(label, r, &table->at, f), count == 0 ? "none" : "one");
	return read_tables(r, f, table, count, tables);
}

static bool has_only_tables(const struct toml_node *array)
{
	const struct toml_node *n = array->first;

	while (n != NULL && n->kind == TOML_TABLE)
		n = n->next;
	return array->kind == TOML_ARRAY && n == NULL;
}

static enum err read_member(const struct reader *r, const struct field *f,
	const struct toml_node *n, void *at)
{
	if (f->kind == FIELD_TABLE && n->kind == TOML_TABLE)
		return read_table(r, f->of, n, at);
	if (f->kind == FIELD_TABLES && has_only_tables(n))
		return read_array(r, f, n, at);
	if (f->kind == FIELD_TABLES && n->kind == TOML_TABLE && is_lenient(r))
		return read_single(r, f, n, at);
	return read_value(r, f, n, at);
}

/* ---- keys ---- */

static bool find_row(const struct field_table *t, struct span key,
	bool (*is_equal)(struct span a, const char *text), struct field_cursor *c)
{
	field_first(c, t);
	while (c->row != NULL && (c->row->name == NULL || !is_equal(key, c->row->name)))
		field_next(c);
	return c->row != NULL;
}

/* Of several spellings in a table the exact one counts, or else the first. */
static bool is_best_spelling(const struct toml_node *n, const char *name)
{
	const struct toml_node *other = n->parent->first;

	if (toml_find(n->parent, name) != NULL)
		return false;
	while (!span_is_nocase(other->key, name))
		other = other->next;
	return other == n;
}

/* An unknown key: an error, or a warning. */
static enum err report_key(const struct reader *r, const struct field_table *t,
	const struct toml_node *n)
{
	char shown[64], sentence[128], place[TOML_PLACE_MAX];
	struct field_cursor c;
	struct nearest near;

	nearest_init(&near, (const char *)n->key.p);
	for (field_first(&c, t); c.row != NULL; field_next(&c))
		nearest_try(&near, c.row->name);
	snprintf(sentence, sizeof(sentence), "unknown key \"%s\"%s%s%s%s",
		str_quote(shown, sizeof(shown), n->key),
		is_lenient(r) ? " is ignored" : "",
		near.best != NULL ? "; did you mean " : "",
		near.best != NULL ? near.best : "", near.best != NULL ? "?" : "");
	if (!is_lenient(r))
		return toml_refuse(r->o->file, &n->key_at, r->why, "%s", sentence);
	warn(r, "%s: %s", toml_print_place(place, r->o->file, &n->key_at), sentence);
	return ERR_OK;
}

static enum err read_key(const struct reader *r, const struct field_table *t,
	const struct toml_node *n, void *object)
{
	struct field_cursor c;
	char shown[64], place[TOML_PLACE_MAX];

	if (!find_row(t, n->key, span_is, &c)) {
		if (!is_lenient(r) || !find_row(t, n->key, span_is_nocase, &c) ||
			!is_best_spelling(n, c.row->name))
			return report_key(r, t, n);
		warn(r, "%s: key \"%s\" is read as %s",
			toml_print_place(place, r->o->file, &n->key_at),
			str_quote(shown, sizeof(shown), n->key), c.row->name);
	}
	return read_member(r, c.row, n, (char *)object + c.at);
}

static enum err read_table(const struct reader *r, const struct field_table *t,
	const struct toml_node *table, void *object)
{
	const struct toml_node *n = table->first;
	enum err rc = ERR_OK;

	for (; rc == ERR_OK && n != NULL; n = n->next)
		rc = read_key(r, t, n, object);
	return rc;
}

enum err field_read_toml(const struct field_table *t, const struct toml_node *table,
	const struct field_toml_options *o, void *object, struct why *why)
{
	const struct reader r = { .o = o, .why = why };
	enum err rc = read_table(&r, t, table, object);

	return rc == ERR_LIMIT ? ERR_SYNTAX : rc;
}
