/* Behaviour of credentials on disk: the new ones as a whole, or what was there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_link.h"
#include "agent/credentials.h"
#include "base/mem.h"
#include "store/file.h"

struct fixture {
	char root[40], links[64], directory[96];
};

static int setup(void **state)
{
	struct fixture *x = mem_new(x);

	snprintf(x->root, sizeof(x->root), "/tmp/adit-credentials-XXXXXX");
	assert_non_null(mkdtemp(x->root));
	snprintf(x->links, sizeof(x->links), "%s/links", x->root);
	snprintf(x->directory, sizeof(x->directory), "%s/example.com", x->links);
	*state = x;
	return 0;
}

static void remove_file(const struct fixture *x, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", x->directory, name);
	unlink(path);
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	remove_file(x, AGENT_LINK_KEY);
	remove_file(x, AGENT_LINK_CERT);
	rmdir(x->directory);
	assert_int_equal(rmdir(x->links), 0); /* nothing else is left */
	assert_int_equal(rmdir(x->root), 0);
	free(x);
	return 0;
}

static void expect_file(const struct fixture *x, const char *name, const char *text)
{
	char path[128];
	struct stat st;
	struct buf found;
	enum err rc;

	snprintf(path, sizeof(path), "%s/%s", x->directory, name);
	buf_init(&found, 1024);
	rc = file_read(path, &found, NULL);
	if (text == NULL) {
		assert_int_equal(rc, ERR_NOENT);
	} else {
		assert_int_equal(rc, ERR_OK);
		assert_true(span_is(buf_span(&found), text));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	buf_fini(&found);
}

static void write_both(const struct fixture *x, const char *text, bool places, bool keeps)
{
	struct credentials c;

	assert_int_equal(credentials_begin(x->directory, &c, NULL), ERR_OK);
	assert_int_equal(credentials_put(&c, AGENT_LINK_KEY, span_str(text), NULL),
		ERR_OK);
	if (places)
		assert_int_equal(credentials_place(&c, NULL), ERR_OK);
	credentials_end(&c, keeps);
}

static void test_new_ones_replace_the_old_ones(void **state)
{
	const struct fixture *x = *state;

	write_both(x, "one", true, true);
	expect_file(x, AGENT_LINK_KEY, "one");
	write_both(x, "two", true, true);
	expect_file(x, AGENT_LINK_KEY, "two");
}

static void test_a_failure_leaves_what_was_there(void **state)
{
	const struct fixture *x = *state;

	write_both(x, "never", false, false);
	expect_file(x, AGENT_LINK_KEY, NULL);
	write_both(x, "undone", true, false);
	expect_file(x, AGENT_LINK_KEY, NULL);
	write_both(x, "one", true, true);
	write_both(x, "two", true, false);
	expect_file(x, AGENT_LINK_KEY, "one");
	write_both(x, "three", false, false);
	expect_file(x, AGENT_LINK_KEY, "one");
}

static void test_what_a_killed_run_has_left_is_put_back(void **state)
{
	const struct fixture *x = *state;
	char old[128];

	write_both(x, "one", true, true);
	snprintf(old, sizeof(old), "%s/.example.com.old", x->links);
	assert_int_equal(rename(x->directory, old), 0);
	write_both(x, "two", false, false);
	expect_file(x, AGENT_LINK_KEY, "one");
}

static void test_one_process_writes_at_a_time(void **state)
{
	const struct fixture *x = *state;
	struct credentials one, other;
	struct why why = { "" };

	assert_int_equal(credentials_begin(x->directory, &one, NULL), ERR_OK);
	assert_int_equal(credentials_begin(x->directory, &other, &why), ERR_EXISTS);
	assert_non_null(strstr(why.text, "another setup"));
	credentials_end(&other, false);
	assert_int_equal(credentials_put(&one, AGENT_LINK_KEY, span_str("one"), NULL),
		ERR_OK);
	credentials_end(&one, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new_ones_replace_the_old_ones, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_a_failure_leaves_what_was_there,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_what_a_killed_run_has_left_is_put_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_process_writes_at_a_time, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
