/* Edits of TOML, in every layout that a person may have chosen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "text/toml_edit.h"

static struct toml *parse(const char *text)
{
	struct why why = { "" };
	struct toml *t;

	if (toml_parse(span_str(text), "t", &t, &why) != ERR_OK)
		fail_msg("%s: %s", text, why.text);
	return t;
}

/* "tunnels.1.name"; "" is the root. */
static const struct toml_node *node_at(const struct toml *t, const char *path)
{
	const struct toml_node *n = toml_root(t);

	while (n != NULL && *path != '\0') {
		struct span word = span_of(path, strcspn(path, "."));
		char key[32] = "";

		memcpy(key, word.p, word.n);
		if (n->kind == TOML_ARRAY) {
			unsigned i = (unsigned)(key[0] - '0');

			for (n = n->first; n != NULL && i > 0; i--)
				n = n->next;
		} else {
			n = toml_find(n, key);
		}
		path += word.n + (path[word.n] == '.');
	}
	return n;
}

/* The edited text, to be freed; NULL after ERR_USAGE or ERR_SYNTAX. */
static char *result_of(enum err rc, struct buf *out)
{
	char *text = NULL;

	if (rc == ERR_OK)
		text = span_dup(buf_span(out));
	else if ((rc != ERR_USAGE && rc != ERR_SYNTAX) || out->n != 0)
		fail_msg("%s, %zu bytes", err_name(rc), out->n);
	buf_fini(out);
	return text;
}

static void check_text(const char *before, char *after, const char *expected)
{
	bool is_same = after == expected; /* both are NULL */

	if (after != NULL && expected != NULL)
		is_same = strcmp(after, expected) == 0;
	if (!is_same)
		fail_msg("\n%s\n--- became\n%s\n--- not\n%s", before,
			after != NULL ? after : "(refused)",
			expected != NULL ? expected : "(refused)");
	free(after);
}

struct row {
	const char *before, *path, *key, *text, *after; /* NULL: it is refused */
};

static void check_set(const struct row *row)
{
	struct toml *t = parse(row->before);
	struct buf out;
	enum err rc;

	buf_init(&out, TOML_BYTES_MAX);
	rc = toml_edit_set(t, node_at(t, row->path), row->key, span_str(row->text), &out);
	check_text(row->before, result_of(rc, &out), row->after);
	toml_free(t);
}

static void test_a_value_is_replaced_in_its_place(void **state)
{
	static const struct row rows[] = {
		{ "a = 1 # one\nb = 2", "", "a", "'x'", "a = 'x' # one\nb = 2" },
		{ "[t]\r\n  a  =  1\t# one\r\n", "t", "a", "2",
			"[t]\r\n  a  =  2\t# one\r\n" },
		{ "a = [ # x\n  1,\n] # y\n", "", "a", "[]", "a = [] # y\n" },
		{ "a = { b = 1, c = 2 }", "a", "b", "[1, 2]",
			"a = { b = [1, 2], c = 2 }" },
		{ "a.'b'.c = 1", "a.b", "c", "2", "a.'b'.c = 2" },
		{ "a = [{b = 1}, {b = 2}]", "a.1", "b", "3", "a = [{b = 1}, {b = 3}]" },
		{ "[[t]]\na = 1\n[[t]]\na = 2\n", "t.0", "a", "3",
			"[[t]]\na = 3\n[[t]]\na = 2\n" },
		{ "\xef\xbb\xbf"
		  "a = 1",
			"", "a", "2",
			"\xef\xbb\xbf"
			"a = 2" },
		{ "a = 1\r\n", "", "a", "[\n1,\n2]", "a = [\r\n1,\r\n2]\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		check_set(&rows[i]);
}

static void test_a_new_key_follows_the_others_of_its_table(void **state)
{
	static const struct row rows[] = {
		/* the root */
		{ "", "", "k", "1", "k = 1\n" },
		{ "\xef\xbb\xbf", "", "k", "1",
			"\xef\xbb\xbf"
			"k = 1\n" },
		{ "# only", "", "k", "1", "# only\nk = 1" },
		{ "a = 1\n\n[t]\n", "", "k", "1", "a = 1\nk = 1\n\n[t]\n" },
		{ "# file\n\n# table\n[t]\n", "", "k", "1",
			"# file\n\nk = 1\n\n# table\n[t]\n" },
		{ "[t]\n", "", "k", "1", "k = 1\n\n[t]\n" },
		/* headers */
		{ "[t]", "t", "k", "1", "[t]\nk = 1" },
		{ "[t]\r\n\ta = 1\r\n# end\r\n[u]\r\n", "t", "k", "1",
			"[t]\r\n\ta = 1\r\n\tk = 1\r\n# end\r\n[u]\r\n" },
		{ "[t]\na = '''\n# x\n''' # y\n[t.u]\nb = 1\n", "t", "k", "1",
			"[t]\na = '''\n# x\n''' # y\nk = 1\n[t.u]\nb = 1\n" },
		{ "[[t]]\na = 1\n[[t.u]]\n[[t]]\nb = 1", "t.0", "k", "1",
			"[[t]]\na = 1\nk = 1\n[[t.u]]\n[[t]]\nb = 1" },
		{ "[[t]]\na = 1\n[[t]]\nb = 1", "t.1", "k", "1",
			"[[t]]\na = 1\n[[t]]\nb = 1\nk = 1" },
		{ "[t.u]\n[t]\na.b = 1\n", "t", "k", "1",
			"[t.u]\n[t]\na.b = 1\nk = 1\n" },
		/* no header of its own */
		{ "[a]\n\n# u\n[t.u]\nx = 1\n", "t", "k", "1",
			"[a]\n\n[t]\nk = 1\n\n# u\n[t.u]\nx = 1\n" },
		{ "[t.u.v]\n", "t.u", "k", "1", "[t.u]\nk = 1\n\n[t.u.v]\n" },
		{ "[[a]]\n[a.t.u]\n[[a]]\n", "a.0.t", "k", "1",
			"[[a]]\n\n[a.t]\nk = 1\n[a.t.u]\n[[a]]\n" },
		/* dots */
		{ "  t.a = 1\n  t.b = 2\n  c = 3\n", "t", "k", "1",
			"  t.a = 1\n  t.b = 2\n  t.k = 1\n  c = 3\n" },
		{ "[s]\n'x y'.t.a = 1\n", "s.x y.t", "k", "1",
			"[s]\n'x y'.t.a = 1\n\"x y\".t.k = 1\n" },
		/* braces */
		{ "t = {}", "t", "k", "1", "t = { k = 1 }" },
		{ "t = {  } # x", "t", "k", "1", "t = { k = 1 } # x" },
		{ "t = {a = 1}", "t", "k", "1", "t = {a = 1, k = 1}" },
		{ "t = { a.b = 1, c = 2 }", "t.a", "k", "1",
			"t = { a.b = 1, c = 2, a.k = 1 }" },
		{ "t = [ {a = 1},\n {b = 2} ]", "t.0", "k", "1",
			"t = [ {a = 1, k = 1},\n {b = 2} ]" },
		/* keys */
		{ "a = 1\n", "", "x y", "1", "a = 1\n\"x y\" = 1\n" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		check_set(&rows[i]);
}

static void test_tables_are_replaced_by_a_value(void **state)
{
	static const struct row rows[] = {
		{ "[[t]]\nid = 1\n\n# all\n[[t.r]]\np = 1\n\n[[t.r]]\np = 2\n\n# next\n[[t]]\nid = 2\n",
			"t.0", "r", "[]",
			"[[t]]\nid = 1\nr = []\n\n# next\n[[t]]\nid = 2\n" },
		{ "[t]\na = 1\n[t.r]\nb = 1", "t", "r", "2", "[t]\na = 1\nr = 2\n" },
		{ "r.a = 1\nx = 1\nr.b = 2\n", "", "r", "3", "x = 1\nr = 3\n" },
		{ "t = { r.a = 1, b = 2, r.c = 3 }", "t", "r", "4",
			"t = { b = 2, r = 4 }" },
		{ "t = { r.a = 1 }", "t", "r", "4", "t = { r = 4 }" },
		{ "[a.r]\nb = 1\n", "a", "r", "2", "[a]\nr = 2\n\n" },
		{ "[r]\n[x]\n[r.s]\n[y]\n", "", "r", "2", "r = 2\n\n[x]\n[y]\n" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		check_set(&rows[i]);
}

static void check_append(const struct row *row)
{
	struct toml *t = parse(row->before);
	struct buf out;
	enum err rc;

	buf_init(&out, TOML_BYTES_MAX);
	rc = toml_edit_append(t, node_at(t, row->path), row->key, span_str(row->text),
		&out);
	check_text(row->before, result_of(rc, &out), row->after);
	toml_free(t);
}

#define PAIRS "id = 'new' # x\n\nr = [{ p = 1 }]\n"

static void test_a_table_is_added_in_the_form_of_the_others(void **state)
{
	static const struct row rows[] = {
		/* headers */
		{ "", "", "t", PAIRS, "[[t]]\nid = 'new'\nr = [{ p = 1 }]\n" },
		{ "a = 1", "", "t", PAIRS,
			"a = 1\n\n[[t]]\nid = 'new'\nr = [{ p = 1 }]" },
		{ "[a]\r\n", "", "t", PAIRS,
			"[a]\r\n\r\n[[t]]\r\nid = 'new'\r\nr = [{ p = 1 }]\r\n" },
		{ "[[ 't' ]]\n  a = 1\n# end\n\n# b\n[b]\n", "", "t", "x = 1",
			"[[ 't' ]]\n  a = 1\n# end\n\n[[ 't' ]]\n  x = 1\n\n# b\n[b]\n" },
		{ "[[t]]\n[[t.r]]\nq = 1\n[b]\n", "", "t", "x = 1",
			"[[t]]\n[[t.r]]\nq = 1\n\n[[t]]\nx = 1\n\n[b]\n" },
		{ "[[t]]\n[[t.r]]\nq = 1\n[[t]]\n", "t.0", "r", "x = 1",
			"[[t]]\n[[t.r]]\nq = 1\n\n[[t.r]]\nx = 1\n\n[[t]]\n" },
		{ "[[t]]\na = 1\n\n[[t]]\n", "t.0", "r", "x = 1",
			"[[t]]\na = 1\n\n[[t.r]]\nx = 1\n\n[[t]]\n" },
		{ "[[t]]\na = 1\n\n[t.u]\n[b]\n[t.v]\n", "", "t", "",
			"[[t]]\na = 1\n\n[t.u]\n[b]\n[t.v]\n\n[[t]]\n" },
		{ "[a.b]\n", "a", "t", "x = 1", "[a.b]\n\n[[a.t]]\nx = 1\n" },
		/* brackets */
		{ "t = []", "", "t", PAIRS, "t = [{ id = 'new', r = [{ p = 1 }] }]" },
		{ "t = [{a = 1}] # x\n", "", "t", "x = 1",
			"t = [{a = 1}, { x = 1 }] # x\n" },
		{ "t = [{a = 1}, ]", "", "t", "x = 1", "t = [{a = 1}, { x = 1 }, ]" },
		{ "t = [\n\t{a = 1} # one\n]\n", "", "t", "x.y = 1",
			"t = [\n\t{a = 1}, # one\n\t{ x = { y = 1 } }\n]\n" },
		{ "t = [\r\n    {a = 1}, # o, ne\r\n]\r\n", "", "t", "x = 1",
			"t = [\r\n    {a = 1}, # o, ne\r\n    { x = 1 },\r\n]\r\n" },
		{ "t = [ # none\n]", "", "t", "", "t = [ # none\n  {}\n]" },
		{ "t = [ {a = 1}\n, {b = 1} ]", "", "t", "x = 1",
			"t = [ {a = 1}\n, {b = 1}, { x = 1 } ]" },
		{ "t = [{a = 1}]", "t.0", "r", "x = 1",
			"t = [{a = 1, r = [{ x = 1 }]}]" },
		{ "t.a = 1\n", "t", "r", "x = 1", "t.a = 1\nt.r = [{ x = 1 }]\n" },
		/* refused */
		{ "t = 1", "", "t", "x = 1", NULL },
		{ "[t]", "", "t", "x = 1", NULL },
		{ "t = [1]", "", "t", "x = 1", NULL },
		{ "[[t]]", "", "t", "[x]", NULL },
		{ "[[t]]", "", "t", "x", NULL },
		{ "[[t]]", "", "t", "x = 1\nx = 2", NULL },
		{ "t = 1", "t", "x", "x = 1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		check_append(&rows[i]);
}

/* @text is what is removed, @key is not used. */
static void test_what_is_removed_goes_with_its_line_or_comma(void **state)
{
	static const struct row rows[] = {
		/* keys */
		{ "# a\na = 1 # x\nb = 2\n", "a", "", "a = 1 # x\n", "# a\nb = 2\n" },
		{ "a = '''\n'''\r\nb = 2", "b", "", "b = 2", "a = '''\n'''\r\n" },
		{ "[t]\na.b = 1\na.c = 2\nd = 3\n", "t.a", "", "a.b = 1\na.c = 2\n",
			"[t]\nd = 3\n" },
		{ "a.b = 1\n", "a.b", "", "a.b = 1\n", "" },
		/* sections */
		{ "x = 1\n\n# c1\n\n# c2\n# c3\n[[t]]\na = 1\n# c4\n\n# c5\n[[t]]\n",
			"t.0", "", "\n# c2\n# c3\n[[t]]\na = 1\n",
			"x = 1\n\n# c1\n# c4\n\n# c5\n[[t]]\n" },
		{ "[[t]]\na = 1\n\n[[t]]\na = 2\n", "t.0", "", "[[t]]\na = 1\n\n",
			"[[t]]\na = 2\n" },
		{ "[[t]]\na = 1\n\n[[t]]\na = 2", "t.1", "", "\n[[t]]\na = 2",
			"[[t]]\na = 1\n" },
		{ "[[t]]\na = 1\n# c\n[[t.r]]\nb = 1\n[t.s]\n\n[[t]]\n", "t.0", "",
			"[[t]]\na = 1\n# c\n[[t.r]]\nb = 1\n[t.s]\n\n", "[[t]]\n" },
		{ "[[t]]\n[b]\nx = 1\n[t.s]\ny = 1\n", "t.0", "", "[[t]]\n[t.s]\ny = 1\n",
			"[b]\nx = 1\n" },
		{ "[[t]]\n[[t]]\n[u]\n", "t", "", "[[t]]\n[[t]]\n", "[u]\n" },
		{ "[a.b]\nx = 1\n[a.c]\n", "a", "", "[a.b]\nx = 1\n[a.c]\n", "" },
		{ "s = '''\n# no comment'''\n[t]\n", "t", "", "[t]\n",
			"s = '''\n# no comment'''\n" },
		{ "\xef\xbb\xbf# c\n[t]\n\n[u]\n", "t", "", "# c\n[t]\n\n",
			"\xef\xbb\xbf[u]\n" },
		/* braces */
		{ "t = { a = 1, b = 2, c = 3 }", "t.a", "", "a = 1, ",
			"t = { b = 2, c = 3 }" },
		{ "t = { a = 1, b = 2, c = 3 }", "t.c", "", ", c = 3",
			"t = { a = 1, b = 2 }" },
		{ "t = { a.x = 1, b = 2, a.y = 3 }", "t.a", "", "a.x = 1, , a.y = 3",
			"t = { b = 2 }" },
		{ "t = { b = 2, a.x = 1, a.y = 3 }", "t.a", "", ", a.x = 1, a.y = 3",
			"t = { b = 2 }" },
		{ "t = { b = 2, a.x = [\n1], a.y = 3 }", "t.a", "",
			", a.x = [\n1], a.y = 3", "t = { b = 2 }" },
		{ "t = {a = 1}", "t.a", "", "a = 1", "t = {}" },
		{ "t = { a.b.c = 1 }", "t.a.b", "", "a.b.c = 1", "t = {  }" },
		/* brackets */
		{ "t = [1, 2, 3]", "t.1", "", "2, ", "t = [1, 3]" },
		{ "t = [1, 2, 3]", "t.2", "", ", 3", "t = [1, 2]" },
		{ "t = [1, 2, ]", "t.1", "", "2,", "t = [1,  ]" },
		{ "t = [1]", "t.0", "", "1", "t = []" },
		{ "t = [\n  # one\n  {a = 1}, # x\n  # two\n  {a = 2}, # y\n]\n", "t.0",
			"", "  # one\n  {a = 1}, # x\n",
			"t = [\n  # two\n  {a = 2}, # y\n]\n" },
		{ "t = [\n  {a = 1}, # x\n  # two\n  {a = 2} # y\n]\n", "t.1", "",
			"  # two\n  {a = 2} # y\n", "t = [\n  {a = 1}, # x\n]\n" },
		{ "t = [ {a = 1}, # x\n  # two\n  {a = 2} ]\n", "t.0", "", "{a = 1}, ",
			"t = [ # x\n  # two\n  {a = 2} ]\n" },
		{ "t = [ {a = 1}, # x\n  # two\n  {a = 2} ]\n", "t.1", "", "{a = 2}",
			"t = [ {a = 1}, # x\n  # two\n   ]\n" },
		{ "t = [\n  1\n, 2\n]", "t.0", "", "1\n, ", "t = [\n  2\n]" },
		{ "t = [\n  1\n, 2\n]", "t.1", "", "2", "t = [\n  1\n, \n]" },
		{ "t = [[1, 2], [3]]", "t.0.1", "", ", 2", "t = [[1], [3]]" },
		{ "[[t]]", "", "", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct toml *t = parse(rows[i].before);
		struct buf out, removed;
		enum err rc;

		buf_init(&out, TOML_BYTES_MAX);
		buf_init(&removed, TOML_BYTES_MAX);
		rc = toml_edit_remove(t, node_at(t, rows[i].path), &removed, &out);
		check_text(rows[i].before, result_of(rc, &out), rows[i].after);
		check_text(rows[i].before, span_dup(buf_span(&removed)), rows[i].text);
		buf_fini(&removed);
		toml_free(t);
	}
}

/* Removes a table, changes the file by hand, and puts the table back. */
static void test_a_removed_table_is_put_back(void **state)
{
	static const char two[] = "# file\n\n# one\n[[t]]\nid = 1 # x\n[[t.r]]\np = 1\n\n"
				  "# two\n[[t]]\nid = 2\n\n[end]\n";
	static const struct {
		const char *before;
		unsigned index;
		const char *changed; /* NULL: nobody has changed it */
		const char *after;   /* NULL: as before */
	} rows[] = {
		{ two, 0, NULL, NULL },
		{ two, 1, NULL, NULL },
		{ "[[t]]\nid = 1\n\n[[t]]\nid = 2", 0, NULL, NULL },
		{ "[[t]]\nid = 1\n\n[[t]]\nid = 2", 1, NULL, NULL },
		{ "[[t]]\nid = 1", 0, NULL, NULL },
		{ "[[t]]\r\nid = 1\r\n\r\n[[t]]\r\n", 0, NULL, NULL },
		{ "t = [\n  { id = 1 },\n  { id = 2 },\n]\n", 1, NULL, NULL },
		{ "t = [{ id = 1 }]\n", 0, NULL, NULL },
		{ "t = [{ id = 1 }, { id = 2 }]\n", 1, NULL, NULL },
		{ "t = [{ id = 1 }, { id = 2 }]\n", 0, NULL,
			"t = [{ id = 2 }, { id = 1 }]\n" },
		{ two, 0, "[end]\n",
			"[end]\n\n# one\n[[t]]\nid = 1 # x\n[[t.r]]\np = 1\n" },
		{ two, 1, "[[t]]\nid = 7\n[x]",
			"[[t]]\nid = 7\n\n# two\n[[t]]\nid = 2\n[x]" },
		{ two, 0, "t = []", "t = [{ id = 1, r = [{ p = 1 }] }]" },
		{ "t = [{ id = 1, r.q = 2 }]", 0, "", "[[t]]\nid = 1\nr = { q = 2 }\n" },
		{ two, 0, "t = 1", "refused" },
		{ two, 0, "[t]", "refused" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		const char *after = rows[i].after != NULL ? rows[i].after :
							    rows[i].before;
		struct toml *t = parse(rows[i].before);
		struct buf out, removed;
		char path[8];
		char *text;
		enum err rc;

		buf_init(&out, TOML_BYTES_MAX);
		buf_init(&removed, TOML_BYTES_MAX);
		snprintf(path, sizeof(path), "t.%u", rows[i].index);
		rc = toml_edit_remove(t, node_at(t, path), &removed, &out);
		text = result_of(rc, &out);
		assert_non_null(text);
		toml_free(t);
		t = parse(rows[i].changed != NULL ? rows[i].changed : text);
		buf_init(&out, TOML_BYTES_MAX);
		rc = toml_edit_restore(t, toml_root(t), "t", rows[i].index,
			buf_span(&removed), &out);
		check_text(text, result_of(rc, &out),
			strcmp(after, "refused") != 0 ? after : NULL);
		buf_fini(&removed);
		toml_free(t);
		free(text);
	}
}

/* Some programs take [t] for an array of one table. */
static void test_a_table_that_was_no_array_is_put_back(void **state)
{
	static const struct {
		const char *removed, *changed, *after;
	} rows[] = {
		{ "# t\n[t]\nid = 1\n[[t.r]]\n", "a = 1\n",
			"a = 1\n\n# t\n[t]\nid = 1\n[[t.r]]\n" },
		{ "[t]\nid = 1\n", "[[t]]\nid = 2\n",
			"[[t]]\nid = 2\n\n[[t]]\nid = 1\n" },
		{ "t.id = 1\n", "a = 1\n", "a = 1\n\n[[t]]\nid = 1\n" },
		{ "[t]\nid = 1\n", "[t]\nid = 2\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct toml *t = parse(rows[i].changed);
		struct buf out;
		enum err rc;

		buf_init(&out, TOML_BYTES_MAX);
		rc = toml_edit_restore(t, toml_root(t), "t", 0, span_str(rows[i].removed),
			&out);
		check_text(rows[i].removed, result_of(rc, &out), rows[i].after);
		toml_free(t);
	}
}

static void test_what_is_put_back_must_be_of_the_array(void **state)
{
	static const char *const rows[] = { "", "# x\n", "[[u]]\nid = 1\n", "t = {}\n",
		"[[t]]\n[[t]]\n", "1", "{a = 1}, {b = 1}", "id = 1\n", "[[t]]\nid",
		"{ a = 1 }]\nx = [1" };

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct toml *t = parse("[[t]]\n");
		struct buf out;
		enum err rc;

		buf_init(&out, TOML_BYTES_MAX);
		rc = toml_edit_restore(t, toml_root(t), "t", 0, span_str(rows[i]), &out);
		check_text(rows[i], result_of(rc, &out), NULL);
		toml_free(t);
	}
}

static void test_a_text_that_is_no_value_is_refused(void **state)
{
	static const struct row rows[] = {
		{ "a = 1\n", "", "a", "x", NULL },
		{ "a = 1\n", "", "a", "", NULL },
		{ "a = 1\n", "", "a", "2\nb = 3", NULL },
		{ "a = 1\n", "", "k", "2\n[b]", NULL },
		{ "a = {b = 1, c = 2}\n", "a", "b", "2 # x", NULL },
		{ "a = {b = 1}\n", "a", "k", "2, l = 3", NULL },
		{ "a = 1\n", "a", "k", "2", NULL },
		{ "a = [1]\n", "a", "k", "2", NULL },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		check_set(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_value_is_replaced_in_its_place),
		cmocka_unit_test(test_a_new_key_follows_the_others_of_its_table),
		cmocka_unit_test(test_tables_are_replaced_by_a_value),
		cmocka_unit_test(test_a_table_is_added_in_the_form_of_the_others),
		cmocka_unit_test(test_what_is_removed_goes_with_its_line_or_comma),
		cmocka_unit_test(test_a_removed_table_is_put_back),
		cmocka_unit_test(test_a_table_that_was_no_array_is_put_back),
		cmocka_unit_test(test_what_is_put_back_must_be_of_the_array),
		cmocka_unit_test(test_a_text_that_is_no_value_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
