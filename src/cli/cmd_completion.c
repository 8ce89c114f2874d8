/*
 * adit completion: a script for a shell, and what the script asks for: the words that may
 * follow those on a command line. So each shell needs only a few lines, and all get the
 * same answers from the tables of commands and flags.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"

#define FILE_NAMES "<file>" /* the word may be the name of any file */

/* The scripts are for all personas; each may be called by a path. */
static const struct shell {
	const char *name;
	const char *between; /* a word and its description; NULL: words only */
	const char *script;
} shells[] = {
	{ "bash", NULL,
		"_adit() {\n"
		"\tlocal IFS=$'\\n'\n"
		"\tCOMPREPLY=($(adit completion bash \"${COMP_WORDS[@]:0:COMP_CWORD+1}\"))\n"
		"\t[ \"${COMPREPLY[0]}\" != '" FILE_NAMES "' ] ||\n"
		"\t\tCOMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
		"}\n"
		"complete -F _adit adit chisel portal\n" },
	/* It is the body of a function in a directory of fpath, or it is sourced. */
	{ "zsh", ":",
		"#compdef adit chisel portal\n"
		"_adit() {\n"
		"\tlocal -a found\n"
		"\tfound=(${(f)\"$(adit completion zsh \"${(@)words[1,CURRENT]}\")\"})\n"
		"\tif [[ $found[1] == '" FILE_NAMES "' ]]; then\n"
		"\t\t_files\n"
		"\telse\n"
		"\t\t_describe argument found\n"
		"\tfi\n"
		"}\n"
		"if [[ $funcstack[1] == _adit ]]; then\n"
		"\t_adit \"$@\"\n"
		"elif (( $+functions[compdef] )); then\n"
		"\tcompdef _adit adit chisel portal\n"
		"else\n"
		"\tprint -u2 'adit: completion needs this before it:"
		" autoload -Uz compinit && compinit'\n"
		"fi\n" },
	{ "fish", "\t",
		"function __adit_complete\n"
		"\tset -l found (adit completion fish (commandline -opc) (commandline -ct))\n"
		"\tif test \"$found\" = '" FILE_NAMES "'\n"
		"\t\t__fish_complete_path (commandline -ct)\n"
		"\telse\n"
		"\t\tprintf '%s\\n' $found\n"
		"\tend\n"
		"end\n"
		"for name in adit chisel portal\n"
		"\tcomplete -c $name -f -a '(__adit_complete)'\n"
		"end\n" },
};

struct completion {
	FILE *out;
	const struct shell *shell;
	const char *word; /* the beginning that is there */
};

static void offer(const struct completion *c, const char *word, const char *description)
{
	if (!str_has_prefix(word, c->word))
		return;
	fputs(word, c->out);
	if (c->shell->between != NULL)
		fprintf(c->out, "%s%s", c->shell->between, description);
	fputc('\n', c->out);
}

static void offer_commands(const struct completion *c, const struct command *const *list)
{
	for (; *list != NULL; list++)
		offer(c, command_word(*list), (*list)->summary);
}

static void offer_flags(const struct completion *c, const struct field_table *fields)
{
	char flag[ARGS_FLAG_MAX];
	struct field_cursor at;

	offer(c, "--help", "show this help");
	for (field_first(&at, fields); at.row != NULL; field_next(&at)) {
		if (at.row->name != NULL)
			offer(c, args_flag(at.row->name, flag), at.row->help);
		if (at.row->alias != NULL)
			offer(c, args_flag(at.row->alias, flag), at.row->help);
	}
}

/* The flag that is @word and takes a value, or NULL. */
static const struct field *valued_flag(const struct field_table *fields, const char *word)
{
	char flag[ARGS_FLAG_MAX];
	struct field_cursor at;

	for (field_first(&at, fields); at.row != NULL; field_next(&at)) {
		const struct field *f = at.row;

		if (f->argument != NULL &&
			((f->name != NULL &&
				 strcmp(args_flag(f->name, flag), word) == 0) ||
				(f->alias != NULL &&
					strcmp(args_flag(f->alias, flag), word) == 0)))
			return f;
	}
	return NULL;
}

static bool is_path(const struct field *f)
{
	return strcmp(f->argument, "file") == 0 || strcmp(f->argument, "directory") == 0;
}

/* @words of the @argc words between the command and the last one are no flags. */
static void offer_words(const struct completion *c, const struct persona *p,
	const struct command *command, int argc, char **argv, int words)
{
	const struct command *group;
	int used;

	if (command->takes_commands) {
		group = persona_find_command(p, argc, argv, &used);
		if (used == argc && group != NULL && group->commands != NULL)
			offer_commands(c, group->commands);
		else if (argc == 0)
			offer_commands(c, p->commands);
	}
	if (words == 0 || persona_has_flags_anywhere(p, command))
		offer_flags(c, command->fields);
	for (const char *w = command->words; words == 0 && w != NULL && *w != '\0';) {
		char choice[32];
		size_t n = strcspn(w, " ");

		snprintf(choice, sizeof(choice), "%.*s", (int)n, w);
		offer(c, choice, command->summary);
		w += n + (w[n] == ' ');
	}
}

/* @argv has the words between the command and the one that is completed. */
static void offer_arguments(const struct completion *c, const struct persona *p,
	const struct command *command, int argc, char **argv)
{
	const struct field *valued = NULL;
	int words = 0;

	for (int i = 0; i < argc; i++) {
		if (valued != NULL && strcmp(argv[i], "=") == 0)
			continue; /* bash makes a word of it */
		if (valued == NULL && argv[i][0] != '-')
			words++;
		valued = valued == NULL ? valued_flag(command->fields, argv[i]) : NULL;
	}
	if (valued != NULL ? is_path(valued) :
			     command->takes_file && words == 0 && c->word[0] != '-')
		fputs(FILE_NAMES "\n", c->out);
	else if (valued == NULL)
		offer_words(c, p, command, argc, argv, words);
}

/* Prints what the last of the words may be; the first is the name of the program. */
static void complete(FILE *out, const struct shell *shell, int argc, char **argv)
{
	const struct completion c = { out, shell, argc > 1 ? argv[argc - 1] : "" };
	const struct persona *p = persona_find(argv[0]);
	const struct command *found;
	int used;

	found = persona_find_command(p, argc - 2, argv + 1, &used);
	if (found != NULL && found->commands == NULL) {
		offer_arguments(&c, p, found, argc - 2 - used, argv + 1 + used);
	} else if (used >= argc - 2) {
		offer_commands(&c, found != NULL ? found->commands : p->commands);
		offer(&c, "--help", "show this help");
		if (found == NULL)
			offer(&c, "--version", "show the version");
	}
}

static int run(struct call *c, void *args)
{
	(void)args;
	for (size_t i = 0; i < mem_count(shells) && c->argc > 0; i++) {
		if (strcmp(shells[i].name, c->argv[0]) != 0)
			continue;
		if (c->argc > 1)
			complete(c->out, &shells[i], c->argc - 1, c->argv + 1);
		else
			fputs(shells[i].script, c->out);
		return EXIT_CODE_DONE;
	}
	return call_fail(c,
		err_set(&c->why, ERR_USAGE, "name one shell: bash, zsh or fish"));
}

const struct command command_completion = {
	.name = "completion",
	.arguments = "bash|zsh|fish [<word>...]",
	.summary = "print a completion script for a shell",
	.about =
		"Prints a script that completes the commands and flags of adit, and of chisel\n"
		"and portal where adit goes by these names. In zsh, source it after compinit.\n"
		"The script calls \"@ completion\" again, with the words of a command line, for\n"
		"what the last of them may be.\n",
	.examples = "  source <(@ completion bash)       in ~/.bashrc\n"
		    "  source <(@ completion zsh)        in ~/.zshrc\n"
		    "  @ completion fish | source        in ~/.config/fish/config.fish\n",
	.run = run,
	.words = "bash zsh fish",
};
