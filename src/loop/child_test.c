/* Behaviour of children: their words, their end, and what they do not inherit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "loop/child.h"

#define MUCH_BYTES (900 * 1000)

/* What the callbacks of a test note down. */
struct notes {
	struct loop *loop;
	struct child *child;
	struct loop_timer *patience;
	struct buf lines; /* each ended with a '|' */
	size_t longest;
	int signo;   /* sent at the first line, if not 0 */
	bool closes; /* the child at the first line */
	unsigned ends;
	int status;
};

static void on_patience_end(void *arg)
{
	(void)arg;
	fail_msg("the child took too long");
}

static int setup(void **state)
{
	struct notes *notes = mem_new(notes);

	assert_int_equal(loop_new(&notes->loop), ERR_OK);
	assert_int_equal(loop_timer_open(notes->loop, on_patience_end, notes,
				 &notes->patience),
		ERR_OK);
	loop_timer_set(notes->patience, 20000);
	buf_init(&notes->lines, 1 << 20);
	*state = notes;
	return 0;
}

static int teardown(void **state)
{
	struct notes *notes = *state;

	child_close(notes->child);
	loop_timer_close(notes->patience);
	buf_fini(&notes->lines);
	loop_free(notes->loop);
	free(notes);
	return 0;
}

static void on_line(void *arg, const char *line)
{
	struct notes *notes = arg;

	if (strlen(line) > notes->longest)
		notes->longest = strlen(line);
	buf_printf(&notes->lines, "%s|", line);
	if (notes->signo != 0)
		child_signal(notes->child, notes->signo);
	notes->signo = 0;
	if (notes->closes) {
		child_close(notes->child);
		notes->child = NULL;
		loop_stop(notes->loop);
	}
}

static void on_end(void *arg, int status)
{
	struct notes *notes = arg;

	notes->ends++;
	notes->status = status;
	loop_stop(notes->loop);
}

static void start(struct notes *notes, const char *script, const char *const *env)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct child_options o = {
		.loop = notes->loop,
		.path = "/bin/sh",
		.argv = argv,
		.env = env,
		.on_line = on_line,
		.on_end = on_end,
		.arg = notes,
	};
	struct why why = { "" };

	if (child_open(&o, &notes->child, &why) != ERR_OK)
		fail_msg("%s", why.text);
}

static void run(struct notes *notes, const char *script)
{
	start(notes, script, NULL);
	loop_run(notes->loop);
}

static void assert_lines(struct notes *notes, const char *expected)
{
	buf_put_u8(&notes->lines, 0);
	assert_string_equal((const char *)buf_span(&notes->lines).p, expected);
}

static void test_words_come_as_lines_and_before_the_end(void **state)
{
	struct notes *notes = *state;

	run(notes, "echo one; echo two >&2; echo; printf rest; exit 3");
	assert_lines(notes, "one|two||rest|");
	assert_int_equal(notes->ends, 1);
	assert_true(WIFEXITED(notes->status));
	assert_int_equal(WEXITSTATUS(notes->status), 3);
}

/* Run as another program: says more at once than a pipe has room for unless it is told
 * to. */
static int say_much(void)
{
	static char words[MUCH_BYTES];

	memset(words, 'x', sizeof(words));
	for (size_t i = 99; i < sizeof(words); i += 100)
		words[i] = '\n';
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, MUCH_BYTES);
	return write(STDOUT_FILENO, words, sizeof(words)) == sizeof(words) ? 0 : 1;
}

static void test_all_that_it_said_comes_before_the_end(void **state)
{
	struct notes *notes = *state;
	const char *const argv[] = { "child_test", "say much", NULL };
	struct child_options o = {
		.loop = notes->loop,
		.path = "/proc/self/exe",
		.argv = argv,
		.on_line = on_line,
		.on_end = on_end,
		.arg = notes,
	};
	siginfo_t info;

	assert_int_equal(child_open(&o, &notes->child, NULL), ERR_OK);
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	loop_run(notes->loop);
	assert_int_equal(notes->status, 0);
	assert_int_equal(notes->lines.n, MUCH_BYTES);
}

static void test_a_line_that_is_too_long_comes_in_pieces(void **state)
{
	struct notes *notes = *state;

	run(notes, "printf '%5000s\\n' x");
	assert_int_equal(notes->longest, CHILD_LINE_MAX);
	assert_int_equal(notes->lines.n, 5000 + 3);
}

static void test_a_signal_reaches_it(void **state)
{
	struct notes *notes = *state;
	char text[CHILD_END_MAX];

	notes->signo = SIGTERM;
	run(notes, "echo ready; exec sleep 60");
	assert_true(WIFSIGNALED(notes->status));
	assert_string_equal(child_print_end(notes->status, text), "killed by SIGTERM");
	child_signal(notes->child, SIGTERM);
}

static void test_it_may_be_closed_while_it_speaks_and_runs(void **state)
{
	struct notes *notes = *state;

	notes->closes = true;
	run(notes, "echo one; echo two; exec sleep 60");
	assert_lines(notes, "one|");
	assert_int_equal(notes->ends, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

/* The background process prints its process id, and the test ends it. */
static void test_a_pipe_that_outlives_it_does_not_delay_its_end(void **state)
{
	struct notes *notes = *state;
	long pid;

	run(notes, "sleep 60 & echo $!");
	assert_int_equal(WEXITSTATUS(notes->status), 0);
	pid = strtol((const char *)buf_span(&notes->lines).p, NULL, 10);
	assert_true(pid > 1);
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
}

static void test_a_program_that_is_not_there_is_an_error(void **state)
{
	struct notes *notes = *state;
	const char *const argv[] = { "nothing", NULL };
	struct child_options o = {
		.loop = notes->loop,
		.path = "/nowhere/nothing",
		.argv = argv,
	};
	struct why why = { "" };

	assert_int_equal(child_open(&o, &notes->child, &why), ERR_SYS);
	assert_string_equal(why.text,
		"cannot run /nowhere/nothing: No such file or directory");
	assert_null(notes->child);
}

static void test_it_has_the_environment_it_is_given(void **state)
{
	struct notes *notes = *state;
	const char *const env[] = { "WORD=here", NULL };

	start(notes, "echo $WORD$HOME", env);
	loop_run(notes->loop);
	assert_lines(notes, "here|");
}

/* Standard input is empty, descriptors and the mask of signals are not passed on. */
static void test_a_child_has_empty_input_and_no_descriptors(void **state)
{
	struct notes *notes = *state;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char script[160];

	assert_true(fd > 2);
	snprintf(script, sizeof(script),
		"cat; test -e /proc/$$/fd/%d && echo open; ps=$(cut -d' ' -f5 /proc/$$/stat); "
		"test $ps = $$ && echo leads; exit 0",
		fd);
	run(notes, script);
	assert_lines(notes, "leads|");
	close(fd);
}

/* Signals that wait for a handler of ours do not wait in a child. */
static void test_no_signal_is_held_in_it(void **state)
{
	struct notes *notes = *state;

	loop_signals_hold();
	run(notes, "grep SigBlk /proc/self/status | tr -d '\\t'");
	loop_signals_release();
	assert_lines(notes, "SigBlk:0000000000000000|");
}

static void test_two_ends_at_once_are_both_noticed(void **state)
{
	struct notes *notes = *state;
	struct child *first;

	start(notes, "exit 0", NULL);
	first = notes->child;
	start(notes, "exit 0", NULL);
	while (notes->ends < 2)
		loop_run(notes->loop);
	child_close(first);
}

#define CHILD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CHILD_TEST(test_words_come_as_lines_and_before_the_end),
		CHILD_TEST(test_a_line_that_is_too_long_comes_in_pieces),
		CHILD_TEST(test_all_that_it_said_comes_before_the_end),
		CHILD_TEST(test_a_signal_reaches_it),
		CHILD_TEST(test_it_may_be_closed_while_it_speaks_and_runs),
		CHILD_TEST(test_a_pipe_that_outlives_it_does_not_delay_its_end),
		CHILD_TEST(test_a_program_that_is_not_there_is_an_error),
		CHILD_TEST(test_it_has_the_environment_it_is_given),
		CHILD_TEST(test_a_child_has_empty_input_and_no_descriptors),
		CHILD_TEST(test_no_signal_is_held_in_it),
		CHILD_TEST(test_two_ends_at_once_are_both_noticed),
	};

	if (argc == 2 && strcmp(argv[1], "say much") == 0)
		return say_much();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
