/* Behaviour of arguments: every form, every mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/args.h"
#include "text/nearest.h"

#define WORDS_MAX 16

struct options {
	bool is_on;
	char *text;
	char *secret;
	struct field_list list;
	uint16_t port;
	int number;
	uint32_t count;
	uint64_t bytes;
	uint32_t wait_ms;
	struct tuning {
		uint32_t tuned;
	} tuning;
};

#define AT(member) FIELD_AT(struct options, member)

static const struct field tuning_rows[] = {
	{ NULL, FIELD_COUNT, FIELD_AT(struct tuning, tuned), .env = "TEST_TUNED",
		.help = "for tuning" },
};

static const struct field_table tuning = FIELD_TABLE_OF(struct tuning, tuning_rows);

static const struct field rows[] = {
	{ "on", FIELD_BOOL, AT(is_on), .help = "a switch" },
	{ .kind = FIELD_TABLE, AT(tuning), .of = &tuning },
	{ "text", FIELD_TEXT, AT(text), .env = "TEST_TEXT", .initial = "fallback",
		.argument = "words", .help = "a text" },
	{ "secret", FIELD_SECRET, AT(secret), .env = "TEST_SECRET", .argument = "words",
		.help = "a secret" },
	{ "list", FIELD_REPEATED, AT(list), .max = ARGS_REPEATED_MAX, .argument = "item",
		.help = "a list" },
	{ "port_number", FIELD_PORT, AT(port), .alias = "p", .env = "TEST_PORT",
		.initial = "8080", .argument = "number", .help = "a port" },
	{ "number", FIELD_INT, AT(number), .initial = "-1", .argument = "number",
		.help = "a number" },
	{ "count", FIELD_COUNT, AT(count), .argument = "number", .help = "a count" },
	{ "bytes", FIELD_BYTES, AT(bytes), .argument = "number", .help = "a size" },
	{ "wait", FIELD_DURATION, AT(wait_ms), .initial = "25s", .argument = "duration",
		.help = "a while" },
};

static const struct field_table table = FIELD_TABLE_OF(struct options, rows);

/* A command line in memory that may be written to, as argv may. */
struct line {
	char *argv[WORDS_MAX];
	int argc;
	struct options options;
	struct args_result result;
	struct why why;
};

static enum err line_read(struct line *l, const char *const *words, unsigned mode)
{
	enum err rc;

	*l = (struct line){ .argc = 0 };
	for (; words[l->argc] != NULL; l->argc++)
		l->argv[l->argc] = strdup(words[l->argc]);
	assert_int_equal(field_defaults(&table, &l->options, NULL), ERR_OK);
	rc = args_read(&table, l->argc, l->argv, mode, &l->options, &l->result, &l->why);
	return rc == ERR_OK ?
		args_read_environment(&table, l->result.given, &l->options, &l->why) :
		rc;
}

static enum err line_parse(struct line *l, const char *const *words)
{
	return line_read(l, words, ARGS_FIRST);
}

static enum err line_parse_anywhere(struct line *l, const char *const *words)
{
	return line_read(l, words, ARGS_ANYWHERE);
}

static void line_fini(struct line *l)
{
	field_fini(&table, &l->options);
	for (int i = 0; i < l->argc; i++)
		free(l->argv[i]);
}

#define PARSE(l, ...) line_parse(l, (const char *const[]){ __VA_ARGS__, NULL })

static int forget_environment(void **state)
{
	(void)state;
	unsetenv("TEST_TEXT");
	unsetenv("TEST_SECRET");
	unsetenv("TEST_PORT");
	unsetenv("TEST_TUNED");
	return 0;
}

static void test_a_value_may_follow_or_be_joined(void **state)
{
	static const char *const lines[][WORDS_MAX] = {
		{ "--text", "a b" },
		{ "--text=a b" },
		{ "-text", "a b" },
		{ "-text=a b" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(lines); i++) {
		struct line l;

		assert_int_equal(line_parse(&l, lines[i]), ERR_OK);
		assert_string_equal(l.options.text, "a b");
		assert_int_equal(l.result.rest, l.argc);
		line_fini(&l);
	}
}

static void test_a_switch_takes_a_joined_value_only(void **state)
{
	static const struct {
		const char *word;
		bool is_on;
	} cases[] = { { "--on", true }, { "-on", true }, { "--on=true", true },
		{ "--on=1", true }, { "--on=t", true }, { "--on=TRUE", true },
		{ "--on=false", false }, { "--on=0", false }, { "--on=f", false },
		{ "--on=False", false } };
	struct line l;

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		assert_int_equal(PARSE(&l, cases[i].word), ERR_OK);
		assert_int_equal(l.options.is_on, cases[i].is_on);
		line_fini(&l);
	}
	assert_int_equal(PARSE(&l, "--on", "false"), ERR_OK);
	assert_true(l.options.is_on);
	assert_int_equal(l.result.rest, 1);
	line_fini(&l);
}

static void test_flags_end_at_the_first_other_word(void **state)
{
	static const struct {
		const char *words[4];
		int rest;
	} cases[] = {
		{ { "--on", "server", "--text" }, 1 },
		{ { "--on", "--", "--text" }, 2 },
		{ { "-", "--on" }, 0 },
		{ { "", "--on" }, 0 },
		{ { "--on" }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct line l;

		assert_int_equal(line_parse(&l, cases[i].words), ERR_OK);
		assert_int_equal(l.result.rest, cases[i].rest);
		line_fini(&l);
	}
}

static void test_a_value_may_look_like_a_flag(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(PARSE(&l, "--number", "-5", "--text", "--on", "--secret=a=b"),
		ERR_OK);
	assert_int_equal(l.options.number, -5);
	assert_string_equal(l.options.text, "--on");
	assert_string_equal(l.options.secret, "a=b");
	assert_false(l.options.is_on);
	line_fini(&l);
}

static void test_every_kind_is_read(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(PARSE(&l, "--port-number", "65535", "--count=7", "--bytes",
				 "5000000000", "--wait", "1m30s", "--list", "a",
				 "--list=b"),
		ERR_OK);
	assert_int_equal(l.options.port, 65535);
	assert_int_equal(l.options.count, 7);
	assert_int_equal(l.options.bytes, 5000000000);
	assert_int_equal(l.options.wait_ms, 90000);
	assert_int_equal(l.options.list.n, 2);
	assert_string_equal(l.options.list.v[1], "b");
	assert_null(l.options.list.v[2]);
	line_fini(&l);
}

static void test_presets_fill_what_is_not_given(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(line_parse(&l, (const char *const[]){ NULL }), ERR_OK);
	assert_string_equal(l.options.text, "fallback");
	assert_int_equal(l.options.port, 8080);
	assert_int_equal(l.options.number, -1);
	assert_int_equal(l.options.wait_ms, 25000);
	assert_null(l.options.secret);
	line_fini(&l);
}

static void test_the_environment_stands_behind_the_flag(void **state)
{
	struct line l;

	(void)state;
	setenv("TEST_TEXT", "from outside", 1);
	setenv("TEST_PORT", "99", 1);
	setenv("TEST_SECRET", "s", 1);
	assert_int_equal(PARSE(&l, "--text", "given"), ERR_OK);
	assert_string_equal(l.options.text, "given");
	assert_int_equal(l.options.port, 99);
	assert_string_equal(l.options.secret, "s");
	line_fini(&l);
}

static void test_an_empty_value_is_none(void **state)
{
	struct line l;

	(void)state;
	setenv("TEST_TEXT", "from outside", 1);
	setenv("TEST_PORT", "", 1);
	assert_int_equal(PARSE(&l, "--text", "", "--port-number=", "--secret="), ERR_OK);
	assert_string_equal(l.options.text, "from outside");
	assert_int_equal(l.options.port, 8080);
	assert_null(l.options.secret);
	line_fini(&l);
}

static void test_invalid_tuning_is_ignored(void **state)
{
	struct line l;

	(void)state;
	setenv("TEST_TUNED", "12", 1);
	assert_int_equal(PARSE(&l, "--on"), ERR_OK);
	assert_int_equal(l.options.tuning.tuned, 12);
	line_fini(&l);
	setenv("TEST_TUNED", "a dozen", 1);
	assert_int_equal(PARSE(&l, "--on"), ERR_OK);
	assert_int_equal(l.options.tuning.tuned, 0);
	line_fini(&l);
}

static void test_the_last_wins_but_the_name_beats_the_alias(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(PARSE(&l, "-p", "1", "-p", "2", "--secret", "a", "--secret",
				 "b"),
		ERR_OK);
	assert_int_equal(l.options.port, 2);
	assert_string_equal(l.options.secret, "b");
	line_fini(&l);
	assert_int_equal(PARSE(&l, "--port-number", "1", "-p", "2"), ERR_OK);
	assert_int_equal(l.options.port, 1);
	line_fini(&l);
	assert_int_equal(PARSE(&l, "-p", "2", "--port-number", "1"), ERR_OK);
	assert_int_equal(l.options.port, 1);
	line_fini(&l);
}

static void test_a_secret_is_overwritten_in_argv(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(PARSE(&l, "--secret", "abc", "--secret=defg"), ERR_OK);
	assert_string_equal(l.options.secret, "defg");
	assert_string_equal(l.argv[1], "xxx");
	assert_string_equal(l.argv[2], "--secret=xxxx");
	line_fini(&l);
}

static void test_help_ends_the_reading(void **state)
{
	static const char *const words[] = { "--help", "-help", "-h", "--h" };
	struct line l;

	(void)state;
	for (size_t i = 0; i < mem_count(words); i++) {
		assert_int_equal(PARSE(&l, "--on", words[i], "--nonsense"), ERR_OK);
		assert_true(l.result.wants_help);
		line_fini(&l);
	}
}

static void test_mistakes_say_what_to_write(void **state)
{
	static const struct {
		const char *words[3];
		const char *sentence;
	} cases[] = {
		{ { "--port_number", "1" },
			"there is no flag --port_number; did you mean --port-number?" },
		{ { "--portnumber" },
			"there is no flag --portnumber; did you mean --port-number?" },
		{ { "--txt", "a" }, "there is no flag --txt; did you mean --text?" },
		{ { "-q" }, "there is no flag -q" },
		{ { "--entirely-else=5" }, "there is no flag --entirely-else" },
		{ { "--text" }, "--text needs a value: write --text <words>" },
		{ { "-p" }, "-p needs a value: write -p <number>" },
		{ { "--on=yes" }, "--on takes true or false, not \"yes\"" },
		{ { "--port-number", "65536" },
			"--port-number takes a port from 0 to 65535, not \"65536\"" },
		{ { "-p", "http" }, "-p takes a port from 0 to 65535, not \"http\"" },
		{ { "--number=" }, "--number takes a whole number, not \"\"" },
		{ { "--number=99999999999" },
			"--number takes a whole number, not \"99999999999\"" },
		{ { "--count", "-1" },
			"--count takes a whole number from 0 to 4294967295, not \"-1\"" },
		{ { "--bytes", "1k" },
			"--bytes takes a number of bytes from 0 to 9223372036854775807, not \"1k\"" },
		{ { "--wait", "25" },
			"--wait takes a duration such as \"25s\" or \"1m30s\", from 0s to"
			" 1193h2m47.295s, not \"25\"" },
		{ { "--wait", "2000h" },
			"--wait takes a duration such as \"25s\" or \"1m30s\", from 0s to"
			" 1193h2m47.295s, not \"2000h\"" },
		{ { "--=x" }, "\"--=x\" is not a flag" },
		{ { "---on" }, "\"---on\" is not a flag" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct line l;

		assert_int_equal(line_parse(&l, cases[i].words), ERR_USAGE);
		assert_string_equal(l.why.text, cases[i].sentence);
		line_fini(&l);
	}
}

static void test_a_bad_variable_is_named(void **state)
{
	struct line l;

	(void)state;
	setenv("TEST_PORT", "many", 1);
	assert_int_equal(PARSE(&l, "--on"), ERR_USAGE);
	assert_string_equal(l.why.text,
		"TEST_PORT takes a port from 0 to 65535, not \"many\"");
	line_fini(&l);
}

static void test_a_list_has_a_bound(void **state)
{
	char *argv[ARGS_REPEATED_MAX + 1];
	char word[] = "--list=x";
	struct options options = { 0 };
	struct args_result result;
	struct why why = { "" };

	(void)state;
	for (size_t i = 0; i < mem_count(argv); i++)
		argv[i] = word;
	assert_int_equal(args_read(&table, ARGS_REPEATED_MAX + 1, argv, ARGS_FIRST,
				 &options, &result, &why),
		ERR_USAGE);
	assert_string_equal(why.text, "--list takes at most 64 entries");
	assert_int_equal(options.list.n, ARGS_REPEATED_MAX);
	field_fini(&table, &options);
}

static void test_only_near_words_are_near(void **state)
{
	struct nearest n;

	(void)state;
	nearest_init(&n, "revers");
	nearest_try(&n, "socks5");
	assert_null(n.best);
	nearest_try(&n, NULL);
	nearest_try(&n, "reverse");
	assert_string_equal(n.best, "reverse");
	nearest_try(&n, "refers");
	assert_string_equal(n.best, "reverse");
	nearest_init(&n, "x");
	nearest_try(&n, "v");
	assert_null(n.best);
	nearest_init(&n, "a-word-that-is-longer-than-any-that-we-know");
	nearest_try(&n, "a-word-that-is-longer-than-any-that-we-know");
	assert_null(n.best);
}

#define TEST(name) cmocka_unit_test_setup(name, forget_environment)

static void test_flags_may_stand_anywhere(void **state)
{
	static const struct {
		const char *words[WORDS_MAX];
		const char *rest;
	} cases[] = {
		{ { "--port-number", "1", "--on", "a", "b" }, "a b" },
		{ { "a", "--port-number", "1", "--on", "b" }, "a b" },
		{ { "a", "b", "--on", "--port-number=1" }, "a b" },
		{ { "a", "--on", "-", "--port-number", "1", "b", "c" }, "a - b c" },
		{ { "a", "--on", "b", "--port-number", "1", "--", "-x", "--on" },
			"a b -x --on" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		char rest[64] = "";
		struct line l;

		assert_int_equal(line_parse_anywhere(&l, cases[i].words), ERR_OK);
		assert_true(l.options.is_on);
		assert_int_equal(l.options.port, 1);
		for (int j = l.result.rest; j < l.argc; j++) {
			strcat(rest, rest[0] != '\0' ? " " : "");
			strcat(rest, l.argv[j]);
		}
		assert_string_equal(rest, cases[i].rest);
		line_fini(&l);
	}
}

static void test_a_flag_behind_words_can_be_wrong(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(line_parse_anywhere(&l,
				 (const char *const[]){ "a", "--prot", NULL }),
		ERR_USAGE);
	line_fini(&l);
	assert_int_equal(line_parse_anywhere(&l,
				 (const char *const[]){ "a", "--help", NULL }),
		ERR_OK);
	assert_true(l.result.wants_help);
	line_fini(&l);
}

static void test_an_empty_value_may_count(void **state)
{
	struct line l;

	(void)state;
	setenv("TEST_TEXT", "from outside", 1);
	assert_int_equal(line_read(&l, (const char *const[]){ "--text=", NULL },
				 ARGS_TAKES_EMPTY),
		ERR_OK);
	assert_null(l.options.text);
	line_fini(&l);
	assert_int_equal(line_read(&l, (const char *const[]){ "-p", "", NULL },
				 ARGS_TAKES_EMPTY),
		ERR_USAGE);
	line_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_value_may_follow_or_be_joined),
		TEST(test_a_switch_takes_a_joined_value_only),
		TEST(test_flags_end_at_the_first_other_word),
		TEST(test_a_value_may_look_like_a_flag),
		TEST(test_every_kind_is_read),
		TEST(test_presets_fill_what_is_not_given),
		TEST(test_the_environment_stands_behind_the_flag),
		TEST(test_an_empty_value_is_none),
		TEST(test_invalid_tuning_is_ignored),
		TEST(test_the_last_wins_but_the_name_beats_the_alias),
		TEST(test_a_secret_is_overwritten_in_argv),
		TEST(test_help_ends_the_reading),
		TEST(test_mistakes_say_what_to_write),
		TEST(test_a_bad_variable_is_named),
		TEST(test_a_list_has_a_bound),
		TEST(test_only_near_words_are_near),
		TEST(test_flags_may_stand_anywhere),
		TEST(test_a_flag_behind_words_can_be_wrong),
		TEST(test_an_empty_value_may_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
