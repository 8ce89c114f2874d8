/* Tunnels in the panel's API: the contract's examples, codes and order of checks. */
#include "panel/panel_fixture_test.h"

/* "/api/tunnels/ID" + @end of the tunnel of that name. Returns @to. */
static const char *path_of(struct fixture *f, const char *name, const char *end,
	char to[128])
{
	const struct panel_tunnel *t = panel_find_name(f->p, name);

	assert_non_null(t);
	snprintf(to, 128, "/api/tunnels/%s%s", t->id, end);
	return to;
}

static void create(struct fixture *f, const char *body)
{
	says(ask(f, "POST", "/api/tunnels", body), 201, "\"ok\":true");
}

static void test_the_example_of_a_creation(void **state)
{
	struct fixture *f = *state;

	create(f, "{\"subdomain\":\"myapp\",\"port\":3000}");
	says(f->call, 201,
		"\"subdomain\":\"myapp\",\"fqdn\":\"myapp.example.com\",\"port\":3000,"
		"\"description\":null,\"type\":\"app\",\"accessMode\":\"restricted\","
		"\"enabled\":true,\"createdAt\":\"2026-06-01T12:00:00.500Z\"");
	says(f->call, 201, "{\"ok\":true,\"tunnel\":{\"id\":\"");
	says(f->call, 201, "\"agent\":null,\"target\":\"localhost:3000\"");
	says(f->call, 201, "\"warning\":\"accessMode is restricted");
	create(f,
		"{\"subdomain\":\"web\",\"port\":3001,\"accessMode\":\"public\","
		"\"description\":\"\"}");
	says(f->call, 201, "\"description\":null");
	assert_null(strstr(answer(f), "warning"));
}

static void test_the_example_of_a_refusal(void **state)
{
	struct fixture *f = *state;

	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"My_App\",\"port\":80}"),
		400,
		"{\"error\":\"Validation failed\",\"details\":{\"issues\":["
		"{\"path\":[\"subdomain\"],\"message\":\"");
	says(f->call, 400,
		"{\"path\":[\"port\"],\"message\":\"write a port from 1024 to 65535, not"
		" 80\"}]}}");
	assert_int_equal(panel_count(f->p), 0);
}

static void test_bodies_and_what_is_wrong_with_them(void **state)
{
	static const char long_name[] =
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaa\"";
	static const char *const rows[][3] = {
		/* subdomain, other members, part of the answer */
		{ "\"a\"", "\"port\":\"3000\"", "\"write a number without quotes\"" },
		{ "\"a\"", "\"port\":1023", "[\"port\"]" },
		{ "\"a\"", "\"port\":65536", "[\"port\"]" },
		{ "\"a\"", "\"port\":3000.5", "[\"port\"]" },
		{ "\"a\"", "\"x\":1", "it is missing: write the port" },
		{ "\"-a\"", "\"port\":3000", "[\"subdomain\"]" },
		{ "\"a-\"", "\"port\":3000", "[\"subdomain\"]" },
		{ "\"A\"", "\"port\":3000", "[\"subdomain\"]" },
		{ "\"a.b\"", "\"port\":3000", "[\"subdomain\"]" },
		{ "\"a;b\"", "\"port\":3000", "[\"subdomain\"]" },
		{ "\"\"", "\"port\":3000", "[\"subdomain\"]" },
		{ "1", "\"port\":3000", "write a text in quotes" },
		{ long_name, "\"port\":3000", "[\"subdomain\"]" },
		{ "\"a\"", "\"port\":3000,\"accessMode\":\"open\"", "[\"accessMode\"]" },
		{ "\"a\"", "\"port\":3000,\"type\":\"plugin\"", "write app, tcp or udp" },
		{ "\"a\"", "\"port\":3000,\"target\":\"no port\"", "localhost:3000" },
		{ "\"a\"", "\"port\":3000,\"target\":\"unix:x\"", "[\"target\"]" },
		{ "\"a\"", "\"port\":3000,\"agent\":\"Nas\"", "[\"agent\"]" },
		{ "\"a\"", "\"port\":3000,\"agentLabel\":\"Nas\"", "[\"agent\"]" },
		{ "\"a\"", "\"port\":3000,\"enabled\":1", "write true or false" },
		{ "\"a\"", "\"port\":3000,\"proxyProtocol\":\"v2\"",
			"not supported yet" },
		{ "\"a\"", "\"port\":3000,\"limits\":[]", "write an object" },
		{ "\"a\"", "\"port\":3000,\"limits\":{\"x\":1}", "x is none of conn" },
		{ "\"a\"", "\"port\":3000,\"limits\":{\"idleSeconds\":-1}",
			"[\"limits\"]" },
	};
	struct fixture *f = *state;
	char body[512];

	for (size_t i = 0; i < mem_count(rows); i++) {
		snprintf(body, sizeof(body), "{\"subdomain\":%s,%s}", rows[i][0],
			rows[i][1]);
		says(ask(f, "POST", "/api/tunnels", body), 400, rows[i][2]);
		says(f->call, 400, "Validation failed");
	}
	says(ask(f, "POST", "/api/tunnels", ""), 400, "\"error\":\"Invalid JSON\"");
	says(ask(f, "POST", "/api/tunnels", "{\"sub"), 400, "\"error\":\"Invalid JSON\"");
	says(ask(f, "POST", "/api/tunnels", "[]"), 400, "write a JSON object");
	says(ask(f, "POST", "/api/tunnels", "{}"), 400, "write a name such as my-app");
	assert_int_equal(panel_count(f->p), 0);
}

static void test_the_order_of_checks(void **state)
{
	struct fixture *f = *state;

	create(f, "{\"subdomain\":\"home\",\"port\":8123}");
	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"panel\",\"port\":8123}"),
		400, "reserved");
	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"agent-x\",\"port\":8123}"),
		400, "agent-");
	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"home\",\"port\":8123}"),
		400, "home is taken");
	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"web\",\"port\":8123}"), 400,
		"port 8123 is used by the tunnel home");
	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"web\",\"port\":9090}"), 400,
		"port 9090 is used by adit");
	says(ask(f, "POST", "/api/tunnels",
		     "{\"subdomain\":\"web\",\"port\":3000,\"agent\":\"nas\"}"),
		400, "no agent is enrolled as nas");
}

static void test_the_list_has_the_newest_first(void **state)
{
	struct fixture *f = *state;
	const char *text;

	create(f, "{\"subdomain\":\"one\",\"port\":3001}");
	clock_advance(5);
	create(f, "{\"subdomain\":\"two\",\"port\":3002}");
	says(ask(f, "GET", "/api/tunnels", ""), 200, "{\"tunnels\":[{\"id\":");
	text = answer(f);
	assert_true(strstr(text, "\"two\"") < strstr(text, "\"one\""));
	says(ask(f, "GET", "/api/tunnels?name=one", ""), 200, "\"one\"");
	assert_null(strstr(answer(f), "\"two\""));
	says(ask(f, "GET", "/api/tunnels?name=none", ""), 200, "{\"tunnels\":[]}");
}

static void test_every_member_can_be_changed(void **state)
{
	struct fixture *f = *state;
	char path[128];

	create(f, "{\"subdomain\":\"web\",\"port\":3001}");
	path_of(f, "web", "", path);
	says(ask(f, "PATCH", path, "{\"enabled\":false}"), 200, "\"enabled\":false");
	says(f->call, 200, "\"pausedBy\":\"local administrator\"");
	says(f->call, 200, "\"status\":\"paused\"");
	says(ask(f, "PATCH", path,
		     "{\"enabled\":true,\"port\":4000,\"subdomain\":\"site\","
		     "\"description\":\"x\",\"target\":\"3000\",\"accessMode\":\"public\","
		     "\"hsts\":false,"
		     "\"limits\":{\"bodyBytes\":10}}"),
		200, "\"target\":\"localhost:3000\"");
	says(f->call, 200, "\"fqdn\":\"site.example.com\",\"port\":4000");
	says(f->call, 200, "\"hsts\":false,\"proxyProtocol\":null");
	says(ask(f, "PATCH", path,
		     "{\"description\":null,\"target\":null,\"hsts\":null,"
		     "\"limits\":{\"idleSeconds\":5}}"),
		200, "\"target\":\"localhost:4000\"");
	says(f->call, 200, "\"description\":null");
	says(f->call, 200, "\"hsts\":true");
	says(f->call, 200, "\"bodyBytes\":10,\"idleSeconds\":5");
	says(ask(f, "GET", path, ""), 200, "site.example.com");
	says(ask(f, "PATCH", path, "{}"), 400, "write enabled, or another");
	says(ask(f, "PATCH", path, "{\"enabled\":\"yes\"}"), 400, "write true or false");
	says(ask(f, "PATCH", path, "{\"subdomain\":\"www\"}"), 400, "reserved");
}

static void test_ids_that_are_unknown_or_malformed(void **state)
{
	static const char *const methods[] = { "GET", "PATCH", "DELETE" };
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(methods); i++) {
		says(ask(f, methods[i],
			     "/api/tunnels/e37abda4-5c52-4f11-848e-c636b5fdcf70",
			     "{\"enabled\":true}"),
			404, "{\"error\":\"Tunnel not found\"}");
		says(ask(f, methods[i], "/api/tunnels/nonsense", "{\"enabled\":true}"),
			400, "\"path\":[\"id\"]");
	}
	says(ask(f, "PUT", "/api/tunnels", "{}"), 405, "Method not allowed");
	says(ask(f, "GET", "/api/nothing", ""), 404, "{\"error\":\"Not found\"}");
}

static void test_a_tunnel_is_deleted(void **state)
{
	struct fixture *f = *state;
	char path[128];

	create(f, "{\"subdomain\":\"web\",\"port\":3001}");
	path_of(f, "web", "", path);
	f->is_failing = true;
	says(ask(f, "DELETE", path, ""), 500,
		"{\"error\":\"Tunnel removal failed\",\"details\":\"Nginx configuration"
		" failed");
	says(ask(f, "DELETE", path, ""), 200, "{\"ok\":true}");
	says(ask(f, "DELETE", path, ""), 404, "not found");
	f->is_failing = true;
	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"web\",\"port\":3001}"), 500,
		"{\"error\":\"Tunnel creation failed\",\"details\":\"Nginx configuration");
	create(f, "{\"subdomain\":\"web\",\"port\":3001}");
}

static void test_the_path_of_a_tunnel(void **state)
{
	struct fixture *f = *state;
	char path[128];

	create(f, "{\"subdomain\":\"web\",\"port\":3001}");
	says(ask(f, "GET", path_of(f, "web", "/path", path), ""), 200,
		"{\"status\":\"no-sign-in\",\"since\":\"2026-06-01T12:00:00.500Z\","
		"\"stations\":[{\"name\":\"dns\",\"state\":\"unknown\",\"since\":null,"
		"\"text\":\"");
	says(f->call, 200, "{\"name\":\"sign-in\",\"state\":\"broken\"");
	says(f->call, 200, "{\"name\":\"app\",\"state\":\"unknown\"");
	says(f->call, 200, "\"remedy\":null}");
}

static void test_health(void **state)
{
	struct fixture *f = *state;

	says(ask(f, "GET", "/api/health", ""), 200,
		"{\"status\":\"ok\",\"version\":\"" ADIT_VERSION "\"}");
}

static void test_arguments_of_a_stock_client(void **state)
{
	struct fixture *f = *state;
	char path[128];

	create(f, "{\"subdomain\":\"myapp\",\"port\":3000}");
	clock_advance(1);
	create(f,
		"{\"subdomain\":\"dns\",\"port\":5353,\"type\":\"udp\","
		"\"target\":\"192.0.2.9:53\"}");
	create(f, "{\"subdomain\":\"off\",\"port\":3002}");
	create(f, "{\"subdomain\":\"sock\",\"port\":3003,\"target\":\"unix:/run/x\"}");
	ask(f, "PATCH", path_of(f, "off", "", path), "{\"enabled\":false}");
	says(ask(f, "GET", "/api/tunnels/agent-config", ""), 200,
		"{\"domain\":\"example.com\","
		"\"chiselServerUrl\":\"https://tunnel.example.com:443\","
		"\"chiselArgs\":[\"client\",\"--keepalive\",\"25s\","
		"\"https://tunnel.example.com\",\"R:3000:localhost:3000\","
		"\"R:5353:192.0.2.9:53/udp\"],"
		"\"tunnels\":[{\"port\":3000,\"subdomain\":\"myapp\"},"
		"{\"port\":5353,\"subdomain\":\"dns\"}]}");
	says(ask(f, "GET", "/api/tunnels/mac-plist", ""), 200,
		"<string>R:3000:localhost:3000</string>");
	assert_non_null(strstr(f->call->headers, "Content-Type: application/x-plist"));
	assert_non_null(
		strstr(f->call->headers, "filename=\"com.portlama.chisel.plist\""));
	says(ask(f, "GET", "/api/tunnels/mac-plist?format=json", ""), 200,
		"\"install\":\"launchctl load "
		"~/Library/LaunchAgents/com.portlama.chisel.plist\"");
}

static void test_a_caller_without_a_certificate_gets_nothing(void **state)
{
	struct fixture *f = *state;

	f->name = "";
	f->serial = "";
	says(ask(f, "GET", "/api/tunnels", ""), 403, "A client certificate is required");
	f->name = "stranger";
	f->serial = "AB";
	says(ask(f, "GET", "/api/tunnels", ""), 403, "not valid here");
	f->name = "agent:nas";
	says(ask(f, "GET", "/api/tunnels", ""), 403, "not valid here");
	f->name = "admin";
	says(ask(f, "GET", "/api/tunnels", ""), 200, "tunnels");
	says(ask(f, "GET", "/api/health", ""), 200, "ok");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_the_example_of_a_creation),
		TEST(test_the_example_of_a_refusal),
		TEST(test_bodies_and_what_is_wrong_with_them),
		TEST(test_the_order_of_checks),
		TEST(test_the_list_has_the_newest_first),
		TEST(test_every_member_can_be_changed),
		TEST(test_ids_that_are_unknown_or_malformed),
		TEST(test_a_tunnel_is_deleted),
		TEST(test_the_path_of_a_tunnel),
		TEST(test_health),
		TEST(test_arguments_of_a_stock_client),
		TEST(test_a_caller_without_a_certificate_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
