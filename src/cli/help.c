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

/* Breaks @text at spaces so that it stays in the right column; the cursor is there already. */
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
static void flag_print_term(const struct flag *f, char *to, size_t size)
{
	const char *first = f->name, *second = f->alias;
	char value[64] = "";

	if (second != NULL && second[1] == '\0') {
		first = f->alias;
		second = f->name;
	}
	if (f->argument != NULL)
		snprintf(value, sizeof(value), " <%s>", f->argument);
	if (second == NULL)
		snprintf(to, size, "%s%s%s", flag_dashes(first), first, value);
	else
		snprintf(to, size, "%s%s, %s%s%s", flag_dashes(first), first,
			flag_dashes(second), second, value);
}

static void print_flag(FILE *out, const struct flag *f)
{
	char term[160], text[512], preset[64] = "", env[64] = "";

	flag_print_term(f, term, sizeof(term));
	if (f->preset != NULL && (f->argument != NULL || strcmp(f->preset, "true") == 0))
		snprintf(preset, sizeof(preset), " (default %s)", f->preset);
	if (f->env != NULL)
		snprintf(env, sizeof(env), " [env %s]", f->env);
	snprintf(text, sizeof(text), "%s%s%s", f->help, preset, env);
	print_row(out, term, text);
}

static void print_flags(FILE *out, const struct persona *p, const struct flag *flags)
{
	const struct flag *f;

	fputs("\nFlags:\n", out);
	for (f = flags; f->kind != FLAG_END; f++) {
		if (f->name != NULL && (!f->is_own || p == &personas[0]))
			print_flag(out, f);
	}
	print_row(out, "-h, --help", "show this help");
}

static void print_variables(FILE *out, const struct flag *flags)
{
	const struct flag *f;
	bool is_first = true;

	for (f = flags; f->kind != FLAG_END; f++) {
		if (f->name != NULL)
			continue;
		if (is_first)
			fputs("\nEnvironment, besides the variables above:\n", out);
		is_first = false;
		print_row(out, f->env, f->help);
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
	print_flags(out, p, c->flags);
	print_variables(out, c->flags);
	if (c->examples != NULL) {
		fputs("\nExamples:\n", out);
		print_text(out, p, c->examples);
	}
}
