/* Completion: one writer for each shell; all walk the same tables. */
#include "cli/completion.h"

#include <string.h>

#include "base/mem.h"
#include "cli/command.h"

static bool takes_file(const struct field *f)
{
	return f->argument != NULL && strcmp(f->argument, "file") == 0;
}

/* The flags of @c that a command line has, by each of their names, with @fn. */
static void each_flag(const struct command *c, FILE *out,
	void (*fn)(FILE *out, const struct field *f, const char *flag))
{
	char flag[ARGS_FLAG_MAX];
	struct field_cursor at;

	for (field_first(&at, c->fields); at.row != NULL; field_next(&at)) {
		if (at.row->name != NULL)
			fn(out, at.row, args_flag(at.row->name, flag));
		if (at.row->alias != NULL)
			fn(out, at.row, args_flag(at.row->alias, flag));
	}
}

/* ---- bash ---- */

static void bash_print_word(FILE *out, const struct field *f, const char *flag)
{
	(void)f;
	fprintf(out, " %s", flag);
}

/* What follows a flag with a value: a file, or something that only the user knows. */
static void bash_print_value(FILE *out, const struct field *f, const char *flag)
{
	if (takes_file(f))
		fprintf(out, "\t\t%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
			flag);
	else if (f->argument != NULL)
		fprintf(out, "\t\t%s) return ;;\n", flag);
}

static void print_command_words(FILE *out, const struct command *const *list)
{
	for (; *list != NULL; list++)
		fprintf(out, " %s", command_word(*list));
}

/* Behind the name of a group there are its commands. */
static void bash_print_groups(FILE *out, const struct persona *p, int depth)
{
	const struct command *const *group;

	fprintf(out, "\t\t[ \"$COMP_CWORD\" -le %d ] || case ${COMP_WORDS[%d]} in\n",
		depth, depth);
	for (group = p->commands; *group != NULL; group++) {
		if ((*group)->commands == NULL)
			continue;
		fprintf(out, "\t\t%s) words=\"", command_word(*group));
		print_command_words(out, (*group)->commands);
		fputs("\" ;;\n", out);
	}
	fputs("\t\t*) words= ;;\n\t\tesac\n", out);
}

static void bash_print_valued(FILE *out, const struct field *f, const char *flag)
{
	if (f->argument != NULL)
		fprintf(out, "%s | ", flag);
}

/* Behind the first word that is no flag, and no value of one, there are no more flags. */
static void bash_print_end_of_flags(FILE *out, const struct command *c, int depth)
{
	fprintf(out,
		"\t\tfor ((i = %d; i < COMP_CWORD; i++)); do\n"
		"\t\t\tcase ${COMP_WORDS[i]} in\n"
		"\t\t\t",
		depth);
	each_flag(c, out, bash_print_valued);
	fputs("=) [ \"${COMP_WORDS[i + 1]}\" != = ] || ((i++)); ((i++)) ;;\n"
	      "\t\t\t-*) ;;\n"
	      "\t\t\t*) words= ;;\n"
	      "\t\t\tesac\n"
	      "\t\tdone\n",
		out);
}

static void bash_print_command(FILE *out, const struct persona *p,
	const struct command *c, int depth)
{
	fputs("\t\tcase $prev in\n", out);
	each_flag(c, out, bash_print_value);
	fputs("\t\tesac\n\t\twords=\"--help", out);
	each_flag(c, out, bash_print_word);
	if (c->words != NULL)
		fprintf(out, " %s", c->words);
	if (c->takes_commands)
		print_command_words(out, p->commands);
	fputs("\"\n", out);
	if (c->takes_commands)
		bash_print_groups(out, p, depth);
	else if (!persona_has_flags_anywhere(p, c))
		bash_print_end_of_flags(out, c, depth);
	fputs("\t\t;;\n", out);
}

/* What can follow @depth words: one of @list; and what can follow that. */
static void bash_print_level(FILE *out, const struct persona *p,
	const struct command *const *list, const char *flags, int depth)
{
	const struct command *const *c;

	fprintf(out,
		"\tcommand=${COMP_WORDS[%d]}\n"
		"\t[ \"$COMP_CWORD\" -gt %d ] || command=\n"
		"\tcase $command in\n"
		"\t'') words=\"%s",
		depth, depth, flags);
	print_command_words(out, list);
	fputs("\" ;;\n", out);
	for (c = list; *c != NULL; c++) {
		fprintf(out, "\t%s)\n", command_word(*c));
		if ((*c)->commands != NULL) {
			bash_print_level(out, p, (*c)->commands, "--help", depth + 1);
			fputs("\t\t;;\n", out);
		} else {
			bash_print_command(out, p, *c, depth + 1);
		}
	}
	fputs("\tesac\n", out);
}

static void bash_print(FILE *out, const struct persona *p)
{
	fprintf(out,
		"_%s() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		"\tlocal command words= i\n",
		p->name);
	bash_print_level(out, p, p->commands, "--help --version", 1);
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

static void zsh_print_flag(FILE *out, const struct field *f, const char *flag)
{
	fprintf(out, " \\\n\t\t\t'%s%s[", f->kind == FIELD_REPEATED ? "*" : "", flag);
	zsh_print_text(out, f->help);
	fputc(']', out);
	if (f->argument != NULL) {
		fputc(':', out);
		zsh_print_text(out, f->argument);
		fprintf(out, ":%s", takes_file(f) ? "_files" : "");
	}
	fputc('\'', out);
}

/* What stands behind the flags, or among them. */
static void zsh_print_words(FILE *out, const struct persona *p, const struct command *c)
{
	if (c->words != NULL) {
		fprintf(out, " \\\n\t\t\t'1:word:(%s)'", c->words);
	} else if (c->takes_commands) {
		fputs(" \\\n\t\t\t'1:command:(", out);
		print_command_words(out, p->commands);
		fputs(")' \\\n\t\t\t'2:command:(", out);
		for (const struct command *const *g = p->commands; *g != NULL; g++) {
			if ((*g)->commands != NULL)
				print_command_words(out, (*g)->commands);
		}
		fputs(")'", out);
	} else {
		fputs(" \\\n\t\t\t'*:argument: '", out);
	}
}

/* What can be the second of the words, one of @list; and what can follow that. */
static void zsh_print_level(FILE *out, const struct persona *p,
	const struct command *const *list)
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
			zsh_print_level(out, p, (*c)->commands);
		} else {
			fprintf(out, "\t\t_arguments%s '--help[show help]'",
				persona_has_flags_anywhere(p, *c) ? "" : " -A '-*'");
			each_flag(*c, out, zsh_print_flag);
			zsh_print_words(out, p, *c);
		}
		fputs(" ;;\n", out);
	}
	fputs("\tesac", out);
}

static void zsh_print(FILE *out, const struct persona *p)
{
	fprintf(out, "_adit_%s() {\n\tlocal -a commands\n", p->name);
	zsh_print_level(out, p, p->commands);
	fputs("\n}\n", out);
}

static void zsh_print_names(FILE *out)
{
	for (const struct persona *p = personas; p->name != NULL; p++)
		fprintf(out, " %s", p->name);
}

static void zsh_print_begin(FILE *out)
{
	fputs("#compdef", out);
	zsh_print_names(out);
	fputs("\n", out);
}

/* It is the body of a function in a directory of fpath, or it is sourced. */
static void zsh_print_end(FILE *out)
{
	fputs("_adit() { _adit_${service:-adit} \"$@\" }\n"
	      "if [[ $funcstack[1] == _adit ]]; then\n"
	      "\t_adit \"$@\"\n"
	      "elif (( $+functions[compdef] )); then\n"
	      "\tcompdef _adit",
		out);
	zsh_print_names(out);
	fputs("\n"
	      "else\n"
	      "\tprint -u2 'adit: completion needs this before it:"
	      " autoload -Uz compinit && compinit'\n"
	      "fi\n",
		out);
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

/* "--port" is "-l port", and "-p" is "-s p". */
static void fish_print_flag(FILE *out, const char *name)
{
	char flag[ARGS_FLAG_MAX];

	args_flag(name, flag);
	fprintf(out, " -%s %s", flag[1] == '-' ? "l" : "s", flag + strspn(flag, "-"));
}

static void fish_print_flags(FILE *out, const struct persona *p, const struct command *c)
{
	struct field_cursor at;

	for (field_first(&at, c->fields); at.row != NULL; field_next(&at)) {
		const struct field *f = at.row;

		if (f->name == NULL)
			continue;
		fprintf(out, "complete -c %s -n '", p->name);
		fish_print_words(out, c->name);
		fputs("'", out);
		fish_print_flag(out, f->name);
		if (f->alias != NULL)
			fish_print_flag(out, f->alias);
		if (f->argument != NULL)
			fputs(takes_file(f) ? " -rF" : " -x", out);
		fputs(" -d '", out);
		fish_print_text(out, f->help);
		fputs("'\n", out);
	}
	if (c->words == NULL && !c->takes_commands)
		return;
	fprintf(out, "complete -c %s -n '", p->name);
	fish_print_words(out, c->name);
	fputs("' -a '", out);
	if (c->words != NULL)
		fputs(c->words, out);
	if (c->takes_commands)
		print_command_words(out, p->commands);
	fputs("'\n", out);
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
		void (*begin)(FILE *out); /* once, before the personas; or NULL */
		void (*print)(FILE *out, const struct persona *p);
		void (*end)(FILE *out); /* or NULL */
	} shells[] = {
		{ "bash", NULL, bash_print, NULL },
		{ "zsh", zsh_print_begin, zsh_print, zsh_print_end },
		{ "fish", NULL, fish_print, NULL },
	};
	const struct persona *p;

	for (size_t i = 0; i < mem_count(shells); i++) {
		if (strcmp(shells[i].name, shell) != 0)
			continue;
		if (shells[i].begin != NULL)
			shells[i].begin(out);
		for (p = personas; p->name != NULL; p++)
			shells[i].print(out, p);
		if (shells[i].end != NULL)
			shells[i].end(out);
		return true;
	}
	return false;
}
