/* Help: two columns, 80 wide, from the tables of commands and flags. */
#include "cli/help.h"

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

static void print_spaces(FILE *out, size_t n)
{
	fprintf(out, "%*s", (int)n, "");
}

/* Breaks @text at spaces so that it stays in the right column;
 * the cursor is there already. */
static void print_wrapped(FILE *out, const char *text)
{
	size_t column = HELP_COLUMN;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column > HELP_COLUMN && column + 1 + n > HELP_WIDTH) {
			fputc('\n', out);
			print_spaces(out, HELP_COLUMN);
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
	print_spaces(out, HELP_COLUMN - n);
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
		snprintf(env, sizeof(env), " [env %s]", f->env);
	snprintf(text, sizeof(text), "%s%s%s", f->help, initial, env);
	print_row(out, term, text);
}

static void print_flags(FILE *out, const struct persona *p, const struct command *c)
{
	struct field_cursor at;

	fputs("\nFlags:\n", out);
	for (field_first(&at, c->fields); at.row != NULL; field_next(&at))
		if (at.row->name != NULL && (!at.row->is_own || p == &personas[0]))
			print_flag(out, at.row);
	print_row(out, "-h, --help", "show this help");
}

static void print_variables(FILE *out, const struct command *c)
{
	struct field_cursor at;
	bool is_first = true;

	for (field_first(&at, c->fields); at.row != NULL; field_next(&at)) {
		if (at.row->name != NULL)
			continue;
		if (is_first)
			fputs("\nEnvironment, besides the variables above:\n", out);
		is_first = false;
		print_row(out, at.row->env, at.row->help);
	}
}

static void print_commands(FILE *out, const struct command *const *list)
{
	fputs("\nCommands:\n", out);
	for (; *list != NULL; list++)
		print_row(out, command_word(*list), (*list)->summary);
}

static void print_group(FILE *out, const struct persona *p, const struct command *c)
{
	fprintf(out, "Usage: %s %s <command> [arguments]\n\n", p->name, c->name);
	if (c->about != NULL)
		print_text(out, p, c->about);
	else
		fprintf(out, "%s: %s.\n", c->name, c->summary);
	print_commands(out, c->commands);
	fprintf(out, "\n\"%s %s <command> --help\" says more about a command.\n", p->name,
		c->name);
}

void help_print_persona(FILE *out, const struct persona *p)
{
	fprintf(out, "%s: %s\n\nUsage: %s <command> [arguments]\n", p->name, p->about,
		p->name);
	print_commands(out, p->commands);
	fprintf(out, "\nFlags:\n");
	print_row(out, "-v, --version", "show the version");
	print_row(out, "-h, --help", "show this help");
	fprintf(out, "\n\"%s <command> --help\" says more about a command.\n", p->name);
}

void help_print_command(FILE *out, const struct persona *p, const struct command *c)
{
	if (c->commands != NULL) {
		print_group(out, p, c);
		return;
	}
	fprintf(out, "Usage: %s %s %s\n\n", p->name, c->name, c->arguments);
	if (c->about != NULL)
		print_text(out, p, c->about);
	else
		fprintf(out, "%s: %s.\n", c->name, c->summary);
	print_flags(out, p, c);
	print_variables(out, c);
	if (c->examples != NULL) {
		fputs("\nExamples:\n", out);
		print_text(out, p, c->examples);
	}
}
