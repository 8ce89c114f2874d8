/* Behaviour of an agent's config: what values mean, and the words about mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/config.h"
#include "base/mem.h"

#define RELAYS "relays = [\"https://portal.example.com\"]\n"
#define TUNNEL "[[tunnels]]\ntarget = \"3000\"\n" RELAYS
#define LINK \
	"[[links]]\nserver = \"https://tunnel.example.com\"\n" \
	"remotes = [\"R:3000:localhost:3000\"]\n"

#define MANAGED "[[links]]\nserver = \"https://tunnel.example.com\"\nmanaged = true\n"

struct warnings {
	unsigned n;
	char last[300];
};

static void on_warning(void *arg, const char *text)
{
	struct warnings *w = arg;

	w->n++;
	snprintf(w->last, sizeof(w->last), "%s", text);
}

static enum err parse(const char *text, bool is_lenient, struct warnings *w,
	struct agent_config **out, struct why *why)
{
	const struct config_source source = {
		.path = "/etc/adit/config.toml",
		.names = &agent_names_adit,
		.state_dir = "/var/lib/adit/agent",
		.is_lenient = is_lenient,
		.warn = on_warning,
		.arg = w,
	};

	*w = (struct warnings){ .n = 0 };
	return agent_config_parse(&source, span_str(text), out, why);
}

static struct agent_config *read_good(const char *text)
{
	struct agent_config *c = NULL;
	struct warnings w;
	struct why why = { "" };
	enum err rc = parse(text, false, &w, &c, &why);

	if (rc != ERR_OK)
		fail_msg("%s", why.text);
	return c;
}

/* ---- meaning ---- */

static void test_an_empty_file_has_the_defaults(void **state)
{
	struct agent_config *c = read_good("");
	char shown[ADDR_TEXT_MAX];

	(void)state;
	assert_string_equal(c->state_dir, "/var/lib/adit/agent");
	assert_string_equal(c->service_name, "adit-agent");
	assert_string_equal(addr_print(&c->control, shown), "127.0.0.1:4018");
	assert_int_equal(c->tunnels.n + c->links.n + c->allowed_wallets.n, 0);
	assert_true(c->dials_targets);
	agent_config_free(c);
}

static void test_a_tunnel_has_its_defaults(void **state)
{
	struct agent_config *c = read_good(TUNNEL);
	const struct tunnel_config *t = agent_config_tunnel(c, 0);

	(void)state;
	assert_string_equal(t->id, "tunnel-1");
	assert_null(t->lease.name);
	assert_null(t->lease.identity_path);
	assert_true(t->place.has_discovery && t->lease.bans_mitm);
	assert_false(t->lease.has_udp || t->lease.has_tcp || t->metadata.hide);
	assert_int_equal(t->place.max_active_relays, 3);
	assert_string_equal(t->target.host, "127.0.0.1");
	assert_int_equal(t->target.port, 3000);
	assert_string_equal(t->relays.urls[0], "https://portal.example.com");
	assert_string_equal(t->fault.text, "");
	agent_config_free(c);
}

static void test_every_field_of_a_tunnel_is_read(void **state)
{
	struct agent_config *c = read_good(
		"[[tunnels]]\nid = \"web\"\nname = \"myapp\"\n"
		"relays = [\"a.example, b.example\", \"https://a.example/\"]\n"
		"discovery = false\nmax_active_relays = 5\nidentity_path = \"keys/a.json\"\n"
		"tcp = true\nban_mitm = false\ndescription = \"d\"\ntags = [\" x \", \"\", \"y\"]\n"
		"owner = \"o\"\nthumbnail = \"t\"\nhide = true\npreserve_host = true\n"
		"[[tunnels.http_routes]]\nprefix = \"/api\"\nupstream = \"localhost:3001\"\n"
		"[[tunnels.http_routes]]\nprefix = \"/\"\nupstream = \"http://localhost:5173\"\n");
	const struct tunnel_config *t = agent_config_tunnel(c, 0);

	(void)state;
	assert_string_equal(t->id, "web");
	assert_string_equal(t->lease.name, "myapp");
	assert_int_equal(t->relays.count, 2);
	assert_string_equal(t->relays.urls[1], "https://b.example");
	assert_false(t->place.has_discovery || t->lease.bans_mitm);
	assert_int_equal(t->place.max_active_relays, 5);
	assert_string_equal(t->lease.identity_path, "/etc/adit/keys/a.json");
	assert_true(t->lease.has_tcp && t->metadata.hide && t->service.preserves_host);
	assert_int_equal(t->metadata.tags.n, 2);
	assert_string_equal(t->metadata.tags.v[0], "x");
	assert_int_equal(t->routes.count, 2);
	assert_string_equal(t->routes.routes[0]->prefix, "/api");
	agent_config_free(c);
}

static void test_ids_are_names_or_numbers(void **state)
{
	struct agent_config *c = read_good(
		TUNNEL "name = \"one\"\n" TUNNEL "id = \"x\"\nname = \"two\"\n" TUNNEL);

	(void)state;
	assert_string_equal(agent_config_tunnel(c, 0)->id, "one");
	assert_string_equal(agent_config_tunnel(c, 1)->id, "x");
	assert_string_equal(agent_config_tunnel(c, 2)->id, "tunnel-3");
	agent_config_free(c);
}

static void test_a_link_is_read(void **state)
{
	struct agent_config *c = read_good(LINK
		"id = \"home\"\nauth_file = \"secret\"\nkeepalive = \"10s\"\n"
		"headers = [\"X-One: 1\"]\ntls_ca = \"ca.pem\"\nsni = \"other.example\"\n");
	const struct link_config *l = agent_config_link(c, 0);

	(void)state;
	assert_string_equal(l->id, "home");
	assert_string_equal(l->options.server, "https://tunnel.example.com");
	assert_string_equal(l->auth_file, "/etc/adit/secret");
	assert_string_equal(l->options.tls_ca, "/etc/adit/ca.pem");
	assert_int_equal(l->options.tuning.keepalive_ms, 10000);
	assert_int_equal(l->options.remote_count, 1);
	assert_true(l->options.remotes[0].is_reverse);
	assert_string_equal(l->options.headers[0], "X-One: 1");
	assert_null(l->options.headers[1]);
	assert_int_equal(l->options.max_retry_count, -1);
	agent_config_free(c);
}

static void test_control_addresses_are_of_the_loopback_interface(void **state)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{ "127.0.0.1:0", "127.0.0.1:0" },
		{ "LocalHost:4020", "127.0.0.1:4020" },
		{ "[::1]:4018", "[::1]:4018" },
		{ "127.8.9.1:1", "127.8.9.1:1" },
	};
	char text[120], shown[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct agent_config *c;

		snprintf(text, sizeof(text), "[agent]\ncontrol_addr = \"%s\"\n",
			rows[i].text);
		c = read_good(text);
		assert_string_equal(addr_print(&c->control, shown), rows[i].shown);
		agent_config_free(c);
	}
}

/* ---- mistakes ---- */

static void test_mistakes_are_named_with_their_place(void **state)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{ "[agents]\n",
			"config.toml:1:1: unknown key \"agents\"; did you mean agent?" },
		{ "[agent]\ncontrol_addr = \"0.0.0.0:4018\"\n",
			"config.toml:2:16: control_addr: \"0.0.0.0:4018\" is not a loopback"
			" address and port; write 127.0.0.1:4018" },
		{ "[agent]\ncontrol_addr = \"x.localhost:1\"\n", "is not a loopback" },
		{ "[agent]\ncontrol_addr = \"127.1:4018\"\n", "is not a loopback" },
		{ "[agent]\ncontrol_addr = \":4018\"\n", "is not a loopback" },
		{ "[agent]\ncontrol_addr = \"4018\"\n", "is not a loopback" },
		{ "[agent]\nservice_name = \"a b\"\n",
			"config.toml:2:16: service_name: it has white space" },
		{ "[agent]\nallowed_wallets = [\"0x12\"]\n",
			":2:19: allowed_wallets: \"0x12\" is not a wallet address" },
		{ TUNNEL "targt = \"3\"\n",
			":4:1: unknown key \"targt\"; did you mean target?" },
		{ TUNNEL "http_routes = [{ prefix = \"/\", upstream = \"3\" }]\n",
			":4:15: a tunnel has a target or http_routes, not both" },
		{ "[[tunnels]]\n" RELAYS, ":1:1: a tunnel has a target or http_routes" },
		{ "[[tunnels]]\n" RELAYS "udp = true\nhttp_routes = [{ prefix = \"/\","
		  " upstream = \"3\" }]\n",
			":3:7: a tunnel with http_routes has no UDP" },
		{ "[[tunnels]]\ntarget = \"no where\"\n" RELAYS,
			":2:10: target \"no where\": write a port" },
		{ "[[tunnels]]\ntarget = \"127.0.0.1:99999\"\n" RELAYS, ":2:10: target" },
		{ "[[tunnels]]\ntarget = \"3000\"\ndiscovery = false\n",
			":1:1: no relay is given and discovery is off" },
		{ "[[tunnels]]\ntarget = \"3000\"\nrelays = [\"http://a.example\"]\n",
			":3:10: relays: " },
		{ "[[tunnels]]\ntarget = \"3000\"\nrelays = [\"https://10.0.0.1\"]\n",
			":3:10: relays: " },
		{ TUNNEL "name = \"!!\"\n", ":4:8: \"!!\" cannot be a name" },
		{ TUNNEL "id = \"a/b\"\n", ":4:6: id: it has the character '/'" },
		{ TUNNEL "id = \"..\"\n", ":4:6: id: it cannot be \"..\"" },
		{ TUNNEL "id = \"a\"\n" TUNNEL "id = \"a\"\n",
			":8:6: two tunnels have the id \"a\"" },
		{ TUNNEL "id = \"a\"\nname = \"n\"\n" TUNNEL "id = \"b\"\nname = \"N\"\n",
			":10:8: the tunnel \"a\" has the name \"N\", too" },
		{ TUNNEL "max_active_relays = -1\n",
			":4:21: max_active_relays takes a number of relays, not -1" },
		{ TUNNEL "multi_hop = [\"https://a.example\"]\n",
			":4:13: multi_hop has at least two relays" },
		{ TUNNEL "multi_hop = [\"https://a.example\", \"a.example/\"]\n",
			":4:13: multi_hop has a relay twice" },
		{ TUNNEL
			"multi_hop = [\"a.example\", \"b.example\"]\nmulti_hop_depth = 2\n",
			":5:19: a tunnel has multi_hop or multi_hop_depth, not both" },
		{ TUNNEL "multi_hop_depth = 2\ntcp = true\n",
			":5:7: a tunnel through several relays has no TCP port" },
		{ TUNNEL "identity_json = \"{}\"\n", ":4:17: identity_json: " },
		{ "[[tunnels]]\n" RELAYS "[[tunnels.http_routes]]\nprefix = \"api\"\n"
		  "upstream = \"3\"\n",
			":3:1: http_routes: prefix \"api\": a route's path begins with /" },
		{ "[[tunnels]]\n" RELAYS "[[tunnels.http_routes]]\nprefix = \"/\"\n",
			"a route has a prefix and an upstream" },
		{ LINK "managed = 3\n", ":4:11: managed takes true or false" },
		{ LINK LINK "id = \"link-1\"\n",
			":7:6: two links have the id \"link-1\"" },
		{ LINK "auth = \"a:b\"\nauth_file = \"f\"\n",
			":5:13: a link has auth or auth_file, not both" },
		{ LINK "auth = \"ab\"\n", ":4:8: auth: it has no colon" },
		{ LINK "tls_key = \"k\"\n", ":4:11: tls_key and tls_cert go together" },
		{ "[[links]]\nserver = \"https://a.example\"\n",
			":1:1: a link has remotes" },
		{ "[[links]]\nremotes = [\"3000\"]\n", ":1:1: a link has a server" },
		{ "[[links]]\nserver = \"https://a.example\"\nremotes = [\"stdio:a:1\"]\n",
			":3:11: remote \"stdio:a:1\": an agent has no standard input" },
		{ "[[links]]\nserver = \"https://a.example\"\nremotes = [\"x y\"]\n",
			":3:11: remote \"x y\": " },
		{ "[[tunnels]]\nid = \n", ":2:6: a value is missing" },
	};
	struct agent_config *c;
	struct warnings w;
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		why.text[0] = '\0';
		assert_int_equal(parse(rows[i].text, false, &w, &c, &why), ERR_SYNTAX);
		if (strstr(why.text, rows[i].sentence) == NULL)
			fail_msg("%s\nis refused with \"%s\"", rows[i].text, why.text);
	}
}

static void test_a_managed_link_has_credentials_in_place_of_remotes(void **state)
{
	struct agent_config *c;
	struct warnings w;
	struct why why = { "" };

	(void)state;
	assert_int_equal(parse(MANAGED "credentials = \"here\"\n", false, &w, &c, NULL),
		ERR_OK);
	assert_true(agent_config_link(c, 0)->options.is_managed);
	assert_non_null(strstr(agent_config_link(c, 0)->credentials, "/here"));
	agent_config_free(c);
	assert_int_equal(parse(MANAGED "auth = \"a:b\"\n", false, &w, &c, &why),
		ERR_SYNTAX);
	assert_non_null(strstr(why.text, "logs in by its key"));
	assert_int_equal(parse(LINK "managed = true\n", false, &w, &c, &why), ERR_SYNTAX);
	assert_non_null(strstr(why.text, "leave remotes out"));
}

/* ---- what is accepted with a warning ---- */

static void test_unsupported_features_are_faults_of_their_tunnel(void **state)
{
	struct agent_config *c;
	struct warnings w;

	(void)state;
	assert_int_equal(parse(TUNNEL "udp = true\n" TUNNEL
				      "multi_hop_depth = 2\n" TUNNEL,
				 false, &w, &c, NULL),
		ERR_OK);
	assert_int_equal(w.n, 2);
	assert_string_equal(agent_config_tunnel(c, 0)->fault.text,
		"UDP through a relay is not supported yet");
	assert_string_equal(agent_config_tunnel(c, 1)->fault.text,
		"publishing through several relays is not supported yet");
	assert_string_equal(agent_config_tunnel(c, 2)->fault.text, "");
	agent_config_free(c);
}

static void test_a_lenient_reader_has_faults_instead_of_errors(void **state)
{
	struct agent_config *c;
	struct warnings w;

	(void)state;
	assert_int_equal(parse("future = 1\n"
			       "[[tunnels]]\nid = \"a\"\ntarget = \"no where\"\n" RELAYS
			       "[[tunnels]]\nid = \"b\"\ntarget = 3000\n"
			       "relays = \"https://a.example\"\nmax_active_relays = -1\n",
				 true, &w, &c, NULL),
		ERR_OK);
	assert_true(w.n >= 4);
	assert_non_null(strstr(agent_config_tunnel(c, 0)->fault.text, "no where"));
	assert_string_equal(agent_config_tunnel(c, 1)->fault.text, "");
	assert_int_equal(agent_config_tunnel(c, 1)->target.port, 3000);
	assert_int_equal(agent_config_tunnel(c, 1)->place.max_active_relays, 3);
	agent_config_free(c);
	assert_int_equal(parse("[tunnels]\nid = \"a\"\ntarget = \"3000\"\n" RELAYS, true,
				 &w, &c, NULL),
		ERR_OK);
	assert_int_equal(c->tunnels.n, 1);
	agent_config_free(c);
	/* Two tunnels of one id, and a control address for others, are not. */
	assert_int_equal(parse(TUNNEL "id = \"a\"\n" TUNNEL "id = \"a\"\n", true, &w, &c,
				 NULL),
		ERR_SYNTAX);
	assert_int_equal(parse("[agent]\ncontrol_addr = \"0.0.0.0:1\"\n", true, &w, &c,
				 NULL),
		ERR_SYNTAX);
}

static void test_changes_are_seen_by_their_part(void **state)
{
	struct agent_config *a = read_good(TUNNEL "tags = [\"x\"]\n");
	struct agent_config *b = read_good(TUNNEL "tags = [\"y\"]\n");
	const struct tunnel_config *one = agent_config_tunnel(a, 0);
	const struct tunnel_config *other = agent_config_tunnel(b, 0);

	(void)state;
	assert_true(field_equal(&service_config_fields, &one->service, &other->service));
	assert_true(field_equal(&place_config_fields, &one->place, &other->place));
	assert_true(field_equal(&lease_config_fields, &one->lease, &other->lease));
	assert_false(
		field_equal(&message_metadata_fields, &one->metadata, &other->metadata));
	agent_config_free(a);
	agent_config_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_file_has_the_defaults),
		cmocka_unit_test(test_a_tunnel_has_its_defaults),
		cmocka_unit_test(test_every_field_of_a_tunnel_is_read),
		cmocka_unit_test(test_ids_are_names_or_numbers),
		cmocka_unit_test(test_a_link_is_read),
		cmocka_unit_test(test_control_addresses_are_of_the_loopback_interface),
		cmocka_unit_test(test_mistakes_are_named_with_their_place),
		cmocka_unit_test(test_a_managed_link_has_credentials_in_place_of_remotes),
		cmocka_unit_test(test_unsupported_features_are_faults_of_their_tunnel),
		cmocka_unit_test(test_a_lenient_reader_has_faults_instead_of_errors),
		cmocka_unit_test(test_changes_are_seen_by_their_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
