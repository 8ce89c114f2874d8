/* adit help, and --help: two columns, 80 wide, from the tables of commands and flags. */
#include "cli/command.h"

#include <string.h>

#define HELP_WIDTH 79
#define HELP_INDENT 2
#define HELP_COLUMN 28 /* where explanations begin */

/* Prints @text with "@" replaced by the program's name. */
static void print_text(FILE *out, const struct persona *p, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '@')
			fputs(p->name, out);
		else
			fputc(*text, out);
	}
}

/* Breaks @text at spaces so that it stays in the right column, where the cursor is. */
static void print_wrapped(FILE *out, const char *text)
{
	size_t column = HELP_COLUMN;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column > HELP_COLUMN && column + 1 + n > HELP_WIDTH) {
			fprintf(out, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, n, out);
		column += n;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', out);
}

/* A term on the left and its explanation on the right, on the next line if it is long. */
static void print_row(FILE *out, const char *term, const char *text)
{
	size_t n = HELP_INDENT + strlen(term);

	fprintf(out, "%*s%s", HELP_INDENT, "", term);
	if (n + 2 > HELP_COLUMN) {
		fputc('\n', out);
		n = 0;
	}
	fprintf(out, "%*s", (int)(HELP_COLUMN - n), "");
	print_wrapped(out, text);
}

/* "-p, --port <number>": a single letter goes first. */
static void print_flag(FILE *out, const struct field *f)
{
	bool is_letter_second = f->alias != NULL && f->alias[1] == '\0';
	const char *first = is_letter_second ? f->alias : f->name;
	const char *second = is_letter_second ? f->name : f->alias;
	char flag[ARGS_FLAG_MAX], other[ARGS_FLAG_MAX] = "", value[64] = "";
	char term[192], text[512], initial[64] = "", env[64] = "";

	if (second != NULL)
		args_flag(second, other);
	if (f->argument != NULL)
		snprintf(value, sizeof(value), " <%s>", f->argument);
	snprintf(term, sizeof(term), "%s%s%s%s", args_flag(first, flag),
		second != NULL ? ", " : "", other, value);
	if (f->initial != NULL &&
		(f->argument != NULL || strcmp(f->initial, "true") == 0))
		snprintf(initial, sizeof(initial), " (default %s)", f->initial);
	if (f->env != NULL)
		snprintf(env, sizeof(env), " [env %s]%s%s%s", f->env,
			f->env_alias != NULL ? " [env " : "",
			f->env_alias != NULL ? f->env_alias : "",
			f->env_alias != NULL ? "]" : "");
	snprintf(text, sizeof(text), "%s%s%s", f->help, initial, env);
	print_row(out, term, text);
}

static void print_fields(FILE *out, const struct persona *p, const struct command *c)
{
	struct field_cursor at;
	bool is_first = true;

	fputs("\nFlags:\n", out);
	for (field_first(&at, c->fields); at.row != NULL; field_next(&at))
		if (at.row->name != NULL && (!at.row->is_own || p == &personas[0]))
			print_flag(out, at.row);
	print_row(out, "-h, --help", "show this help");
	for (field_first(&at, c->fields); at.row != NULL; field_next(&at)) {
		if (at.row->name != NULL)
			continue;
		if (is_first)
			fputs("\nEnvironment, besides the variables above:\n", out);
		is_first = false;
		print_row(out, at.row->env, at.row->help);
	}
}

/* The first line and what follows it. */
static void print_about(FILE *out, const struct persona *p, const struct command *c)
{
	if (c == NULL)
		fprintf(out, "%s: %s\n\nUsage: %s <command> [arguments]\n", p->name,
			p->about, p->name);
	else
		fprintf(out, "Usage: %s %s %s\n\n", p->name, persona_command_name(p, c),
			c->commands != NULL ? "<command> [arguments]" : c->arguments);
	if (c != NULL && c->about != NULL)
		print_text(out, p, c->about);
	else if (c != NULL)
		fprintf(out, "%s: %s.\n", persona_command_name(p, c), c->summary);
}

void help_print(FILE *out, const struct persona *p, const struct command *c)
{
	const struct command *const *list = c != NULL ? c->commands : p->commands;

	print_about(out, p, c);
	if (c != NULL && list == NULL) {
		print_fields(out, p, c);
		if (c->examples != NULL) {
			fputs("\nExamples:\n", out);
			print_text(out, p, c->examples);
		}
		return;
	}
	fputs("\nCommands:\n", out);
	for (; *list != NULL; list++)
		print_row(out, command_word(*list), (*list)->summary);
	if (c == NULL) {
		fputs("\nFlags:\n", out);
		print_row(out, "-v, --version", "show the version");
		print_row(out, "-h, --help", "show this help");
	}
	fprintf(out, "\n\"%s%s%s <command> --help\" says more about a command.\n",
		p->name, c != NULL ? " " : "", c != NULL ? c->name : "");
}

static int run(struct call *c, void *args)
{
	const struct command *about;
	int used;

	(void)args;
	about = persona_find_command(c->persona, c->argc, c->argv, &used);
	if (used < c->argc && (about == NULL || about->commands != NULL))
		return persona_refuse_command(c->persona, about, c->argv[used], c->err);
	help_print(c->out, c->persona, about);
	return EXIT_CODE_DONE;
}

const struct command command_help = {
	.name = "help",
	.arguments = "[<command>...]",
	.summary = "explain a command",
	.run = run,
	.takes_commands = true,
};
