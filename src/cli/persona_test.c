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
#include "cli/persona.h"

#define WORDS_MAX 8

/* What a run of the program printed. */
struct run {
	char *out, *err;
	size_t out_len, err_len;
	int exit_code;
};

static void run_program(struct run *r, const char *const *words)
{
	FILE *out = open_memstream(&r->out, &r->out_len);
	FILE *err = open_memstream(&r->err, &r->err_len);
	char *argv[WORDS_MAX + 1] = { NULL };
	int argc = 0;

	for (; argc < WORDS_MAX && words[argc] != NULL; argc++)
		argv[argc] = strdup(words[argc]);
	r->exit_code = persona_run(argc, argv, out, err);
	fclose(out);
	fclose(err);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
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

static void test_the_version_is_told(void **state)
{
	static const struct {
		const char *words[4];
		const char *text;
	} cases[] = {
		{ { "adit", "version" }, "adit " ADIT_VERSION "\n" },
		{ { "adit", "--version" }, "adit " ADIT_VERSION "\n" },
		{ { "adit", "version", "--json" },
			"{\"name\": \"adit\", \"version\": \"" ADIT_VERSION
			"\", \"protocols\": [\"chisel-v3\"]}\n" },
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

static void test_help_stays_within_the_screen(void **state)
{
	const struct command *const *c;
	const struct persona *p;

	(void)state;
	for (p = personas; p->name != NULL; p++) {
		for (c = p->commands; *c != NULL; c++) {
			struct run r;

			RUN(&r, p->name, (*c)->name, "--help");
			for (char *line = strtok(r.out, "\n"); line != NULL;
				line = strtok(NULL, "\n"))
				assert_in_range(strlen(line), 0, 80);
			run_fini(&r);
		}
	}
}

static void test_every_shell_is_told_every_flag(void **state)
{
	static const char *const shells[] = { "bash", "zsh", "fish" };

	(void)state;
	for (size_t i = 0; i < mem_count(shells); i++) {
		struct run r;

		RUN(&r, "adit", "completion", shells[i]);
		assert_int_equal(r.exit_code, 0);
		assert_non_null(strstr(r.out, "completion"));
		assert_non_null(strstr(r.out, "json"));
		assert_non_null(strstr(r.out, "chisel"));
		run_fini(&r);
	}
}

static void test_an_apostrophe_does_not_end_a_quotation(void **state)
{
	struct run r;

	(void)state;
	RUN(&r, "adit", "completion", "zsh");
	assert_non_null(strstr(r.out, "instead of the system'\\''s]"));
	run_fini(&r);
	RUN(&r, "adit", "completion", "fish");
	assert_non_null(strstr(r.out, "instead of the system\\'s'"));
	run_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_name_selects_the_persona),
		cmocka_unit_test(test_the_version_is_told),
		cmocka_unit_test(test_help_lists_the_commands),
		cmocka_unit_test(test_chisel_answers_any_word_with_help),
		cmocka_unit_test(test_a_command_explains_itself),
		cmocka_unit_test(test_misuse_is_one_sentence),
		cmocka_unit_test(test_help_stays_within_the_screen),
		cmocka_unit_test(test_every_shell_is_told_every_flag),
		cmocka_unit_test(test_an_apostrophe_does_not_end_a_quotation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
