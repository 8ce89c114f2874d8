/* Behaviour of what the commands know of the agent's service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "cli/agent_service.h"

static const struct agent_whereabouts where = {
	.config = "/srv/agent/config.toml",
	.state_dir = "/srv/state",
	.service_name = "adit-agent",
};

static void test_the_service_is_of_this_user(void **state)
{
	struct agent_service found = { .directory = NULL };
	const struct service *s = &found.service;
	char home[] = "/tmp/adit-home-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(home));
	setenv("HOME", home, 1);
	setenv("XDG_DATA_HOME", "/srv/data", 1);
	assert_int_equal(agent_service_init(&found, &agent_names_adit, &where, NULL),
		ERR_OK);
	assert_string_equal(s->name, "adit-agent");
	assert_true(s->program[0] == '/');
	assert_int_equal(access(s->program, X_OK), 0);
	assert_string_equal(s->words[0], "agent");
	assert_string_equal(s->words[1], "run");
	assert_string_equal(s->words[2], "--service");
	assert_string_equal(s->words[3], "--config");
	assert_string_equal(s->words[4], "/srv/agent/config.toml");
	assert_null(s->words[5]);
	assert_string_equal(s->directory, "/srv/agent");
	assert_string_equal(s->state_dir, "/srv/state");
	assert_int_equal(s->is_system, geteuid() == 0);
	if (geteuid() == 0) {
		assert_null(s->environment[0]);
	} else {
		assert_string_equal(s->environment[0], "XDG_DATA_HOME=/srv/data");
		assert_string_equal(s->home, home);
	}
	agent_service_fini(&found);
	unsetenv("XDG_DATA_HOME");
	assert_int_equal(rmdir(home), 0);
}

static void test_a_home_of_another_user_is_not_used(void **state)
{
	struct agent_service found = { .directory = NULL };
	struct why why;

	(void)state;
	if (geteuid() == 0)
		skip();
	setenv("HOME", "/", 1);
	if (agent_service_init(&found, &agent_names_adit, &where, &why) == ERR_OK)
		assert_string_not_equal(found.service.home, "/");
	else
		assert_non_null(strstr(why.text, "set HOME"));
	agent_service_fini(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_service_is_of_this_user),
		cmocka_unit_test(test_a_home_of_another_user_is_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
