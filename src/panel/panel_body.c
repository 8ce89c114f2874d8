/* JSON bodies: each member is read on its own. */
#include "panel/panel_body.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

/* ---- what is wrong ---- */

void panel_issues_init(struct panel_issues *i)
{
	i->count = 0;
	buf_init(&i->text, PANEL_ISSUES_MAX);
}

void panel_issues_fini(struct panel_issues *i)
{
	buf_fini(&i->text);
}

void panel_issues_add(struct panel_issues *i, const char *member, const char *fmt, ...)
{
	struct json_writer w;
	char message[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	json_writer_init(&w, &i->text);
	w.wants_comma = i->count++ > 0;
	json_put_open(&w);
	json_put_key(&w, "path");
	json_put_open_list(&w);
	if (member != NULL)
		json_put_text(&w, span_str(member));
	json_put_close_list(&w);
	json_put_key(&w, "message");
	json_put_text(&w, span_str(message));
	json_put_close(&w);
}

/* ---- reading ---- */

static bool is_named(const struct field *f, const char *key)
{
	return f->name != NULL &&
		(strcasecmp(f->name, key) == 0 ||
			(f->alias != NULL && strcasecmp(f->alias, key) == 0));
}

static const struct field *find_row(const struct field_table *fields, const char *key,
	size_t *at)
{
	struct field_cursor c;

	field_first(&c, fields);
	while (c.row != NULL && !is_named(c.row, key))
		field_next(&c);
	*at = c.at;
	return c.row;
}

static enum err set_default(const struct field *f, void *at, struct why *why)
{
	const struct field_value v = {
		.form = FIELD_WORD,
		.text = span_str(f->initial != NULL ? f->initial : ""),
	};

	field_member_fini(f, at);
	memset(at, 0, f->size);
	if (f->kind == FIELD_TABLE)
		return field_defaults(f->of, at, why);
	return f->initial != NULL ? field_set(f, f->name, &v, at, why) : ERR_OK;
}

static const char *type_of(const struct field *f)
{
	switch (f->kind) {
	case FIELD_BOOL:
		return "true or false";
	case FIELD_PORT:
	case FIELD_INT:
	case FIELD_COUNT:
	case FIELD_BYTES:
	case FIELD_NUMBER:
		return "a number without quotes";
	case FIELD_TABLE:
		return "an object";
	case FIELD_LIST:
		return "an array of texts";
	default:
		return "a text in quotes";
	}
}

/* The message without the name of the member, which the path has: "port takes ...". */
static const char *without_name(const char *text, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(text, name, n) != 0)
		return text;
	text += n;
	text += *text == ':';
	return *text == ' ' ? text + 1 : text;
}

/* Members of objects within are few, and mistakes in them would not be noticed. */
static bool check_members(const struct field *f, const json_t *value,
	struct panel_issues *issues)
{
	char all[200] = "", shown[48];
	const char *key;
	json_t *member;
	size_t at, n = 0;

	for (unsigned i = 0; i < f->of->count && n < sizeof(all); i++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i > 0 ? ", " : "",
			f->of->rows[i].name);
	json_object_foreach((json_t *)(uintptr_t)value, key, member)
	{
		if (find_row(f->of, key, &at) != NULL)
			continue;
		panel_issues_add(issues, f->name, "%s is none of %s",
			str_quote(shown, sizeof(shown), span_str(key)), all);
		return false;
	}
	return true;
}

static enum err read_member(const struct field *f, json_t *value, void *at,
	struct panel_issues *issues)
{
	const struct field_table one = { .bytes = f->size, .rows = f, .count = 1 };
	json_t *object = json_object();
	struct why why = { "" };
	const char *words;
	enum err rc = ERR_NOMEM;

	if (f->kind == FIELD_TABLE && !check_members(f, value, issues))
		rc = ERR_OK;
	else if (json_is_null(value))
		rc = set_default(f, at, &why);
	else if (json_object_set(object, f->name, value) == 0)
		rc = field_read_json_value(&one, object, (char *)at - f->at, &why);
	json_decref(object);
	if (rc == ERR_OK || rc == ERR_NOMEM)
		return rc;
	words = without_name(why.text, f->name);
	if (strstr(why.text, "has the wrong type") != NULL)
		panel_issues_add(issues, f->name, "write %s", type_of(f));
	else if (strncmp(words, "takes ", 6) == 0)
		panel_issues_add(issues, f->name, "write %s", words + 6);
	else
		panel_issues_add(issues, f->name, "%s", words);
	return ERR_OK;
}

static enum err read_members(json_t *root, const struct field_table *fields, void *object,
	struct panel_issues *issues)
{
	const char *key;
	json_t *value;
	enum err rc = ERR_OK;

	json_object_foreach(root, key, value)
	{
		size_t at;
		const struct field *f = find_row(fields, key, &at);

		if (f != NULL && rc == ERR_OK)
			rc = read_member(f, value, (char *)object + at, issues);
	}
	return rc;
}

enum err panel_body_read(struct panel_body *body, const struct field_table *fields,
	struct span text, void *object, struct panel_issues *issues, struct why *why)
{
	json_error_t wrong = { .position = 0 };
	enum err rc;

	*body = (struct panel_body){ .root = NULL };
	if (text.n == 0)
		return err_set(why, ERR_SYNTAX, "the body is empty: send a JSON object");
	body->root = json_loadb((const char *)text.p, text.n, 0, &wrong);
	if (body->root == NULL)
		return err_set(why, ERR_SYNTAX, "the body is not JSON at byte %d",
			wrong.position);
	if (!json_is_object(body->root)) {
		panel_issues_add(issues, NULL, "write a JSON object");
		return ERR_OK;
	}
	rc = read_members(body->root, fields, object, issues);
	return rc == ERR_OK ? rc : err_set(why, rc, "out of memory");
}

void panel_body_fini(struct panel_body *body)
{
	json_decref(body->root);
	body->root = NULL;
}

bool panel_body_has(const struct panel_body *body, const struct field_table *fields,
	const char *name)
{
	const char *key;
	json_t *value;
	bool found = false;
	size_t at;

	json_object_foreach(body->root, key, value)
	{
		const struct field *f = find_row(fields, key, &at);

		found = found || (f != NULL && strcmp(f->name, name) == 0);
	}
	return found;
}
