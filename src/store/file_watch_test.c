/* Behaviour of file watches: whatever is done to a file is noticed, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/file_watch.h"

#define SETTLE_MS 20
#define QUIET_MS 150 /* long enough for a call that must not come */

struct fixture {
	struct loop *loop;
	struct loop_timer *late;
	struct file_watch *watch;
	char dir[64];
	char file[96], other[96], link[96], sub[96];
	unsigned calls;
};

static void on_change(void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	loop_stop(f->loop);
}

static void on_late(void *arg)
{
	struct fixture *f = arg;

	loop_stop(f->loop);
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	assert_int_equal(loop_timer_open(f->loop, on_late, f, &f->late), ERR_OK);
	strcpy(f->dir, "/tmp/adit-watch-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->file, sizeof(f->file), "%s/file", f->dir);
	snprintf(f->other, sizeof(f->other), "%s/other", f->dir);
	snprintf(f->link, sizeof(f->link), "%s/link", f->dir);
	snprintf(f->sub, sizeof(f->sub), "%s/sub", f->dir);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char in_sub[128];

	file_watch_close(f->watch);
	loop_timer_close(f->late);
	loop_free(f->loop);
	snprintf(in_sub, sizeof(in_sub), "%s/entry", f->sub);
	(void)unlink(in_sub);
	(void)rmdir(f->sub);
	(void)unlink(f->file);
	(void)unlink(f->other);
	(void)unlink(f->link);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void watch(struct fixture *f, const char *path, const char *second)
{
	struct file_watch_options o = {
		.loop = f->loop,
		.paths = { path, second },
		.settle_ms = SETTLE_MS,
		.on_change = on_change,
		.arg = f,
	};

	assert_int_equal(file_watch_open(&o, &f->watch), ERR_OK);
}

/* Waits for a call, or for none. */
static void wait_for(struct fixture *f, unsigned calls)
{
	bool waits = f->calls < calls;

	loop_timer_set(f->late, waits ? 5000 : QUIET_MS);
	loop_run(f->loop);
	assert_int_equal(f->calls, calls);
}

static void test_every_way_to_change_a_file_is_noticed(void **state)
{
	struct fixture *f = *state;

	put(f->file, "one");
	watch(f, f->file, NULL);
	wait_for(f, 0);

	put(f->file, "two!"); /* in place */
	wait_for(f, 1);
	put(f->other, "three");
	wait_for(f, 1); /* another file of the directory */
	assert_int_equal(rename(f->other, f->file), 0);
	wait_for(f, 2);
	put(f->other, "four");
	assert_int_equal(rename(f->other, f->file), 0); /* again: the watch lives on */
	wait_for(f, 3);
	assert_int_equal(unlink(f->file), 0);
	wait_for(f, 4);
	put(f->file, "five");
	wait_for(f, 5);
	assert_int_equal(truncate(f->file, 0), 0);
	wait_for(f, 6);
}

static void test_the_target_of_a_link_is_watched(void **state)
{
	struct fixture *f = *state;
	char temporary[128];

	put(f->file, "one");
	put(f->other, "two");
	assert_int_equal(symlink("file", f->link), 0);
	watch(f, f->link, NULL);
	snprintf(temporary, sizeof(temporary), "%s/new", f->dir);
	assert_int_equal(symlink("other", temporary), 0);
	assert_int_equal(rename(temporary, f->link), 0);
	wait_for(f, 1);
}

static void test_a_directory_is_all_that_is_in_it(void **state)
{
	struct fixture *f = *state;
	char in_sub[128];

	snprintf(in_sub, sizeof(in_sub), "%s/entry", f->sub);
	assert_int_equal(mkdir(f->sub, 0700), 0);
	put(in_sub, "one");
	put(f->file, "one");
	watch(f, f->file, f->sub);
	put(in_sub, "two!");
	wait_for(f, 1);
	put(f->file, "two!");
	wait_for(f, 2);
}

static void test_noted_changes_are_not_reported(void **state)
{
	struct fixture *f = *state;

	put(f->file, "one");
	watch(f, f->file, NULL);
	put(f->file, "two!");
	file_watch_note(f->watch);
	wait_for(f, 0);
}

static void test_a_burst_is_one_change(void **state)
{
	struct fixture *f = *state;

	put(f->file, "one");
	watch(f, f->file, NULL);
	for (int i = 0; i < 50; i++)
		put(f->file, i % 2 == 0 ? "two!" : "three!");
	wait_for(f, 1);
	wait_for(f, 1);
}

static void test_an_unwatchable_directory_is_polled(void **state)
{
	struct fixture *f = *state;
	char in_sub[128];
	struct file_watch_options o = {
		.loop = f->loop,
		.paths = { in_sub },
		.look_ms = 20,
		.on_change = on_change,
		.arg = f,
	};

	snprintf(in_sub, sizeof(in_sub), "%s/entry", f->sub);
	assert_int_equal(file_watch_open(&o, &f->watch), ERR_OK);
	wait_for(f, 0);
	assert_int_equal(mkdir(f->sub, 0700), 0);
	put(in_sub, "one");
	wait_for(f, 1);
	put(in_sub, "two!");
	wait_for(f, 2);
	file_watch_close(f->watch); /* the path is ours */
	f->watch = NULL;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_way_to_change_a_file_is_noticed),
		TEST(test_the_target_of_a_link_is_watched),
		TEST(test_a_directory_is_all_that_is_in_it),
		TEST(test_noted_changes_are_not_reported),
		TEST(test_a_burst_is_one_change),
		TEST(test_an_unwatchable_directory_is_polled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
