/* The relay's certificate: the first one, new ones and invalid ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "relay/certificate.h"

#define ROOT "relay.localhost"
#define PATIENCE_TURNS 500

struct fixture {
	char directory[64];
	struct loop *loop;
	struct log log;
	struct certificate *c;
	unsigned changes;
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	*state = f;
	log_init(&f->log, NULL, "test");
	snprintf(f->directory, sizeof(f->directory), "/tmp/adit-certificate-XXXXXX");
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	return mkdtemp(f->directory) == NULL;
}

static void path_of(const struct fixture *f, const char *name, char to[128])
{
	snprintf(to, 128, "%s/%s", f->directory, name);
}

static void remove_files(const struct fixture *f)
{
	char path[128];

	path_of(f, CERTIFICATE_CHAIN_FILE, path);
	(void)unlink(path);
	path_of(f, CERTIFICATE_KEY_FILE, path);
	(void)unlink(path);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	certificate_close(f->c);
	loop_free(f->loop);
	remove_files(f);
	(void)rmdir(f->directory);
	free(f);
	return 0;
}

static void on_change(void *arg)
{
	struct fixture *f = arg;

	f->changes++;
}

static enum err open_it(struct fixture *f, const char *root, struct why *why)
{
	struct certificate_options o = {
		.directory = f->directory,
		.root = root,
		.loop = f->loop,
		.log = &f->log,
		.on_change = on_change,
		.arg = f,
	};

	return certificate_open(&o, &f->c, why);
}

static void test_a_local_relay_makes_a_certificate(void **state)
{
	struct fixture *f = *state;
	struct keyless *first;
	char path[128];
	struct stat st;

	assert_int_equal(open_it(f, ROOT, NULL), ERR_OK);
	path_of(f, CERTIFICATE_KEY_FILE, path);
	assert_int_equal(stat(path, &st), 0);
	assert_non_null(certificate_tls(f->c));
	first = certificate_keyless(f->c);
	assert_non_null(first);
	certificate_check(f->c); /* the same files: no change */
	assert_ptr_equal(certificate_keyless(f->c), first);
	assert_int_equal(f->changes, 0);
}

static void test_a_public_relay_names_the_missing_files(void **state)
{
	struct fixture *f = *state;
	struct why why = { "" };

	assert_int_equal(open_it(f, "relay.example.com", &why), ERR_NOENT);
	assert_non_null(strstr(why.text, "*.relay.example.com"));
	assert_non_null(strstr(why.text, f->directory));
	assert_non_null(strstr(why.text, "fullchain.pem and privatekey.pem"));
}

static void test_a_new_pair_is_loaded(void **state)
{
	struct fixture *f = *state;
	struct tls_context *old;

	assert_int_equal(open_it(f, ROOT, NULL), ERR_OK);
	old = tls_context_ref(certificate_tls(f->c)); /* a connection has it */
	assert_int_equal(certificate_pair_make(f->directory, ROOT, NULL), ERR_OK);
	certificate_check(f->c);
	assert_int_equal(f->changes, 1);
	assert_ptr_not_equal(certificate_tls(f->c), old);
	tls_context_free(old);
}

static void test_an_invalid_pair_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct tls_context *old;

	assert_int_equal(open_it(f, ROOT, NULL), ERR_OK);
	old = certificate_tls(f->c);
	assert_int_equal(certificate_pair_make(f->directory, "other.localhost", NULL),
		ERR_OK);
	certificate_check(f->c);
	remove_files(f);
	certificate_check(f->c);
	assert_int_equal(f->changes, 0);
	assert_ptr_equal(certificate_tls(f->c), old);
}

/* The kernel reports changes, so the clocks are not frozen. */
static void test_the_files_are_watched(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_it(f, ROOT, NULL), ERR_OK);
	assert_int_equal(certificate_pair_make(f->directory, ROOT, NULL), ERR_OK);
	for (int i = 0; i < PATIENCE_TURNS && f->changes == 0; i++) {
		loop_turn(f->loop);
		(void)poll(NULL, 0, 10);
	}
	assert_int_equal(f->changes, 1);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ROW(test_a_local_relay_makes_a_certificate),
		ROW(test_a_public_relay_names_the_missing_files),
		ROW(test_a_new_pair_is_loaded),
		ROW(test_an_invalid_pair_changes_nothing),
		ROW(test_the_files_are_watched),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
