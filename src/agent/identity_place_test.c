/* Behaviour of identity places: the address of a tunnel stays, whatever is beside it. */
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

#include "agent/identity_place.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/file.h"
#include "tunnel/portal/identity.h"

struct fixture {
	char dir[64];
	struct tunnel_config tunnels[3];
	struct agent_config config;
	char path[AGENT_PATH_MAX];
};

static int set_up(void **state)
{
	static char names[][2] = { "a", "b", "c" };
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	strcpy(f->dir, "/tmp/adit-place-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->config.state_dir = f->dir;
	f->config.tunnels.v = f->tunnels;
	for (unsigned i = 0; i < mem_count(names); i++) {
		f->tunnels[i].id = names[i];
		f->tunnels[i].lease.name = names[i];
	}
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char *command = str_printf("rm -r %s", f->dir);

	assert_int_equal(system(command), 0);
	free(command);
	free(f);
	return 0;
}

/* The place of tunnel @i among @n, below the state directory. */
static const char *place(struct fixture *f, unsigned i, unsigned n)
{
	struct why why = { "" };

	f->config.tunnels.n = n;
	if (identity_place(&f->config, &f->tunnels[i], f->path, &why) != ERR_OK)
		fail_msg("%s", why.text);
	return str_has_prefix(f->path, f->dir) ? f->path + strlen(f->dir) : f->path;
}

/* As a tunnel does with its place. */
static void use(struct fixture *f, unsigned i, char address[ADDRESS_TEXT_SIZE])
{
	const struct identity_source from = {
		.kind = IDENTITY_CLIENT,
		.path = f->path,
		.name = f->tunnels[i].lease.name,
	};
	struct identity id;

	assert_int_equal(identity_obtain(&from, &id, NULL), ERR_OK);
	str_copy(address, ADDRESS_TEXT_SIZE, id.address);
	identity_wipe(&id);
}

static void test_the_table_of_the_contract_holds(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(place(f, 0, 1), "/identity.json");
	assert_string_equal(place(f, 0, 2), "/a/identity.json");
	assert_string_equal(place(f, 1, 2), "/b/identity.json");
	f->tunnels[0].lease.identity_path = str_printf("%s/keys/own.json", f->dir);
	assert_string_equal(place(f, 0, 1), "/keys/own.json");
	assert_string_equal(place(f, 0, 2), "/keys/own.json");
	free(f->tunnels[0].lease.identity_path);
}

static void test_a_second_tunnel_leaves_the_first_its_address(void **state)
{
	struct fixture *f = *state;
	char before[ADDRESS_TEXT_SIZE], after[ADDRESS_TEXT_SIZE];
	char other[ADDRESS_TEXT_SIZE];

	place(f, 1, 1);
	use(f, 1, before);
	place(f, 0, 2); /* the other is asked first */
	use(f, 0, other);
	assert_string_equal(place(f, 1, 2), "/b/identity.json");
	use(f, 1, after);
	assert_string_equal(before, after);
	assert_string_not_equal(before, other);
	/* Its folder stays in use when it is alone again. */
	assert_string_equal(place(f, 1, 1), "/b/identity.json");
	use(f, 1, after);
	assert_string_equal(before, after);
}

static void test_without_a_record_the_name_tells_whose_it_is(void **state)
{
	struct fixture *f = *state;
	char before[ADDRESS_TEXT_SIZE], after[ADDRESS_TEXT_SIZE];
	char record[AGENT_PATH_MAX];

	place(f, 1, 1);
	use(f, 1, before);
	snprintf(record, sizeof(record), "%s/identity.json.user", f->dir);
	assert_int_equal(unlink(record), 0); /* as a stock agent leaves it */
	place(f, 0, 3);
	use(f, 0, after);
	assert_string_not_equal(before, after);
	place(f, 1, 3);
	use(f, 1, after);
	assert_string_equal(before, after);
}

static void test_a_tunnel_that_is_alone_takes_the_common_file(void **state)
{
	struct fixture *f = *state;
	char first[ADDRESS_TEXT_SIZE], next[ADDRESS_TEXT_SIZE];

	place(f, 0, 1);
	use(f, 0, first);
	assert_string_equal(place(f, 2, 1), "/identity.json");
	use(f, 2, next);
	assert_string_equal(first, next);
	/* It is the new one's from now on. */
	place(f, 2, 2);
	use(f, 2, next);
	assert_string_equal(first, next);
	place(f, 0, 2);
	use(f, 0, next);
	assert_string_not_equal(first, next);
}

static void test_folders_are_private(void **state)
{
	struct fixture *f = *state;
	char folder[AGENT_PATH_MAX];
	struct stat st;

	place(f, 0, 2);
	snprintf(folder, sizeof(folder), "%s/a", f->dir);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_the_table_of_the_contract_holds),
		TEST(test_a_second_tunnel_leaves_the_first_its_address),
		TEST(test_without_a_record_the_name_tells_whose_it_is),
		TEST(test_a_tunnel_that_is_alone_takes_the_common_file),
		TEST(test_folders_are_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
