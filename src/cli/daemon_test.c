/* Behaviour of what server and client have in common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/daemon.h"

static enum err start(const char *log, bool is_verbose, struct why *why)
{
	struct daemon_args args = { .log = (char *)(uintptr_t)log,
		.is_verbose = is_verbose };

	log_set_level(LOG_INFO);
	return daemon_start(&args, why);
}

static void test_the_log_is_as_loud_as_asked(void **state)
{
	static const struct {
		const char *log;
		bool is_verbose;
		bool has_warnings, has_debug;
	} cases[] = {
		{ NULL, false, true, false },
		{ "", false, true, false },
		{ "error", false, false, false },
		{ "text,debug", false, true, true },
		{ "json,warn,text", false, true, false },
		{ "error", true, true, true },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		assert_int_equal(start(cases[i].log, cases[i].is_verbose, NULL), ERR_OK);
		assert_int_equal(log_is_on(LOG_WARN), cases[i].has_warnings);
		assert_int_equal(log_is_on(LOG_DEBUG), cases[i].has_debug);
	}
}

static void test_an_unknown_word_for_the_log_is_refused(void **state)
{
	static const char *const words[] = { "loud", "json,loud,error", "loud," };

	(void)state;
	for (size_t i = 0; i < mem_count(words); i++) {
		struct why why = { "" };

		assert_int_equal(start(words[i], false, &why), ERR_USAGE);
		assert_string_equal(why.text,
			"ADIT_LOG: \"loud\" is none of json, text, error,"
			" warn, info, debug");
	}
}

static void test_the_pid_file_is_chisels(void **state)
{
	struct daemon_args args = { .writes_pid = true };
	char directory[] = "/tmp/daemon-test-XXXXXX";
	char text[32] = "", wanted[32];
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(daemon_start(&args, NULL), ERR_OK);
	file = fopen("chisel.pid", "r");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	snprintf(wanted, sizeof(wanted), "%ld", (long)getpid());
	assert_string_equal(text, wanted);
	unlink("chisel.pid");
	rmdir(directory);
}

static void test_a_pid_file_that_cannot_be_written_is_named(void **state)
{
	struct daemon_args args = { .writes_pid = true };
	char directory[] = "/tmp/daemon-test-XXXXXX";
	struct why why = { "" };

	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(mkdir("chisel.pid", 0700), 0);
	assert_int_equal(daemon_start(&args, &why), ERR_SYS);
	assert_string_equal(why.text, "--pid: cannot write chisel.pid: Is a directory");
	rmdir("chisel.pid");
	rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_log_is_as_loud_as_asked),
		cmocka_unit_test(test_an_unknown_word_for_the_log_is_refused),
		cmocka_unit_test(test_the_pid_file_is_chisels),
		cmocka_unit_test(test_a_pid_file_that_cannot_be_written_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
