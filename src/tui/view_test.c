/* The view: whole screens as text, at the sizes that people have. */
#include "tui/sample_test.h"
#include "tui/view_priv.h"

#define SCREEN_80X24 \
	"adit/0.2.0  2 tunnels: 1 down, 1 degraded  1 link  127.0.0.1:4018  /c.toml\n" \
	"[Tunnels] Settings  Relays  Multi-hop  Links  Log   1/2\n" \
	"    STATE    NAME          PUBLIC URL                      TARGET           NOW\n" \
	"> ◐ degraded api           https://api.one.example         127.0.0.1:8080     2\n" \
	"             two.example: connection refused; next try in 4 s\n" \
	"  ✗ error    blog          -                               127.0.0.1:4000     0\n" \
	"             the name is taken\n" \
	"  [ + Add Tunnel ]\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"── api ─────────────────────────────────────────────────────────────────────────\n" \
	"  reason    two.example: connection refused\n" \
	"  URL       https://api.one.example\n" \
	"  traffic   9 visitors, 2 now\n" \
	"  target    127.0.0.1:8080\n" \
	"  state     degraded, 1 of 2 relays open\n" \
	"\n" \
	"enter edit  + add  del delete  o open  y copy  left right panes  l log  ? help\n"
#define SCREEN_40X12 \
	"[Tunnels] Set  Rel  Hops  Link  Log\n" \
	"    STATE    NAME     PUBLIC URL\n" \
	"  ◐ degraded api      api.one.example\n" \
	"    two.example: conne…; next try in 4 s\n" \
	"> ✗ error    blog     -\n" \
	"    the name is taken\n" \
	"  [ + Add Tunnel ]\n" \
	"── blog ────────────────────────────────\n" \
	"  reason    the name is taken\n" \
	"  URL       none yet\n" \
	"\n" \
	"enter edit  + add  del delete  ? help\n"

/* Draws a model at a size. Returns the screen as text. Owned. */
static char *show(const struct model *m, unsigned columns, unsigned rows)
{
	struct view v = { .hit_count = 0 };
	struct grid g = { .rows = 0 };
	char *text;

	assert_int_equal(grid_resize(&g, rows, columns), ERR_OK);
	g.is_ascii = m->is_ascii;
	view_draw(&v, m, &g);
	text = sample_text(&g);
	grid_fini(&g);
	return text;
}

static void assert_shows(const struct model *m, unsigned columns, unsigned rows,
	const char *want)
{
	char *text = show(m, columns, rows);

	if (strstr(text, want) == NULL)
		fail_msg("\"%s\" is not on the screen:\n%s", want, text);
	free(text);
}

static void assert_hides(const struct model *m, unsigned columns, unsigned rows,
	const char *not_wanted)
{
	char *text = show(m, columns, rows);

	if (strstr(text, not_wanted) != NULL)
		fail_msg("\"%s\" is on the screen:\n%s", not_wanted, text);
	free(text);
}

static void test_a_usual_terminal_shows_one_pane_and_tabs(void **state)
{
	struct model m;
	char *text;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	text = show(&m, 80, 24);
	assert_string_equal(text, SCREEN_80X24);
	free(text);
	model_fini(&m);
}

static void test_a_small_terminal_shows_what_matters(void **state)
{
	struct model m;
	char *text;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	model_select(&m, MODEL_TUNNELS, 1);
	text = show(&m, 40, 12);
	assert_string_equal(text, SCREEN_40X12);
	free(text);
	assert_shows(&m, 60, 20, "[Tunnels] Settings  Relays  Multi-hop  Links  Log");
	assert_shows(&m, 60, 20, "api.one.example");
	model_fini(&m);
}

static void test_a_high_terminal_shows_all_panes(void **state)
{
	static const char *const wanted[] = { "[Tunnels] 1/2", "Settings api",
		"Relays 1/2", "Multi-hop", "Links 1/1", "max relays", "no route:" };
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	for (size_t i = 0; i < mem_count(wanted); i++) {
		assert_shows(&m, 100, 40, wanted[i]);
		assert_shows(&m, 80, 40, wanted[i]);
		assert_shows(&m, 100, VIEW_STACK_ROWS, wanted[i]);
	}
	m.pane = MODEL_LOG;
	assert_shows(&m, 100, 40, "[Log]");
	model_fini(&m);
}

static void test_every_pane_shows_its_keys(void **state)
{
	static const struct {
		enum model_pane pane;
		const char *keys;
	} rows[] = {
		{ MODEL_TUNNELS, "enter edit  + add  del delete  o open  y copy" },
		{ MODEL_SETTINGS, "enter apply  tab next field  esc back" },
		{ MODEL_RELAYS, "c connect  d disconnect  a add hop" },
		{ MODEL_HOPS, "a add hop  p apply  c clear" },
		{ MODEL_LOG, "esc back" },
	};
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	for (size_t i = 0; i < mem_count(rows); i++) {
		m.pane = rows[i].pane;
		assert_shows(&m, 80, 24, rows[i].keys);
		assert_shows(&m, 40, 12, rows[i].pane == MODEL_SETTINGS ? "F1" : "?");
	}
	m.pane = MODEL_TUNNELS;
	model_select(&m, MODEL_TUNNELS, 1);
	assert_shows(&m, 80, 24, "enter add");
	model_fini(&m);
}

static void test_the_help_page_has_every_key(void **state)
{
	const struct keys_row *k;
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	m.has_help = true;
	for (unsigned i = 0; (k = keys_row(i)) != NULL; i++)
		if (k->label != NULL && (k->panes & KEYS_DIALOG) == 0)
			assert_shows(&m, 120, 80, k->help);
	assert_shows(&m, 120, 80, "/etc/agent/config.toml");
	m.help_top = 1000;
	assert_shows(&m, 40, 12, "dashboard");
	model_fini(&m);
}

static void test_two_hundred_tunnels_scroll(void **state)
{
	struct buf json;
	struct model m;

	(void)state;
	buf_init(&json, (size_t)1 << 20);
	buf_put_str(&json, "{\"data\":{\"tunnels\":[");
	for (int i = 0; i < 200; i++)
		buf_printf(&json,
			"%s{\"id\":\"t%03d\",\"state\":\"%s\",\"last_error\":\"why %d\"}",
			i > 0 ? "," : "", i, i % 3 == 0 ? "error" : "starting", i);
	assert_int_equal(buf_put(&json, "]}}", 4), ERR_OK);
	sample_init(&m, (const char *)buf_front(&json));
	for (unsigned i = 0; i < 200; i += 7) {
		char want[32];

		model_select(&m, MODEL_TUNNELS, i);
		snprintf(want, sizeof(want), "t%03u", i);
		assert_shows(&m, 80, 24, want);
		assert_shows(&m, 40, 12, want);
		snprintf(want, sizeof(want), "%u/200", i + 1);
		assert_shows(&m, 80, 24, want);
		assert_shows(&m, 100, 40, want);
	}
	model_select(&m, MODEL_TUNNELS, 200);
	assert_shows(&m, 40, 12, "> [ + Add Tunnel ]");
	model_fini(&m);
	buf_fini(&json);
}

static void test_an_agent_that_is_gone_runs_nothing(void **state)
{
	struct model m;

	(void)state;
	model_init(&m);
	snprintf(m.start_command, sizeof(m.start_command), "adit agent run");
	assert_shows(&m, 80, 24, "Waiting for the agent");
	model_lose(&m, "no agent runs");
	assert_shows(&m, 40, 12, "The agent is not running.\n  no agent runs");
	assert_shows(&m, 80, 24,
		"    adit agent run\n  or in a terminal:\n    adit agent run --foreground\n");
	assert_shows(&m, 80, 24, "q quit  ? help");
	m.now_ms = SAMPLE_NOW_MS;
	sample_take(&m, SAMPLE_OURS("0"));
	assert_shows(&m, 80, 24, "degraded");
	model_lose(&m, "connection refused");
	m.now_ms += 5000;
	assert_shows(&m, 80, 24,
		"The agent is gone for 5 s. Start it: adit agent run. (connection refused)");
	assert_shows(&m, 40, 12, "connection refused");
	assert_hides(&m, 80, 24, "answers");
	assert_hides(&m, 80, 24, "visitors");
	assert_shows(&m, 80, 24, "? unknown  api");
	assert_hides(&m, 80, 24, "degraded ");
	assert_hides(&m, 80, 24, "next try");
	assert_hides(&m, 100, 40, "running");
	model_fini(&m);
}

static void test_a_file_that_does_not_run_is_reported(void **state)
{
	struct model m;

	(void)state;
	sample_init(&m, "{\"data\":{\"config_error\":\"config.toml:3: unknown key\"}}");
	assert_shows(&m, 80, 24,
		"The file on the disk is not what runs: config.toml:3: unknown key");
	model_fini(&m);
}

static void test_plain_terminals_get_ascii(void **state)
{
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	m.now_ms += 2000;
	sample_take(&m, SAMPLE_OURS("900"));
	m.is_ascii = true;
	for (unsigned pane = 0; pane < MODEL_PANES; pane++)
		for (unsigned rows = 12; rows <= 40; rows += 14) {
			char *text;

			m.pane = (enum model_pane)pane;
			text = show(&m, 80, rows);
			for (char *c = text; *c != '\0'; c++)
				assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
			free(text);
		}
	model_fini(&m);
}

static void test_traffic_is_a_plot_of_the_last_minutes(void **state)
{
	struct model m;
	char json[sizeof(SAMPLE_OURS("")) + 24];
	long long total = 0;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	for (int i = 0; i < 40; i++) {
		total += i < 20 ? 0 : 2000LL * (i - 19);
		snprintf(json, sizeof(json), SAMPLE_OURS("%lld"), total);
		m.now_ms += 2000;
		sample_take(&m, json);
	}
	assert_shows(&m, 200, 40,
		"in 20 KB/s out 0 B/s 9 visitors, 2 now "
		"▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▅▆▆▆▇▇▇█\n");
	assert_shows(&m, 80, 24, "9 visitors, 2 now ▁▁▁▁▁▂▄▅▆█\n");
	m.is_ascii = true;
	assert_shows(&m, 80, 24, "9 visitors, 2 now _____.-=+#\n");
	model_fini(&m);
}

static void test_the_mouse_finds_rows_tabs_and_buttons(void **state)
{
	struct view v = { .hit_count = 0 };
	struct grid g = { .rows = 0 };
	const struct view_hit *hit;
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	assert_int_equal(grid_resize(&g, 24, 80), ERR_OK);
	view_draw(&v, &m, &g);
	hit = view_find(&v, 1, 12);
	assert_int_equal(hit->kind, VIEW_HIT_PANE);
	assert_int_equal(hit->pane, MODEL_SETTINGS);
	hit = view_find(&v, 6, 20); /* the reason below the second tunnel */
	assert_int_equal(hit->kind, VIEW_HIT_ROW);
	assert_int_equal(hit->arg, 1);
	hit = view_find(&v, 7, 4);
	assert_int_equal(hit->kind, VIEW_HIT_KEY);
	assert_int_equal(hit->arg, '+');
	hit = view_find(&v, 23, 22); /* "del delete" */
	assert_int_equal(hit->kind, VIEW_HIT_KEY);
	assert_int_equal(hit->arg, PRESS_DELETE);
	assert_null(view_find(&v, 12, 4));
	model_fini(&m);
	grid_fini(&g);
}

static void test_the_cursor_is_where_text_is_typed(void **state)
{
	struct keys_effect e = { .quits = false };
	struct view v = { .hit_count = 0 };
	struct grid g = { .rows = 0 };
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	assert_int_equal(grid_resize(&g, 24, 40), ERR_OK);
	view_draw(&v, &m, &g);
	assert_false(v.has_cursor);
	keys_press(&m, '+', &e);
	sample_type(&m, "abc", &e);
	view_draw(&v, &m, &g);
	assert_true(v.has_cursor);
	assert_int_equal(grid_at(&g, v.cursor_row, v.cursor_column - 1)->c, 'c');
	for (int i = 0; i < 100; i++)
		sample_type(&m, "x", &e);
	sample_type(&m, "y", &e);
	view_draw(&v, &m, &g);
	assert_int_equal(grid_at(&g, v.cursor_row, v.cursor_column - 1)->c, 'y');
	assert_in_range(v.cursor_column, 1, 39);
	keys_press(&m, PRESS_HOME, &e);
	view_draw(&v, &m, &g);
	assert_int_equal(grid_at(&g, v.cursor_row, v.cursor_column)->c, 'a');
	model_fini(&m);
	grid_fini(&g);
}

static void test_any_size_can_be_drawn(void **state)
{
	struct grid g = { .rows = 0 };
	struct view v = { .hit_count = 0 };
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	for (unsigned rows = 0; rows < 50; rows += 1)
		for (unsigned columns = 0; columns < 130; columns += 3) {
			assert_int_equal(grid_resize(&g, rows, columns), ERR_OK);
			m.pane = (enum model_pane)(columns % MODEL_PANES);
			m.has_help = rows % 5 == 4;
			view_draw(&v, &m, &g);
		}
	assert_int_equal(grid_resize(&g, 5000, 5000), ERR_OK);
	view_draw(&v, &m, &g);
	model_fini(&m);
	grid_fini(&g);
}

static void test_numbers_have_units(void **state)
{
	static const struct {
		uint64_t n;
		const char *bytes, *span;
	} rows[] = {
		{ 0, "0 B", "0 s" },
		{ 119, "119 B", "119 s" },
		{ 999, "999 B", "16 min" },
		{ 1000, "1.0 KB", "16 min" },
		{ 9999, "9.9 KB", "2 h" },
		{ 12345, "12 KB", "3 h" },
		{ 999999, "999 KB", "11 d" },
		{ 1000000, "1.0 MB", "11 d" },
		{ 123456789012, "123 GB", "1428898 d" },
	};
	char text[VIEW_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_string_equal(view_print_bytes(rows[i].n, text), rows[i].bytes);
		assert_string_equal(view_print_span((int64_t)rows[i].n, text),
			rows[i].span);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_usual_terminal_shows_one_pane_and_tabs),
		cmocka_unit_test(test_a_small_terminal_shows_what_matters),
		cmocka_unit_test(test_a_high_terminal_shows_all_panes),
		cmocka_unit_test(test_every_pane_shows_its_keys),
		cmocka_unit_test(test_the_help_page_has_every_key),
		cmocka_unit_test(test_two_hundred_tunnels_scroll),
		cmocka_unit_test(test_an_agent_that_is_gone_runs_nothing),
		cmocka_unit_test(test_a_file_that_does_not_run_is_reported),
		cmocka_unit_test(test_plain_terminals_get_ascii),
		cmocka_unit_test(test_traffic_is_a_plot_of_the_last_minutes),
		cmocka_unit_test(test_the_mouse_finds_rows_tabs_and_buttons),
		cmocka_unit_test(test_the_cursor_is_where_text_is_typed),
		cmocka_unit_test(test_any_size_can_be_drawn),
		cmocka_unit_test(test_numbers_have_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
