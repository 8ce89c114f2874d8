/* Fields and TOML: every kind from a document and from a text, and words about what does
 * not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "text/field_toml.h"

struct shaft {
	char *name;
	uint32_t depth;
};

struct mine {
	char *owner;
	bool is_open;
	uint16_t port;
	uint32_t miners, wait_ms;
	struct field_list tools;
	struct shaft main;
	struct field_tables shafts;
	bool has_lift;
};

static enum err check_name(void *member, struct why *why)
{
	const char *name = *(char *const *)member;

	if (name == NULL || name[0] >= 'A')
		return ERR_OK;
	return err_set(why, ERR_SYNTAX, "a name begins with a letter");
}

static const struct field shaft_rows[] = {
	{ .name = "name",
		.kind = FIELD_TEXT,
		FIELD_AT(struct shaft, name),
		.check = check_name },
	{ .name = "depth",
		.kind = FIELD_COUNT,
		FIELD_AT(struct shaft, depth),
		.min = 1,
		.max = 4000,
		.initial = "100" },
};
static const struct field_table shaft = FIELD_TABLE_OF(struct shaft, shaft_rows);

#define AT(member) FIELD_AT(struct mine, member)

static const struct field mine_rows[] = {
	{ .name = "owner",
		.kind = FIELD_TEXT,
		AT(owner),
		.is_live = true,
		.initial = "nobody" },
	{ .name = "is_open", .kind = FIELD_BOOL, AT(is_open) },
	{ .name = "port", .kind = FIELD_PORT, AT(port), .min = 1, .initial = "80" },
	{ .name = "miners", .kind = FIELD_COUNT, AT(miners) },
	{ .name = "wait",
		.kind = FIELD_DURATION,
		AT(wait_ms),
		.min = 1000,
		.max = 60000,
		.initial = "5s" },
	{ .name = "tools", .kind = FIELD_LIST, AT(tools), .max = 3 },
	{ .name = "main", .kind = FIELD_TABLE, AT(main), .of = &shaft },
	{ .name = "shaft", .kind = FIELD_TABLES, AT(shafts), .max = 2, .of = &shaft },
	{ .name = "has_lift",
		.kind = FIELD_BOOL,
		AT(has_lift),
		.initial = "false",
		.lacks = "lifts are" },
};
static const struct field_table mine = FIELD_TABLE_OF(struct mine, mine_rows);

static enum err read_mine(const char *text, struct mine *m, struct why *why)
{
	struct toml *t;
	enum err rc;

	memset(m, 0, sizeof(*m));
	assert_int_equal(field_defaults(&mine, m, why), ERR_OK);
	assert_int_equal(toml_parse(span_str(text), "t.toml", &t, NULL), ERR_OK);
	rc = field_read_toml(&mine, toml_root(t), "mine.toml", m, why);
	toml_free(t);
	return rc;
}

static void test_what_is_left_out_has_its_preset(void **state)
{
	struct why why = { "" };
	struct mine m;

	(void)state;
	assert_int_equal(read_mine("", &m, &why), ERR_OK);
	assert_string_equal(m.owner, "nobody");
	assert_int_equal(m.port, 80);
	assert_int_equal(m.wait_ms, 5000);
	assert_int_equal(m.main.depth, 100);
	assert_null(m.main.name);
	assert_int_equal(m.tools.n, 0);
	field_fini(&mine, &m);
	assert_null(m.owner);
}

static void test_every_kind_is_read(void **state)
{
	struct why why = { "" };
	struct shaft *shafts;
	struct mine m;

	(void)state;
	assert_int_equal(
		read_mine("owner = ''\nis_open = true\nport = 65535\n"
			  "miners = 4294967295\nwait = '1m'\ntools = ['a', ' b ', '']\n"
			  "main = { name = 'M', depth = 4000 }\n"
			  "[[shaft]]\nname = 'A'\n[[shaft]]\ndepth = 7\n",
			&m, &why),
		ERR_OK);
	assert_null(m.owner);
	assert_true(m.is_open);
	assert_int_equal(m.port, 65535);
	assert_int_equal(m.miners, UINT32_MAX);
	assert_int_equal(m.wait_ms, 60000);
	assert_int_equal(m.tools.n, 2);
	assert_string_equal(m.tools.v[1], "b");
	assert_string_equal(m.main.name, "M");
	assert_int_equal(m.shafts.n, 2);
	shafts = m.shafts.v;
	assert_string_equal(shafts[0].name, "A");
	assert_int_equal(shafts[0].depth, 100);
	assert_int_equal(shafts[1].depth, 7);
	field_fini(&mine, &m);
}

static void test_what_does_not_fit_is_named_with_its_place(void **state)
{
	static const char *const cases[][2] = {
		{ "\nprot = 1",
			"mine.toml:2:1: unknown key \"prot\"; did you mean port?" },
		{ "is-open = true",
			"mine.toml:1:1: unknown key \"is-open\"; did you mean is_open?" },
		{ "zzz = 1", "mine.toml:1:1: unknown key \"zzz\"" },
		{ "port = 0", "mine.toml:1:8: port takes a port from 1 to 65535, not 0" },
		{ "port = 70000",
			"mine.toml:1:8: port takes a port from 1 to 65535, not 70000" },
		{ "port = -1",
			"mine.toml:1:8: port takes a port from 1 to 65535, not -1" },
		{ "port = '80'",
			"mine.toml:1:8: port takes a port from 1 to 65535, not \"80\"" },
		{ "is_open = 1", "mine.toml:1:11: is_open takes true or false, not 1" },
		{ "is_open = 'true'",
			"mine.toml:1:11: is_open takes true or false, not \"true\"" },
		{ "owner = 1", "mine.toml:1:9: owner takes a text in quotes, not 1" },
		{ "owner = \"a\\u0000b\"",
			"mine.toml:1:9: owner takes a text in quotes, not \"a\\x00b\"" },
		{ "wait = 5",
			"mine.toml:1:8: wait takes a duration such as \"25s\" or"
			" \"1m30s\", from 1s to 1m0s, not 5" },
		{ "wait = '61s'",
			"mine.toml:1:8: wait takes a duration such as \"25s\" or"
			" \"1m30s\", from 1s to 1m0s, not \"61s\"" },
		{ "tools = 1", "mine.toml:1:9: tools takes an array of texts, not 1" },
		{ "tools = ['a',\n 1.5]",
			"mine.toml:2:2: tools takes texts in quotes, not a"
			" number with a fraction" },
		{ "tools = 'a,b,c,d'", "mine.toml:1:9: tools takes at most 3 entries" },
		{ "main = 1", "mine.toml:1:8: main takes a table, not 1" },
		{ "[main]\ndepth = 0",
			"mine.toml:2:9: depth takes a whole number from 1 to 4000, not 0" },
		{ "[[shaft]]\n[[shaft]]\nname = '7'",
			"mine.toml:3:8: name: a name begins with a letter" },
		{ "shaft = [1]",
			"mine.toml:1:9: shaft takes tables, each below a header in"
			" double brackets, not an array" },
		{ "shaft = [{}, {}, {}]", "mine.toml:1:9: shaft: there are more than 2" },
		{ "has_lift = true",
			"mine.toml:1:12: has_lift: lifts are not supported yet;"
			" leave it out, or write false" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct why why = { "" };
		struct mine m;

		assert_int_equal(read_mine(cases[i][0], &m, &why), ERR_SYNTAX);
		assert_string_equal(why.text, cases[i][1]);
		field_fini(&mine, &m);
	}
}

static void test_live_fields_are_taken_over(void **state)
{
	static const struct {
		const char *next, *restart;
	} rows[] = {
		{ "", "" },
		{ "owner = 'me'", "" },
		{ "port = 81\ntools = ['a', 'c']", "port, tools" },
		{ "port = 80\ntools = ['a', 'b']", "" },
		{ "owner = ''\nminers = 1", "miners, tools" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		bool keeps_tools = strstr(rows[i].restart, "tools") == NULL;
		char text[128], restart[64];
		struct why why = { "" };
		struct mine is, next;

		snprintf(text, sizeof(text), "%s\n%s", rows[i].next,
			keeps_tools && strstr(rows[i].next, "tools") == NULL ?
				"tools = ['a', 'b']" :
				"");
		assert_int_equal(read_mine("tools = ['a', 'b']", &is, &why), ERR_OK);
		assert_int_equal(read_mine(text, &next, &why), ERR_OK);
		field_reload(&mine, &is, &next, restart, sizeof(restart));
		assert_string_equal(restart, rows[i].restart);
		if (i == 1) {
			assert_string_equal(is.owner, "me");
			assert_string_equal(next.owner, "nobody");
		}
		assert_int_equal(is.port, 80);
		field_fini(&mine, &is);
		field_fini(&mine, &next);
	}
}

static void test_single_texts_are_taken(void **state)
{
	static const struct {
		const char *key, *text;
		enum err rc;
		const char *words;
	} cases[] = {
		{ "owner", "me", ERR_OK, "" },
		{ "port", "8080", ERR_OK, "" },
		{ "port", "http", ERR_USAGE,
			"X takes a port from 1 to 65535, not \"http\"" },
		{ "is_open", "TRUE", ERR_OK, "" },
		{ "is_open", "yes", ERR_USAGE, "X takes true or false, not \"yes\"" },
		{ "miners", "1e3", ERR_USAGE,
			"X takes a whole number from 0 to 4294967295, not \"1e3\"" },
		{ "wait", "1500ms", ERR_OK, "" },
		{ "tools", "pick, shovel,,", ERR_OK, "" },
		{ "main", "x", ERR_USAGE, "X takes a table, not \"x\"" },
		{ "has_lift", "false", ERR_OK, "" },
	};
	struct mine m = { .port = 0 };

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct why why = { "" };

		const struct field_value v = { .form = FIELD_WORD,
			.text = span_str(cases[i].text) };
		const struct field *f = mine_rows;

		while (strcmp(f->name, cases[i].key) != 0)
			f++;
		assert_int_equal(field_set(f, "X", &v, field_at(f, &m), &why),
			cases[i].rc);
		assert_string_equal(why.text, cases[i].words);
	}
	assert_string_equal(m.owner, "me");
	assert_int_equal(m.port, 8080);
	assert_true(m.is_open);
	assert_int_equal(m.wait_ms, 1500);
	assert_int_equal(m.tools.n, 2);
	assert_string_equal(m.tools.v[1], "shovel");
	field_fini(&mine, &m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_left_out_has_its_preset),
		cmocka_unit_test(test_every_kind_is_read),
		cmocka_unit_test(test_what_does_not_fit_is_named_with_its_place),
		cmocka_unit_test(test_live_fields_are_taken_over),
		cmocka_unit_test(test_single_texts_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
