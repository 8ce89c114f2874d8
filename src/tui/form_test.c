/* Forms: what keys do to text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tui/form.h"
#include "tui/press.h"

static void press_all(struct form *f, const uint32_t *keys)
{
	for (; *keys != 0; keys++)
		assert_true(form_press(f, *keys));
}

static void test_text_is_edited_at_the_cursor(void **state)
{
	static const struct {
		const char *before;
		uint32_t keys[6];
		const char *after;
		size_t cursor;
	} rows[] = {
		{ "ab", { 'c' }, "abc", 3 },
		{ "ab", { PRESS_LEFT, 'c' }, "acb", 2 },
		{ "ab", { PRESS_HOME, 'c', PRESS_END, 'd' }, "cabd", 4 },
		{ "ab", { PRESS_BACKSPACE }, "a", 1 },
		{ "ab", { PRESS_HOME, PRESS_BACKSPACE, PRESS_DELETE }, "b", 0 },
		{ "ab", { PRESS_DELETE, PRESS_RIGHT, PRESS_RIGHT }, "ab", 2 },
		{ "bü", { PRESS_LEFT, 'x' }, "bxü", 2 },
		{ "bü", { PRESS_BACKSPACE, 0xe9 }, "bé", 3 },
		{ "日本", { PRESS_LEFT, PRESS_DELETE }, "日", 3 },
		{ "one two ", { PRESS_CTRL_W, PRESS_CTRL_W, PRESS_CTRL_W }, "", 0 },
		{ "one two", { PRESS_LEFT, PRESS_CTRL_U }, "o", 0 },
		{ "one two", { PRESS_CTRL_A, PRESS_RIGHT, PRESS_CTRL_K }, "o", 1 },
		{ "a", { PRESS_LEFT, PRESS_CTRL_E, 'b' }, "ab", 2 },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct form f = { .count = 0 };

		assert_int_equal(form_add(&f, FORM_TEXT, "x", "", rows[i].before),
			ERR_OK);
		press_all(&f, rows[i].keys);
		assert_string_equal(f.lines[0].text, rows[i].after);
		assert_int_equal(f.lines[0].cursor, rows[i].cursor);
		form_fini(&f);
	}
}

static void test_keys_that_do_not_edit_are_left_to_others(void **state)
{
	struct form f = { .count = 0 };

	(void)state;
	assert_false(form_press(&f, PRESS_UP));
	assert_int_equal(form_add(&f, FORM_TEXT, "x", "", "a"), ERR_OK);
	assert_int_equal(form_add(&f, FORM_FLAG, "y", "", "no"), ERR_OK);
	assert_false(form_press(&f, PRESS_UP));
	assert_false(form_press(&f, PRESS_ENTER));
	assert_false(form_press(&f, PRESS_CTRL_C));
	form_move(&f, -1);
	assert_int_equal(f.focus, 1);
	assert_false(form_press(&f, PRESS_LEFT));
	press_all(&f, (const uint32_t[]){ PRESS_SPACE, 0 });
	assert_string_equal(f.lines[1].text, "yes");
	press_all(&f, (const uint32_t[]){ 'n', 'x', 0 });
	assert_string_equal(f.lines[1].text, "no");
	form_move(&f, 1);
	assert_int_equal(f.focus, 0);
	form_fini(&f);
}

static void test_a_changed_line_survives_a_new_original(void **state)
{
	struct form f = { .count = 0 };

	(void)state;
	assert_int_equal(form_add(&f, FORM_TEXT, "x", "", "one"), ERR_OK);
	assert_int_equal(form_rebase(&f.lines[0], "two"), ERR_OK);
	assert_string_equal(f.lines[0].text, "two");
	assert_int_equal(form_count_changed(&f), 0);
	press_all(&f, (const uint32_t[]){ '!', 0 });
	assert_int_equal(form_rebase(&f.lines[0], "three"), ERR_OK);
	assert_string_equal(f.lines[0].text, "two!");
	assert_int_equal(form_count_changed(&f), 1);
	assert_int_equal(form_rebase(&f.lines[0], "two!"), ERR_OK);
	assert_int_equal(form_count_changed(&f), 0);
	form_revert(&f.lines[0]);
	assert_string_equal(f.lines[0].text, "two!");
	form_fini(&f);
}

static void test_lines_are_bounded(void **state)
{
	char text[FORM_TEXT_MAX + 1];
	struct form f = { .count = 0 };

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[FORM_TEXT_MAX - 1] = '\0';
	assert_int_equal(form_add(&f, FORM_TEXT, "x", "", text), ERR_OK);
	press_all(&f, (const uint32_t[]){ 'b', 0 });
	assert_int_equal(strlen(f.lines[0].text), FORM_TEXT_MAX - 1);
	text[FORM_TEXT_MAX - 1] = 'a';
	text[FORM_TEXT_MAX] = '\0';
	assert_int_equal(form_rebase(&f.lines[0], text), ERR_OK);
	assert_true(f.lines[0].is_locked);
	press_all(&f, (const uint32_t[]){ 'b', 0 });
	assert_int_equal(form_count_changed(&f), 0);
	for (int i = 1; i < FORM_LINES_MAX; i++)
		assert_int_equal(form_add(&f, FORM_TEXT, "x", "", ""), ERR_OK);
	assert_int_equal(form_add(&f, FORM_TEXT, "x", "", ""), ERR_LIMIT);
	form_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_edited_at_the_cursor),
		cmocka_unit_test(test_keys_that_do_not_edit_are_left_to_others),
		cmocka_unit_test(test_a_changed_line_survives_a_new_original),
		cmocka_unit_test(test_lines_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
