/* The log, read back from where it goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* The line that is written for @words, without the time. */
static const char *log_line(bool is_json, const char *words)
{
	static char line[4096];
	const char *mark = is_json ? "\"who\":\"" : "who";
	struct log who;
	int ends[2], was = dup(STDERR_FILENO);
	ssize_t n;

	clock_freeze(1780315200000);
	log_init(&who, NULL, "who");
	log_set_json(is_json);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	log_info(&who, "%s", words);
	dup2(was, STDERR_FILENO);
	n = read(ends[0], line, sizeof(line) - 1);
	close(ends[0]);
	close(ends[1]);
	close(was);
	assert_true(n > 0);
	line[n] = '\0';
	assert_int_equal(strlen(line), n);
	return strstr(line, mark);
}

static const struct row {
	const char *words, *text, *json;
} rows[] = {
	{ "plain \"words\"", "plain \"words\"", "plain \\\"words\\\"" },
	{ "a\\b", "a\\b", "a\\\\b" },
	{ "Grüße, 世界 🙂", "Grüße, 世界 🙂", "Grüße, 世界 🙂" },
	{ "one\ntwo\r\tthree", "one\\x0atwo\\x0d\\x09three",
		"one\\u000atwo\\u000d\\u0009three" },
	{ "\033[2Jgone\a\x7f", "\\x1b[2Jgone\\x07\\x7f", "\\u001b[2Jgone\\u0007\\u007f" },
	{ "\xc2\x9b"
	  "31m",
		"\\u009b31m", "\\u009b31m" },
	{ "\xe2\x80\xae"
	  "abc\xe2\x80\xa8",
		"\\u202eabc\\u2028", "\\u202eabc\\u2028" },
	{ "\x9b"
	  "31m\xff\xc3",
		"\\x9b31m\\xff\\xc3", "\\ufffd31m\\ufffd\\ufffd" },
	{ "\xc0\x8a\xed\xa0\x80", "\\xc0\\x8a\\xed\\xa0\\x80",
		"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd" },
};

static void test_nobodys_words_leave_their_line(void **state)
{
	char expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(expected, sizeof(expected), "who: %s\n", rows[i].text);
		assert_string_equal(log_line(false, rows[i].words), expected);
		snprintf(expected, sizeof(expected), "\"who\":\"who\",\"what\":\"%s\"}\n",
			rows[i].json);
		assert_string_equal(log_line(true, rows[i].words), expected);
	}
}

/* No escape is cut in its middle, and a line of JSON is one whatever is cut. */
static void test_what_is_too_long_is_cut_between_characters(void **state)
{
	char words[1000];

	(void)state;
	for (size_t shift = 0; shift < 6; shift++) {
		const char *line, *end;

		memset(words, '\n', sizeof(words));
		memset(words, 'x', shift);
		words[sizeof(words) - 1] = '\0';
		line = log_line(true, words);
		end = line + strlen(line);
		assert_string_equal(end - strlen("\\u000a\"}\n"), "\\u000a\"}\n");
		line = log_line(false, words);
		end = line + strlen(line);
		assert_string_equal(end - strlen("\\x0a\n"), "\\x0a\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobodys_words_leave_their_line),
		cmocka_unit_test(test_what_is_too_long_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
