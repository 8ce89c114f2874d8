/* The validity in time of the relay's certificate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "loop/timer_test.h"
#include "relay/certificate.h"

#define ROOT "relay.localhost"
#define HOUR_MS UINT64_C(3600000)

/* The relay's directory has only links, to files in another directory. */
struct fixture {
	char directory[64], elsewhere[64];
	struct loop *loop;
	struct log log;
	struct certificate *c;
	unsigned changes;
};

static const char *const files[] = { CERTIFICATE_CHAIN_FILE, CERTIFICATE_KEY_FILE };

static void path_of(const char *directory, const char *name, char to[128])
{
	snprintf(to, 128, "%s/%s", directory, name);
}

static void on_change(void *arg)
{
	struct fixture *f = arg;

	f->changes++;
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);
	char from[128], to[128];

	assert_non_null(f);
	*state = f;
	log_init(&f->log, NULL, "test");
	time_begin((uint64_t)time(NULL) * 1000);
	strcpy(f->directory, "/tmp/adit-certificate-XXXXXX");
	strcpy(f->elsewhere, "/tmp/adit-elsewhere-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	assert_non_null(mkdtemp(f->elsewhere));
	for (size_t i = 0; i < mem_count(files); i++) {
		path_of(f->directory, files[i], from);
		path_of(f->elsewhere, files[i], to);
		assert_int_equal(symlink(to, from), 0);
	}
	assert_int_equal(certificate_pair_make(f->elsewhere, ROOT, NULL), ERR_OK);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char path[128];

	certificate_close(f->c);
	loop_free(f->loop);
	for (size_t i = 0; i < mem_count(files); i++) {
		path_of(f->directory, files[i], path);
		(void)unlink(path);
		path_of(f->elsewhere, files[i], path);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(f->directory), 0);
	assert_int_equal(rmdir(f->elsewhere), 0);
	free(f);
	return 0;
}

static void open_it(struct fixture *f)
{
	struct certificate_options o = {
		.directory = f->directory,
		.root = ROOT,
		.loop = f->loop,
		.log = &f->log,
		.on_change = on_change,
		.arg = f,
	};

	assert_int_equal(certificate_open(&o, &f->c, NULL), ERR_OK);
}

static void test_a_change_behind_a_link_is_found(void **state)
{
	struct fixture *f = *state;

	open_it(f);
	time_pass(f->loop, 5 * 60 * 1000);
	assert_int_equal(f->changes, 0);
	assert_int_equal(certificate_pair_make(f->elsewhere, ROOT, NULL), ERR_OK);
	time_pass(f->loop, 61 * 1000);
	assert_int_equal(f->changes, 1);
}

/* Development certificates are valid from an hour ago on, so the clock is set back. */
static void test_a_certificate_that_is_not_valid_yet_is_used_later(void **state)
{
	struct fixture *f = *state;
	uint64_t now_ms = clock_now_ms();

	open_it(f);
	assert_int_equal(certificate_pair_make(f->elsewhere, ROOT, NULL), ERR_OK);
	clock_freeze(now_ms - 2 * HOUR_MS);
	certificate_check(f->c);
	certificate_check(f->c);
	assert_int_equal(f->changes, 0);
	clock_freeze(now_ms);
	time_pass(f->loop, 61 * 1000);
	assert_int_equal(f->changes, 1);
}

static void test_an_expired_certificate_is_not_used(void **state)
{
	struct fixture *f = *state;

	open_it(f);
	assert_int_equal(certificate_pair_make(f->elsewhere, ROOT, NULL), ERR_OK);
	clock_advance(11 * 366 * 24 * HOUR_MS);
	certificate_check(f->c);
	assert_int_equal(f->changes, 0);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ROW(test_a_change_behind_a_link_is_found),
		ROW(test_a_certificate_that_is_not_valid_yet_is_used_later),
		ROW(test_an_expired_certificate_is_not_used),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
