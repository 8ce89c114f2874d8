/* Completion: one writer for each shell; all walk the same tables. */
#include "cli/completion.h"

#include <string.h>

#include "base/mem.h"
#include "cli/persona.h"

static bool takes_file(const struct flag *f)
{
	return f->argument != NULL && strcmp(f->argument, "file") == 0;
}

/* The flags of @c that a command line has, by each of their names, with @fn. */
static void each_name(const struct command *c, FILE *out,
	void (*fn)(FILE *out, const struct flag *f, const char *name))
{
	const struct flag *f;

	for (f = c->flags; f->kind != FLAG_END; f++) {
		if (f->name != NULL)
			fn(out, f, f->name);
		if (f->alias != NULL)
			fn(out, f, f->alias);
	}
}

/* ---- bash ---- */

static void bash_print_word(FILE *out, const struct flag *f, const char *name)
{
	(void)f;
	fprintf(out, " %s%s", flag_dashes(name), name);
}

/* What follows a flag with a value: a file, or something that only the user knows. */
static void bash_print_value(FILE *out, const struct flag *f, const char *name)
{
	if (takes_file(f))
		fprintf(out,
			"\t\t%s%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
			flag_dashes(name), name);
	else if (f->argument != NULL)
		fprintf(out, "\t\t%s%s) return ;;\n", flag_dashes(name), name);
}

/* What can follow @depth words: one of @list; and what can follow that. */
static void bash_print_level(FILE *out, const struct command *const *list,
	const char *flags, int depth)
{
	const struct command *const *c;

	fprintf(out,
		"\tcommand=${COMP_WORDS[%d]}\n"
		"\t[ \"$COMP_CWORD\" -gt %d ] || command=\n"
		"\tcase $command in\n"
		"\t'') words=\"%s",
		depth, depth, flags);
	for (c = list; *c != NULL; c++)
		fprintf(out, " %s", command_word(*c));
	fputs("\" ;;\n", out);
	for (c = list; *c != NULL; c++) {
		fprintf(out, "\t%s)\n", command_word(*c));
		if ((*c)->commands != NULL) {
			bash_print_level(out, (*c)->commands, "--help", depth + 1);
			fputs("\t\t;;\n", out);
			continue;
		}
		fputs("\t\tcase $prev in\n", out);
		each_name(*c, out, bash_print_value);
		fputs("\t\tesac\n\t\twords=\"--help", out);
		each_name(*c, out, bash_print_word);
		fputs("\" ;;\n", out);
	}
	fputs("\tesac\n", out);
}

static void bash_print(FILE *out, const struct persona *p)
{
	fprintf(out,
		"_%s() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		"\tlocal command words=\n",
		p->name);
	bash_print_level(out, p->commands, "--help --version", 1);
	fprintf(out,
		"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		"}\n"
		"complete -F _%s %s\n",
		p->name, p->name);
}

/* ---- zsh ---- */

#define ZSH_SPECIAL "\\[]:"

/* Inside single quotes: one of these ends them, stands escaped, and begins them again. */
static void zsh_print_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\'", out);
		else if (strchr(ZSH_SPECIAL, *text) != NULL)
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void zsh_print_flag(FILE *out, const struct flag *f, const char *name)
{
	fprintf(out, " \\\n\t\t\t'%s%s%s[", f->kind == FLAG_LIST ? "*" : "",
		flag_dashes(name), name);
	zsh_print_text(out, f->help);
	fputc(']', out);
	if (f->argument != NULL) {
		fputc(':', out);
		zsh_print_text(out, f->argument);
		fprintf(out, ":%s", takes_file(f) ? "_files" : "");
	}
	fputc('\'', out);
}

/* What can be the second of the words, one of @list; and what can follow that. */
static void zsh_print_level(FILE *out, const struct command *const *list)
{
	const struct command *const *c;

	fputs("\tcommands=(", out);
	for (c = list; *c != NULL; c++)
		fprintf(out, "\n\t\t'%s:%s'", command_word(*c), (*c)->summary);
	fputs("\n\t)\n"
	      "\tif (( CURRENT == 2 )); then\n"
	      "\t\t_describe command commands\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tshift words\n"
	      "\t(( CURRENT-- ))\n"
	      "\tcase $words[1] in\n",
		out);
	for (c = list; *c != NULL; c++) {
		fprintf(out, "\t%s)\n", command_word(*c));
		if ((*c)->commands != NULL) {
			zsh_print_level(out, (*c)->commands);
		} else {
			fputs("\t\t_arguments '--help[show help]'", out);
			each_name(*c, out, zsh_print_flag);
		}
		fputs(" ;;\n", out);
	}
	fputs("\tesac", out);
}

static void zsh_print(FILE *out, const struct persona *p)
{
	fprintf(out, "_%s() {\n\tlocal -a commands\n", p->name);
	zsh_print_level(out, p->commands);
	fprintf(out, "\n}\ncompdef _%s %s\n", p->name, p->name);
}

/* ---- fish ---- */

/* Inside single quotes. */
static void fish_print_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '\'')
			fputc('\\', out);
		fputc(*text, out);
	}
}

/* "__fish_seen_subcommand_from relay; and __fish_seen_subcommand_from run" */
static void fish_print_words(FILE *out, const char *name)
{
	const char *glue = "";

	while (*name != '\0') {
		size_t n = strcspn(name, " ");

		fprintf(out, "%s__fish_seen_subcommand_from %.*s", glue, (int)n, name);
		glue = "; and ";
		name += n + (name[n] == ' ');
	}
}

static void fish_print_flags(FILE *out, const struct persona *p, const struct command *c)
{
	const struct flag *f;

	for (f = c->flags; f->kind != FLAG_END; f++) {
		if (f->name == NULL)
			continue;
		fprintf(out, "complete -c %s -n '", p->name);
		fish_print_words(out, c->name);
		fprintf(out, "' -%s %s", f->name[1] == '\0' ? "s" : "l", f->name);
		if (f->alias != NULL)
			fprintf(out, " -%s %s", f->alias[1] == '\0' ? "s" : "l",
				f->alias);
		if (f->argument != NULL)
			fputs(takes_file(f) ? " -rF" : " -x", out);
		fputs(" -d '", out);
		fish_print_text(out, f->help);
		fputs("'\n", out);
	}
}

/* The commands of @group, or those at the top. */
static void fish_print_level(FILE *out, const struct persona *p,
	const struct command *group)
{
	const struct command *const *list = group != NULL ? group->commands : p->commands;
	const struct command *const *c, *const *other;

	for (c = list; *c != NULL; c++) {
		fprintf(out, "complete -c %s -n '", p->name);
		if (group == NULL) {
			fputs("__fish_use_subcommand", out);
		} else {
			fish_print_words(out, group->name);
			fputs("; and not __fish_seen_subcommand_from", out);
			for (other = list; *other != NULL; other++)
				fprintf(out, " %s", command_word(*other));
		}
		fprintf(out, "' -a %s -d '", command_word(*c));
		fish_print_text(out, (*c)->summary);
		fputs("'\n", out);
		if ((*c)->commands != NULL)
			fish_print_level(out, p, *c);
		else
			fish_print_flags(out, p, *c);
	}
}

static void fish_print(FILE *out, const struct persona *p)
{
	fprintf(out, "complete -c %s -f\n", p->name);
	fish_print_level(out, p, NULL);
}

bool completion_print(const char *shell, FILE *out)
{
	static const struct {
		const char *name;
		void (*print)(FILE *out, const struct persona *p);
	} shells[] = { { "bash", bash_print }, { "zsh", zsh_print },
		{ "fish", fish_print } };
	const struct persona *p;

	for (size_t i = 0; i < mem_count(shells); i++) {
		if (strcmp(shells[i].name, shell) != 0)
			continue;
		for (p = personas; p->name != NULL; p++)
			shells[i].print(out, p);
		return true;
	}
	return false;
}
