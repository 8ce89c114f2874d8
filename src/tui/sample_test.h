/* For tests: an agent's status as JSON, a model that has it, and a screen as text. */
#ifndef TUI_SAMPLE_TEST_H
#define TUI_SAMPLE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "tui/keys.h"
#include "tui/view.h"

#define SAMPLE_NOW_MS 1780315200000 /* 2026-06-01T12:00:00Z */

#define SAMPLE_RELAY(url, members) "{\"relay_url\":\"" url "\"" members "}"

/* What a stock agent reports. */
#define SAMPLE_STOCK \
	"{\"data\":{\"config_path\":\"/etc/agent/config.toml\"," \
	"\"control_addr\":\"127.0.0.1:4018\",\"tunnels\":[{\"id\":\"web\",\"name\":\"myapp\"," \
	"\"address\":\"0xab\",\"state\":\"running\",\"target_addr\":\"127.0.0.1:3000\"," \
	"\"max_active_relays\":3,\"metadata\":{\"description\":\"Managed web tunnel\"," \
	"\"tags\":[\"web\",\"demo\"]},\"relays\":[" SAMPLE_RELAY("https://one.example", \
		",\"public_url\":\"https://myapp.one.example\",\"version\":\"v2.2.2\"," \
		"\"explicit\":true,\"connecting\":false,\"bootstrap\":true,\"banned\":false," \
		"\"supports_overlay\":true") "," SAMPLE_RELAY("https://two.example", \
		",\"supports_overlay\":true") "," SAMPLE_RELAY("https://three.example", \
		",\"banned\":true") "]}]},\"ok\":true}"

/* What ours reports: @n is added to the counters. */
#define SAMPLE_OURS(bytes) \
	"{\"data\":{\"version\":\"adit/0.2.0\",\"pid\":7,\"config_path\":\"/c.toml\"," \
	"\"control_addr\":\"127.0.0.1:4018\",\"tunnels\":[" \
	"{\"id\":\"api\",\"state\":\"running\",\"health\":\"degraded\"," \
	"\"target_addr\":\"127.0.0.1:8080\",\"received_bytes\":" bytes \
	",\"sent_bytes\":0," \
	"\"visitors\":9,\"visitors_now\":2,\"relays\":[" SAMPLE_RELAY( \
		"https://one.example", \
		",\"state\":\"open\",\"explicit\":true," \
		"\"public_url\":\"https://api.one.example\",\"rtt_ms\":12") "," SAMPLE_RELAY("https://two.example", \
		",\"state\":\"waiting\",\"explicit\":true," \
		"\"last_error\":\"connection refused\"," \
		"\"next_try_at\":\"2026-06-01T12:00:04Z\"") "]}," \
							    "{\"id\":\"blog\",\"state\":\"error\",\"health\":\"down\"," \
							    "\"last_error\":\"the name is taken\",\"target_addr\":\"127.0.0.1:4000\"}]," \
							    "\"links\":[{\"id\":\"office\",\"server\":\"https://tunnel.example\"," \
							    "\"state\":\"running\",\"health\":\"ok\",\"remotes\":[\"R:3000:localhost:3000\"]}]}," \
							    "\"ok\":true}"

static inline void sample_take(struct model *m, const char *json)
{
	struct why why = { "" };
	struct status s;

	if (status_parse(span_str(json), &s, &why) != ERR_OK)
		fail_msg("%s", why.text);
	model_take_status(m, &s);
}

static inline void sample_init(struct model *m, const char *json)
{
	model_init(m);
	m->now_ms = SAMPLE_NOW_MS;
	sample_take(m, json);
}

/* Presses keys: "\n" is enter, "\t" tab, other characters are themselves. */
static inline void sample_type(struct model *m, const char *text, struct keys_effect *e)
{
	for (; *text != '\0'; text++)
		keys_press(m, (uint8_t)*text, e);
}

/* Presses a key and returns the change that it wants sent, or NULL. Owned. */
static inline struct change *sample_press(struct model *m, uint32_t key)
{
	struct keys_effect e = { .quits = false };
	struct change *c;

	keys_press(m, key, &e);
	c = e.change;
	e.change = NULL;
	keys_effect_fini(&e);
	return c;
}

/* The rows of a grid as UTF-8, without spaces at their ends. Owned. */
static inline char *sample_text(const struct grid *g)
{
	struct buf out;
	char *text;

	buf_init(&out, (size_t)1 << 20);
	for (unsigned row = 0; row < g->rows; row++) {
		size_t blank = out.n;

		for (unsigned i = 0; i < g->columns; i++) {
			const struct grid_cell *cell = grid_at(g, row, i);
			struct utf8_text c;

			if (cell->c == 0)
				continue;
			utf8_put(&c, cell->c);
			buf_put(&out, c.bytes, c.n);
			if (cell->c != ' ')
				blank = out.n;
		}
		out.n = blank;
		buf_put_u8(&out, '\n');
	}
	text = span_dup(buf_span(&out));
	buf_fini(&out);
	return text;
}

#endif
