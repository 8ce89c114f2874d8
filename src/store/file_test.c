/* Files, read and replaced as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/file.h"

#define BOUND 10000

struct fixture {
	char dir[64], path[80];
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	strcpy(f->dir, "/tmp/adit-file-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/it", f->dir);
	*state = f;
	return 0;
}

/* Nothing but the file is left behind, whatever a test did. */
static int tear_down(void **state)
{
	struct fixture *f = *state;

	(void)unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static enum err read_it(const struct fixture *f, struct buf *out, struct why *why)
{
	buf_init(out, BOUND);
	return file_read(f->path, out, why);
}

static void reads(const struct fixture *f, const char *text)
{
	struct buf got;

	assert_int_equal(read_it(f, &got, NULL), ERR_OK);
	assert_true(span_is(buf_span(&got), text));
	buf_wipe(&got);
}

static enum err replace(const struct fixture *f, const char *text, struct why *why)
{
	return file_replace(f->path, 0600, span_str(text), why);
}

static void test_what_was_written_is_read(void **state)
{
	const struct fixture *f = *state;
	struct stat st;

	assert_int_equal(replace(f, "one", NULL), ERR_OK);
	reads(f, "one");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_replace(f->path, 0644, span_str(""), NULL), ERR_OK);
	reads(f, "");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void test_a_missing_file_has_its_own_error(void **state)
{
	const struct fixture *f = *state;
	struct why why = { "" };
	struct buf got;

	assert_int_equal(read_it(f, &got, &why), ERR_NOENT);
	assert_non_null(strstr(why.text, "/it cannot be read: No such file"));
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(read_it(f, &got, &why), ERR_SYS);
	assert_non_null(strstr(why.text, "Is a directory"));
	assert_int_equal(rmdir(f->path), 0);
	buf_wipe(&got);
}

static void test_a_large_one_is_refused(void **state)
{
	const struct fixture *f = *state;
	char text[BOUND + 1];
	struct why why = { "" };
	struct buf got;

	memset(text, 'x', BOUND);
	text[BOUND] = '\0';
	assert_int_equal(replace(f, text, NULL), ERR_OK);
	assert_int_equal(read_it(f, &got, &why), ERR_LIMIT);
	assert_non_null(strstr(why.text, "larger than 9999 bytes"));
	buf_wipe(&got);
	text[BOUND - 1] = '\0';
	assert_int_equal(replace(f, text, NULL), ERR_OK);
	reads(f, text);
}

/* A pipe tells no size, and comes in pieces. */
static void test_a_pipe_is_read_to_its_end(void **state)
{
	struct fixture pipe_of = { .dir = "" };
	char text[5001];
	int ends[2];

	(void)state;
	memset(text, 'x', 5000);
	text[5000] = '\0';
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, 5000), 5000);
	close(ends[1]);
	snprintf(pipe_of.path, sizeof(pipe_of.path), "/dev/fd/%d", ends[0]);
	reads(&pipe_of, text);
	close(ends[0]);
}

/* As on a full disk: there is room for a part of it. */
static void test_a_full_disk_leaves_the_old_file(void **state)
{
	const struct fixture *f = *state;
	struct rlimit was, small = { .rlim_cur = 100 };
	char text[2000];
	struct why why = { "" };
	enum err rc;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(replace(f, "old", NULL), ERR_OK);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	rc = replace(f, text, &why);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(rc, ERR_SYS);
	assert_non_null(strstr(why.text, "/it cannot be written: File too large"));
	reads(f, "old");
}

static void test_a_secret_is_closed_to_others(void **state)
{
	const struct fixture *f = *state;
	struct stat st;

	assert_int_equal(file_replace(f->path, 0644, span_str("x"), NULL), ERR_OK);
	file_close_to_others(f->path);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(chmod(f->path, 0440), 0);
	file_close_to_others(f->path);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
}

static void test_a_directory_is_one_users_at_a_time(void **state)
{
	const struct fixture *f = *state;
	struct why why = { "" };
	int first, second;

	assert_int_equal(file_lock_directory(f->dir, &first, NULL), ERR_OK);
	assert_int_equal(file_lock_directory(f->dir, &second, &why), ERR_EXISTS);
	assert_non_null(strstr(why.text, "in use by another adit"));
	close(first);
	assert_int_equal(file_lock_directory(f->dir, &second, NULL), ERR_OK);
	close(second);
	assert_int_equal(file_lock_directory(f->path, &first, NULL), ERR_SYS);
}

static void test_the_directory_must_be_there(void **state)
{
	struct fixture f = { .path = "/nonexistent/file" };
	struct why why = { "" };

	(void)state;
	assert_int_equal(replace(&f, "x", &why), ERR_SYS);
	assert_non_null(strstr(why.text, "No such file or directory"));
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ROW(test_what_was_written_is_read),
		ROW(test_a_missing_file_has_its_own_error),
		ROW(test_a_large_one_is_refused),
		ROW(test_a_pipe_is_read_to_its_end),
		ROW(test_a_full_disk_leaves_the_old_file),
		ROW(test_a_secret_is_closed_to_others),
		ROW(test_a_directory_is_one_users_at_a_time),
		ROW(test_the_directory_must_be_there),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
