/* Arguments: words of the command line and variables of the environment. */
#include "cli/args.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "text/nearest.h"

/* What has been read so far. */
struct reading {
	const struct field_table *table;
	void *object;
	unsigned mode;
	struct args_result *result;
	uint64_t named; /* given by the name, which beats the alias */
	struct why *why;
};

const char *args_flag(const char *name, char to[ARGS_FLAG_MAX])
{
	snprintf(to, ARGS_FLAG_MAX, "%s%s",
		name[0] != '\0' && name[1] == '\0' ? "-" : "--", name);
	for (char *c = to; *c != '\0'; c++)
		*c = *c == '_' ? '-' : *c;
	return to;
}

static bool is_flag(const char *name, struct span word)
{
	char flag[ARGS_FLAG_MAX];

	return name != NULL && span_is(word, args_flag(name, flag) + strspn(flag, "-"));
}

static enum err refuse_unknown(const struct reading *r, struct span name)
{
	char word[ARGS_FLAG_MAX] = "", shown[64], flag[ARGS_FLAG_MAX] = "";
	const char *dashes = name.n == 1 ? "-" : "--";
	struct field_cursor c;
	struct nearest near;

	for (size_t i = 0; i < name.n && i < sizeof(word) - 1; i++)
		word[i] = name.p[i] == '-' ? '_' : (char)name.p[i];
	nearest_init(&near, word);
	for (field_first(&c, r->table); c.row != NULL; field_next(&c)) {
		nearest_try(&near, c.row->name);
		nearest_try(&near, c.row->alias);
	}
	if (near.best != NULL)
		args_flag(near.best, flag);
	str_quote(shown, sizeof(shown), name);
	return err_set(r->why, ERR_USAGE, "there is no flag %s%s%s%s%s", dashes, shown,
		near.best != NULL ? "; did you mean " : "", flag,
		near.best != NULL ? "?" : "");
}

/* Sets a member from the text behind a flag, unless that is as if it were not given. */
static enum err set_given(struct reading *r, const struct field_cursor *c, bool is_named,
	char *text)
{
	const struct field *f = c->row;
	struct field_value v = { .form = FIELD_WORD, .text = span_str(text) };
	uint64_t bit = UINT64_C(1) << c->index;
	bool needs_text = f->kind == FIELD_TEXT || f->kind == FIELD_SECRET ||
		f->kind == FIELD_CHARS || f->kind == FIELD_PORT;
	char label[ARGS_FLAG_MAX];
	enum err rc;

	assert(c->index < ARGS_ROWS_MAX);
	if (text[0] == '\0' && needs_text && !(r->mode & ARGS_TAKES_EMPTY))
		return ERR_OK;
	if (!is_named && (r->named & bit))
		return ERR_OK;
	rc = field_set(f, args_flag(is_named ? f->name : f->alias, label), &v,
		(char *)r->object + c->at, r->why);
	if (rc != ERR_OK)
		return rc;
	if (f->kind == FIELD_SECRET)
		memset(text, 'x', strlen(text));
	r->result->given |= bit;
	r->named |= is_named ? bit : 0;
	return ERR_OK;
}

/* Reads the flag in argv[*i], and its value behind it, and moves *i past them. */
static enum err word_read(struct reading *r, int argc, char **argv, int *i)
{
	char *word = argv[*i], truth[] = "true";
	char *start = word + (word[1] == '-' ? 2 : 1), *text = strchr(start, '=');
	size_t n = text != NULL ? (size_t)(text - start) : strlen(start);
	struct span name = span_of(start, n);
	char flag[ARGS_FLAG_MAX];
	struct field_cursor c;

	/* Go refuses a name of no letters, too. */
	if (n == 0 || n > ARGS_FLAG_MAX - 3 || start[0] == '-')
		return err_set(r->why, ERR_USAGE, "\"%.40s\" is not a flag", word);
	*i += 1;
	for (field_first(&c, r->table); c.row != NULL; field_next(&c))
		if (is_flag(c.row->name, name) || is_flag(c.row->alias, name))
			break;
	if (c.row == NULL) {
		r->result->wants_help = span_is(name, "help") || span_is(name, "h");
		return r->result->wants_help ? ERR_OK : refuse_unknown(r, name);
	}
	if (text != NULL) {
		text++;
	} else if (c.row->kind == FIELD_BOOL) {
		text = truth;
	} else if (*i == argc) {
		args_flag(is_flag(c.row->name, name) ? c.row->name : c.row->alias, flag);
		return err_set(r->why, ERR_USAGE, "%s needs a value: write %s <%s>", flag,
			flag, c.row->argument);
	} else {
		text = argv[(*i)++];
	}
	return set_given(r, &c, is_flag(c.row->name, name), text);
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

enum err args_read(const struct field_table *t, int argc, char **argv, unsigned mode,
	void *object, struct args_result *out, struct why *why)
{
	struct args_result result = { .rest = 0 };
	struct reading r = { t, object, mode, &result, 0, why };
	enum err rc = ERR_OK;
	bool is_over = false;
	int i = 0;

	while (rc == ERR_OK && i < argc && !result.wants_help && !is_over) {
		int from = i;

		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			is_over = !(mode & ARGS_ANYWHERE);
			i++;
			continue;
		}
		is_over = strcmp(argv[i], "--") == 0;
		if (is_over)
			i++;
		else
			rc = word_read(&r, argc, argv, &i);
		words_move(argv, result.rest, from, i);
		result.rest += i - from;
	}
	if (rc == ERR_OK)
		*out = result;
	return rc;
}

static bool is_set(const char *variable)
{
	const char *text = variable != NULL ? getenv(variable) : NULL;

	return text != NULL && text[0] != '\0';
}

/* The variable that sets @f now, or NULL. */
static const char *variable_of(const struct field *f)
{
	return is_set(f->env) ? f->env : is_set(f->env_alias) ? f->env_alias : NULL;
}

enum err args_read_environment(const struct field_table *t, uint64_t given, void *object,
	struct why *why)
{
	struct why words = { "" };
	struct field_cursor c;
	enum err rc = ERR_OK;

	why = why != NULL ? why : &words;
	for (field_first(&c, t); rc == ERR_OK && c.row != NULL; field_next(&c)) {
		const char *name = variable_of(c.row);
		const char *text = name != NULL ? getenv(name) : NULL;
		struct field_value v = { .form = FIELD_WORD };

		if (text == NULL || (given >> c.index & 1))
			continue;
		v.text = span_str(text);
		rc = field_set(c.row, name, &v, (char *)object + c.at, why);
		if (rc == ERR_USAGE && c.row->name == NULL) {
			log_warn(NULL, "%s; the default is used", err_text(rc, why));
			rc = ERR_OK;
		}
	}
	return rc;
}
