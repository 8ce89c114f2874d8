/* Fields: storing values in a struct, and everything else that all readers share. */
#include "text/field.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/duration.h"
#include "text/timefmt.h"

/* A value, with the data for messages about it. */
struct given {
	const struct field *f;
	const char *label;
	const struct field_value *v;
	struct why *why;
};

/* ---- freeing ---- */

static void list_fini(struct field_list *list)
{
	for (unsigned i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct field_list){ .n = 0 };
}

void field_member_fini(const struct field *f, void *at)
{
	struct field_tables *tables = at;

	switch (f->kind) {
	case FIELD_TEXT:
	case FIELD_SECRET:
		mem_free_secret_str(*(char **)at);
		*(char **)at = NULL;
		break;
	case FIELD_LIST:
	case FIELD_REPEATED:
	case FIELD_LIST_OR_ONE:
		list_fini(at);
		break;
	case FIELD_TABLE:
		field_fini(f->of, at);
		break;
	case FIELD_TABLES:
		for (unsigned i = 0; i < tables->n; i++)
			field_fini(f->of, (char *)tables->v + i * f->of->bytes);
		free(tables->v);
		*tables = (struct field_tables){ .n = 0 };
		break;
	default:
		break;
	}
}

void field_fini(const struct field_table *t, void *object)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->rows[i].lacks == NULL)
			field_member_fini(&t->rows[i], field_at(&t->rows[i], object));
	mem_wipe(object, t->bytes);
}

/* ---- messages ---- */

static enum err code_of(const struct given *g, enum err code)
{
	return g->v->form == FIELD_WORD ? ERR_USAGE : code;
}

/* "--api-port takes a port from 1 to 65535, not "70000"" */
static enum err refuse(const struct given *g, const char *takes)
{
	enum err rc = code_of(g, ERR_SYNTAX);
	char shown[48];

	if (g->v->form == FIELD_INTEGER)
		return err_set(g->why, rc, "%s takes %s, not %" PRId64, g->label, takes,
			g->v->number);
	if (g->v->form == FIELD_WORD || g->v->form == FIELD_STRING)
		return err_set(g->why, rc, "%s takes %s, not \"%s\"", g->label, takes,
			str_quote(shown, sizeof(shown), g->v->text));
	return err_set(g->why, rc, "%s takes %s, not %s", g->label, takes, g->v->noun);
}

static enum err no_memory(const struct given *g)
{
	return err_set(g->why, ERR_NOMEM, "no memory for %s", g->label);
}

/* ---- texts ---- */

/* A word or a text in quotes, without zero bytes. */
static bool given_text(const struct given *g, struct span *out)
{
	*out = g->v->text;
	return (g->v->form == FIELD_WORD || g->v->form == FIELD_STRING) &&
		(out->n == 0 || memchr(out->p, '\0', out->n) == NULL);
}

static enum err set_text(const struct given *g, void *at)
{
	bool is_array = g->f->kind == FIELD_CHARS;
	size_t max = is_array ? g->f->size : g->f->text_max;
	struct span text;
	char *copy = NULL;

	if (!given_text(g, &text))
		return refuse(g, "a text in quotes");
	if (max != 0 && text.n >= max)
		return err_set(g->why, code_of(g, ERR_LIMIT), "%s is too long", g->label);
	if (is_array) {
		memcpy(at, text.p, text.n);
		((char *)at)[text.n] = '\0';
		return ERR_OK;
	}
	if (text.n > 0) {
		copy = span_dup(text);
		if (copy == NULL)
			return no_memory(g);
	}
	mem_free_secret_str(*(char **)at);
	*(char **)at = copy;
	return ERR_OK;
}

static enum err set_duration(const struct given *g, void *at)
{
	uint64_t min = (uint64_t)g->f->min, ms;
	uint64_t max = g->f->max != 0 ? (uint64_t)g->f->max : UINT32_MAX;
	char least[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX], takes[128];
	struct span text;

	if (given_text(g, &text) && duration_parse(text, &ms) == ERR_OK && ms <= max &&
		ms >= min) {
		*(uint32_t *)at = (uint32_t)ms;
		return ERR_OK;
	}
	snprintf(takes, sizeof(takes),
		"a duration such as \"25s\" or \"1m30s\", from %s to %s",
		duration_print(min * 1000, least), duration_print(max * 1000, most));
	return refuse(g, takes);
}

static enum err set_time(const struct given *g, void *at)
{
	struct span text;

	if (given_text(g, &text) && timefmt_parse(text, at) == ERR_OK)
		return ERR_OK;
	return err_set(g->why, code_of(g, ERR_SYNTAX), "%s is not a time", g->label);
}

/* ---- booleans and numbers ---- */

/* The words are Go's: the environment may have TRUE or 1. */
static enum err set_bool(const struct given *g, void *at)
{
	static const char *const words[][2] = { { "true", "false" }, { "1", "0" },
		{ "t", "f" }, { "T", "F" }, { "TRUE", "FALSE" }, { "True", "False" } };

	if (g->v->form == FIELD_BOOLEAN) {
		*(bool *)at = g->v->number != 0;
		return ERR_OK;
	}
	for (size_t i = 0; g->v->form == FIELD_WORD && i < mem_count(words); i++) {
		bool is_on = span_is(g->v->text, words[i][0]);

		if (is_on || span_is(g->v->text, words[i][1])) {
			*(bool *)at = is_on;
			return ERR_OK;
		}
	}
	return refuse(g, "true or false");
}

int64_t field_number(const struct field *f, const void *at)
{
	switch (f->kind) {
	case FIELD_BOOL:
		return *(const bool *)at;
	case FIELD_PORT:
		return *(const uint16_t *)at;
	case FIELD_INT:
		return *(const int *)at;
	case FIELD_COUNT:
	case FIELD_DURATION:
		return *(const uint32_t *)at;
	default:
		return *(const int64_t *)at;
	}
}

void field_set_number(const struct field *f, void *at, int64_t number)
{
	switch (f->kind) {
	case FIELD_BOOL:
		*(bool *)at = number != 0;
		break;
	case FIELD_PORT:
		*(uint16_t *)at = (uint16_t)number;
		break;
	case FIELD_INT:
		*(int *)at = (int)number;
		break;
	case FIELD_COUNT:
	case FIELD_DURATION:
		*(uint32_t *)at = (uint32_t)number;
		break;
	default:
		*(int64_t *)at = number;
		break;
	}
}

static bool given_number(const struct given *g, int64_t *out)
{
	unsigned long n;
	char text[24];
	bool is_negative;

	if (g->v->form == FIELD_INTEGER) {
		*out = g->v->number;
		return true;
	}
	if (g->v->form != FIELD_WORD || g->v->text.n >= sizeof(text))
		return false;
	memcpy(text, g->v->text.p, g->v->text.n);
	text[g->v->text.n] = '\0';
	is_negative = text[0] == '-';
	if (!str_to_uint(text + is_negative, INT64_MAX, &n))
		return false;
	*out = is_negative ? -(int64_t)n : (int64_t)n;
	return true;
}

static enum err set_number(const struct given *g, void *at)
{
	static const struct {
		int64_t min, max;
		const char *noun;
	} kinds[] = {
		[FIELD_PORT] = { 0, UINT16_MAX, "a port" },
		[FIELD_INT] = { INT_MIN, INT_MAX, "a whole number" },
		[FIELD_COUNT] = { 0, UINT32_MAX, "a whole number" },
		[FIELD_BYTES] = { 0, INT64_MAX, "a number of bytes" },
		[FIELD_NUMBER] = { INT64_MIN, INT64_MAX, "a whole number" },
	};
	enum field_kind kind = g->f->kind;
	bool is_bounded = g->f->min != 0 || g->f->max != 0;
	int64_t max = g->f->max != 0 ? g->f->max : kinds[kind].max;
	int64_t min = is_bounded ? g->f->min : kinds[kind].min;
	char takes[80];
	int64_t number;

	if (given_number(g, &number) && number >= min && number <= max) {
		field_set_number(g->f, at, number);
		return ERR_OK;
	}
	if (!is_bounded && min < 0)
		return refuse(g, kinds[kind].noun);
	snprintf(takes, sizeof(takes), "%s from %" PRId64 " to %" PRId64,
		kinds[kind].noun, min, max);
	return refuse(g, takes);
}

/* ---- lists ---- */

static enum err list_add(const struct given *g, struct span text, struct field_list *list)
{
	char **v;

	if (g->f->text_max != 0 && text.n >= g->f->text_max)
		return err_set(g->why, code_of(g, ERR_LIMIT), "%s is too long", g->label);
	if (g->f->max != 0 && list->n == (unsigned)g->f->max)
		return err_set(g->why, code_of(g, ERR_LIMIT),
			"%s takes at most %u entries", g->label, list->n);
	v = realloc(list->v, (list->n + 2) * sizeof(*v));
	if (v == NULL)
		return no_memory(g);
	list->v = v;
	v[list->n] = span_dup(text);
	if (v[list->n] == NULL)
		return no_memory(g);
	v[++list->n] = NULL;
	return ERR_OK;
}

/* Adds the texts between commas, without spaces around them and without empty ones. */
static enum err list_split(const struct given *g, struct span text,
	struct field_list *list)
{
	enum err rc = ERR_OK;

	while (rc == ERR_OK && text.n > 0) {
		const uint8_t *comma = memchr(text.p, ',', text.n);
		size_t n = comma != NULL ? (size_t)(comma - text.p) : text.n;
		struct span item = span_trim(span_of(text.p, n));

		text = span_of(text.p + n, text.n - n);
		if (text.n > 0)
			text = span_of(text.p + 1, text.n - 1);
		if (item.n > 0)
			rc = list_add(g, item, list);
	}
	return rc;
}

static enum err list_read(const struct given *g, struct field_list *list)
{
	struct field_value array = *g->v, element = { .form = FIELD_OTHER };
	struct given one = *g;
	enum err rc = ERR_OK;
	struct span text;

	if (given_text(g, &text))
		return g->f->kind == FIELD_LIST ? list_split(g, text, list) :
						  list_add(g, text, list);
	if (array.next == NULL)
		return refuse(g, "an array of texts");
	one.v = &element;
	while (rc == ERR_OK && array.next(&array, &element))
		rc = given_text(&one, &text) ? list_add(g, text, list) :
					       refuse(&one, "texts in quotes");
	return rc;
}

static enum err set_list(const struct given *g, void *at)
{
	struct field_list next = { .n = 0 };
	enum err rc;

	if (g->f->kind == FIELD_REPEATED && g->v->form == FIELD_WORD)
		return list_read(g, at);
	rc = list_read(g, &next);
	if (rc != ERR_OK) {
		list_fini(&next);
		return rc;
	}
	list_fini(at);
	*(struct field_list *)at = next;
	return ERR_OK;
}

/* ---- setting ---- */

static enum err set_member(const struct given *g, void *at)
{
	switch (g->f->kind) {
	case FIELD_BOOL:
		return set_bool(g, at);
	case FIELD_CHARS:
	case FIELD_TEXT:
	case FIELD_SECRET:
		return set_text(g, at);
	case FIELD_PORT:
	case FIELD_INT:
	case FIELD_COUNT:
	case FIELD_BYTES:
	case FIELD_NUMBER:
		return set_number(g, at);
	case FIELD_DURATION:
		return set_duration(g, at);
	case FIELD_TIME:
		return set_time(g, at);
	case FIELD_LIST:
	case FIELD_REPEATED:
	case FIELD_LIST_OR_ONE:
		return set_list(g, at);
	case FIELD_TABLE:
		return refuse(g, "a table");
	case FIELD_TABLES:
	case FIELD_SERIES:
		break;
	}
	return refuse(g, "tables, each below a header in double brackets");
}

/* A field that is not supported yet has no member; the value must equal the default. */
static enum err accept_initial(const struct given *g)
{
	union {
		bool flag;
		uint16_t port;
		char *text;
		struct field_list list;
		uint64_t any;
	} given = { .list = { .n = 0 } }, initial = { .list = { .n = 0 } };
	const char *word = g->f->initial != NULL ? g->f->initial : "";
	const struct field_value v = { .text = span_str(word) };
	const struct given want = { g->f, g->label, &v, g->why };
	enum err rc = set_member(g, &given);
	bool is_same = rc == ERR_OK;

	if (is_same && g->f->kind == FIELD_TEXT) {
		is_same = strcmp(given.text != NULL ? given.text : "", word) == 0;
	} else if (is_same &&
		(g->f->kind == FIELD_LIST || g->f->kind == FIELD_REPEATED)) {
		is_same = given.list.n == 0;
	} else if (is_same) {
		rc = set_member(&want, &initial);
		is_same = field_number(g->f, &given) == field_number(g->f, &initial);
	}
	field_member_fini(g->f, &given);
	if (rc != ERR_OK || is_same)
		return rc;
	return err_set(g->why, code_of(g, ERR_SYNTAX),
		"%s: %s not supported yet; leave it out%s%s", g->label, g->f->lacks,
		word[0] != '\0' ? ", or write " : "", word);
}

enum err field_set(const struct field *f, const char *label, const struct field_value *v,
	void *at, struct why *why)
{
	const struct given g = { f, label, v, why };
	struct why detail = { "" };
	enum err rc = f->lacks != NULL ? accept_initial(&g) : set_member(&g, at);

	if (rc != ERR_OK || f->check == NULL)
		return rc;
	rc = f->check(at, &detail);
	if (rc == ERR_OK || rc == ERR_NOMEM)
		return rc;
	return err_set(why, code_of(&g, ERR_SYNTAX), "%s: %s", label,
		err_text(rc, &detail));
}

enum err field_defaults(const struct field_table *t, void *object, struct why *why)
{
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < t->count && rc == ERR_OK; i++) {
		const struct field *f = &t->rows[i];
		struct field_value v = { .form = FIELD_WORD };

		if (f->kind == FIELD_TABLE) {
			rc = field_defaults(f->of, field_at(f, object), why);
		} else if (f->initial != NULL && f->lacks == NULL) {
			v.text = span_str(f->initial);
			rc = field_set(f, f->name, &v, field_at(f, object), why);
		}
	}
	return rc;
}

/* ---- another struct of the same table ---- */

static bool is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_tables(const struct field_table *of, const struct field_tables *a,
	const struct field_tables *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (!field_equal(of, (char *)a->v + i * of->bytes,
			    (char *)b->v + i * of->bytes))
			return false;
	return true;
}

static bool is_same(const struct field *f, const void *a, const void *b)
{
	const struct field_list *one = a, *other = b;
	bool ok = true;

	switch (f->kind) {
	case FIELD_CHARS:
		return strcmp(a, b) == 0;
	case FIELD_TEXT:
	case FIELD_SECRET:
		return is_same_text(*(char *const *)a, *(char *const *)b);
	case FIELD_LIST:
	case FIELD_REPEATED:
	case FIELD_LIST_OR_ONE:
		for (unsigned i = 0; i < one->n && i < other->n && ok; i++)
			ok = strcmp(one->v[i], other->v[i]) == 0;
		return ok && one->n == other->n;
	case FIELD_TABLE:
		return field_equal(f->of, a, b);
	case FIELD_TABLES:
		return is_same_tables(f->of, a, b);
	default:
		return memcmp(a, b, f->size) == 0;
	}
}

bool field_equal(const struct field_table *t, const void *a, const void *b)
{
	for (unsigned i = 0; i < t->count; i++) {
		const struct field *f = &t->rows[i];

		if (f->lacks == NULL &&
			!is_same(f, (const char *)a + f->at, (const char *)b + f->at))
			return false;
	}
	return true;
}

void field_reload(const struct field_table *t, void *object, void *next, char *restart,
	size_t size)
{
	size_t n = 0;

	restart[0] = '\0';
	for (unsigned i = 0; i < t->count; i++) {
		const struct field *f = &t->rows[i];
		char *is = field_at(f, object), *will = field_at(f, next);

		if (f->lacks != NULL || is_same(f, is, will))
			continue;
		for (size_t k = 0; f->is_live && k < f->size; k++) {
			char byte = is[k];

			is[k] = will[k];
			will[k] = byte;
		}
		if (!f->is_live && n < size)
			n += (size_t)snprintf(restart + n, size - n, "%s%s",
				n > 0 ? ", " : "", f->name);
	}
}

/* ---- rows ---- */

void field_first(struct field_cursor *c, const struct field_table *t)
{
	static const struct field_table none;

	*c = (struct field_cursor){ .levels = { { .table = t != NULL ? t : &none } } };
	field_next(c);
}

void field_next(struct field_cursor *c)
{
	bool is_first = c->row == NULL;

	for (;;) {
		const struct field_table *t = c->levels[c->depth].table;
		unsigned i = c->levels[c->depth].next++;
		size_t at = c->levels[c->depth].at;

		if (i == t->count && c->depth == 0) {
			c->row = NULL;
			return;
		}
		if (i == t->count) {
			c->depth--;
			continue;
		}
		c->row = &t->rows[i];
		c->at = at + c->row->at;
		if (c->row->kind != FIELD_TABLE || c->row->name != NULL)
			break;
		assert(c->depth + 1 < FIELD_DEPTH_MAX);
		c->depth++;
		c->levels[c->depth].table = c->row->of;
		c->levels[c->depth].at = c->at;
		c->levels[c->depth].next = 0;
	}
	c->index += !is_first;
}
