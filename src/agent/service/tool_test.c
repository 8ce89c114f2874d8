/* Behaviour of programs that are run: output, status, time, and what they inherit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "agent/service/tool.h"
#include "base/clock.h"

/* Runs a script of the shell. */
static enum err run(const char *script, const char *const *setting, unsigned limit_ms,
	struct tool_result *r, struct why *why)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	return tool_run(&(struct tool){ .argv = argv,
				.setting = setting,
				.limit_ms = limit_ms },
		r, why);
}

static void expect(const char *script, const char *const *setting, int status,
	const char *text)
{
	struct tool_result r;

	assert_int_equal(run(script, setting, 20000, &r, NULL), ERR_OK);
	assert_string_equal(tool_result_text(&r), text);
	assert_int_equal(r.status, status);
	tool_result_fini(&r);
}

static void test_output_and_status(void **state)
{
	(void)state;
	expect("echo one; echo two >&2; exit 3", NULL, 3, "one\ntwo\n");
	expect("true", NULL, 0, "");
	expect("kill -KILL $$", NULL, 128 + SIGKILL, "");
	expect("cat", NULL, 0, "");
}

static void test_the_rest_of_much_output_is_dropped(void **state)
{
	struct tool_result r;

	(void)state;
	assert_int_equal(run("head -c 200000 /dev/zero | tr '\\0' x", NULL, 20000, &r,
				 NULL),
		ERR_OK);
	assert_int_equal(strlen(tool_result_text(&r)), TOOL_OUTPUT_MAX);
	tool_result_fini(&r);
}

static void test_settings_replace_variables(void **state)
{
	static const char *const setting[] = { "TOOL_TEST_A=new", "TOOL_TEST_B=2", NULL };

	(void)state;
	setenv("TOOL_TEST_A", "old", 1);
	setenv("TOOL_TEST_AB", "kept", 1);
	expect("echo $TOOL_TEST_A $TOOL_TEST_B $TOOL_TEST_AB; env | grep -c ^TOOL_TEST_A=",
		setting, 0, "new 2 kept\n1\n");
	expect("echo $TOOL_TEST_A", NULL, 0, "old\n");
}

static void test_one_that_takes_too_long_is_killed(void **state)
{
	struct tool_result r;
	struct why why = { "" };
	uint64_t start = clock_now_ms();

	(void)state;
	assert_int_equal(run("exec sleep 60", NULL, 50, &r, &why), ERR_TIMEOUT);
	assert_non_null(strstr(why.text, "sh did not end"));
	assert_true(clock_now_ms() - start < 20000);
}

static void test_its_own_children_may_keep_the_output_open(void **state)
{
	(void)state;
	/* The child ends with the pipe that it waits for. */
	expect("echo word; (exec sleep 2) & exit 0", NULL, 0, "word\n");
}

static void test_a_missing_program(void **state)
{
	static const char *const argv[] = { "adit-no-such-program", NULL };
	struct tool_result r;
	struct why why = { "" };

	(void)state;
	assert_int_equal(tool_run(&(struct tool){ .argv = argv, .limit_ms = 1000 }, &r,
				 &why),
		ERR_NOENT);
	assert_string_equal(why.text, "there is no program adit-no-such-program");
	assert_int_equal(tool_become(argv, &why), ERR_NOENT);
}

static void test_signals_are_those_of_a_new_program(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	expect("kill -PIPE $$; echo here", NULL, 128 + SIGPIPE, "");
	signal(SIGPIPE, SIG_DFL);
}

static void test_the_first_line(void **state)
{
	struct tool_result r;
	char line[8];

	(void)state;
	assert_int_equal(run("printf '\\n \\n one\\033two three\\nx'", NULL, 20000, &r,
				 NULL),
		ERR_OK);
	assert_string_equal(tool_first_line(&r, line, sizeof(line)), "one\\x1b");
	tool_result_fini(&r);
	assert_int_equal(run("true", NULL, 20000, &r, NULL), ERR_OK);
	assert_string_equal(tool_first_line(&r, line, sizeof(line)), "");
	tool_result_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_and_status),
		cmocka_unit_test(test_the_rest_of_much_output_is_dropped),
		cmocka_unit_test(test_settings_replace_variables),
		cmocka_unit_test(test_one_that_takes_too_long_is_killed),
		cmocka_unit_test(test_its_own_children_may_keep_the_output_open),
		cmocka_unit_test(test_a_missing_program),
		cmocka_unit_test(test_signals_are_those_of_a_new_program),
		cmocka_unit_test(test_the_first_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
