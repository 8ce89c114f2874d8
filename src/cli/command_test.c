/* Behaviour of the program by the name it is called, up to the work of its commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"

#define WORDS_MAX 8

/* What a run of the program printed. */
struct run {
	char *out, *err;
	size_t out_len, err_len;
	int exit_code;
};

/* As @p; NULL is the one that the first word says. */
static void run_as(const struct persona *p, struct run *r, const char *const *words)
{
	FILE *out = open_memstream(&r->out, &r->out_len);
	FILE *err = open_memstream(&r->err, &r->err_len);
	char *argv[WORDS_MAX + 1] = { NULL };
	int argc = 0;

	for (; argc < WORDS_MAX && words[argc] != NULL; argc++)
		argv[argc] = strdup(words[argc]);
	r->exit_code = persona_call(p != NULL ? p : persona_find(argv[0]), argc, argv,
		out, err);
	fclose(out);
	fclose(err);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
}

static void run_program(struct run *r, const char *const *words)
{
	run_as(NULL, r, words);
}

static void run_fini(struct run *r)
{
	free(r->out);
	free(r->err);
}

#define RUN(r, ...) run_program(r, (const char *const[]){ __VA_ARGS__, NULL })

static void test_the_name_selects_the_persona(void **state)
{
	static const struct {
		const char *path;
		const char *name;
	} cases[] = { { "adit", "adit" }, { "/usr/bin/adit", "adit" },
		{ "./chisel", "chisel" }, { "/opt/adit/bin/chisel", "chisel" },
		{ "chisel/adit", "adit" }, { "anything", "adit" }, { "", "adit" },
		{ NULL, "adit" } };

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++)
		assert_string_equal(persona_find(cases[i].path)->name, cases[i].name);
}

static void test_the_version_is_printed(void **state)
{
	static const struct {
		const char *words[4];
		const char *text;
	} cases[] = {
		{ { "adit", "version" }, "adit " ADIT_VERSION "\n" },
		{ { "adit", "--version" }, "adit " ADIT_VERSION "\n" },
		{ { "adit", "version", "--json" },
			"{\"name\": \"adit\", \"version\": \"" ADIT_VERSION
			"\", \"protocols\": [\"chisel-v3\", \"portal-7\"]}\n" },
		{ { "chisel", "--version" }, ADIT_VERSION "\n" },
		{ { "chisel", "-v" }, ADIT_VERSION "\n" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct run r;

		run_program(&r, cases[i].words);
		assert_int_equal(r.exit_code, 0);
		assert_string_equal(r.out, cases[i].text);
		assert_string_equal(r.err, "");
		run_fini(&r);
	}
}

static void test_help_lists_the_commands(void **state)
{
	static const char *const lines[][WORDS_MAX] = { { "adit" }, { "adit", "help" },
		{ "adit", "--help" }, { "adit", "-h" } };

	(void)state;
	for (size_t i = 0; i < mem_count(lines); i++) {
		struct run r;

		run_program(&r, lines[i]);
		assert_int_equal(r.exit_code, 0);
		assert_non_null(strstr(r.out, "\n  completion "));
		assert_string_equal(r.err, "");
		run_fini(&r);
	}
}

static void test_chisel_answers_any_word_with_help(void **state)
{
	static const char *const words[] = { "--help", "help", "version", "completion",
		"x" };

	(void)state;
	for (size_t i = 0; i < mem_count(words); i++) {
		struct run r;

		RUN(&r, "chisel", words[i]);
		assert_int_equal(r.exit_code, 0);
		assert_true(str_has_prefix(r.out, "chisel: "));
		assert_null(strstr(r.out, "completion"));
		run_fini(&r);
	}
}

static void test_a_command_explains_itself(void **state)
{
	static const char *const lines[][WORDS_MAX] = { { "adit", "help", "version" },
		{ "adit", "version", "--help" }, { "adit", "version", "-h" } };

	(void)state;
	for (size_t i = 0; i < mem_count(lines); i++) {
		struct run r;

		run_program(&r, lines[i]);
		assert_int_equal(r.exit_code, 0);
		assert_true(str_has_prefix(r.out, "Usage: adit version [--json]\n"));
		assert_non_null(strstr(r.out, "--json "));
		run_fini(&r);
	}
}

static void test_misuse_is_one_sentence(void **state)
{
	static const struct {
		const char *words[4];
		const char *sentence;
	} cases[] = {
		{ { "adit", "versoin" },
			"adit: there is no command \"versoin\"; did you mean version?\n" },
		{ { "adit", "frobnicate" },
			"adit: there is no command \"frobnicate\"; adit --help lists them\n" },
		{ { "adit", "help", "versio" },
			"adit: there is no command \"versio\"; did you mean version?\n" },
		{ { "adit", "version", "--jsn" },
			"adit version: there is no flag --jsn; did you mean --json?\n" },
		{ { "adit", "server", "--reverse", "true" },
			"adit server: it takes flags only, not \"true\": write them as --name"
			" value; --help lists them\n" },
		{ { "adit", "completion" },
			"adit completion: name one shell: bash, zsh or fish\n" },
		{ { "adit", "completion", "tcsh" },
			"adit completion: name one shell: bash, zsh or fish\n" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct run r;

		run_program(&r, cases[i].words);
		assert_int_equal(r.exit_code, 2);
		assert_string_equal(r.err, cases[i].sentence);
		assert_string_equal(r.out, "");
		run_fini(&r);
	}
}

static void run_help(struct run *r, const struct persona *p, const struct command *c)
{
	FILE *out = open_memstream(&r->out, &r->out_len);

	r->err = NULL;
	help_print(out, p, c);
	fclose(out);
}

static void check_widths(const struct persona *p, const struct command *c)
{
	const struct command *const *below;
	struct run r;

	run_help(&r, p, c);
	for (char *line = strtok(r.out, "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_in_range(strlen(line), 0, 80);
	run_fini(&r);
	for (below = c->commands; below != NULL && *below != NULL; below++)
		check_widths(p, *below);
}

static void test_help_stays_within_the_screen(void **state)
{
	const struct command *const *c;
	const struct persona *p;

	(void)state;
	for (p = personas; p->name != NULL; p++) {
		for (c = p->commands; *c != NULL; c++)
			check_widths(p, *c);
	}
}

static void test_each_shell_gets_words_and_descriptions_in_its_form(void **state)
{
	static const struct {
		const char *shell, *out;
	} cases[] = { { "bash", "--json\n" }, { "zsh", "--json:print a JSON object\n" },
		{ "fish", "--json\tprint a JSON object\n" } };

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct run r;

		RUN(&r, "adit", "completion", cases[i].shell, "/bin/adit", "version",
			"--j");
		assert_int_equal(r.exit_code, 0);
		assert_string_equal(r.out, cases[i].out);
		run_fini(&r);
	}
}

/* ---- groups ---- */

static int print_words(struct call *c, void *args)
{
	(void)args;
	fprintf(c->out, "%s:", c->command->name);
	for (int i = 0; i < c->argc; i++)
		fprintf(c->out, " %s", c->argv[i]);
	return EXIT_CODE_DONE;
}

static const struct command works_open = { .name = "works open",
	.arguments = "[<door>]",
	.summary = "let them in",
	.run = print_words };
static const struct command works_close = { .name = "works close",
	.arguments = "",
	.summary = "keep them out",
	.run = print_words };
static const struct command *const works_commands[] = { &works_open, &works_close, NULL };
static const struct command works = { .name = "works",
	.summary = "the whole place",
	.commands = works_commands };
static const struct command *const mine_commands[] = { &works, &command_help, NULL };
static const struct persona mine = { .name = "mine",
	.about = "a mine",
	.version = "1",
	.commands = mine_commands };

static void test_a_group_has_commands_of_two_words(void **state)
{
	static const struct {
		const char *words[WORDS_MAX];
		const char *out, *err; /* their beginnings */
		int exit_code;
	} cases[] = {
		{ { "mine", "works", "open", "gate", "now" }, "works open: gate now", "",
			0 },
		{ { "mine", "works" }, "Usage: mine works <command> [arguments]\n", "",
			0 },
		{ { "mine", "works", "--help" }, "Usage: mine works <command>", "", 0 },
		{ { "mine", "help", "works" }, "Usage: mine works <command>", "", 0 },
		{ { "mine", "help", "works", "open" },
			"Usage: mine works open [<door>]\n", "", 0 },
		{ { "mine", "works", "opne" }, "",
			"mine works: there is no command \"opne\"; did you mean open?\n",
			2 },
		{ { "mine", "help", "works", "frobnicate" }, "",
			"mine works: there is no command \"frobnicate\"; mine works --help"
			" lists them\n",
			2 },
		{ { "mine", "open" }, "",
			"mine: there is no command \"open\"; mine --help lists them\n",
			2 },
		{ { "mine" }, "mine: a mine\n", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct run r;

		run_as(&mine, &r, cases[i].words);
		assert_int_equal(r.exit_code, cases[i].exit_code);
		assert_true(str_has_prefix(r.out, cases[i].out));
		assert_true(str_has_prefix(r.err, cases[i].err));
		run_fini(&r);
	}
}

static void test_a_group_lists_what_it_has(void **state)
{
	struct run r;

	(void)state;
	run_as(&mine, &r, (const char *const[]){ "mine", "works", NULL });
	assert_non_null(strstr(r.out, "\n  open                      let them in\n"));
	assert_non_null(strstr(r.out, "\n  close                     keep them out\n"));
	run_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_name_selects_the_persona),
		cmocka_unit_test(test_the_version_is_printed),
		cmocka_unit_test(test_help_lists_the_commands),
		cmocka_unit_test(test_chisel_answers_any_word_with_help),
		cmocka_unit_test(test_a_command_explains_itself),
		cmocka_unit_test(test_misuse_is_one_sentence),
		cmocka_unit_test(test_help_stays_within_the_screen),
		cmocka_unit_test(test_each_shell_gets_words_and_descriptions_in_its_form),
		cmocka_unit_test(test_a_group_has_commands_of_two_words),
		cmocka_unit_test(test_a_group_lists_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
