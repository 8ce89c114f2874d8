/* Behaviour of edits: one value changes, and everything else stays as it was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/config.h"
#include "agent/config_edit.h"

#define TEXT \
	"# mine\n" \
	"[[tunnels]]\n" \
	"name = \"web\" # its name\n" \
	"target = '3000'\n" \
	"\n" \
	"# the other\n" \
	"[[tunnels]]\n" \
	"id = \"other\"\n" \
	"tags = [\n\t\"a\", # first\n]\n"

static struct toml *parse(const char *text)
{
	struct toml *t;

	assert_int_equal(toml_parse(span_str(text), "config.toml", &t, NULL), ERR_OK);
	return t;
}

static void expect(struct config_edit *e, const char *text)
{
	struct buf out;

	buf_init(&out, TOML_BYTES_MAX);
	assert_int_equal(config_edit_close(e, &out), ERR_OK);
	buf_put_u8(&out, '\0');
	assert_string_equal((const char *)buf_front(&out), text);
	buf_fini(&out);
}

static void test_a_tunnel_is_found_as_the_config_names_it(void **state)
{
	struct toml *t = parse(TEXT "[[tunnels]]\ntarget = \"1\"\n");
	unsigned index = 9;

	(void)state;
	assert_non_null(config_edit_find(t, "web", &index));
	assert_int_equal(index, 0);
	assert_non_null(config_edit_find(t, "other", &index));
	assert_int_equal(index, 1);
	assert_non_null(config_edit_find(t, "tunnel-3", &index));
	assert_int_equal(index, 2);
	assert_null(config_edit_find(t, "tunnel-1", &index));
	assert_null(config_edit_find(t, "nope", NULL));
	toml_free(t);
}

static void test_values_are_replaced_in_their_place(void **state)
{
	struct toml *t = parse(TEXT);
	struct config_edit e;

	(void)state;
	config_edit_open(&e, t, "web", NULL);
	config_edit_text(&e, "name", "app \"2\"");
	expect(&e,
		"# mine\n[[tunnels]]\nname = \"app \\\"2\\\"\" # its name\n"
		"target = '3000'\n\n# the other\n[[tunnels]]\nid = \"other\"\n"
		"tags = [\n\t\"a\", # first\n]\n");
	toml_free(t);
}

static void test_several_values_change_in_one_edit(void **state)
{
	struct toml *t = parse(TEXT);
	char x[] = "x", y[] = "y", *tags[] = { x, y, NULL };
	const struct field_list list = { tags, 2 };
	struct config_edit e;

	(void)state;
	config_edit_open(&e, t, "other", NULL);
	config_edit_list(&e, "tags", &list);
	config_edit_number(&e, "max_active_relays", 7);
	config_edit_flag(&e, "hide", true);
	config_edit_text(&e, "owner", NULL); /* was not there */
	expect(&e,
		"# mine\n[[tunnels]]\nname = \"web\" # its name\ntarget = '3000'\n\n"
		"# the other\n[[tunnels]]\nid = \"other\"\ntags = [\"x\", \"y\"]\n"
		"max_active_relays = 7\nhide = true\n");
	toml_free(t);
}

static void test_what_is_empty_is_removed(void **state)
{
	struct toml *t = parse(TEXT);
	const struct field_list none = { NULL, 0 };
	struct config_edit e;

	(void)state;
	config_edit_open(&e, t, "other", NULL);
	config_edit_list(&e, "tags", &none);
	expect(&e,
		"# mine\n[[tunnels]]\nname = \"web\" # its name\ntarget = '3000'\n\n"
		"# the other\n[[tunnels]]\nid = \"other\"\n");
	toml_free(t);
}

static void test_routes_replace_those_with_headers(void **state)
{
	struct toml *t = parse(
		"[[tunnels]]\nid = \"web\"\n"
		"[[tunnels.http_routes]]\nprefix = \"/\"\nupstream = \"1\"\n"
		"[[tunnels]]\nid = \"b\"\n");
	char paths[2][8] = { "/api", "/" }, upstreams[2][16] = { "localhost:1", "2" };
	struct route_config routes[] = { { paths[0], upstreams[0] },
		{ paths[1], upstreams[1] } };
	const struct field_tables tables = { routes, 2 };
	struct config_edit e;

	(void)state;
	config_edit_open(&e, t, "web", NULL);
	config_edit_routes(&e, &tables);
	expect(&e,
		"[[tunnels]]\nid = \"web\"\nhttp_routes = [{ prefix = \"/api\", upstream ="
		" \"localhost:1\" }, { prefix = \"/\", upstream = \"2\" }]\n"
		"[[tunnels]]\nid = \"b\"\n");
	toml_free(t);
}

static void test_a_missing_tunnel_is_an_error(void **state)
{
	struct toml *t = parse(TEXT);
	struct why why = { "" };
	struct config_edit e;
	struct buf out;

	(void)state;
	buf_init(&out, TOML_BYTES_MAX);
	config_edit_open(&e, t, "nope", &why);
	config_edit_text(&e, "name", "x");
	config_edit_flag(&e, "hide", true);
	assert_int_equal(config_edit_close(&e, &out), ERR_NOENT);
	assert_string_equal(why.text, "the file has no tunnel \"nope\"");
	assert_int_equal(out.n, 0);
	buf_fini(&out);
	toml_free(t);
}

static void test_a_new_tunnel_comes_last(void **state)
{
	struct toml *t = parse("[agent]\n");
	const struct field_list none = { NULL, 0 };
	const struct config_addition add = { "a", "A b", "3000", &none };
	struct buf out;

	(void)state;
	buf_init(&out, TOML_BYTES_MAX);
	assert_int_equal(config_edit_add(t, &add, &out, NULL), ERR_OK);
	buf_put_u8(&out, '\0');
	assert_non_null(strstr((const char *)buf_front(&out),
		"[[tunnels]]\nid = \"a\"\nname = \"A b\"\ntarget = \"3000\"\n"
		"discovery = true\n"));
	buf_fini(&out);
	toml_free(t);
}

/* ---- links ---- */

static void expect_managed(const char *text, const struct config_managed *m,
	const char *expected)
{
	struct toml *t = parse(text);
	struct why why = { "" };
	struct buf out;

	buf_init(&out, TOML_BYTES_MAX);
	if (config_edit_put_managed(t, m, &out, &why) != ERR_OK)
		fail_msg("%s", why.text);
	buf_put_u8(&out, '\0');
	assert_string_equal((const char *)buf_front(&out), expected);
	buf_fini(&out);
	toml_free(t);
}

static void test_a_managed_link_is_added_behind_the_others(void **state)
{
	const struct config_managed m = { "example.com", "https://tunnel.example.com",
		"abc=" };
	const struct config_managed bare = { "a", "https://a.test", NULL };

	(void)state;
	expect_managed("", &bare,
		"[[links]]\nid = \"a\"\nserver = \"https://a.test\"\n"
		"managed = true\n");
	expect_managed("# mine\n[[links]]\nid = \"a\" # one\nserver = \"b\"\n", &m,
		"# mine\n[[links]]\nid = \"a\" # one\nserver = \"b\"\n\n"
		"[[links]]\nid = \"example.com\"\n"
		"server = \"https://tunnel.example.com\"\nmanaged = true\n"
		"fingerprint = \"abc=\"\n");
}

static void test_a_managed_link_that_is_there_changes_in_its_place(void **state)
{
	const struct config_managed m = { "a", "https://new.test", NULL };

	(void)state;
	expect_managed(
		"[[links]] # first\nid = \"a\"\nserver = \"https://old.test\" # was\n"
		"managed = true\nfingerprint = \"abc=\"\n# end\n",
		&m,
		"[[links]] # first\nid = \"a\"\nserver = \"https://new.test\" # was\n"
		"managed = true\n# end\n");
}

static void expect_agent(const char *text, const char *expected)
{
	struct toml *t = parse(text);
	struct buf out;

	buf_init(&out, TOML_BYTES_MAX);
	assert_int_equal(config_edit_put_agent(t, "state_dir", "/s", &out, NULL), ERR_OK);
	buf_put_u8(&out, '\0');
	assert_string_equal((const char *)buf_front(&out), expected);
	buf_fini(&out);
	toml_free(t);
}

static void test_settings_of_the_agent_find_their_table(void **state)
{
	(void)state;
	expect_agent("", "[agent]\nstate_dir = \"/s\"\n");
	expect_agent("# x\n[[links]]\nid = \"a\"",
		"# x\n[[links]]\nid = \"a\"\n\n[agent]\nstate_dir = \"/s\"\n");
	expect_agent("[agent]\ncontrol_addr = \"c\" # c\n",
		"[agent]\ncontrol_addr = \"c\" # c\nstate_dir = \"/s\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tunnel_is_found_as_the_config_names_it),
		cmocka_unit_test(test_values_are_replaced_in_their_place),
		cmocka_unit_test(test_several_values_change_in_one_edit),
		cmocka_unit_test(test_what_is_empty_is_removed),
		cmocka_unit_test(test_routes_replace_those_with_headers),
		cmocka_unit_test(test_a_missing_tunnel_is_an_error),
		cmocka_unit_test(test_a_new_tunnel_comes_last),
		cmocka_unit_test(test_a_managed_link_is_added_behind_the_others),
		cmocka_unit_test(test_a_managed_link_that_is_there_changes_in_its_place),
		cmocka_unit_test(test_settings_of_the_agent_find_their_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
