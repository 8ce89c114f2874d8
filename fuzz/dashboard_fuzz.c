/* What an agent sends to a dashboard: statuses, log lines and errors, drawn in each pane.
 * Then keys, chosen by the bytes. No byte of it reaches the terminal as a command. */
#include <stdlib.h>

#include "tui/agent_client.h"
#include "tui/keys.h"
#include "tui/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_screen(const struct grid *g)
{
	for (size_t i = 0; i < (size_t)g->rows * g->columns; i++) {
		uint32_t c = g->cells[i].c;

		if ((c < ' ' && c != 0) || (c >= 0x7f && c < 0xa0) || c > 0x10ffff)
			abort();
		if (g->is_ascii && c >= 0x7f)
			abort();
	}
}

static void draw_all(struct model *m, struct view *v, struct grid *g)
{
	enum model_pane before = m->pane;

	for (unsigned pane = 0; pane < MODEL_PANES; pane++) {
		m->pane = (enum model_pane)pane;
		g->is_ascii = pane % 2 == 1;
		view_draw(v, m, g);
		check_screen(g);
	}
	m->pane = before;
}

static void press_all(struct model *m, struct span keys)
{
	for (size_t i = 0; i < keys.n; i++) {
		struct keys_effect e = { .quits = false };
		uint32_t key = keys.p[i];

		keys_press(m, key < 128 ? key : PRESS_FIRST + key - 128, &e);
		if (e.change != NULL) {
			m->waiting--;
			model_take_result(m, e.change, i % 2 == 0 ? "no" : NULL);
			e.change = NULL;
		}
		keys_effect_fini(&e);
	}
}

static void run(struct span json, struct span keys)
{
	struct view v = { .hit_count = 0 };
	struct grid g = { .rows = 0 };
	struct model m;
	struct status s;

	if (grid_resize(&g, 12 + (unsigned)keys.n % 25, 40 + (unsigned)keys.n % 70) !=
		ERR_OK)
		return;
	model_init(&m);
	m.now_ms = 1780315200000;
	if (status_parse(json, &s, NULL) == ERR_OK)
		model_take_status(&m, &s);
	(void)!model_read_log(&m, json, NULL);
	draw_all(&m, &v, &g);
	press_all(&m, keys);
	m.now_ms += 2000;
	if (status_parse(json, &s, NULL) == ERR_OK)
		model_take_status(&m, &s);
	draw_all(&m, &v, &g);
	model_fini(&m);
	grid_fini(&g);
}

/* The JSON, a zero byte, and the keys. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span keys = span_of(data, size), json;
	struct agent_endpoint e;

	(void)span_split(&keys, '\0', &json);
	if (agent_endpoint_parse(json, &e, NULL) == ERR_OK)
		free(e.token);
	free(status_parse_error(json));
	run(json, keys);
	return 0;
}
