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

static void bash_print_command(FILE *out, const struct command *c)
{
	fprintf(out, "\t%s)\n\t\tcase $prev in\n", c->name);
	each_name(c, out, bash_print_value);
	fputs("\t\tesac\n\t\twords=\"--help", out);
	each_name(c, out, bash_print_word);
	fputs("\" ;;\n", out);
}

static void bash_print(FILE *out, const struct persona *p)
{
	const struct command *const *c;

	fprintf(out,
		"_%s() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		"\tlocal command=${COMP_WORDS[1]} words=\n"
		"\t[ \"$COMP_CWORD\" -gt 1 ] || command=\n"
		"\tcase $command in\n"
		"\t'') words=\"--help --version",
		p->name);
	for (c = p->commands; *c != NULL; c++)
		fprintf(out, " %s", (*c)->name);
	fputs("\" ;;\n", out);
	for (c = p->commands; *c != NULL; c++)
		bash_print_command(out, *c);
	fprintf(out,
		"\tesac\n"
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

static void zsh_print_command(FILE *out, const struct command *c)
{
	fprintf(out, "\t%s)\n\t\t_arguments '--help[show help]'", c->name);
	each_name(c, out, zsh_print_flag);
	fputs(" ;;\n", out);
}

static void zsh_print(FILE *out, const struct persona *p)
{
	const struct command *const *c;

	fprintf(out, "_%s() {\n\tlocal -a commands=(", p->name);
	for (c = p->commands; *c != NULL; c++)
		fprintf(out, "\n\t\t'%s:%s'", (*c)->name, (*c)->summary);
	fputs("\n\t)\n"
	      "\tif (( CURRENT == 2 )); then\n"
	      "\t\t_describe command commands\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tshift words\n"
	      "\t(( CURRENT-- ))\n"
	      "\tcase $words[1] in\n",
		out);
	for (c = p->commands; *c != NULL; c++)
		zsh_print_command(out, *c);
	fprintf(out, "\tesac\n}\ncompdef _%s %s\n", p->name, p->name);
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

static void fish_print_flags(FILE *out, const struct persona *p, const struct command *c)
{
	const struct flag *f;

	for (f = c->flags; f->kind != FLAG_END; f++) {
		if (f->name == NULL)
			continue;
		fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from %s' -%s %s",
			p->name, c->name, f->name[1] == '\0' ? "s" : "l", f->name);
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

static void fish_print(FILE *out, const struct persona *p)
{
	const struct command *const *c;

	fprintf(out, "complete -c %s -f\n", p->name);
	for (c = p->commands; *c != NULL; c++) {
		fprintf(out, "complete -c %s -n __fish_use_subcommand -a %s -d '",
			p->name, (*c)->name);
		fish_print_text(out, (*c)->summary);
		fputs("'\n", out);
		fish_print_flags(out, p, *c);
	}
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
