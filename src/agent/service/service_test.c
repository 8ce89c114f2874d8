/*
 * Behaviour of services with a service manager that is scripted: which of its commands
 * are called, in which order, and what stays if one fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/service/manager.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/file.h"

/* Notes each call in "calls". One whose words contain the text of "fails" fails. What
 * "loaded" has is loaded by launchd; "show" is printed. */
static const char script[] =
	"#!/bin/sh\n"
	"cd \"${0%/*}\"\n"
	"echo \"${0##*/} $*\" >>calls\n"
	"if [ -e fails ] && echo \"$*\" | grep -q -e \"$(cat fails)\"; then\n"
	"	echo 'Failed to do it: no'; exit 1\n"
	"fi\n"
	"case $1 in\n"
	"bootstrap) : >loaded ;;\n"
	"bootout) rm -f loaded ;;\n"
	"print) case $2 in */*/*) [ -e loaded ] || exit 113 ;; esac ;;\n"
	"esac\n"
	"[ ! -e show ] || cat show\n";

static const char *const words[] = { "agent", "run", NULL };

struct fake {
	char directory[64], home[96], state_dir[128], unit[160], plist[160];
	char *path; /* PATH, as it was */
	struct service s;
};

static void put(const struct fake *f, const char *name, const char *text, mode_t mode)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->directory, name);
	assert_int_equal(file_replace(path, mode, span_str(text), NULL), ERR_OK);
}

static void drop(const struct fake *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->directory, name);
	(void)unlink(path);
}

static int setup(void **state)
{
	struct fake *f = mem_new(f);
	char *path;

	str_copy(f->directory, sizeof(f->directory), "/tmp/adit-service-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->home, sizeof(f->home), "%s/home", f->directory);
	snprintf(f->state_dir, sizeof(f->state_dir), "%s/state/agent", f->directory);
	snprintf(f->unit, sizeof(f->unit), "%s/.config/systemd/user/adit-agent.service",
		f->home);
	snprintf(f->plist, sizeof(f->plist), "%s/Library/LaunchAgents/adit-agent.plist",
		f->home);
	put(f, "systemctl", script, 0755);
	put(f, "launchctl", script, 0755);
	put(f, "loginctl", script, 0755);
	f->path = strdup(getenv("PATH"));
	path = str_printf("%s:%s", f->directory, f->path);
	setenv("PATH", path, 1);
	free(path);
	f->s = (struct service){
		.name = "adit-agent",
		.display = "Adit Agent",
		.program = "/usr/bin/adit",
		.words = words,
		.directory = f->directory,
		.home = f->home,
		.state_dir = f->state_dir,
		.manager = &systemd_manager,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fake *f = *state;
	char *line = str_printf("rm -rf '%s'", f->directory);

	setenv("PATH", f->path, 1);
	assert_int_equal(system(line), 0);
	free(line);
	free(f->path);
	free(f);
	return 0;
}

/* The calls since the last time, with "|" between them. */
static void expect_calls(struct fake *f, const char *expected)
{
	char path[128], text[2000];
	struct buf calls;

	snprintf(path, sizeof(path), "%s/calls", f->directory);
	buf_init(&calls, sizeof(text));
	if (file_read(path, &calls, NULL) == ERR_OK)
		(void)unlink(path);
	snprintf(text, sizeof(text), "%.*s", (int)calls.n, (char *)buf_front(&calls));
	buf_fini(&calls);
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '\n' ? '|' : *c;
	assert_string_equal(text, expected);
}

static bool has(const char *path)
{
	return access(path, F_OK) == 0;
}

static void expect_file(const char *path, const char *expected)
{
	struct buf text;

	buf_init(&text, SERVICE_TEXT_MAX);
	assert_int_equal(file_read(path, &text, NULL), ERR_OK);
	assert_true(span_is(buf_span(&text), expected));
	buf_fini(&text);
}

#define SHOW "systemctl --user show --property=Version|"

static void test_systemd_is_called_as_documented(void **state)
{
	struct fake *f = *state;
	struct service_change change;
	struct stat st;

	assert_int_equal(service_install(&f->s, &change, NULL), ERR_OK);
	assert_true(change.is_new && change.is_changed);
	expect_calls(f,
		SHOW "systemctl --user daemon-reload|"
		     "systemctl --user enable adit-agent.service|");
	assert_int_equal(stat(f->unit, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(stat(f->state_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	str_copy(f->state_dir + strlen(f->state_dir), 4, "-2/");
	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	assert_int_equal(stat(f->state_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	drop(f, "calls");

	assert_int_equal(service_install(&f->s, &change, NULL), ERR_OK);
	assert_false(change.is_new || change.is_changed);
	expect_calls(f,
		SHOW "systemctl --user daemon-reload|"
		     "systemctl --user enable adit-agent.service|");
	assert_int_equal(service_start(&f->s, NULL), ERR_OK);
	expect_calls(f, SHOW "systemctl --user start adit-agent.service|");
	assert_int_equal(service_restart(&f->s, NULL), ERR_OK);
	expect_calls(f,
		SHOW "systemctl --user daemon-reload|"
		     "systemctl --user enable adit-agent.service|"
		     "systemctl --user stop adit-agent.service|"
		     "systemctl --user start adit-agent.service|");
	assert_int_equal(service_stop(&f->s, NULL), ERR_OK);
	expect_calls(f, SHOW "systemctl --user disable --now adit-agent.service|");
	assert_true(has(f->unit));
	assert_int_equal(service_remove(&f->s, NULL, NULL), ERR_OK);
	expect_calls(f,
		SHOW "systemctl --user disable --now adit-agent.service|"
		     "systemctl --user daemon-reload|"
		     "systemctl --user reset-failed adit-agent.service|");
	assert_false(has(f->unit));
}

#define TARGET "gui/%u/adit-agent"
#define UID (unsigned)geteuid()

static void test_launchd_is_called_as_documented(void **state)
{
	struct fake *f = *state;
	char expected[1000];

	f->s.manager = &launchd_manager;
	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	snprintf(expected, sizeof(expected),
		"launchctl print gui/%u|launchctl bootout " TARGET
		"|launchctl print " TARGET "|launchctl enable " TARGET
		"|launchctl bootstrap gui/%u %s|",
		UID, UID, UID, UID, UID, f->plist);
	expect_calls(f, expected);
	assert_true(has(f->plist));

	/* It is the same, and loaded. */
	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	snprintf(expected, sizeof(expected),
		"launchctl print gui/%u|launchctl print " TARGET "|", UID, UID);
	expect_calls(f, expected);
	assert_int_equal(service_stop(&f->s, NULL), ERR_OK);
	snprintf(expected, sizeof(expected),
		"launchctl print gui/%u|launchctl disable " TARGET
		"|launchctl print " TARGET "|launchctl bootout " TARGET
		"|launchctl print " TARGET "|",
		UID, UID, UID, UID, UID);
	expect_calls(f, expected);
	assert_int_equal(service_remove(&f->s, NULL, NULL), ERR_OK);
	assert_false(has(f->plist));
}

static void test_launchd_starts_what_does_not_run(void **state)
{
	struct fake *f = *state;
	char expected[1000];

	f->s.manager = &launchd_manager;
	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	put(f, "show", "x = {\n\tstate = running\n\tpid = 42\n}\n", 0644);
	drop(f, "calls");
	assert_int_equal(service_start(&f->s, NULL), ERR_OK);
	snprintf(expected, sizeof(expected),
		"launchctl print gui/%u|launchctl print " TARGET
		"|launchctl print-disabled gui/%u|launchctl print " TARGET "|",
		UID, UID, UID, UID);
	expect_calls(f, expected);
	put(f, "show", "x = {\n\tstate = not running\n\tlast exit code = 1: no\n}\n",
		0644);
	assert_int_equal(service_start(&f->s, NULL), ERR_OK);
	snprintf(expected, sizeof(expected),
		"launchctl print gui/%u|launchctl print " TARGET
		"|launchctl print-disabled gui/%u|launchctl print " TARGET
		"|launchctl kickstart -k " TARGET "|",
		UID, UID, UID, UID, UID);
	expect_calls(f, expected);
}

/* ---- failures ---- */

static void empty_path(const struct fake *f)
{
	char nothing[128];

	snprintf(nothing, sizeof(nothing), "%s/nothing", f->directory);
	setenv("PATH", nothing, 1);
}

static void test_without_a_service_manager_nothing_is_written(void **state)
{
	static const struct service_manager *const managers[] = { &systemd_manager,
		&launchd_manager, &no_manager };
	struct fake *f = *state;
	struct service_state found;
	struct why why;

	empty_path(f);
	for (size_t i = 0; i < mem_count(managers); i++) {
		f->s.manager = managers[i];
		assert_int_equal(service_install(&f->s, NULL, &why), ERR_CLOSED);
		assert_non_null(strstr(why.text, "--foreground"));
		assert_int_equal(service_restart(&f->s, &why), ERR_CLOSED);
		assert_int_equal(service_start(&f->s, &why), ERR_CLOSED);
		assert_int_equal(service_stop(&f->s, &why), ERR_CLOSED);
		assert_int_equal(service_remove(&f->s, NULL, &why), ERR_NOENT);
		assert_non_null(strstr(why.text, "not installed"));
		assert_int_equal(service_read_state(&f->s, &found, &why), ERR_CLOSED);
	}
	assert_false(has(f->home));
	assert_false(has(f->state_dir));
}

static void test_a_manager_without_a_session_is_explained(void **state)
{
	struct fake *f = *state;
	struct why why;

	put(f, "fails", "show", 0644);
	assert_int_equal(service_install(&f->s, NULL, &why), ERR_CLOSED);
	assert_non_null(
		strstr(why.text, "no session of this user (Failed to do it: no)"));
	f->s.is_system = true;
	assert_int_equal(service_check(&f->s, &why), ERR_CLOSED);
	assert_non_null(strstr(why.text, "systemd does not run here"));
	f->s.manager = &launchd_manager;
	put(f, "fails", "print", 0644);
	assert_int_equal(service_check(&f->s, &why), ERR_CLOSED);
	assert_non_null(strstr(why.text, "--foreground"));
}

static void test_a_failed_step_leaves_nothing(void **state)
{
	static const char *const systemd[] = { "daemon-reload", "enable" };
	static const char *const launchd[] = { "^enable", "bootstrap" };
	struct fake *f = *state;
	struct why why;

	for (size_t i = 0; i < mem_count(systemd); i++) {
		put(f, "fails", systemd[i], 0644);
		assert_int_equal(service_install(&f->s, NULL, &why), ERR_SYS);
		assert_non_null(strstr(why.text, systemd[i]));
		assert_non_null(strstr(why.text, "fails: Failed to do it: no"));
		assert_false(has(f->unit));
	}
	f->s.manager = &launchd_manager;
	for (size_t i = 0; i < mem_count(launchd); i++) {
		put(f, "fails", launchd[i], 0644);
		assert_int_equal(service_install(&f->s, NULL, &why), ERR_SYS);
		assert_false(has(f->plist));
	}
}

static void test_a_failed_step_restores_the_earlier_file(void **state)
{
	static const char old[] = "# " SERVICE_MARKER "\n[Service]\n";
	struct fake *f = *state;
	struct service_change change;

	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	assert_int_equal(file_replace(f->unit, 0644, span_str(old), NULL), ERR_OK);
	put(f, "fails", "enable", 0644);
	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_SYS);
	expect_file(f->unit, old);
	drop(f, "fails");
	assert_int_equal(service_install(&f->s, &change, NULL), ERR_OK);
	assert_true(change.is_changed && !change.is_new);
}

static void test_a_restart_stops_nothing_if_it_cannot_start(void **state)
{
	struct fake *f = *state;

	put(f, "fails", "enable", 0644);
	assert_int_equal(service_restart(&f->s, NULL), ERR_SYS);
	expect_calls(f,
		SHOW "systemctl --user daemon-reload|"
		     "systemctl --user enable adit-agent.service|"
		     "systemctl --user daemon-reload|"
		     "systemctl --user reset-failed adit-agent.service|");
}

static void test_the_file_of_another_program_stays(void **state)
{
	struct fake *f = *state;
	struct service_place place;
	struct why why;

	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	assert_int_equal(file_replace(f->unit, 0644, span_str("[Unit]\n"), NULL), ERR_OK);
	assert_int_equal(service_find(&f->s, &place, NULL), ERR_OK);
	assert_true(place.exists && !place.is_ours);
	assert_int_equal(service_install(&f->s, NULL, &why), ERR_EXISTS);
	assert_non_null(strstr(why.text, SERVICE_FLAG));
	assert_int_equal(service_remove(&f->s, NULL, &why), ERR_EXISTS);
	expect_file(f->unit, "[Unit]\n");
	f->s.may_replace = true;
	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	assert_int_equal(service_find(&f->s, &place, NULL), ERR_OK);
	assert_true(place.exists && place.is_ours);
}

static void test_the_file_of_a_stock_agent_is_taken_over(void **state)
{
	static const char unit[] =
		"[Unit]\n"
		"Description=Manages Portal tunnel definitions and relay membership.\n"
		"\n"
		"[Service]\n"
		"WorkingDirectory='/etc/portal-tunnel/agent'\n";
	static const char plist[] =
		"<array>\n<string>agent</string>\n<string>run</string>\n"
		"<string>--service</string>\n</array>\n";
	struct fake *f = *state;
	struct service_change change;

	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	assert_int_equal(file_replace(f->unit, 0644, span_str(unit), NULL), ERR_OK);
	assert_int_equal(service_install(&f->s, &change, NULL), ERR_OK);
	assert_true(change.is_changed && !change.is_new);

	f->s.manager = &launchd_manager;
	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	assert_int_equal(file_replace(f->plist, 0644, span_str(plist), NULL), ERR_OK);
	assert_int_equal(service_install(&f->s, &change, NULL), ERR_OK);
	assert_true(change.is_changed && !change.is_new);
}

static void test_a_file_is_removed_without_its_manager(void **state)
{
	struct fake *f = *state;
	char wants[300], link[400];

	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	snprintf(wants, sizeof(wants), "%s/.config/systemd/user/default.target.wants",
		f->home);
	snprintf(link, sizeof(link), "%s/adit-agent.service", wants);
	assert_int_equal(mkdir(wants, 0755), 0);
	assert_int_equal(symlink(f->unit, link), 0);
	empty_path(f);
	assert_int_equal(service_remove(&f->s, NULL, NULL), ERR_OK);
	assert_false(has(f->unit));
	assert_int_equal(unlink(link), -1);
}

static void test_what_is_not_installed_is_not_stopped(void **state)
{
	struct fake *f = *state;
	struct why why;

	put(f, "show", "LoadState=not-found\nActiveState=inactive\n", 0644);
	assert_int_equal(service_stop(&f->s, &why), ERR_NOENT);
	assert_non_null(strstr(why.text, "adit-agent is not installed"));
	assert_int_equal(service_start(&f->s, NULL), ERR_NOENT);
	assert_int_equal(service_remove(&f->s, NULL, NULL), ERR_NOENT);
}

static void test_a_start_that_fails_is_explained(void **state)
{
	struct fake *f = *state;
	struct why why;

	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	put(f, "fails", "start", 0644);
	put(f, "show",
		"ActiveState=activating\nSubState=auto-restart\nResult=exit-code\n"
		"ExecMainStatus=7\n",
		0644);
	assert_int_equal(service_start(&f->s, &why), ERR_SYS);
	assert_string_equal(why.text,
		"adit-agent does not start (exit-code, status 7);"
		" journalctl --user-unit adit-agent -n 20 shows its log");
}

/* ---- state ---- */

static void test_systemd_s_state_is_read(void **state)
{
	static const struct {
		const char *show;
		enum service_phase phase;
		bool is_enabled;
		int pid;
		const char *status, *trouble;
	} rows[] = {
		{ "LoadState=not-found\nActiveState=inactive\n", SERVICE_ABSENT, false, 0,
			"", "" },
		{ "LoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\n",
			SERVICE_STOPPED, true, 0, "", "" },
		{ "ActiveState=active\nMainPID=42\nStatusText=2 of 3 = ok\nResult=success\n",
			SERVICE_RUNNING, false, 42, "2 of 3 = ok", "" },
		{ "ActiveState=activating\nSubState=start\nMainPID=9\n", SERVICE_STARTING,
			false, 9, "", "" },
		{ "ActiveState=activating\nSubState=auto-restart\nResult=watchdog\n"
		  "ExecMainStatus=6\n",
			SERVICE_FAILED, false, 0, "", "watchdog, status 6" },
		{ "ActiveState=deactivating\n", SERVICE_STOPPING, false, 0, "", "" },
		{ "LoadState=masked\nActiveState=inactive\n", SERVICE_STOPPED, false, 0,
			"", "it is masked: systemctl unmask it" },
		{ "", SERVICE_STOPPED, false, 0, "", "" },
		{ "MainPID=99999999999999999999999999\nMainPID\n=\n", SERVICE_STOPPED,
			false, 0, "", "" },
	};
	struct fake *f = *state;
	struct service_state found;

	for (size_t i = 0; i < mem_count(rows); i++) {
		put(f, "show", rows[i].show, 0644);
		assert_int_equal(service_read_state(&f->s, &found, NULL), ERR_OK);
		assert_int_equal(found.phase, rows[i].phase);
		assert_int_equal(found.is_enabled, rows[i].is_enabled);
		assert_int_equal(found.pid, rows[i].pid);
		assert_string_equal(found.status, rows[i].status);
		assert_string_equal(found.trouble, rows[i].trouble);
		assert_non_null(service_phase_name(found.phase));
	}
}

static void test_launchd_s_state_is_read(void **state)
{
	struct fake *f = *state;
	struct service_state found;

	f->s.manager = &launchd_manager;
	assert_int_equal(service_read_state(&f->s, &found, NULL), ERR_OK);
	assert_int_equal(found.phase, SERVICE_ABSENT);
	assert_int_equal(service_install(&f->s, NULL, NULL), ERR_OK);
	put(f, "show",
		"x = {\n\tstate = running\n\tpid = 42\n\tx = {\n\t\tpid = 3\n\t}\n}\n",
		0644);
	assert_int_equal(service_read_state(&f->s, &found, NULL), ERR_OK);
	assert_int_equal(found.phase, SERVICE_RUNNING);
	assert_int_equal(found.pid, 42);
	assert_true(found.is_enabled);
	put(f, "show",
		"x = {\n\tstate = not running\n\tlast exit code = 78: EX_CONFIG\n}\n",
		0644);
	assert_int_equal(service_read_state(&f->s, &found, NULL), ERR_OK);
	assert_int_equal(found.phase, SERVICE_FAILED);
	assert_string_equal(found.trouble, "status 78");
	drop(f, "loaded");
	put(f, "show", "\t\"adit-agent\" => disabled\n", 0644);
	assert_int_equal(service_read_state(&f->s, &found, NULL), ERR_OK);
	assert_int_equal(found.phase, SERVICE_STOPPED);
	assert_false(found.is_enabled);
}

static void test_lingering_is_explained(void **state)
{
	struct fake *f = *state;
	char words_of_it[300];

	put(f, "show", "Linger=no\n", 0644);
	service_explain_start(&f->s, words_of_it, sizeof(words_of_it));
	assert_non_null(strstr(words_of_it, "sudo loginctl enable-linger "));
	put(f, "show", "Linger=yes\n", 0644);
	assert_string_equal(service_explain_start(&f->s, words_of_it,
				    sizeof(words_of_it)),
		"starts at boot");
	f->s.is_system = true;
	drop(f, "loginctl");
	assert_string_equal(service_explain_start(&f->s, words_of_it,
				    sizeof(words_of_it)),
		"starts at boot");
}

/* ---- log ---- */

static void test_a_large_log_file_is_emptied(void **state)
{
	struct fake *f = *state;
	char path[128];
	struct stat st;
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", f->directory);
	log = fopen(path, "a");
	assert_non_null(log);
	assert_int_equal(ftruncate(fileno(log), 8 << 20), 0);
	service_limit_log(fileno(log));
	assert_int_equal(fstat(fileno(log), &st), 0);
	assert_int_equal(st.st_size, 8 << 20);
	assert_int_equal(ftruncate(fileno(log), (8 << 20) + 1), 0);
	service_limit_log(fileno(log));
	assert_int_equal(fstat(fileno(log), &st), 0);
	assert_int_equal(st.st_size, 0);
	fclose(log);
	service_limit_log(-1);
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FAKE(test_systemd_is_called_as_documented),
		WITH_FAKE(test_launchd_is_called_as_documented),
		WITH_FAKE(test_launchd_starts_what_does_not_run),
		WITH_FAKE(test_without_a_service_manager_nothing_is_written),
		WITH_FAKE(test_a_manager_without_a_session_is_explained),
		WITH_FAKE(test_a_failed_step_leaves_nothing),
		WITH_FAKE(test_a_failed_step_restores_the_earlier_file),
		WITH_FAKE(test_a_restart_stops_nothing_if_it_cannot_start),
		WITH_FAKE(test_the_file_of_another_program_stays),
		WITH_FAKE(test_the_file_of_a_stock_agent_is_taken_over),
		WITH_FAKE(test_a_file_is_removed_without_its_manager),
		WITH_FAKE(test_what_is_not_installed_is_not_stopped),
		WITH_FAKE(test_a_start_that_fails_is_explained),
		WITH_FAKE(test_systemd_s_state_is_read),
		WITH_FAKE(test_launchd_s_state_is_read),
		WITH_FAKE(test_lingering_is_explained),
		WITH_FAKE(test_a_large_log_file_is_emptied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
