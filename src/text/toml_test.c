/* TOML: what is read, what is refused and in which words, and where things stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "text/toml_edit.h"

/* ---- the tree in one line: {a:i1,b:[s"x",],} ---- */

static void print_node(struct buf *to, const struct toml_node *n)
{
	const struct toml_node *c;
	bool is_table = n->kind == TOML_TABLE;

	switch (n->kind) {
	case TOML_TEXT:
		buf_put_u8(to, 's');
		toml_put_text(to, n->text);
		break;
	case TOML_INT:
		buf_printf(to, "i%" PRId64, n->number);
		break;
	case TOML_FLOAT:
		buf_printf(to, "f%g", n->real);
		break;
	case TOML_FLAG:
		buf_put_str(to, n->flag ? "true" : "false");
		break;
	case TOML_TIME:
		buf_printf(to, "t%d<%s>", n->time, (const char *)n->text.p);
		break;
	case TOML_ARRAY:
	case TOML_TABLE:
		buf_put_u8(to, is_table ? '{' : '[');
		for (c = n->first; c != NULL; c = c->next) {
			buf_put_span(to, c->key);
			buf_put_str(to, is_table ? ":" : "");
			print_node(to, c);
			buf_put_u8(to, ',');
		}
		buf_put_u8(to, is_table ? '}' : ']');
		break;
	}
}

static void check_tree(const char *text, const char *tree)
{
	struct why why = { "" };
	struct toml *t = NULL;
	struct buf b;

	if (toml_parse(span_str(text), "t.toml", &t, &why) != ERR_OK)
		fail_msg("%s: %s", text, why.text);
	buf_init(&b, 65536);
	print_node(&b, toml_root(t));
	buf_put_u8(&b, '\0');
	assert_string_equal((const char *)buf_front(&b), tree);
	buf_fini(&b);
	toml_free(t);
}

static void test_values_are_read(void **state)
{
	static const char *const rows[][2] = {
		{ "", "{}" },
		{ "\xef\xbb\xbf# mark\n", "{}" },
		{ "a=1", "{a:i1,}" },
		{ "a = 1 # one\r\nb = 2\r\n", "{a:i1,b:i2,}" },
		{ "a = +99\nb = -17\nc = 1_000\nd = -0", "{a:i99,b:i-17,c:i1000,d:i0,}" },
		{ "a = 0xDEAD_beef\nb = 0o755\nc = 0b1101",
			"{a:i3735928559,b:i493,c:i13,}" },
		{ "a = 9223372036854775807\nb = -9223372036854775808",
			"{a:i9223372036854775807,b:i-9223372036854775808,}" },
		{ "a = 1.5\nb = 5e+22\nc = -2E-2\nd = 6.626e-34\ne = 1_0.2_5",
			"{a:f1.5,b:f5e+22,c:f-0.02,d:f6.626e-34,e:f10.25,}" },
		{ "a = inf\nb = -inf\nc = +nan", "{a:finf,b:f-inf,c:fnan,}" },
		{ "a = true\nb = false", "{a:true,b:false,}" },
		{ "a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00.25-08:00",
			"{a:t0<1979-05-27T07:32:00Z>,b:t0<1979-05-27 07:32:00.25-08:00>,}" },
		{ "a = 1979-05-27t07:32:00\nb = 2000-02-29 # day\nc = 07:32:00.999",
			"{a:t1<1979-05-27t07:32:00>,b:t2<2000-02-29>,c:t3<07:32:00.999>,}" },
		{ "a = \"x\\t\\\"\\\\\\u00e9\\U0001F600\"",
			"{a:s\"x\\t\\\"\\\\\xc3\xa9\xf0\x9f\x98\x80\",}" },
		{ "a = 'C:\\new'", "{a:s\"C:\\\\new\",}" },
		{ "a = \"\"\"\none\ntwo\"\"\"", "{a:s\"one\\ntwo\",}" },
		{ "a = \"\"\"one \\\n\n   two\"\"\"", "{a:s\"one two\",}" },
		{ "a = \"\"\"\"quoted\"\"\"\"", "{a:s\"\\\"quoted\\\"\",}" },
		{ "a = '''\nit's\n'''", "{a:s\"it's\\n\",}" },
		{ "a = ''''''\nb = \"\"\"\"\"\"\nc = ''", "{a:s\"\",b:s\"\",c:s\"\",}" },
		{ "a = [ 1, # one\n  2,\n]", "{a:[i1,i2,],}" },
		{ "a = [[1], ['b', {c = 1}]]", "{a:[[i1,],[s\"b\",{c:i1,},],],}" },
		{ "a = { b = 1, c.d = 2, c.e = {} }", "{a:{b:i1,c:{d:i2,e:{},},},}" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		check_tree(rows[i][0], rows[i][1]);
}

static void test_tables_are_built(void **state)
{
	static const char *const rows[][2] = {
		{ "[a]\nb = 1\n[c]\n", "{a:{b:i1,},c:{},}" },
		{ "[a.b]\nc = 1\n[a]\nd = 2", "{a:{b:{c:i1,},d:i2,},}" },
		{ "[ a . 'b c' ]\n\"\" = 1", "{a:{b c:{:i1,},},}" },
		{ "a.b = 1\na . c = 2", "{a:{b:i1,c:i2,},}" },
		{ "3.14 = 1", "{3:{14:i1,},}" },
		{ "a.b = 1\n[a.c]\nd = 2", "{a:{b:i1,c:{d:i2,},},}" },
		{ "[a.b.c]\n[a]\nb.d = 1", "{a:{b:{c:{},d:i1,},},}" },
		{ "[[a]]\nb = 1\n[[a]]\nb = 2", "{a:[{b:i1,},{b:i2,},],}" },
		{ "[[a]]\n[a.b]\nc = 1\n[[a]]\n[a.b]\nc = 2",
			"{a:[{b:{c:i1,},},{b:{c:i2,},},],}" },
		{ "[[a]]\n[[a.b]]\n[[a.b]]\n[[a]]", "{a:[{b:[{},{},],},{},],}" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		check_tree(rows[i][0], rows[i][1]);
}

static void test_errors_name_their_place(void **state)
{
	static const char *const rows[][2] = {
		{ "a = 1\nb", "t.toml:2:2: a key is followed by = and its value" },
		{ "a =", "t.toml:1:4: a value is missing" },
		{ "a = 1\na = 2", "t.toml:2:1: \"a\" is already set on line 1" },
		{ "[a]\n[b]\n[a]", "t.toml:3:2: \"a\" is already set on line 1" },
		{ "a.b = 1\n[a]", "t.toml:2:2: \"a\" is already set on line 1" },
		{ "[a.b]\n[a]\nb.c = 1", "t.toml:3:1: \"b\" is already set on line 1" },
		{ "a = {}\n[a.b]", "t.toml:2:2: \"a\" is already set on line 1" },
		{ "a = {}\na.b = 1", "t.toml:2:1: \"a\" is already set on line 1" },
		{ "a = []\n[[a]]", "t.toml:2:3: \"a\" is already set on line 1" },
		{ "[a]\n[[a]]", "t.toml:2:3: \"a\" is already set on line 1" },
		{ "[[a]]\n[a]", "t.toml:2:2: \"a\" is already set on line 1" },
		{ "[[a.b]]\n[a]\nb.c = 1", "t.toml:3:1: \"b\" is already set on line 1" },
		{ "a = 1 2", "t.toml:1:7: expected the end of the line, not \"2\"" },
		{ "a = 1 x\n", "t.toml:1:7: expected the end of the line, not \"x\"" },
		{ "[a", "t.toml:1:3: the header is not closed; ] is missing" },
		{ "[[a]", "t.toml:1:5: the header is not closed; ]] is missing" },
		{ "[]", "t.toml:1:2: expected a key, not \"]\"; a key has letters, digits, - and _, or is in quotes" },
		{ "a = word",
			"t.toml:1:5: \"word\" is not a number, true, false or a time; put text in quotes" },
		{ "a = 1979-02-29",
			"t.toml:1:5: \"1979-02-29\" is not a number, true, false or a time; put text in quotes" },
		{ "a = 012", "t.toml:1:5: a number may not begin with zeros" },
		{ "a = 9223372036854775808",
			"t.toml:1:5: 9223372036854775808 does not fit in 64 bits" },
		{ "a = \"x", "t.toml:1:5: the text is not closed; \" is missing" },
		{ "\n\na = '''x\n\n",
			"t.toml:3:5: the text is not closed; ''' is missing" },
		{ "a = \"\\d\"",
			"t.toml:1:6: \\d is not an escape; write \\\\ for a backslash, or put the text in single quotes" },
		{ "a = \"\\u12\"", "t.toml:1:6: \\u takes 4 hexadecimal digits" },
		{ "a = \"\\ud800\"", "t.toml:1:6: U+D800 is not a character" },
		{ "a = \"\x01\"", "t.toml:1:6: control character 0x01 is not allowed" },
		{ "# \x7f", "t.toml:1:3: control character 0x7f is not allowed" },
		{ "a = 1\n\nb = '\xff'", "t.toml:3:6: the file is not UTF-8 text" },
		{ "a = [1\n2]",
			"t.toml:2:1: the array that begins on line 1 needs a comma or ] here" },
		{ "a = {b = 1\n}",
			"t.toml:1:11: the inline table that begins on line 1 needs a comma or } here; it must be on one line" },
		{ "a = {b = 1,}",
			"t.toml:1:12: expected a key, not \"}\"; a key has letters, digits, - and _, or is in quotes" },
		{ "a = {b = {c = 1}, b.d = 2}",
			"t.toml:1:19: \"b\" is already set on line 1" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct why why = { "" };
		struct toml *t;

		assert_int_equal(toml_parse(span_str(rows[i][0]), "t.toml", &t, &why),
			ERR_SYNTAX);
		assert_string_equal(why.text, rows[i][1]);
	}
}

/* The end of a long name tells more than its beginning. Columns are bytes. */
static void test_a_place_is_printed_as_compilers_do(void **state)
{
	static const char name[] =
		"/home/someone/a/directory/of/a/tree/with/a/very/long/name/"
		"/home/someone/a/directory/of/a/tree/agent.toml";
	const struct toml_place at = { .line = 12, .column = 5 };
	char text[TOML_PLACE_MAX];
	struct why why = { "" };
	struct toml *t;

	(void)state;
	assert_string_equal(toml_print_place(text, "agent.toml", &at), "agent.toml:12:5");
	toml_print_place(text, name, &at);
	assert_int_equal(strlen(text), TOML_FILE_SHOWN + strlen(":12:5"));
	assert_true(str_has_prefix(text, "...omeone/a/director"));
	assert_true(str_has_suffix_nocase(text, "/tree/agent.toml:12:5"));
	assert_int_equal(toml_parse(span_str("\xef\xbb\xbf\"\xc3\xa9\" = x"), "é.toml",
				 &t, &why),
		ERR_SYNTAX);
	assert_true(str_has_prefix(why.text, "é.toml:1:8: \"x\" is not"));
	assert_int_equal(toml_refuse("f", &at, &why, "%d is wrong", 1), ERR_SYNTAX);
	assert_string_equal(why.text, "f:12:5: 1 is wrong");
}

static void test_bad_words_are_refused(void **state)
{
	static const char *const values[] = { "1_", "_1", "1__0", "0x", "0xg", "0o8",
		"0b2", "-0x1", "+-1", "1.", ".5", "1.e5", "1e", "1e_5", "1._5", "00",
		"-01", "infinity", "True", "07:32", "24:00:00", "1979-13-01",
		"1979-05-27T", "1979-05-27T07:32:00+25:00", "1979-05-27  07:32:00",
		"07:32:00.", "[,]", "[1,,2]", "{a}", "{a=1 b=2}" };

	(void)state;
	for (size_t i = 0; i < mem_count(values); i++) {
		char text[64];
		struct toml *t;

		snprintf(text, sizeof(text), "a = %s\n", values[i]);
		if (toml_parse(span_str(text), "t.toml", &t, NULL) != ERR_SYNTAX)
			fail_msg("%s", text);
	}
}

/* Whatever the end is cut off, there is an answer. */
static void test_every_prefix_is_answered(void **state)
{
	static const char text[] =
		"# top\r\n[a.\"b c\"]\nx = \"\"\"q\\\n \\u00e9\"\"\"\ny = ['''l''', 0x1F, {z = 1.5e3}]\n[[t]]\nwhen = 1979-05-27 07:32:00.5Z\n";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n + 1); /* of that size, for the sanitizer */
		struct toml *t;
		enum err rc;

		memcpy(copy, text, n);
		rc = toml_parse(span_of(copy, n), "t.toml", &t, NULL);
		assert_true(rc == ERR_OK || rc == ERR_SYNTAX);
		if (rc == ERR_OK)
			toml_free(t);
		free(copy);
	}
}

static void test_depth_and_size_are_bounded(void **state)
{
	char *big = malloc(TOML_BYTES_MAX + 1);
	struct toml *t;
	struct why why;

	(void)state;
	memset(big, '[', TOML_BYTES_MAX + 1);
	memcpy(big, "a=", 2);
	assert_int_equal(toml_parse(span_of(big, TOML_BYTES_MAX + 1), "t.toml", &t, &why),
		ERR_LIMIT);
	assert_int_equal(toml_parse(span_of(big, TOML_BYTES_MAX), "t.toml", &t, &why),
		ERR_LIMIT);
	assert_string_equal(why.text,
		"t.toml:1:35: tables and arrays are nested deeper than 32");
	for (size_t i = 0; i < TOML_BYTES_MAX; i += 2)
		memcpy(big + i, i == 0 ? "a=" : i == 2 ? " [" : "1,", 2);
	assert_int_equal(toml_parse(span_of(big, TOML_BYTES_MAX), "t.toml", &t, &why),
		ERR_LIMIT);
	for (size_t i = 0; i <= TOML_KEYS_MAX; i++) {
		char line[16];

		snprintf(line, sizeof(line), "a%06zu=1\n", i);
		memcpy(big + 10 * i, line, 10);
	}
	assert_int_equal(toml_parse(span_of(big, 10 * TOML_KEYS_MAX), "t.toml", &t, &why),
		ERR_OK);
	toml_free(t);
	assert_int_equal(toml_parse(span_of(big, 10 * TOML_KEYS_MAX + 10), "t.toml", &t,
				 &why),
		ERR_LIMIT);
	assert_string_equal(why.text, "t.toml:4097:9: the table has more keys than 4096");
	for (size_t i = 0; i < TOML_BYTES_MAX; i += 2)
		memcpy(big + i, "a.", 2);
	assert_int_equal(toml_parse(span_of(big, TOML_BYTES_MAX), "t.toml", &t, &why),
		ERR_LIMIT);
	free(big);
}

static void test_nodes_have_their_place_in_the_text(void **state)
{
	static const char text[] = "\n[a]\n  b.c = 'x' # y\nd = [1,\n  22]\n";
	const struct toml_node *n;
	struct toml *t;

	(void)state;
	assert_int_equal(toml_parse(span_str(text), "t.toml", &t, NULL), ERR_OK);
	n = toml_find(toml_root(t), "a");
	assert_memory_equal(text + n->at.at, "[a]", n->at.n);
	assert_int_equal(n->at.line, 2);
	assert_null(toml_find(n, "c"));
	n = toml_find(n, "b");
	assert_int_equal(n->at.line, 3);
	assert_int_equal(n->at.column, 3);
	n = toml_find(n, "c");
	assert_memory_equal(text + n->key_at.at, "b.c", n->key_at.n);
	assert_int_equal(n->key_at.line, 3);
	assert_int_equal(n->key_at.column, 3);
	assert_memory_equal(text + n->at.at, "'x'", n->at.n);
	n = toml_find(toml_find(toml_root(t), "a"), "d");
	assert_int_equal(n->at.n, strlen("[1,\n  22]"));
	assert_int_equal(n->last->at.line, 5);
	assert_int_equal(n->last->at.column, 3);
	toml_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_read),
		cmocka_unit_test(test_tables_are_built),
		cmocka_unit_test(test_errors_name_their_place),
		cmocka_unit_test(test_a_place_is_printed_as_compilers_do),
		cmocka_unit_test(test_bad_words_are_refused),
		cmocka_unit_test(test_every_prefix_is_answered),
		cmocka_unit_test(test_depth_and_size_are_bounded),
		cmocka_unit_test(test_nodes_have_their_place_in_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
