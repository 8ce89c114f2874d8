/* Behaviour of outlets at each kind of descriptor, with a reader that stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/outlet.h"

#define LINE_BYTES 100
#define LINES_MAX 20000

enum kind { PIPE, SOCKET, TERMINAL };

/* The two ends; the writing one blocks, as that of a program's standard error does. */
static void open_ends(enum kind kind, int ends[2])
{
	struct termios raw;

	switch (kind) {
	case PIPE:
		assert_int_equal(pipe(ends), 0);
		break;
	case SOCKET:
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		break;
	case TERMINAL:
		ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
		assert_true(ends[0] >= 0);
		assert_int_equal(grantpt(ends[0]), 0);
		assert_int_equal(unlockpt(ends[0]), 0);
		ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
		assert_true(ends[1] >= 0);
		assert_int_equal(tcgetattr(ends[1], &raw), 0);
		cfmakeraw(&raw);
		assert_int_equal(tcsetattr(ends[1], TCSANOW, &raw), 0);
		break;
	}
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
}

static void print_line(char line[LINE_BYTES + 1], unsigned number)
{
	snprintf(line, LINE_BYTES + 1, "%05u%*s\n", number, LINE_BYTES - 6, "");
}

/* Reads all there is and checks that lines @first to @last came, whole;
 * counts in @got. */
static void read_lines(int fd, char *part, size_t *part_n, unsigned *next)
{
	char line[LINE_BYTES + 1];
	ssize_t n;

	while ((n = read(fd, part + *part_n, LINE_BYTES - *part_n)) > 0) {
		*part_n += (size_t)n;
		if (*part_n < LINE_BYTES)
			continue;
		print_line(line, *next);
		assert_memory_equal(part, line, LINE_BYTES);
		*part_n = 0;
		*next += 1;
	}
	assert_true(n == 0 || errno == EAGAIN || errno == EIO);
}

/* Fills it until a line is refused, has the reader go on, and looks for what was
 * accepted. */
static void see_whole_lines(struct outlet *o, int reader)
{
	char line[LINE_BYTES + 1], part[LINE_BYTES];
	unsigned accepted = 0, next = 0;
	size_t part_n = 0;

	for (print_line(line, 0); outlet_write(o, line, LINE_BYTES);
		print_line(line, accepted)) {
		accepted++;
		assert_true(accepted < LINES_MAX);
	}
	assert_false(outlet_flush(o));
	for (int i = 0; i < 10000 && !outlet_flush(o); i++)
		read_lines(reader, part, &part_n, &next);
	assert_true(outlet_flush(o));

	print_line(line, accepted);
	assert_true(outlet_write(o, line, LINE_BYTES));
	for (int i = 0; i < 10000 && next <= accepted; i++)
		read_lines(reader, part, &part_n, &next);
	assert_int_equal(next, accepted + 1);
	assert_int_equal(part_n, 0);
}

static void test_a_full_descriptor_is_not_waited_for(void **state)
{
	static const struct {
		enum kind kind;
		enum outlet_kind expected;
	} rows[] = {
		{ PIPE, OUTLET_OWN },
		{ SOCKET, OUTLET_SOCKET },
		{ TERMINAL, OUTLET_OWN },
	};
	static struct outlet o;
	int ends[2];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		open_ends(rows[i].kind, ends);
		outlet_open(&o, ends[1]);
		assert_int_equal(o.kind, rows[i].expected);
		see_whole_lines(&o, ends[0]);
		/* Other programs that write there still wait for the reader. */
		assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
		outlet_close(&o);
		close(ends[0]);
		close(ends[1]);
	}
}

/* As where the file belongs to another user. */
static void test_a_pipe_that_cannot_be_opened_again_is_polled(void **state)
{
	static struct outlet o = OUTLET_INIT(-1);
	int ends[2];

	(void)state;
	open_ends(PIPE, ends);
	o.fd = ends[1];
	see_whole_lines(&o, ends[0]);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_stopped_terminal_is_not_waited_for(void **state)
{
	static struct outlet o;
	char text[64];
	int ends[2];

	(void)state;
	open_ends(TERMINAL, ends);
	outlet_open(&o, ends[1]);
	assert_int_equal(tcflow(ends[1], TCOOFF), 0);
	assert_true(outlet_write(&o, "kept\n", 5));
	assert_false(outlet_flush(&o));
	assert_int_equal(tcflow(ends[1], TCOON), 0);
	assert_true(outlet_flush(&o));
	assert_int_equal(read(ends[0], text, sizeof(text)), 5);
	assert_memory_equal(text, "kept\n", 5);
	outlet_close(&o);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_file_is_written_to_as_it_is(void **state)
{
	static struct outlet o;
	char path[] = "/tmp/outlet-test-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	outlet_open(&o, fd);
	assert_int_equal(o.kind, OUTLET_PLAIN);
	for (int i = 0; i < 1000; i++)
		assert_true(outlet_write(&o, "line\n", 5));
	assert_int_equal(lseek(fd, 0, SEEK_END), 5000);
	outlet_close(&o);
	close(fd);
	unlink(path);
}

static void test_a_reader_that_is_gone_refuses_lines(void **state)
{
	static struct outlet o;
	char line[LINE_BYTES + 1];
	int ends[2];
	unsigned n = 0;

	(void)state;
	open_ends(PIPE, ends);
	outlet_open(&o, ends[1]);
	close(ends[0]);
	for (print_line(line, 0); outlet_write(&o, line, LINE_BYTES); n++)
		assert_true(n < OUTLET_KEPT_BYTES);
	outlet_close(&o);
	close(ends[1]);
	outlet_open(&o, ends[1]); /* there is none by this number */
	assert_false(outlet_flush(&o) && outlet_write(&o, line, LINE_BYTES) &&
		outlet_flush(&o));
	outlet_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_full_descriptor_is_not_waited_for),
		cmocka_unit_test(test_a_pipe_that_cannot_be_opened_again_is_polled),
		cmocka_unit_test(test_a_stopped_terminal_is_not_waited_for),
		cmocka_unit_test(test_a_file_is_written_to_as_it_is),
		cmocka_unit_test(test_a_reader_that_is_gone_refuses_lines),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
