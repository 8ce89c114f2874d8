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
	static const struct field_toml_options strict = { .file = "mine.toml" };
	struct toml *t;
	enum err rc;

	memset(m, 0, sizeof(*m));
	assert_int_equal(field_defaults(&mine, m, why), ERR_OK);
	assert_int_equal(toml_parse(span_str(text), "t.toml", &t, NULL), ERR_OK);
	rc = field_read_toml(&mine, toml_root(t), &strict, m, why);
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

/* ---- lenient ---- */

struct warnings {
	char text[512]; /* a line for each */
	size_t n;
};

static void on_warning(void *arg, const char *text)
{
	struct warnings *w = arg;

	w->n += (size_t)snprintf(w->text + w->n, sizeof(w->text) - w->n, "%s\n", text);
}

static enum err read_leniently(const char *text, struct mine *m, struct warnings *w,
	struct why *why)
{
	const struct field_toml_options lenient = { .file = "f",
		.warn = on_warning,
		.arg = w };
	struct toml *t;
	enum err rc;

	*w = (struct warnings){ .n = 0 };
	memset(m, 0, sizeof(*m));
	assert_int_equal(field_defaults(&mine, m, why), ERR_OK);
	assert_int_equal(toml_parse(span_str(text), "f", &t, NULL), ERR_OK);
	rc = field_read_toml(&mine, toml_root(t), &lenient, m, why);
	toml_free(t);
	return rc;
}

/* The members that the conversions set, in one line. */
static void print_mine(const struct mine *m, char to[256])
{
	const struct shaft *shafts = m->shafts.v;
	size_t n = (size_t)snprintf(to, 256, "%s %s %u %u",
		m->owner != NULL ? m->owner : "-", m->is_open ? "open" : "shut", m->port,
		m->miners);

	for (unsigned i = 0; i < m->tools.n; i++)
		n += (size_t)snprintf(to + n, 256 - n, " <%s>", m->tools.v[i]);
	for (unsigned i = 0; i < m->shafts.n; i++)
		n += (size_t)snprintf(to + n, 256 - n, " %s:%u",
			shafts[i].name != NULL ? shafts[i].name : "-", shafts[i].depth);
}

static void test_a_lenient_reading_converts_and_warns(void **state)
{
	static const char *const rows[][3] = {
		/* texts */
		{ "owner = 3000", "3000 shut 80 0",
			"f:1:9: owner takes a text in quotes, not 3000; read as \"3000\"\n" },
		{ "owner = true", "1 shut 80 0",
			"f:1:9: owner takes a text in quotes, not true; read as \"1\"\n" },
		{ "owner = -1.50", "-1.5 shut 80 0",
			"f:1:9: owner takes a text in quotes, not a number with a fraction;"
			" read as \"-1.5\"\n" },
		/* bools */
		{ "is_open = 2", "nobody open 80 0",
			"f:1:11: is_open takes true or false, not 2; read as true\n" },
		{ "is_open = 'T'", "nobody open 80 0",
			"f:1:11: is_open takes true or false, not \"T\"; read as true\n" },
		{ "is_open = 'false'", "nobody shut 80 0",
			"f:1:11: is_open takes true or false, not \"false\"; read as false\n" },
		{ "is_open = ''", "nobody shut 80 0",
			"f:1:11: is_open takes true or false, not \"\"; read as false\n" },
		{ "is_open = 0.0", "nobody shut 80 0",
			"f:1:11: is_open takes true or false, not a number with a fraction;"
			" read as false\n" },
		/* numbers */
		{ "port = '0x50'", "nobody shut 80 0",
			"f:1:8: port takes a port from 1 to 65535, not \"0x50\"; read as 80\n" },
		{ "port = 1.9", "nobody shut 1 0",
			"f:1:8: port takes a port from 1 to 65535, not a number with a"
			" fraction; read as 1\n" },
		{ "port = true", "nobody shut 1 0",
			"f:1:8: port takes a port from 1 to 65535, not true; read as 1\n" },
		{ "miners = ''", "nobody shut 80 0",
			"f:1:10: miners takes a whole number from 0 to 4294967295, not \"\";"
			" read as 0\n" },
		/* arrays of texts */
		{ "tools = 'a, b'", "nobody shut 80 0 <a, b>",
			"f:1:9: tools takes an array of texts, not a text; read as an array"
			" of one\n" },
		{ "tools = 7", "nobody shut 80 0 <7>",
			"f:1:9: tools takes an array of texts, not a number; read as an"
			" array of one\n" },
		{ "tools = ['a', 1.5,\n true, ' ']", "nobody shut 80 0 <a> <1.5> <1>",
			"f:1:15: tools takes texts in quotes, not a number with a fraction;"
			" read as a text\n" },
		{ "tools = ['a', 'b']", "nobody shut 80 0 <a> <b>", "" },
		{ "tools = []", "nobody shut 80 0", "" },
		{ "tools = {}", "nobody shut 80 0",
			"f:1:9: tools takes an array of texts, not a table; read as an array"
			" of none\n" },
		/* arrays of tables */
		{ "[shaft]\nname = 'A'\ndepth = '7'", "nobody shut 80 0 A:7",
			"f:1:1: shaft takes tables, each below a header in double brackets;"
			" read as one of them\n"
			"f:3:9: depth takes a whole number from 1 to 4000, not \"7\"; read as"
			" 7\n" },
		{ "shaft.name = 'A'", "nobody shut 80 0 A:100",
			"f:1:1: shaft takes tables, each below a header in double brackets;"
			" read as one of them\n" },
		{ "shaft = {}", "nobody shut 80 0",
			"f:1:9: shaft takes tables, each below a header in double brackets;"
			" read as none of them\n" },
		/* keys */
		{ "prot = 1", "nobody shut 80 0",
			"f:1:1: unknown key \"prot\" is ignored; did you mean port?\n" },
		{ "[zzz]\na = 1\n[[yyy]]\n[main]", "nobody shut 80 0",
			"f:1:1: unknown key \"zzz\" is ignored\n"
			"f:3:1: unknown key \"yyy\" is ignored\n" },
		{ "Owner = 'x'", "x shut 80 0",
			"f:1:1: key \"Owner\" is read as owner\n" },
		{ "OWNER = 'x'\nOwner = 'y'", "x shut 80 0",
			"f:1:1: key \"OWNER\" is read as owner\n"
			"f:2:1: unknown key \"Owner\" is ignored; did you mean owner?\n" },
		{ "Shaft = [{}]\nshaft = [{depth = 5}]", "nobody shut 80 0 -:5",
			"f:1:1: unknown key \"Shaft\" is ignored; did you mean shaft?\n" },
		/* not supported yet */
		{ "has_lift = 0", "nobody shut 80 0",
			"f:1:12: has_lift takes true or false, not 0; read as false\n" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct why why = { "" };
		struct warnings w;
		char text[256];
		struct mine m;

		if (read_leniently(rows[i][0], &m, &w, &why) != ERR_OK)
			fail_msg("%s: %s", rows[i][0], why.text);
		print_mine(&m, text);
		assert_string_equal(text, rows[i][1]);
		assert_string_equal(w.text, rows[i][2]);
		field_fini(&mine, &m);
	}
}

static void test_what_cannot_be_converted_is_an_error(void **state)
{
	static const char *const rows[][2] = {
		{ "owner = []", "f:1:9: owner takes a text in quotes, not an array" },
		{ "owner = 07:32:00", "f:1:9: owner takes a text in quotes, not a time" },
		{ "owner = inf",
			"f:1:9: owner takes a text in quotes, not a number with a fraction" },
		{ "is_open = 'yes'", "f:1:11: is_open takes true or false, not \"yes\"" },
		{ "port = 'http'",
			"f:1:8: port takes a port from 1 to 65535, not \"http\"" },
		{ "port = '0'", "f:1:8: port takes a port from 1 to 65535, not 0" },
		{ "port = nan",
			"f:1:8: port takes a port from 1 to 65535, not a number with a"
			" fraction" },
		{ "port = 70000", "f:1:8: port takes a port from 1 to 65535, not 70000" },
		{ "tools = ['a', 1,\n [1]]",
			"f:1:15: tools takes texts in quotes, not 1" },
		{ "tools = {a = 1}",
			"f:1:9: tools takes an array of texts, not a table" },
		{ "tools = [1, 2, 3, 4]", "f:1:10: tools takes at most 3 entries" },
		{ "shaft = ['A']",
			"f:1:9: shaft takes tables, each below a header in double brackets,"
			" not an array" },
		{ "main = 'x'", "f:1:8: main takes a table, not \"x\"" },
		{ "[[main]]", "f:1:1: main takes a table, not an array" },
		{ "shaft = {name = 7}", "f:1:17: name: a name begins with a letter" },
		{ "has_lift = 1",
			"f:1:12: has_lift: lifts are not supported yet; leave it out, or"
			" write false" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct why why = { "" };
		struct warnings w;
		struct mine m;

		assert_int_equal(read_leniently(rows[i][0], &m, &w, &why), ERR_SYNTAX);
		assert_string_equal(why.text, rows[i][1]);
		field_fini(&mine, &m);
	}
}

/* "miners" takes 32 bits, "" is 0; the notation is that of Go's strconv.ParseInt(). */
static void test_numbers_in_texts_are_written_as_in_go(void **state)
{
	static const struct {
		const char *text;
		int64_t number; /* -1: it is none */
	} rows[] = {
		{ "0", 0 },
		{ "+7", 7 },
		{ "017", 15 },
		{ "0o17", 15 },
		{ "0B101", 5 },
		{ "0XfF", 255 },
		{ "1_000", 1000 },
		{ "0x_f", 15 },
		{ "0_7", 7 },
		{ "4294967295", 4294967295 },
		{ "4294967296", -1 },
		{ "99999999999999999999", -1 },
		{ "08", -1 },
		{ "0b2", -1 },
		{ "0x", -1 },
		{ "_1", -1 },
		{ "1_", -1 },
		{ "1__0", -1 },
		{ "1 ", -1 },
		{ "1.5", -1 },
		{ "1e3", -1 },
		{ "-", -1 },
		{ "--1", -1 },
		{ "-1", -1 },
		{ "0xg", -1 },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct warnings w;
		char text[64];
		struct mine m;
		enum err rc;

		snprintf(text, sizeof(text), "miners = '%s'", rows[i].text);
		rc = read_leniently(text, &m, &w, NULL);
		if ((rc == ERR_OK) != (rows[i].number >= 0) ||
			(rc == ERR_OK && m.miners != rows[i].number))
			fail_msg("%s", text);
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
		cmocka_unit_test(test_a_lenient_reading_converts_and_warns),
		cmocka_unit_test(test_what_cannot_be_converted_is_an_error),
		cmocka_unit_test(test_numbers_in_texts_are_written_as_in_go),
		cmocka_unit_test(test_live_fields_are_taken_over),
		cmocka_unit_test(test_single_texts_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
