/* Keys: what each does, what it sends, and what it says if it does nothing. */
#include "tui/sample_test.h"

/* Asserts on a change, and frees it. @body NULL: it has none. */
static void assert_change(struct change *c, const char *method, const char *target,
	const char *body)
{
	assert_non_null(c);
	assert_string_equal(c->method, method);
	assert_string_equal(c->target, target);
	assert_int_equal(buf_put_u8(&c->body, '\0'), ERR_OK);
	assert_string_equal((const char *)buf_front(&c->body), body != NULL ? body : "");
	change_free(c);
}

static void assert_says(const struct model *m, const char *text)
{
	if (strstr(m->message, text) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", text, m->message);
}

static void press(struct model *m, uint32_t key)
{
	assert_null(sample_press(m, key));
}

static void type(struct model *m, const char *text)
{
	for (; *text != '\0'; text++)
		press(m, (uint8_t)*text);
}

static void test_left_and_right_go_round_the_panes(void **state)
{
	static const enum model_pane order[] = { MODEL_TUNNELS, MODEL_SETTINGS,
		MODEL_RELAYS, MODEL_HOPS, MODEL_LOG, MODEL_TUNNELS };
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	for (size_t i = 0; i < mem_count(order); i++) {
		assert_int_equal(m.pane, order[i]);
		press(&m, PRESS_RIGHT);
	}
	for (size_t i = mem_count(order); i-- > 0;) {
		press(&m, PRESS_LEFT);
		assert_int_equal(m.pane, order[i]);
	}
	press(&m, PRESS_RIGHT);
	press(&m, PRESS_ESCAPE);
	assert_int_equal(m.pane, MODEL_TUNNELS);
	model_fini(&m);
}

static void test_a_tunnel_is_added_by_name_and_port(void **state)
{
	struct change *c;
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	press(&m, PRESS_DOWN); /* the row that adds one */
	press(&m, PRESS_ENTER);
	assert_int_equal(m.dialog, MODEL_ADD_TUNNEL);
	type(&m, "lonely");
	press(&m, PRESS_ENTER);
	assert_says(&m, "a name and a port");
	type(&m, "\t");
	press(&m, PRESS_BACK_TAB);
	type(&m, " app  8080 ");
	c = sample_press(&m, PRESS_ENTER);
	assert_change(c->undo, "DELETE", "/v1/agent/tunnels/lonely-app", NULL);
	c->undo = NULL;
	assert_change(c, "POST", "/v1/agent/tunnels",
		"{\"name\":\"lonely app\",\"target_addr\":\"8080\",\"relays\":[]}");
	assert_int_equal(m.dialog, MODEL_ADD_TUNNEL); /* until the agent has accepted */
	press(&m, PRESS_ESCAPE);
	assert_int_equal(m.dialog, MODEL_NO_DIALOG);
	press(&m, PRESS_UP);
	press(&m, '+'); /* offers the relays of the selected tunnel */
	m.waiting = 0;
	type(&m, "b 1");
	assert_change(sample_press(&m, PRESS_ENTER), "POST", "/v1/agent/tunnels",
		"{\"name\":\"b\",\"target_addr\":\"1\",\"relays\":[\"https://one.example\"]}");
	model_fini(&m);
}

static void test_delete_is_pressed_twice_and_can_be_undone(void **state)
{
	struct change *c;
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	press(&m, PRESS_DELETE);
	assert_says(&m, "delete api?");
	press(&m, PRESS_DOWN);
	press(&m, PRESS_DELETE);
	assert_says(&m, "delete blog?");
	press(&m, PRESS_ESCAPE);
	assert_string_equal(m.message, "");
	press(&m, PRESS_DELETE);
	c = sample_press(&m, PRESS_DELETE);
	assert_string_equal(c->target, "/v1/agent/tunnels/blog");
	assert_string_equal(c->method, "DELETE");
	m.waiting--;
	model_take_result(&m, c, NULL);
	assert_says(&m, "deleted blog; u undoes it");
	assert_change(sample_press(&m, 'u'), "POST", "/v1/agent/tunnels/restore",
		"{\"id\":\"blog\"}");
	press(&m, 'u');
	assert_says(&m, "nothing to undo");
	model_fini(&m);
}

/* A stock agent cannot restore: the tunnel is added again, with its metadata. */
static void test_a_stock_agent_gets_a_deleted_tunnel_again(void **state)
{
	struct change *c, *then;
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	press(&m, PRESS_BACKSPACE);
	c = sample_press(&m, PRESS_BACKSPACE);
	assert_string_equal(c->target, "/v1/agent/tunnels/web");
	model_take_result(&m, c, NULL);
	c = sample_press(&m, 'u');
	then = c->then;
	c->then = NULL;
	assert_change(c, "POST", "/v1/agent/tunnels",
		"{\"id\":\"web\",\"name\":\"myapp\",\"target_addr\":\"127.0.0.1:3000\","
		"\"relays\":[\"https://one.example\"]}");
	assert_change(then, "PATCH", "/v1/agent/tunnels/web",
		"{\"max_active_relays\":3,\"metadata\":{\"description\":"
		"\"Managed web tunnel\",\"owner\":\"\",\"thumbnail\":\"\",\"hide\":false,"
		"\"tags\":[\"web\",\"demo\"]}}");
	model_fini(&m);
}

static void test_settings_send_what_was_changed(void **state)
{
	struct change *c;
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	press(&m, PRESS_RIGHT);
	press(&m, PRESS_ENTER);
	assert_says(&m, "nothing was changed");
	type(&m, "x");
	press(&m, PRESS_ENTER);
	assert_says(&m, "whole number above 0, not \"3x\"");
	press(&m, PRESS_BACKSPACE);
	press(&m, PRESS_BACKSPACE);
	type(&m, "5");
	press(&m, PRESS_DOWN);
	press(&m, PRESS_DOWN);
	type(&m, ", q?"); /* letters are text here */
	press(&m, PRESS_LEFT);
	assert_int_equal(m.pane, MODEL_SETTINGS);
	type(&m, "l");
	model_select(&m, MODEL_SETTINGS, CHANGE_HIDDEN);
	type(&m, " ");
	c = sample_press(&m, PRESS_ENTER);
	assert_change(c->undo, "PATCH", "/v1/agent/tunnels/web",
		"{\"max_active_relays\":3,\"metadata\":{\"tags\":[\"web\",\"demo\"],"
		"\"hide\":false}}");
	c->undo = NULL;
	assert_change(c, "PATCH", "/v1/agent/tunnels/web",
		"{\"max_active_relays\":5,\"metadata\":{\"tags\":[\"web\",\"demo\",\"ql?\"],"
		"\"hide\":true}}");
	model_fini(&m);
}

static void test_escape_reverts_a_field_and_then_leaves(void **state)
{
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	press(&m, PRESS_RIGHT);
	type(&m, "7");
	press(&m, PRESS_ESCAPE);
	assert_int_equal(m.pane, MODEL_SETTINGS);
	assert_int_equal(form_count_changed(&model_draft(&m)->settings), 0);
	press(&m, PRESS_RIGHT);
	assert_int_equal(m.pane, MODEL_RELAYS);
	model_fini(&m);
}

static void test_a_tunnel_is_edited_as_a_form(void **state)
{
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	press(&m, 'e');
	press(&m, PRESS_ENTER);
	assert_says(&m, "nothing was changed");
	press(&m, PRESS_DOWN);
	press(&m, PRESS_CTRL_U);
	press(&m, PRESS_DOWN);
	type(&m, " https://x.example");
	press(&m, PRESS_DOWN);
	type(&m, "/api");
	press(&m, PRESS_ENTER);
	assert_says(&m, "a route is a prefix");
	type(&m, "=http://a:1?b=c, / = http://d");
	assert_change(sample_press(&m, PRESS_ENTER), "PATCH", "/v1/agent/tunnels/api",
		"{\"target\":\"\",\"relays\":[\"https://one.example\",\"https://two.example\","
		"\"https://x.example\"],\"http_routes\":[{\"prefix\":\"/api\",\"upstream\":"
		"\"http://a:1?b=c\"},{\"prefix\":\"/\",\"upstream\":\"http://d\"}]}");
	model_fini(&m);
	sample_init(&m, SAMPLE_STOCK);
	press(&m, 'e');
	assert_says(&m, "edit /etc/agent/config.toml");
	model_fini(&m);
}

static void test_relays_are_connected_and_disconnected(void **state)
{
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	m.pane = MODEL_RELAYS;
	press(&m, 'c');
	assert_says(&m, "one.example is connected already");
	assert_change(sample_press(&m, 'd'), "DELETE", "/v1/agent/tunnels/web/relays",
		"{\"relay_url\":\"https://one.example\"}");
	press(&m, PRESS_DOWN);
	press(&m, PRESS_DELETE);
	assert_says(&m, "two.example is not connected");
	assert_change(sample_press(&m, PRESS_ENTER), "POST",
		"/v1/agent/tunnels/web/relays",
		"{\"relay_url\":\"https://two.example\"}");
	press(&m, PRESS_DOWN);
	press(&m, 'c');
	assert_says(&m, "is banned");
	m.waiting = 0;
	press(&m, '+');
	type(&m, "four");
	press(&m, PRESS_ENTER);
	assert_says(&m, "write the URL of a relay");
	press(&m, PRESS_CTRL_U);
	type(&m, "https://four.example");
	assert_change(sample_press(&m, PRESS_ENTER), "POST",
		"/v1/agent/tunnels/web/relays",
		"{\"relay_url\":\"https://four.example\"}");
	model_fini(&m);
}

static void test_a_route_is_drafted_and_applied(void **state)
{
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	m.pane = MODEL_RELAYS;
	press(&m, 'p');
	assert_says(&m, "no route is drafted");
	press(&m, 'a');
	assert_says(&m, "add one more");
	press(&m, 'a');
	assert_says(&m, "on the route already");
	press(&m, 'p');
	assert_says(&m, "at least two relays");
	m.pane = MODEL_HOPS;
	press(&m, PRESS_DOWN);
	press(&m, PRESS_ENTER);
	press(&m, PRESS_DOWN);
	press(&m, 'a');
	assert_says(&m, "does not support multi-hop");
	assert_change(sample_press(&m, 'p'), "POST", "/v1/agent/tunnels/web/multi-hop",
		"{\"relays\":[\"https://one.example\",\"https://two.example\"]}");
	press(&m, 'c');
	assert_says(&m, "the draft is dropped");
	press(&m, 'c');
	assert_says(&m, "no route to clear");
	model_fini(&m);
}

static void test_an_applied_route_is_cleared(void **state)
{
	struct change *c;
	struct model m;

	(void)state;
	sample_init(&m,
		"{\"data\":{\"tunnels\":[{\"id\":\"a/b\",\"multi_hop\":"
		"[\"https://1\",\"https://2\"],\"relays\":["
		"{\"relay_url\":\"https://1\",\"explicit\":true}]}]}}");
	m.pane = MODEL_RELAYS;
	press(&m, 'd');
	assert_says(&m, "clear the route first");
	m.pane = MODEL_HOPS;
	c = sample_press(&m, PRESS_DELETE);
	assert_change(c->undo, "POST", "/v1/agent/tunnels/a%2Fb/multi-hop",
		"{\"relays\":[\"https://1\",\"https://2\"]}");
	c->undo = NULL;
	assert_change(c, "DELETE", "/v1/agent/tunnels/a%2Fb/multi-hop", NULL);
	model_fini(&m);
}

static void test_only_web_pages_are_opened(void **state)
{
	struct keys_effect e = { .quits = false };
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	keys_press(&m, 'o', &e);
	assert_string_equal(e.opens, "https://myapp.one.example");
	keys_press(&m, 'y', &e);
	assert_string_equal(e.copies, "https://myapp.one.example");
	keys_effect_fini(&e);
	m.pane = MODEL_RELAYS;
	press(&m, PRESS_DOWN);
	keys_press(&m, 'o', &e);
	assert_null(e.opens);
	model_fini(&m);
	sample_init(&m,
		"{\"data\":{\"tunnels\":[{\"id\":\"a\",\"relays\":[{\"relay_url\":"
		"\"https://1\",\"public_url\":\"file:///etc/passwd\"}]}]}}");
	keys_press(&m, 'o', &e);
	assert_null(e.opens);
	assert_says(&m, "not the URL of a web page");
	model_fini(&m);
}

static void test_nothing_is_sent_to_an_agent_that_is_gone(void **state)
{
	static const uint32_t keys[] = { '+', 'e', PRESS_DELETE, 'u', PRESS_ENTER };
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	model_lose(&m, "connection refused");
	for (size_t i = 0; i < mem_count(keys); i++) {
		press(&m, keys[i]);
		assert_says(&m, "the agent is not running");
		assert_int_equal(m.dialog, MODEL_NO_DIALOG);
	}
	model_fini(&m);
}

static void test_pasted_text_is_text(void **state)
{
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	keys_paste(&m, span_str("q\nd"));
	assert_says(&m, "pasted into a field only");
	press(&m, '+');
	keys_paste(&m, span_str("my\tapp\r\n\0333000\x7f"));
	assert_string_equal(m.dialog_form.lines[0].text, "my app  3000");
	model_fini(&m);
}

/* Every key in every pane and dialog, in every order that chance finds: nothing is lost
 * and nothing breaks. */
static void test_any_keys_are_fine(void **state)
{
	static const char *const statuses[] = { SAMPLE_STOCK, SAMPLE_OURS("7"),
		"{\"data\":{}}" };
	struct grid g = { .rows = 0 };
	struct view v = { .hit_count = 0 };
	uint32_t seed = 1;
	struct model m;

	(void)state;
	assert_int_equal(grid_resize(&g, 24, 80), ERR_OK);
	sample_init(&m, SAMPLE_OURS("0"));
	for (int i = 0; i < 20000; i++) {
		struct keys_effect e = { .quits = false };
		uint32_t key;

		seed = seed * 1103515245 + 12345;
		key = (seed >> 16) % 160;
		keys_press(&m, key < 128 ? key : PRESS_FIRST + key - 128, &e);
		if (e.change != NULL) {
			m.waiting--;
			model_take_result(&m, e.change, key % 3 == 0 ? "no" : NULL);
			e.change = NULL;
		}
		keys_effect_fini(&e);
		if (i % 100 == 0)
			sample_take(&m, statuses[(seed >> 20) % 3]);
		if (i % 500 == 0)
			model_lose(&m, "gone");
		if (i % 10 == 0)
			view_draw(&v, &m, &g);
	}
	model_fini(&m);
	grid_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_left_and_right_go_round_the_panes),
		cmocka_unit_test(test_a_tunnel_is_added_by_name_and_port),
		cmocka_unit_test(test_delete_is_pressed_twice_and_can_be_undone),
		cmocka_unit_test(test_a_stock_agent_gets_a_deleted_tunnel_again),
		cmocka_unit_test(test_settings_send_what_was_changed),
		cmocka_unit_test(test_escape_reverts_a_field_and_then_leaves),
		cmocka_unit_test(test_a_tunnel_is_edited_as_a_form),
		cmocka_unit_test(test_relays_are_connected_and_disconnected),
		cmocka_unit_test(test_a_route_is_drafted_and_applied),
		cmocka_unit_test(test_an_applied_route_is_cleared),
		cmocka_unit_test(test_only_web_pages_are_opened),
		cmocka_unit_test(test_nothing_is_sent_to_an_agent_that_is_gone),
		cmocka_unit_test(test_pasted_text_is_text),
		cmocka_unit_test(test_any_keys_are_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
