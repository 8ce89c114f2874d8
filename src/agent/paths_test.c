/* Behaviour of the default paths, on each system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/paths.h"
#include "base/mem.h"

#define MAC "/Library/Application Support/Portal Tunnel/Agent"

static void test_paths_are_those_of_the_system_and_user(void **state)
{
	static const struct {
		struct agent_environment e;
		const char *config, *state_dir;
	} rows[] = {
		{ { .is_root = true, .home = "/root" },
			"/etc/portal-tunnel/agent/config.toml",
			"/var/lib/portal-tunnel/agent" },
		{ { .is_root = true, .xdg_config_home = "/x" },
			"/etc/portal-tunnel/agent/config.toml",
			"/var/lib/portal-tunnel/agent" },
		{ { .home = "/home/ann" },
			"/home/ann/.config/portal-tunnel/agent/config.toml",
			"/home/ann/.local/share/portal-tunnel/agent" },
		{ { .home = "/home/ann", .xdg_config_home = "/c", .xdg_data_home = "/d" },
			"/c/portal-tunnel/agent/config.toml", "/d/portal-tunnel/agent" },
		{ { .xdg_config_home = "/c", .xdg_data_home = "/d" },
			"/c/portal-tunnel/agent/config.toml", "/d/portal-tunnel/agent" },
		{ { .home = "/home/ann", .xdg_config_home = "", .xdg_data_home = "d" },
			"/home/ann/.config/portal-tunnel/agent/config.toml",
			"/home/ann/.local/share/portal-tunnel/agent" },
		{ { .system = AGENT_ON_MAC, .is_root = true, .home = "/var/root" },
			MAC "/config.toml", MAC },
		{ { .system = AGENT_ON_MAC, .home = "/Users/ann", .xdg_data_home = "/d" },
			"/Users/ann" MAC "/config.toml", "/Users/ann" MAC },
		{ { .system = AGENT_ON_WINDOWS, .program_data = "D:\\Data" },
			"D:\\Data\\Portal Tunnel\\Agent\\config.toml",
			"D:\\Data\\Portal Tunnel\\Agent" },
		{ { .system = AGENT_ON_WINDOWS },
			"C:\\ProgramData\\Portal Tunnel\\Agent\\config.toml",
			"C:\\ProgramData\\Portal Tunnel\\Agent" },
	};
	struct agent_paths paths;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(agent_paths(&agent_names_portal, &rows[i].e, &paths,
					 NULL),
			ERR_OK);
		assert_string_equal(paths.config, rows[i].config);
		assert_string_equal(paths.state_dir, rows[i].state_dir);
	}
}

static void test_adit_has_directories_of_its_own(void **state)
{
	const struct agent_environment e = { .is_root = true };
	struct agent_paths paths;

	(void)state;
	assert_int_equal(agent_paths(&agent_names_adit, &e, &paths, NULL), ERR_OK);
	assert_string_equal(paths.config, "/etc/adit/agent/config.toml");
	assert_string_equal(paths.state_dir, "/var/lib/adit/agent");
}

static void test_a_user_without_a_home_is_told_what_to_write(void **state)
{
	const struct agent_environment users[] = {
		{ .home = NULL },
		{ .home = "relative" },
		{ .xdg_data_home = "/d" },
		{ .system = AGENT_ON_MAC,
			.xdg_config_home = "/c",
			.xdg_data_home = "/d" },
	};
	struct agent_paths paths;
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(users); i++) {
		assert_int_equal(agent_paths(&agent_names_adit, &users[i], &paths, &why),
			ERR_USAGE);
		assert_non_null(strstr(why.text, "--config and --state-dir"));
	}
}

static void test_a_path_that_is_too_long_is_refused(void **state)
{
	char home[AGENT_PATH_MAX];
	struct agent_environment e = { .home = home };
	struct agent_paths paths;
	char below[AGENT_PATH_MAX];

	(void)state;
	memset(home, 'a', sizeof(home));
	home[0] = '/';
	for (size_t n = AGENT_PATH_MAX - 64; n < AGENT_PATH_MAX; n++) {
		enum err rc;

		home[n] = '\0';
		rc = agent_paths(&agent_names_adit, &e, &paths, NULL);
		assert_int_equal(rc,
			n + strlen("/.config/adit/agent/config.toml") < AGENT_PATH_MAX &&
					n + strlen("/.local/share/adit/agent") <
						AGENT_PATH_MAX ?
				ERR_OK :
				ERR_LIMIT);
		home[n] = 'a';
	}
	home[AGENT_PATH_MAX - 2] = '\0';
	assert_int_equal(agent_path_below(home, "x", below), ERR_LIMIT);
}

static void test_relative_paths_are_below_the_directory(void **state)
{
	char out[AGENT_PATH_MAX];

	(void)state;
	assert_int_equal(agent_path_below("/etc/adit", "keys/a.json", out), ERR_OK);
	assert_string_equal(out, "/etc/adit/keys/a.json");
	assert_int_equal(agent_path_below("/etc/adit", "/keys/a.json", out), ERR_OK);
	assert_string_equal(out, "/keys/a.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_are_those_of_the_system_and_user),
		cmocka_unit_test(test_adit_has_directories_of_its_own),
		cmocka_unit_test(test_a_user_without_a_home_is_told_what_to_write),
		cmocka_unit_test(test_a_path_that_is_too_long_is_refused),
		cmocka_unit_test(test_relative_paths_are_below_the_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
