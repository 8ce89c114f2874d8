/* The grid: what reaches the terminal, and where. */
#include "tui/sample_test.h"

static void write_line(struct grid *g, unsigned columns, const char *text)
{
	struct grid_pen p;

	grid_clear(g);
	p = grid_pen(g, 0, 0, columns);
	grid_pen_put(&p, GRID_PLAIN, text);
}

static void assert_line(struct grid *g, unsigned columns, const char *text,
	const char *want)
{
	char *shown;

	write_line(g, columns, text);
	shown = sample_text(g);
	shown[strlen(shown) - 1] = '\0';
	assert_string_equal(shown, want);
	free(shown);
}

static void test_text_is_cut_with_an_ellipsis(void **state)
{
	struct grid g = { .rows = 0 };

	(void)state;
	assert_int_equal(grid_resize(&g, 1, 10), ERR_OK);
	assert_line(&g, 10, "ten letter", "ten letter");
	assert_line(&g, 10, "ten letters", "ten lette…");
	assert_line(&g, 4, "five5", "fiv…");
	assert_line(&g, 1, "ab", "…");
	assert_line(&g, 0, "ab", "");
	g.is_ascii = true;
	assert_line(&g, 4, "five5", "fiv~");
	grid_fini(&g);
}

static void test_wide_characters_take_two_cells(void **state)
{
	struct grid g = { .rows = 0 };

	(void)state;
	assert_int_equal(grid_resize(&g, 1, 6), ERR_OK);
	assert_line(&g, 6, "日本語", "日本語");
	assert_int_equal(grid_at(&g, 0, 1)->c, 0);
	assert_line(&g, 5, "日本語", "日本…");
	assert_line(&g, 4, "日本語", "日 …");
	assert_line(&g, 6, "bücher", "bücher");
	assert_int_equal(grid_text_width("日本語"), 6);
	grid_fini(&g);
}

static void test_a_terminal_gets_no_control_characters(void **state)
{
	static const char *const rows[][2] = {
		{ "a\033[2Jb", "a�[2Jb" }, { "a\x07\x7f\nb", "a���b" },
		{ "a\xc2\x9b"
		  "b",
			"a�b" }, /* CSI of 8 bits */
		{ "a\xe2\x80\xae"
		  "b",
			"a�b" },               /* right-to-left override */
		{ "a\xcc\x81", "a�" },         /* a combining accent */
		{ "a\xf0\x9f\x98\x80", "a�" }, /* an emoji: its width is not certain */
		{ "a\xff\xc3", "a��" },        /* not UTF-8 */
	};
	struct grid g = { .rows = 0 };

	(void)state;
	assert_int_equal(grid_resize(&g, 1, 20), ERR_OK);
	for (size_t i = 0; i < mem_count(rows); i++) {
		g.is_ascii = false;
		assert_line(&g, 20, rows[i][0], rows[i][1]);
		g.is_ascii = true;
		write_line(&g, 20, rows[i][0]);
		for (unsigned k = 0; k < 20; k++)
			assert_in_range(grid_at(&g, 0, k)->c, ' ', '~');
	}
	grid_fini(&g);
}

static void test_a_pen_stays_in_its_columns(void **state)
{
	struct grid g = { .rows = 0 };
	struct grid_pen p;
	char *shown;

	(void)state;
	assert_int_equal(grid_resize(&g, 2, 8), ERR_OK);
	p = grid_pen(&g, 0, 2, 4);
	grid_pen_field(&p, GRID_PLAIN, 2, "abc");
	grid_pen_put(&p, GRID_BOLD, "xyz");
	p = grid_pen(&g, 5, 0, 4);
	grid_pen_put(&p, GRID_PLAIN, "outside");
	grid_pen_fill(&p, GRID_PLAIN, 'x', 3);
	p = grid_pen(&g, 1, 6, 99);
	grid_pen_fill(&p, GRID_PLAIN, '=', 99);
	grid_mark(&g, 1, 7, 99, GRID_REVERSE);
	shown = sample_text(&g);
	assert_string_equal(shown, "  a… …\n      ==\n");
	assert_int_equal(grid_at(&g, 1, 7)->style, GRID_REVERSE);
	free(shown);
	grid_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_cut_with_an_ellipsis),
		cmocka_unit_test(test_wide_characters_take_two_cells),
		cmocka_unit_test(test_a_terminal_gets_no_control_characters),
		cmocka_unit_test(test_a_pen_stays_in_its_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
