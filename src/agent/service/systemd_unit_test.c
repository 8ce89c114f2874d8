/* Behaviour of units: their text, and what systemd would not take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "agent/service/manager.h"

static const char *const words[] = { "agent", "run", "--service", "--config",
	"/etc/adit/agent/config.toml", NULL };

static struct service example(void)
{
	return (struct service){
		.name = "adit-agent",
		.display = "Adit Agent",
		.program = "/usr/bin/adit",
		.words = words,
		.directory = "/etc/adit/agent",
		.home = "/home/ann",
		.state_dir = "/var/lib/adit/agent",
		.manager = &systemd_manager,
	};
}

/* The text, until the next call. */
static const char *print(const struct service *s)
{
	static char text[4096];
	struct buf out;
	struct why why;

	buf_init(&out, SERVICE_TEXT_MAX);
	if (service_print(s, &out, &why) != ERR_OK)
		fail_msg("%s", why.text);
	assert_true(out.n < sizeof(text));
	memcpy(text, buf_front(&out), out.n);
	text[out.n] = '\0';
	buf_fini(&out);
	return text;
}

static void expect_line(const struct service *s, const char *line)
{
	const char *text = print(s), *found = strstr(text, line);

	if (found == NULL || (found > text && found[-1] != '\n') ||
		found[strlen(line)] != '\n')
		fail_msg("no line %s in:\n%s", line, text);
}

static void expect_refusal(const struct service *s, const char *words_of_it)
{
	struct why why = { "" };
	struct buf out;

	buf_init(&out, SERVICE_TEXT_MAX);
	assert_int_equal(service_print(s, &out, &why), ERR_USAGE);
	if (strstr(why.text, words_of_it) == NULL)
		fail_msg("\"%s\" is not in: %s", words_of_it, why.text);
	assert_int_equal(out.n, 0);
	buf_fini(&out);
}

static void test_the_unit_of_a_user(void **state)
{
	struct service s = example();

	(void)state;
	assert_string_equal(print(&s),
		"# Written by adit for its agent, and replaced by it. Put changes into a\n"
		"# drop-in: systemctl --user edit adit-agent\n"
		"[Unit]\n"
		"Description=Adit Agent, with the tunnels of /etc/adit/agent\n"
		"Documentation=man:adit-agent(1)\n"
		"StartLimitIntervalSec=0\n"
		"\n"
		"[Service]\n"
		"Type=notify\n"
		"NotifyAccess=main\n"
		"WatchdogSec=60\n"
		"WorkingDirectory=/etc/adit/agent\n"
		"ExecStart='/usr/bin/adit' 'agent' 'run' '--service' '--config'"
		" '/etc/adit/agent/config.toml'\n"
		"Restart=always\n"
		"RestartSec=5\n"
		"TimeoutStopSec=20\n"
		"LimitNOFILE=infinity\n"
		"LimitCORE=0\n"
		"UMask=0077\n"
		"\n"
		"NoNewPrivileges=yes\n"
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n"
		"RestrictNamespaces=yes\n"
		"RestrictRealtime=yes\n"
		"RestrictSUIDSGID=yes\n"
		"LockPersonality=yes\n"
		"MemoryDenyWriteExecute=yes\n"
		"SystemCallArchitectures=native\n"
		"SystemCallFilter=@system-service\n"
		"\n"
		"[Install]\n"
		"WantedBy=default.target\n");
}

static void test_the_system_s_unit_has_fewer_privileges(void **state)
{
	static const char *const more[] = { "/srv/keys", "/opt/a b", NULL };
	struct service s = example();

	(void)state;
	s.is_system = true;
	s.writable = more;
	expect_line(&s, "# drop-in: systemctl edit adit-agent");
	expect_line(&s, "After=network.target");
	expect_line(&s, "ProtectSystem=strict");
	expect_line(&s, "ProtectHome=read-only");
	expect_line(&s, "PrivateTmp=yes");
	expect_line(&s,
		"ReadWritePaths='/var/lib/adit/agent' '/etc/adit/agent' '/srv/keys'"
		" '/opt/a b'");
}

static void test_tmp_is_shared_if_the_agent_is_in_it(void **state)
{
	struct service s = example();

	(void)state;
	s.is_system = true;
	s.directory = "/tmp/try";
	assert_null(strstr(print(&s), "PrivateTmp"));
	s.directory = "/tmpfiles";
	expect_line(&s, "PrivateTmp=yes");
}

static void test_texts_are_quoted_as_systemd_reads_them(void **state)
{
	static const char *const odd[] = { "it's \"50%\" \\n", "", ";", NULL };
	static const char *const environment[] = { "A=b 'c' 5%", "B=$C", NULL };
	struct service s = example();

	(void)state;
	s.words = odd;
	s.environment = environment;
	s.program = "/opt/100% a/adit";
	s.directory = "/srv/it's 5% \"x\" $y";
	expect_line(&s, "ExecStart='/opt/100%% a/adit' 'it\\'s \"50%%\" \\\\n' '' ';'");
	expect_line(&s, "Environment='A=b \\'c\\' 5%%'");
	expect_line(&s, "Environment='B=$C'");
	expect_line(&s, "WorkingDirectory=/srv/it's 5%% \"x\" $y");
	expect_line(&s,
		"Description=Adit Agent, with the tunnels of /srv/it's 5%% \"x\" $y");
}

static void test_a_dollar_is_no_variable(void **state)
{
	static const char *const dollar[] = { "$HOME", NULL };
	struct service s = example();

	(void)state;
	s.words = dollar;
	expect_line(&s, "ExecStart=:'/usr/bin/adit' '$HOME'");
	s.words = words;
	s.program = "/opt/$x/adit";
	assert_non_null(strstr(print(&s), "\nExecStart=:'/opt/$x/adit' 'agent' "));
}

static void test_what_systemd_cannot_take_is_refused(void **state)
{
	static const char *const names[] = { "", "-x", "@x", "x@", "a b", "a/b", "ünï",
		"a,b" };
	static const char *const programs[] = { "/a'b", "/a\"b", "/a\\b" };
	struct service s = example();

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		s.name = names[i];
		expect_refusal(&s, "service_name");
	}
	s = example();
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		s.program = programs[i];
		expect_refusal(&s, "move /a");
	}
	s = example();
	s.directory = "/srv/x ";
	expect_refusal(&s, "move the config");
	s.directory = "/srv/x\\";
	expect_refusal(&s, "move the config");
}

static void test_no_text_can_add_a_line(void **state)
{
	static const char *const bad[] = { "a\nb", NULL };
	struct service s = example();

	(void)state;
	s.directory = "/x\n[Service]\nExecStart=/bin/evil";
	expect_refusal(&s, "control characters");
	s = example();
	s.display = "a\nb";
	expect_refusal(&s, "control characters");
	s = example();
	s.words = bad;
	expect_refusal(&s, "control characters");
	s = example();
	s.environment = bad;
	expect_refusal(&s, "control characters");
	s = example();
	s.state_dir = "/x\xff";
	expect_refusal(&s, "UTF-8");
	s = example();
	s.program = "adit";
	expect_refusal(&s, "absolute path");
}

static void test_the_file_s_place(void **state)
{
	struct service s = example();
	struct service_place place;

	(void)state;
	s.home = "/nowhere/ann";
	s.name = "portlama-chisel";
	assert_int_equal(service_find(&s, &place, NULL), ERR_OK);
	assert_string_equal(place.path,
		"/nowhere/ann/.config/systemd/user/portlama-chisel.service");
	assert_string_equal(place.kind, "systemd user unit");
	assert_false(place.exists);
	s.is_system = true;
	s.name = "adit-agent-of-a-test";
	assert_int_equal(service_find(&s, &place, NULL), ERR_OK);
	assert_string_equal(place.path,
		"/etc/systemd/system/adit-agent-of-a-test.service");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_unit_of_a_user),
		cmocka_unit_test(test_the_system_s_unit_has_fewer_privileges),
		cmocka_unit_test(test_tmp_is_shared_if_the_agent_is_in_it),
		cmocka_unit_test(test_texts_are_quoted_as_systemd_reads_them),
		cmocka_unit_test(test_a_dollar_is_no_variable),
		cmocka_unit_test(test_what_systemd_cannot_take_is_refused),
		cmocka_unit_test(test_no_text_can_add_a_line),
		cmocka_unit_test(test_the_file_s_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
