/* Fields and JSON: what is read, what is refused, and that both ways agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/field_json.h"

struct boat {
	char flag[4];
	char *song;
	bool has_sail;
};

struct fleet {
	char name[8];
	int64_t ships;
	struct boat boat;
	struct field_list ports;
	struct timestamp seen;
	uint32_t rest_ms;
	struct field_tables boats;
};

static const struct field boat_rows[] = {
	{ "flag", FIELD_CHARS, FIELD_AT(struct boat, flag) },
	{ "song", FIELD_TEXT, FIELD_AT(struct boat, song), .text_max = 6 },
	{ "has_sail", FIELD_BOOL, true, FIELD_AT(struct boat, has_sail) },
};

static const struct field_table boat_fields = FIELD_TABLE_OF(struct boat, boat_rows);

static const struct field fleet_rows[] = {
	{ "name", FIELD_CHARS, FIELD_AT(struct fleet, name) },
	{ "ships", FIELD_NUMBER, true, FIELD_AT(struct fleet, ships) },
	{ "boat", FIELD_TABLE, FIELD_AT(struct fleet, boat), .of = &boat_fields },
	{ "ports", FIELD_LIST, true, FIELD_AT(struct fleet, ports), .text_max = 4,
		.max = 2 },
	{ "seen", FIELD_TIME, true, FIELD_AT(struct fleet, seen) },
	{ "rest", FIELD_DURATION, true, FIELD_AT(struct fleet, rest_ms) },
	{ "boats", FIELD_TABLES, true, FIELD_AT(struct fleet, boats), .max = 2,
		.of = &boat_fields },
};

static const struct field_table fleet_fields = FIELD_TABLE_OF(struct fleet, fleet_rows);

#define FULL \
	"{\"name\":\"north\",\"ships\":3," \
	"\"boat\":{\"flag\":\"red\",\"song\":\"hey\",\"has_sail\":true}," \
	"\"ports\":[\"a\",\"bcd\"],\"seen\":\"2026-06-01T12:00:00.5Z\",\"rest\":\"1m30s\"," \
	"\"boats\":[{\"flag\":\"a\",\"song\":\"b\"},{\"flag\":\"\",\"song\":\"\"}]}"

#define NULLS "{\"name\":null,\"ships\":null,\"boat\":null,\"ports\":null,\"seen\":null}"

static enum err parse(const char *text, struct fleet *out)
{
	return field_read_json(&fleet_fields, NULL, span_str(text), out, NULL);
}

static void assert_written(const struct fleet *f, const char *want)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, 1024);
	json_writer_init(&w, &out);
	field_put_json(&fleet_fields, f, &w);
	assert_int_equal(buf_put_u8(&out, '\0'), ERR_OK);
	assert_string_equal((const char *)buf_front(&out), want);
	buf_fini(&out);
}

static void test_what_is_read_is_written(void **state)
{
	struct fleet f;

	(void)state;
	assert_int_equal(parse(FULL, &f), ERR_OK);
	assert_string_equal(f.name, "north");
	assert_int_equal(f.ships, 3);
	assert_string_equal(f.boat.song, "hey");
	assert_true(f.boat.has_sail);
	assert_int_equal(f.ports.n, 2);
	assert_int_equal(f.seen.s, 1780315200);
	assert_int_equal(f.seen.ns, 500000000);
	assert_int_equal(f.rest_ms, 90000);
	assert_int_equal(f.boats.n, 2);
	assert_written(&f, FULL);
	field_fini(&fleet_fields, &f);
	assert_null(f.boat.song);
	assert_written(&f, "{\"name\":\"\",\"boat\":{\"flag\":\"\",\"song\":\"\"}}");
}

/* ---- written only ---- */

struct harbour {
	struct field_series *ships, *names;
	struct boat boat;
	char *master;
};

static const struct field harbour_rows[] = {
	{ "ships", FIELD_SERIES, FIELD_AT(struct harbour, ships), .of = &boat_fields },
	{ "names", FIELD_SERIES, FIELD_AT(struct harbour, names) },
	{ "boat", FIELD_TABLE, FIELD_AT(struct harbour, boat), .of = &boat_fields,
		.is_nullable = true },
	{ "master", FIELD_TEXT, FIELD_AT(struct harbour, master), .is_nullable = true },
};

static const struct field_table harbour_fields = FIELD_TABLE_OF(struct harbour,
	harbour_rows);

struct two {
	struct field_series series;
	const void *elements[3];
	unsigned next;
};

static const void *next_of_two(struct field_series *series)
{
	struct two *s = mem_container(series, struct two, series);

	return s->elements[s->next++];
}

static void assert_harbour_is_written(const struct harbour *h, const char *want)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, 1024);
	json_writer_init(&w, &out);
	field_put_json(&harbour_fields, h, &w);
	assert_int_equal(buf_put_u8(&out, '\0'), ERR_OK);
	assert_string_equal((const char *)buf_front(&out), want);
	buf_fini(&out);
}

static void test_elements_are_made_while_they_are_written(void **state)
{
	static const struct boat boats[] = { { .flag = "red" }, { .has_sail = true } };
	struct two ships = { { next_of_two }, { &boats[0], &boats[1], NULL }, 0 };
	struct two names = { { next_of_two }, { "a", "b", NULL }, 0 };
	struct harbour h = {
		.ships = &ships.series,
		.names = &names.series,
		.boat.has_sail = true,
	};

	(void)state;
	assert_harbour_is_written(&h,
		"{\"ships\":[{\"flag\":\"red\",\"song\":\"\"},"
		"{\"flag\":\"\",\"song\":\"\",\"has_sail\":true}],"
		"\"names\":[\"a\",\"b\"],"
		"\"boat\":{\"flag\":\"\",\"song\":\"\",\"has_sail\":true},"
		"\"master\":null}");
	h = (struct harbour){ .master = (char[]){ "ann" } };
	assert_harbour_is_written(&h,
		"{\"ships\":[],\"names\":[],\"boat\":null,\"master\":\"ann\"}");
	assert_int_equal(field_read_json(&harbour_fields, NULL,
				 span_str("{\"names\":[\"a\"]}"), &h, NULL),
		ERR_SYNTAX);
}

static void test_one_text_may_be_a_list(void **state)
{
	static const struct {
		const char *text;
		enum err rc;
	} rows[] = {
		{ "{\"ports\":\"a\"}", ERR_OK },
		{ "{\"ports\":[\"a\"]}", ERR_OK },
		{ "{\"ports\":[\"x\"],\"PORTS\":\"a\"}", ERR_OK },
		{ "{\"ports\":\"abcd\"}", ERR_LIMIT },
		{ "{\"ports\":7}", ERR_SYNTAX },
		{ "{\"ports\":{}}", ERR_SYNTAX },
	};
	struct field field = fleet_rows[3];
	const struct field_table fields = { .bytes = sizeof(struct fleet),
		.rows = &field,
		.count = 1 };
	struct fleet f;

	(void)state;
	assert_int_equal(parse("{\"ports\":\"a\"}", &f), ERR_SYNTAX);
	field.kind = FIELD_LIST_OR_ONE;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(field_read_json(&fields, NULL, span_str(rows[i].text),
					 &f, NULL),
			rows[i].rc);
		if (rows[i].rc != ERR_OK)
			continue;
		assert_int_equal(f.ports.n, 1);
		assert_string_equal(f.ports.v[0], "a");
		field_fini(&fields, &f);
	}
}

static void test_missing_null_and_unknown_members_are_zero(void **state)
{
	static const char *const texts[] = { "{}", "{\"x\":[1,{}]} {\"name\":\"later\"}",
		NULLS, "{\"boat\":{\"song\":\"\"},\"ports\":[]}" };

	(void)state;
	for (size_t i = 0; i < mem_count(texts); i++) {
		struct fleet f;

		assert_int_equal(parse(texts[i], &f), ERR_OK);
		assert_written(&f,
			"{\"name\":\"\",\"boat\":{\"flag\":\"\",\"song\":\"\"}}");
		field_fini(&fleet_fields, &f);
	}
}

/* The last of several wins, and the others are freed. */
static void test_keys_have_any_case(void **state)
{
	struct fleet f;

	(void)state;
	assert_int_equal(parse("{\"NAME\":\"a\",\"Boat\":{\"song\":\"x\",\"SONG\":\"y\"},"
			       "\"ports\":[\"p\",\"q\"],\"Ports\":[\"r\"],"
			       "\"boats\":[{\"song\":\"x\"},{}],\"Boats\":[{}]}",
				 &f),
		ERR_OK);
	assert_string_equal(f.name, "a");
	assert_string_equal(f.boat.song, "y");
	assert_int_equal(f.ports.n, 1);
	assert_string_equal(f.ports.v[0], "r");
	field_fini(&fleet_fields, &f);
}

static void test_bounds_hold(void **state)
{
	static const struct {
		const char *text;
		enum err want;
	} cases[] = {
		{ "{\"name\":\"1234567\"}", ERR_OK },
		{ "{\"name\":\"12345678\"}", ERR_LIMIT },
		{ "{\"boat\":{\"song\":\"12345\"}}", ERR_OK },
		{ "{\"boat\":{\"song\":\"123456\"}}", ERR_LIMIT },
		{ "{\"ports\":[\"123\",\"\"]}", ERR_OK },
		{ "{\"ports\":[\"123\",\"1234\"]}", ERR_LIMIT },
		{ "{\"ports\":[\"\",\"\",\"\"]}", ERR_LIMIT },
		{ "{\"boats\":[{},{}]}", ERR_OK },
		{ "{\"boats\":[{\"song\":\"a\"},{},{}]}", ERR_LIMIT },
		{ "{\"boats\":[{\"song\":\"a\"},{\"song\":\"123456\"}]}", ERR_LIMIT },
		{ "{\"ships\":9223372036854775807}", ERR_OK },
		{ "{\"ships\":9223372036854775808}", ERR_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct fleet f;

		assert_int_equal(parse(cases[i].text, &f), cases[i].want);
		if (cases[i].want == ERR_OK)
			field_fini(&fleet_fields, &f);
	}
}

static void test_other_types_are_refused(void **state)
{
	static const char *const texts[] = { "", "[]", "null", "{", "{\"name\":1}",
		"{\"name\":\"a\\u0000b\"}", "{\"name\":\"\xff\"}", "{\"ships\":1.0}",
		"{\"ships\":\"1\"}", "{\"boat\":[]}", "{\"boat\":{\"has_sail\":0}}",
		"{\"ports\":\"a\"}", "{\"seen\":1780315200}", "{\"seen\":\"\"}",
		"{\"seen\":\"today\"}", "{\"rest\":\"soon\"}", "{\"rest\":1}",
		"{\"boats\":{}}", "{\"boats\":[{},1]}",
		"{\"boat\":{\"song\":\"x\"},\"ports\":[\"a\",null]}" };

	(void)state;
	for (size_t i = 0; i < mem_count(texts); i++) {
		struct fleet f = { .ships = 77 };

		if (parse(texts[i], &f) != ERR_SYNTAX)
			fail_msg("%s", texts[i]);
		assert_int_equal(f.ships, 77); /* untouched */
	}
}

static void test_an_object_in_the_object_is_read(void **state)
{
	struct fleet f;

	(void)state;
	assert_int_equal(field_read_json(&fleet_fields, "data",
				 span_str("{\"data\":" FULL "}"), &f, NULL),
		ERR_OK);
	assert_written(&f, FULL);
	field_fini(&fleet_fields, &f);
	assert_int_equal(field_read_json(&fleet_fields, "data", span_str("{}"), &f, NULL),
		ERR_OK);
	assert_int_equal(field_read_json(&fleet_fields, "data", span_str("{\"data\":1}"),
				 &f, NULL),
		ERR_SYNTAX);
}

static void test_an_error_names_the_wrong_member(void **state)
{
	struct fleet f;
	struct why why;

	(void)state;
	assert_int_equal(field_read_json(&fleet_fields, NULL,
				 span_str("{\"name\":\"12345678\"}"), &f, &why),
		ERR_LIMIT);
	assert_string_equal(why.text, "name is too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_read_is_written),
		cmocka_unit_test(test_elements_are_made_while_they_are_written),
		cmocka_unit_test(test_one_text_may_be_a_list),
		cmocka_unit_test(test_missing_null_and_unknown_members_are_zero),
		cmocka_unit_test(test_keys_have_any_case),
		cmocka_unit_test(test_bounds_hold),
		cmocka_unit_test(test_other_types_are_refused),
		cmocka_unit_test(test_an_object_in_the_object_is_read),
		cmocka_unit_test(test_an_error_names_the_wrong_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
