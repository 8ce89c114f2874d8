/* Claims of identities on this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tunnel/portal/identity.h"

static struct identity identity_named(const char *name)
{
	struct identity id;

	identity_generate(IDENTITY_CLIENT, &id);
	assert_int_equal(identity_set_name(&id, span_str(name), NULL), ERR_OK);
	return id;
}

static void test_a_second_claim_reports_the_first(void **state)
{
	struct identity id = identity_named("app"), copy = id;
	int one, two;

	(void)state;
	assert_int_equal(identity_claim(&id, &one), ERR_OK);
	assert_int_equal(identity_claim(&copy, &two), ERR_EXISTS);
	assert_true(one >= 0 && two >= 0);
	close(one);
	close(two);
	assert_int_equal(identity_claim(&id, &one), ERR_OK);
	close(one);
}

/* The second took over, and the first has gone: the third hears of the second. */
static void test_a_takeover_gets_the_claim(void **state)
{
	struct identity id = identity_named("app");
	int one, two, three;

	(void)state;
	assert_int_equal(identity_claim(&id, &one), ERR_OK);
	assert_int_equal(identity_claim(&id, &two), ERR_EXISTS);
	close(one);
	assert_int_equal(identity_claim(&id, &three), ERR_EXISTS);
	close(two);
	close(three);
}

/* Two names of one key are two leases, and so are two keys of one name. */
static void test_names_and_keys_are_apart(void **state)
{
	struct identity a = identity_named("app"), b = identity_named("app"), c = a;
	int fds[3];

	(void)state;
	assert_int_equal(identity_set_name(&c, span_str("other"), NULL), ERR_OK);
	assert_int_equal(identity_claim(&a, &fds[0]), ERR_OK);
	assert_int_equal(identity_claim(&b, &fds[1]), ERR_OK);
	assert_int_equal(identity_claim(&c, &fds[2]), ERR_OK);
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
}

static void test_a_claim_ends_with_its_process(void **state)
{
	struct identity id = identity_named("app");
	int fd, status;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(identity_claim(&id, &fd) == ERR_OK ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(identity_claim(&id, &fd), ERR_OK);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_second_claim_reports_the_first),
		cmocka_unit_test(test_a_takeover_gets_the_claim),
		cmocka_unit_test(test_names_and_keys_are_apart),
		cmocka_unit_test(test_a_claim_ends_with_its_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
