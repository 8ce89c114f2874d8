/* Behaviour of what the commands know of the agent's service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/agent_service.h"

static void test_each_persona_has_its_names(void **state)
{
	static const struct {
		const char *persona, *name, *label, *display;
	} rows[] = {
		{ "adit", "adit-agent", NULL, "Adit Agent" },
		{ "portal", "portal-agent", NULL, "Portal Agent" },
		{ "portlama-agent", "portlama-chisel", "com.portlama.chisel",
			"Portlama Agent" },
	};
	struct agent_service_names n;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		n = agent_service_defaults(&(struct persona){ .name = rows[i].persona });
		assert_string_equal(n.name, rows[i].name);
		assert_string_equal(n.display, rows[i].display);
		if (rows[i].label == NULL)
			assert_null(n.label);
		else
			assert_string_equal(n.label, rows[i].label);
	}
}

static const struct agent_service_names names = {
	.name = "adit-agent",
	.display = "Adit Agent",
	.config = "/srv/agent/config.toml",
	.state_dir = "/srv/state",
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
	assert_int_equal(agent_service_init(&found, &names, NULL), ERR_OK);
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
	if (agent_service_init(&found, &names, &why) == ERR_OK)
		assert_string_not_equal(found.service.home, "/");
	else
		assert_non_null(strstr(why.text, "set HOME"));
	agent_service_fini(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_persona_has_its_names),
		cmocka_unit_test(test_the_service_is_of_this_user),
		cmocka_unit_test(test_a_home_of_another_user_is_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
