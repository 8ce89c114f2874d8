/* Behaviour of flags: every form, every mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/flags.h"
#include "text/nearest.h"

#define WORDS_MAX 16

struct options {
	bool is_on;
	const char *text;
	char *secret;
	struct flag_list list;
	uint16_t port;
	int number;
	uint32_t count;
	uint64_t bytes;
	uint32_t wait_ms;
	uint32_t tuned;
	const char *given, *turned;
};

#define AT(member) offsetof(struct options, member)

static const struct flag table[] = {
	{ .name = "on", .kind = FLAG_BOOL, .offset = AT(is_on), .help = "a switch" },
	{ .name = "text",
		.kind = FLAG_TEXT,
		.offset = AT(text),
		.env = "TEST_TEXT",
		.preset = "fallback",
		.argument = "words",
		.help = "a text" },
	{ .name = "secret",
		.kind = FLAG_SECRET,
		.offset = AT(secret),
		.env = "TEST_SECRET",
		.argument = "words",
		.help = "a secret" },
	{ .name = "list",
		.kind = FLAG_LIST,
		.offset = AT(list),
		.argument = "item",
		.help = "a list" },
	{ .name = "port",
		.alias = "p",
		.kind = FLAG_PORT,
		.offset = AT(port),
		.env = "TEST_PORT",
		.preset = "8080",
		.argument = "number",
		.help = "a port" },
	{ .name = "number",
		.kind = FLAG_INT,
		.offset = AT(number),
		.preset = "-1",
		.argument = "number",
		.help = "a number" },
	{ .name = "count",
		.kind = FLAG_COUNT,
		.offset = AT(count),
		.argument = "number",
		.help = "a count" },
	{ .name = "bytes",
		.kind = FLAG_BYTES,
		.offset = AT(bytes),
		.argument = "number",
		.help = "a size" },
	{ .name = "wait",
		.kind = FLAG_DURATION,
		.offset = AT(wait_ms),
		.preset = "25s",
		.argument = "duration",
		.help = "a while" },
	{ .name = "given",
		.kind = FLAG_OVERRIDE,
		.offset = AT(given),
		.env = "TEST_GIVEN",
		.preset = "nothing",
		.argument = "words",
		.help = "what is written here only" },
	{ .name = "turned",
		.kind = FLAG_OVERRIDE_SWITCH,
		.offset = AT(turned),
		.env = "TEST_GIVEN",
		.preset = "false",
		.help = "what is switched here only" },
	{ .env = "TEST_TUNED",
		.kind = FLAG_COUNT,
		.offset = AT(tuned),
		.argument = "number",
		.help = "for tuning" },
	{ .kind = FLAG_END },
};

/* A command line in memory that may be written to, as argv may. */
struct line {
	char *argv[WORDS_MAX];
	int argc;
	struct options options;
	struct flag_result result;
	struct why why;
};

static enum err line_parse(struct line *l, const char *const *words)
{
	*l = (struct line){ .argc = 0 };
	for (; words[l->argc] != NULL; l->argc++)
		l->argv[l->argc] = strdup(words[l->argc]);
	return flags_parse(table, l->argc, l->argv, &l->options, &l->result, &l->why);
}

static enum err line_parse_anywhere(struct line *l, const char *const *words)
{
	*l = (struct line){ .argc = 0 };
	for (; words[l->argc] != NULL; l->argc++)
		l->argv[l->argc] = strdup(words[l->argc]);
	return flags_parse_anywhere(table, l->argc, l->argv, &l->options, &l->result,
		&l->why);
}

static void line_fini(struct line *l)
{
	flags_fini(table, &l->options);
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
	assert_int_equal(PARSE(&l, "--port", "65535", "--count=7", "--bytes",
				 "5000000000", "--wait", "1m30s", "--list", "a",
				 "--list=b"),
		ERR_OK);
	assert_int_equal(l.options.port, 65535);
	assert_int_equal(l.options.count, 7);
	assert_int_equal(l.options.bytes, 5000000000);
	assert_int_equal(l.options.wait_ms, 90000);
	assert_int_equal(l.options.list.count, 2);
	assert_string_equal(l.options.list.items[1], "b");
	assert_null(l.options.list.items[2]);
	line_fini(&l);
}

static void test_presets_fill_what_nobody_gave(void **state)
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
	assert_int_equal(PARSE(&l, "--text", "", "--port=", "--secret="), ERR_OK);
	assert_string_equal(l.options.text, "from outside");
	assert_int_equal(l.options.port, 8080);
	assert_null(l.options.secret);
	line_fini(&l);
}

static void test_tuning_that_makes_no_sense_is_passed_over(void **state)
{
	struct line l;

	(void)state;
	setenv("TEST_TUNED", "12", 1);
	assert_int_equal(PARSE(&l, "--on"), ERR_OK);
	assert_int_equal(l.options.tuned, 12);
	line_fini(&l);
	setenv("TEST_TUNED", "a dozen", 1);
	assert_int_equal(PARSE(&l, "--on"), ERR_OK);
	assert_int_equal(l.options.tuned, 0);
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
	assert_int_equal(PARSE(&l, "--port", "1", "-p", "2"), ERR_OK);
	assert_int_equal(l.options.port, 1);
	line_fini(&l);
	assert_int_equal(PARSE(&l, "-p", "2", "--port", "1"), ERR_OK);
	assert_int_equal(l.options.port, 1);
	line_fini(&l);
}

static void test_a_secret_is_blotted_out(void **state)
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
		{ { "--txt", "a" }, "there is no flag --txt; did you mean --text?" },
		{ { "-q" }, "there is no flag -q" },
		{ { "--entirely-else=5" }, "there is no flag --entirely-else" },
		{ { "--text" }, "--text needs a value: write --text <words>" },
		{ { "-p" }, "-p needs a value: write -p <number>" },
		{ { "--on=yes" },
			"--on: \"yes\" is neither true nor false; write one of these, or no value" },
		{ { "--port", "65536" },
			"--port: \"65536\" is not a port; write a number from 0 to 65535" },
		{ { "-p", "http" },
			"-p: \"http\" is not a port; write a number from 0 to 65535" },
		{ { "--number=" },
			"--number: \"\" is not a whole number; write one such as 10 or -1" },
		{ { "--number=99999999999" },
			"--number: \"99999999999\" is not a whole number; write one such as 10 or -1" },
		{ { "--count", "-1" },
			"--count: \"-1\" is not a count; write a whole number such as 100" },
		{ { "--bytes", "1k" },
			"--bytes: \"1k\" is not a size; write a number of bytes" },
		{ { "--wait", "25" },
			"--wait: \"25\" is not a duration; write a number with its unit, such as "
			"25s, 1m30s or 500ms" },
		{ { "--wait", "2000h" },
			"--wait: \"2000h\" is too long; write 1000h or less" },
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
		"TEST_PORT: \"many\" is not a port; write a number from 0 to 65535");
	line_fini(&l);
}

static void test_a_list_has_a_bound(void **state)
{
	char *argv[FLAG_LIST_MAX + 1];
	char word[] = "--list=x";
	struct options options = { 0 };
	struct flag_result result;
	struct why why = { "" };

	(void)state;
	for (size_t i = 0; i < mem_count(argv); i++)
		argv[i] = word;
	assert_int_equal(flags_parse(table, FLAG_LIST_MAX + 1, argv, &options, &result,
				 &why),
		ERR_USAGE);
	assert_string_equal(why.text, "--list is given more than 64 times");
	assert_int_equal(options.list.count, FLAG_LIST_MAX);
	flags_fini(table, &options);
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
		{ { "--port", "1", "--on", "a", "b" }, "a b" },
		{ { "a", "--port", "1", "--on", "b" }, "a b" },
		{ { "a", "b", "--on", "--port=1" }, "a b" },
		{ { "a", "--on", "-", "--port", "1", "b", "c" }, "a - b c" },
		{ { "a", "--on", "b", "--port", "1", "--", "-x", "--on" },
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

static void test_an_override_is_what_the_command_line_has(void **state)
{
	struct line l;

	(void)state;
	setenv("TEST_GIVEN", "true", 1);
	assert_int_equal(PARSE(&l, "--on"), ERR_OK);
	assert_null(l.options.given);
	assert_null(l.options.turned);
	line_fini(&l);
	assert_int_equal(PARSE(&l, "--given", "", "--turned"), ERR_OK);
	assert_string_equal(l.options.given, "");
	assert_string_equal(l.options.turned, "true");
	line_fini(&l);
	assert_int_equal(PARSE(&l, "--turned=0"), ERR_OK);
	assert_string_equal(l.options.turned, "false");
	line_fini(&l);
	assert_int_equal(PARSE(&l, "--turned=perhaps"), ERR_USAGE);
	line_fini(&l);
	unsetenv("TEST_GIVEN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_value_may_follow_or_be_joined),
		TEST(test_a_switch_takes_a_joined_value_only),
		TEST(test_flags_end_at_the_first_other_word),
		TEST(test_a_value_may_look_like_a_flag),
		TEST(test_every_kind_is_read),
		TEST(test_presets_fill_what_nobody_gave),
		TEST(test_the_environment_stands_behind_the_flag),
		TEST(test_an_empty_value_is_none),
		TEST(test_tuning_that_makes_no_sense_is_passed_over),
		TEST(test_the_last_wins_but_the_name_beats_the_alias),
		TEST(test_a_secret_is_blotted_out),
		TEST(test_help_ends_the_reading),
		TEST(test_mistakes_say_what_to_write),
		TEST(test_a_bad_variable_is_named),
		TEST(test_a_list_has_a_bound),
		TEST(test_only_near_words_are_near),
		TEST(test_flags_may_stand_anywhere),
		TEST(test_a_flag_behind_words_can_be_wrong),
		TEST(test_an_override_is_what_the_command_line_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
