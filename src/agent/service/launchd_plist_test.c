/* Behaviour of property lists. A scenario reads them with Python's plistlib. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "agent/service/manager.h"

static const char *const words[] = { "agent", "run", "--service", "--config",
	"/Users/ann/A & B/<config>.toml", NULL };
static const char *const environment[] = { "A=b=c", "EMPTY=", NULL };

static struct service example(void)
{
	return (struct service){
		.name = "adit-agent",
		.display = "Adit Agent",
		.program = "/usr/local/bin/adit",
		.words = words,
		.environment = environment,
		.directory = "/Users/ann/A & B",
		.home = "/Users/ann",
		.state_dir = "/Users/ann/A & B",
		.manager = &launchd_manager,
	};
}

static void test_the_property_list(void **state)
{
	struct service s = example();
	struct buf out;

	(void)state;
	buf_init(&out, SERVICE_TEXT_MAX);
	assert_int_equal(service_print(&s, &out, NULL), ERR_OK);
	assert_int_equal(buf_put_u8(&out, '\0'), ERR_OK);
	assert_string_equal((const char *)buf_front(&out),
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\""
		" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
		"<!-- Written by adit for its agent, and replaced by it. -->\n"
		"<plist version=\"1.0\">\n"
		"<dict>\n"
		"\t<key>Label</key>\n"
		"\t<string>adit-agent</string>\n"
		"\t<key>ProgramArguments</key>\n"
		"\t<array>\n"
		"\t\t<string>/usr/local/bin/adit</string>\n"
		"\t\t<string>agent</string>\n"
		"\t\t<string>run</string>\n"
		"\t\t<string>--service</string>\n"
		"\t\t<string>--config</string>\n"
		"\t\t<string>/Users/ann/A &amp; B/&lt;config&gt;.toml</string>\n"
		"\t</array>\n"
		"\t<key>WorkingDirectory</key>\n"
		"\t<string>/Users/ann/A &amp; B</string>\n"
		"\t<key>EnvironmentVariables</key>\n"
		"\t<dict>\n"
		"\t\t<key>A</key>\n"
		"\t\t<string>b=c</string>\n"
		"\t\t<key>EMPTY</key>\n"
		"\t\t<string></string>\n"
		"\t</dict>\n"
		"\t<key>RunAtLoad</key>\n"
		"\t<true/>\n"
		"\t<key>KeepAlive</key>\n"
		"\t<true/>\n"
		"\t<key>ThrottleInterval</key>\n"
		"\t<integer>5</integer>\n"
		"\t<key>ExitTimeOut</key>\n"
		"\t<integer>20</integer>\n"
		"\t<key>Umask</key>\n"
		"\t<integer>63</integer>\n"
		"\t<key>StandardOutPath</key>\n"
		"\t<string>/Users/ann/A &amp; B/agent.log</string>\n"
		"\t<key>StandardErrorPath</key>\n"
		"\t<string>/Users/ann/A &amp; B/agent.log</string>\n"
		"</dict>\n"
		"</plist>\n");
	buf_fini(&out);
}

static void test_no_memory_is_reported(void **state)
{
	struct service s = example();
	struct why why = { "" };
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	assert_int_equal(service_print(&s, &out, &why), ERR_LIMIT);
	assert_string_not_equal(why.text, "");
	buf_fini(&out);
}

static void test_the_file_s_place(void **state)
{
	struct service s = example();
	struct service_place place;

	(void)state;
	s.home = "/nowhere/ann";
	assert_int_equal(service_find(&s, &place, NULL), ERR_OK);
	assert_string_equal(place.path,
		"/nowhere/ann/Library/LaunchAgents/adit-agent.plist");
	s.label = "com.portlama.chisel";
	assert_int_equal(service_find(&s, &place, NULL), ERR_OK);
	assert_string_equal(place.path,
		"/nowhere/ann/Library/LaunchAgents/com.portlama.chisel.plist");
	assert_string_equal(place.kind, "launchd agent");
	s.is_system = true;
	assert_int_equal(service_find(&s, &place, NULL), ERR_OK);
	assert_string_equal(place.path,
		"/Library/LaunchDaemons/com.portlama.chisel.plist");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_property_list),
		cmocka_unit_test(test_no_memory_is_reported),
		cmocka_unit_test(test_the_file_s_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
