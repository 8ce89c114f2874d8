/* Flags: one table of rows, read from the command line, then from the environment. */
#include "cli/flags.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "text/duration.h"
#include "text/nearest.h"

#define FLAG_NAME_MAX 48

/* A value on its way into the options. */
struct value {
	const struct flag *flag;
	const char
		*label; /* what it is called where it was written: "--port" or "PORT" */
	const char *text;
	struct why *why;
};

/* What has been read so far; a bit for each row of the table. */
struct reading {
	const struct flag *table;
	void *options;
	uint64_t given;
	uint64_t named; /* given by the first name, which beats the alias */
	struct why *why;
};

/* One word of the command line, taken apart. */
struct word {
	char name[FLAG_NAME_MAX];
	char *value; /* behind the "=", or NULL */
};

const char *flag_dashes(const char *name)
{
	return name[0] != '\0' && name[1] == '\0' ? "-" : "--";
}

const struct flag *flags_find(const struct flag *table, const char *name)
{
	const struct flag *f;

	for (f = table; f->kind != FLAG_END; f++) {
		if (f->name != NULL && strcmp(f->name, name) == 0)
			return f;
		if (f->alias != NULL && strcmp(f->alias, name) == 0)
			return f;
	}
	return NULL;
}

static enum err value_refuse(const struct value *v, const char *advice)
{
	char shown[96];

	str_quote(shown, sizeof(shown), span_str(v->text));
	return err_set(v->why, ERR_USAGE, "%s: \"%s\" is %s", v->label, shown, advice);
}

static enum err set_bool(const struct value *v, void *field)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False" };

	for (size_t i = 0; i < mem_count(yes); i++) {
		if (strcmp(v->text, yes[i]) == 0 || strcmp(v->text, no[i]) == 0) {
			*(bool *)field = strcmp(v->text, yes[i]) == 0;
			return ERR_OK;
		}
	}
	return value_refuse(v, "neither true nor false; write one of these, or no value");
}

static enum err set_text(const struct value *v, void *field)
{
	*(const char **)field = v->text;
	return ERR_OK;
}

/* Keeps no pointer to a value that the caller made up. */
static enum err set_switch(const struct value *v, void *field)
{
	bool is_on = false;
	enum err rc = set_bool(v, &is_on);

	if (rc == ERR_OK)
		*(const char **)field = is_on ? "true" : "false";
	return rc;
}

static enum err set_secret(const struct value *v, void *field)
{
	char **secret = field;
	char *copy = strdup(v->text);

	if (copy == NULL)
		return err_set(v->why, ERR_NOMEM, "no memory for %s", v->label);
	mem_free_secret_str(*secret);
	*secret = copy;
	return ERR_OK;
}

static enum err set_list(const struct value *v, void *field)
{
	struct flag_list *list = field;

	if (list->count == FLAG_LIST_MAX)
		return err_set(v->why, ERR_USAGE, "%s is given more than %d times",
			v->label, FLAG_LIST_MAX);
	list->items[list->count++] = v->text;
	return ERR_OK;
}

static enum err set_port(const struct value *v, void *field)
{
	unsigned long port;

	if (!str_to_uint(v->text, UINT16_MAX, &port))
		return value_refuse(v, "not a port; write a number from 0 to 65535");
	*(uint16_t *)field = (uint16_t)port;
	return ERR_OK;
}

static enum err set_int(const struct value *v, void *field)
{
	bool is_negative = v->text[0] == '-';
	unsigned long n;

	if (!str_to_uint(v->text + is_negative, INT_MAX, &n))
		return value_refuse(v, "not a whole number; write one such as 10 or -1");
	*(int *)field = is_negative ? -(int)n : (int)n;
	return ERR_OK;
}

static enum err set_count(const struct value *v, void *field)
{
	unsigned long n;

	if (!str_to_uint(v->text, UINT32_MAX, &n))
		return value_refuse(v, "not a count; write a whole number such as 100");
	*(uint32_t *)field = (uint32_t)n;
	return ERR_OK;
}

static enum err set_bytes(const struct value *v, void *field)
{
	unsigned long n;

	if (!str_to_uint(v->text, ULONG_MAX, &n))
		return value_refuse(v, "not a size; write a number of bytes");
	*(uint64_t *)field = n;
	return ERR_OK;
}

static enum err set_duration(const struct value *v, void *field)
{
	uint64_t ms;

	if (duration_parse(span_str(v->text), &ms) != ERR_OK)
		return value_refuse(v,
			"not a duration; write a number with its unit, such as"
			" 25s, 1m30s or 500ms");
	if (ms > UINT32_MAX)
		return value_refuse(v, "too long; write 1000h or less");
	*(uint32_t *)field = (uint32_t)ms;
	return ERR_OK;
}

static const struct kind {
	enum err (*set)(const struct value *v, void *field);
	bool may_be_empty; /* an empty value counts as a value */
} kinds[] = {
	[FLAG_BOOL] = { set_bool, true },
	[FLAG_TEXT] = { set_text, false },
	[FLAG_SECRET] = { set_secret, false },
	[FLAG_LIST] = { set_list, true },
	[FLAG_PORT] = { set_port, false },
	[FLAG_INT] = { set_int, true },
	[FLAG_COUNT] = { set_count, true },
	[FLAG_BYTES] = { set_bytes, true },
	[FLAG_DURATION] = { set_duration, true },
	[FLAG_OVERRIDE] = { set_text, true },
	[FLAG_OVERRIDE_SWITCH] = { set_switch, true },
};

static uint64_t row_bit(const struct reading *r, const struct flag *f)
{
	assert(f - r->table < FLAG_ROWS_MAX);
	return UINT64_C(1) << (f - r->table);
}

static enum err row_set(struct reading *r, const struct flag *f, const char *label,
	const char *text)
{
	struct value v = { .flag = f, .label = label, .text = text, .why = r->why };

	return kinds[f->kind].set(&v, (char *)r->options + f->offset);
}

static bool is_switch(const struct flag *f)
{
	return f->kind == FLAG_BOOL || f->kind == FLAG_OVERRIDE_SWITCH;
}

static bool is_override(const struct flag *f)
{
	return f->kind == FLAG_OVERRIDE || f->kind == FLAG_OVERRIDE_SWITCH;
}

/* Not for a name of no letters, which Go refuses too. False: too long to be a flag of ours. */
static bool word_split(char *text, struct word *w)
{
	char *name = text + (text[1] == '-' ? 2 : 1);
	char *equals = strchr(name, '=');
	size_t n = equals != NULL ? (size_t)(equals - name) : strlen(name);

	if (n == 0 || n >= sizeof(w->name) || name[0] == '-')
		return false;
	memcpy(w->name, name, n);
	w->name[n] = '\0';
	w->value = equals != NULL ? equals + 1 : NULL;
	return true;
}

static enum err refuse_unknown(const struct flag *table, const char *name,
	struct why *why)
{
	const struct flag *f;
	struct nearest near;
	char shown[64];

	nearest_init(&near, name);
	for (f = table; f->kind != FLAG_END; f++) {
		nearest_try(&near, f->name);
		nearest_try(&near, f->alias);
	}
	str_quote(shown, sizeof(shown), span_str(name));
	if (near.best == NULL)
		return err_set(why, ERR_USAGE, "there is no flag %s%s", flag_dashes(name),
			shown);
	return err_set(why, ERR_USAGE, "there is no flag %s%s; did you mean %s%s?",
		flag_dashes(name), shown, flag_dashes(near.best), near.best);
}

/* Sets the row that a word of the command line names, unless its first name has done so. */
static enum err word_apply(struct reading *r, const struct flag *f, const struct word *w,
	char *text)
{
	bool is_named = strcmp(w->name, f->name) == 0;
	char label[FLAG_NAME_MAX + 2];
	enum err rc;

	if (text[0] == '\0' && !kinds[f->kind].may_be_empty)
		return ERR_OK;
	if (!is_named && (r->named & row_bit(r, f)))
		return ERR_OK;
	snprintf(label, sizeof(label), "%s%s", flag_dashes(w->name), w->name);
	rc = row_set(r, f, label, text);
	if (rc != ERR_OK)
		return rc;
	if (f->kind == FLAG_SECRET)
		memset(text, 'x', strlen(text));
	r->given |= row_bit(r, f);
	if (is_named)
		r->named |= row_bit(r, f);
	return ERR_OK;
}

/* Reads the flag in argv[*i], and its value behind it, and moves *i past them. */
static enum err word_read(struct reading *r, int argc, char **argv, int *i,
	bool *wants_help)
{
	char truth[] = "true"; /* a switch keeps no pointer to its value */
	const struct flag *f;
	struct word w;
	char *text;

	if (!word_split(argv[*i], &w))
		return err_set(r->why, ERR_USAGE, "\"%.40s\" is not a flag", argv[*i]);
	*i += 1;
	f = flags_find(r->table, w.name);
	if (f == NULL) {
		*wants_help = strcmp(w.name, "help") == 0 || strcmp(w.name, "h") == 0;
		return *wants_help ? ERR_OK : refuse_unknown(r->table, w.name, r->why);
	}
	text = w.value;
	if (text == NULL && is_switch(f)) {
		text = truth;
	} else if (text == NULL) {
		if (*i == argc)
			return err_set(r->why, ERR_USAGE,
				"%s%s needs a value: write %s%s <%s>",
				flag_dashes(w.name), w.name, flag_dashes(w.name), w.name,
				f->argument);
		text = argv[(*i)++];
	}
	return word_apply(r, f, &w, text);
}

/* The environment fills in what the command line left out, and the presets the rest. */
static enum err row_complete(struct reading *r, const struct flag *f)
{
	const char *text = f->env != NULL ? getenv(f->env) : NULL;
	enum err rc;

	if ((r->given & row_bit(r, f)) || is_override(f))
		return ERR_OK;
	if (text != NULL && text[0] != '\0') {
		rc = row_set(r, f, f->env, text);
		if (rc != ERR_USAGE || f->name != NULL)
			return rc;
		log_warn(NULL, "%s; the default is used", err_text(rc, r->why));
	}
	return f->preset != NULL ? row_set(r, f, f->name, f->preset) : ERR_OK;
}

/* Moves argv[from] to argv[to - 1] before argv[at], where other words are. */
static void words_move(char **argv, int at, int from, int to)
{
	for (; from < to; from++, at++) {
		char *word = argv[from];

		memmove(argv + at + 1, argv + at, (size_t)(from - at) * sizeof(*argv));
		argv[at] = word;
	}
}

/* Reads the flags; those behind argv[out->rest] only if @is_anywhere. */
static enum err words_read(struct reading *r, int argc, char **argv, bool is_anywhere,
	struct flag_result *out)
{
	enum err rc = ERR_OK;
	bool is_over = false;
	int i = 0;

	while (rc == ERR_OK && i < argc && !out->wants_help && !is_over) {
		int from = i;

		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			is_over = !is_anywhere;
			i++;
			continue;
		}
		is_over = strcmp(argv[i], "--") == 0;
		if (is_over)
			i++;
		else
			rc = word_read(r, argc, argv, &i, &out->wants_help);
		words_move(argv, out->rest, from, i);
		out->rest += i - from;
	}
	return rc;
}

static enum err parse(const struct flag *table, int argc, char **argv, void *options,
	bool is_anywhere, struct flag_result *out, struct why *why)
{
	struct reading r = { .table = table, .options = options };
	struct flag_result result = { 0 };
	struct why words = { "" };
	const struct flag *f;
	enum err rc;

	r.why = why != NULL ? why : &words;
	rc = words_read(&r, argc, argv, is_anywhere, &result);
	for (f = table; rc == ERR_OK && !result.wants_help && f->kind != FLAG_END; f++)
		rc = row_complete(&r, f);
	if (rc == ERR_OK)
		*out = result;
	return rc;
}

enum err flags_parse(const struct flag *table, int argc, char **argv, void *options,
	struct flag_result *out, struct why *why)
{
	return parse(table, argc, argv, options, false, out, why);
}

enum err flags_parse_anywhere(const struct flag *table, int argc, char **argv,
	void *options, struct flag_result *out, struct why *why)
{
	return parse(table, argc, argv, options, true, out, why);
}

void flags_fini(const struct flag *table, void *options)
{
	const struct flag *f;

	for (f = table; f->kind != FLAG_END; f++) {
		if (f->kind == FLAG_SECRET) {
			char **secret = (char **)(void *)((char *)options + f->offset);

			mem_free_secret_str(*secret);
			*secret = NULL;
		}
	}
}
