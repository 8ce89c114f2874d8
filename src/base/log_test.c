/* The log, read back from where it goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static void test_untrusted_text_stays_on_its_line(void **state)
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

/* ---- what becomes of lines ---- */

/* Standard error, as a pipe that is read here. */
struct capture {
	int was, reader;
	char text[1 << 18];
	size_t n;
};

static void capture_open(struct capture *c)
{
	int ends[2];

	c->was = dup(STDERR_FILENO);
	c->n = 0;
	c->text[0] = '\0';
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	c->reader = ends[0];
	log_set_json(false);
	log_open();
}

static const char *capture_read(struct capture *c)
{
	ssize_t n;

	while ((n = read(c->reader, c->text + c->n, sizeof(c->text) - 1 - c->n)) > 0)
		c->n += (size_t)n;
	c->text[c->n] = '\0';
	return c->text;
}

static void capture_close(struct capture *c)
{
	dup2(c->was, STDERR_FILENO);
	close(c->was);
	close(c->reader);
	log_open();
}

static unsigned count(const char *text, const char *word)
{
	unsigned n = 0;

	for (; (text = strstr(text, word)) != NULL; text++)
		n++;
	return n;
}

static void catch_up(void)
{
	clock_advance(LOG_CATCH_UP_MS);
	log_catch_up();
}

static void test_lines_that_are_not_read_are_counted(void **state)
{
	static struct capture c;
	struct log who;
	char expected[64];
	unsigned n = 0;

	(void)state;
	log_init(&who, NULL, "who");
	capture_open(&c);
	assert_false(log_is_behind());
	for (n = 0; n < 4000; n++)
		log_info(&who, "line %04u of words that fill the pipe", n);
	assert_true(log_is_behind());
	/* Some are kept beside the pipe, and follow it; the rest is lost. */
	capture_read(&c);
	catch_up();
	snprintf(expected, sizeof(expected), "log: %u lines lost",
		n - count(capture_read(&c), " words "));
	assert_non_null(strstr(c.text, expected));
	assert_false(log_is_behind());

	log_info(&who, "the last");
	capture_read(&c);
	assert_int_equal(count(c.text, "lost"), 1);
	assert_string_equal(c.text + c.n - strlen("who: the last\n"), "who: the last\n");
	for (char *line = strtok(c.text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		assert_memory_equal(line, "20", 2); /* no line is glued to another */
		assert_int_equal(count(line, "who: ") + count(line, "log: "), 1);
	}
	capture_close(&c);
}

static void log_many(const struct log *who, unsigned lines)
{
	for (unsigned i = 0; i < lines; i++)
		log_limited(LOG_INFO, who, "refused: number %u", i);
}

static void test_lines_of_remote_peers_are_limited(void **state)
{
	static struct capture c;
	struct log who;

	(void)state;
	log_init(&who, NULL, "who");
	capture_open(&c);
	log_many(&who, LOG_LIMIT_LINES + 300);
	log_limited(LOG_INFO, &who, "another kind");
	assert_int_equal(count(capture_read(&c), "refused"), LOG_LIMIT_LINES);
	assert_int_equal(count(c.text, "another kind"), 1);
	assert_true(log_is_behind());
	clock_advance(LOG_LIMIT_MS - LOG_CATCH_UP_MS);
	catch_up();
	capture_read(&c);
	assert_non_null(strstr(c.text,
		"log: 300 similar lines in 10 s were suppressed; the last: who: refused: "
		"number 349\n"));
	assert_false(log_is_behind());

	/* The next period has its own lines. */
	c.n = 0;
	log_many(&who, 3);
	assert_int_equal(count(capture_read(&c), "refused"), 3);
	clock_advance(LOG_LIMIT_MS);
	log_many(&who, LOG_LIMIT_LINES);
	assert_int_equal(count(capture_read(&c), "refused"), 3 + LOG_LIMIT_LINES);
	assert_false(log_is_behind());
	capture_close(&c);
}

/* The journal has its own clock, and wants priorities. */
static void test_the_journal_gets_priorities(void **state)
{
	static struct capture c;
	char stream[64];
	struct log who;
	struct stat st;

	(void)state;
	log_init(&who, NULL, "who");
	capture_open(&c);
	assert_false(log_is_for_programs());
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_open();
	assert_true(log_is_for_programs());
	log_set_level(LOG_DEBUG);
	log_error(&who, "a");
	log_warn(&who, "b");
	log_info(&who, "c");
	log_debug(&who, "d");
	log_set_level(LOG_INFO);
	assert_string_equal(capture_read(&c),
		"<3>who: a\n<4>who: b\n<6>who: c\n<7>who: d\n");
	c.n = 0;
	log_set_json(true);
	log_warn(&who, "b");
	log_set_json(false);
	assert_int_equal(count(capture_read(&c), "<4>{\"time\":\"2"), 1);

	/* The journal of another process: standard error was redirected. */
	assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
	log_open();
	assert_false(log_is_for_programs());
	unsetenv("JOURNAL_STREAM");
	capture_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_untrusted_text_stays_on_its_line),
		cmocka_unit_test(test_what_is_too_long_is_cut_between_characters),
		cmocka_unit_test(test_lines_that_are_not_read_are_counted),
		cmocka_unit_test(test_lines_of_remote_peers_are_limited),
		cmocka_unit_test(test_the_journal_gets_priorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
