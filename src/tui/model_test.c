/* The model: statuses go in, and what is selected, drafted and known comes out. */
#include "tui/agent_client.h"
#include "tui/sample_test.h"

static void assert_state(const char *members, bool is_ours, const char *word,
	const char *reason)
{
	char json[1024], text[STATUS_REASON_MAX];
	struct timestamp next;
	struct status s;

	snprintf(json, sizeof(json), "{\"data\":{\"tunnels\":[{\"id\":\"a\",%s}]}}",
		members);
	assert_int_equal(status_parse(span_str(json), &s, NULL), ERR_OK);
	assert_string_equal(status_of_tunnel(status_tunnel(&s, 0), is_ours).text, word);
	assert_string_equal(status_reason(status_tunnel(&s, 0), is_ours, text, &next),
		reason);
	field_fini(&status_fields, &s);
}

static void test_a_tunnel_has_one_word_and_a_reason(void **state)
{
	(void)state;
	assert_state("\"state\":\"running\",\"health\":\"ok\"", true, "running", "");
	assert_state("\"state\":\"running\",\"health\":\"down\",\"last_error\":\"no\"",
		true, "down", "no");
	assert_state("\"state\":\"running\",\"health\":\"degraded\","
		     "\"target_addr\":\"x:1\",\"target_health\":\"down\"",
		true, "degraded", "target x:1: does not answer");
	assert_state("\"state\":\"error\",\"last_error\":\"bad target\"", false, "error",
		"bad target");
	assert_state("\"state\":\"starting\"", false, "starting", "");
	assert_state("\"state\":\"stopped\"", true, "stopped", "");
	assert_state("\"state\":\"sleeping\"", true, "unknown", "");
	/* A stock agent says that it runs, also if no relay has the tunnel. */
	assert_state("\"state\":\"running\",\"relays\":[{\"relay_url\":\"https://r\"}]",
		false, "no relay", "no relay has registered the tunnel");
	assert_state("\"state\":\"running\",\"relays\":[{\"relay_url\":\"https://r\","
		     "\"public_url\":\"https://a.r\"}]",
		false, "running", "");
}

static void test_a_status_that_is_none_is_refused(void **state)
{
	static const char *const rows[] = { "", "{", "[]", "nonsense",
		"{\"data\":{\"tunnels\":[{\"name\":\"no id\"}]}}",
		"{\"data\":{\"tunnels\":{}}}", "{\"data\":{\"tunnels\":[7]}}",
		"{\"data\":{\"tunnels\":[{\"id\":\"a\",\"relays\":[{}]}]}}" };
	struct status s;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_not_equal(status_parse(span_str(rows[i]), &s, NULL), ERR_OK);
}

static void test_the_selection_follows_its_tunnel(void **state)
{
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_OURS("0"));
	assert_string_equal(model_tunnel(&m)->id, "api");
	model_select(&m, MODEL_TUNNELS, 1);
	sample_take(&m,
		"{\"data\":{\"version\":\"x\",\"pid\":7,\"tunnels\":["
		"{\"id\":\"aaa\"},{\"id\":\"api\"},{\"id\":\"blog\"}]}}");
	assert_string_equal(model_tunnel(&m)->id, "blog");
	sample_take(&m,
		"{\"data\":{\"version\":\"x\",\"pid\":7,\"tunnels\":["
		"{\"id\":\"aaa\"}]}}");
	assert_string_equal(model_tunnel(&m)->id, "aaa");
	model_select(&m, MODEL_TUNNELS, 99);
	assert_null(model_tunnel(&m)); /* the row that adds one */
	sample_take(&m,
		"{\"data\":{\"version\":\"x\",\"pid\":7,\"tunnels\":["
		"{\"id\":\"aaa\"},{\"id\":\"bbb\"}]}}");
	assert_null(model_tunnel(&m));
	sample_take(&m, "{\"data\":{\"version\":\"x\",\"pid\":7}}");
	assert_int_equal(m.tunnel_at, 0);
	model_fini(&m);
}

static void test_the_selected_relay_stays_when_they_are_sorted_anew(void **state)
{
	struct model m;

	(void)state;
	sample_init(&m,
		"{\"data\":{\"tunnels\":[{\"id\":\"a\",\"relays\":["
		"{\"relay_url\":\"https://1\"},{\"relay_url\":\"https://2\"}]}]}}");
	model_select(&m, MODEL_RELAYS, 1);
	sample_take(&m,
		"{\"data\":{\"tunnels\":[{\"id\":\"a\",\"relays\":["
		"{\"relay_url\":\"https://2\"},{\"relay_url\":\"https://1\"}]}]}}");
	assert_string_equal(model_relay(&m)->relay_url, "https://2");
	model_fini(&m);
}

static void test_traffic_is_kept_as_rates(void **state)
{
	const struct model_history *h;
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_OURS("1000"));
	m.now_ms += 2000;
	sample_take(&m, SAMPLE_OURS("5000"));
	h = model_history(&m, "api");
	assert_int_equal(h->count, 1);
	assert_int_equal(h->in[0], 2000);
	m.now_ms += 2000;
	sample_take(&m, SAMPLE_OURS("10")); /* the agent was started again */
	assert_int_equal(h->in[1], MODEL_UNKNOWN);
	for (int i = 0; i < MODEL_SAMPLES; i++) {
		m.now_ms += 2000;
		sample_take(&m, SAMPLE_OURS("9223372036854775807"));
	}
	assert_int_equal(h->count, MODEL_SAMPLES);
	assert_int_equal(h->in[MODEL_SAMPLES - 1], 0);
	sample_take(&m, SAMPLE_STOCK);
	assert_null(model_history(&m, "web"));
	model_fini(&m);
}

static void test_what_is_typed_survives_a_status(void **state)
{
	struct keys_effect e = { .quits = false };
	struct model m;

	(void)state;
	sample_init(&m, SAMPLE_STOCK);
	m.pane = MODEL_SETTINGS;
	model_select(&m, MODEL_SETTINGS, CHANGE_DESCRIPTION);
	sample_type(&m, "!", &e);
	model_select(&m, MODEL_TUNNELS, 1);
	model_select(&m, MODEL_TUNNELS, 0);
	sample_take(&m, SAMPLE_STOCK);
	assert_string_equal(model_draft(&m)->settings.lines[CHANGE_DESCRIPTION].text,
		"Managed web tunnel!");
	assert_string_equal(model_draft(&m)->settings.lines[CHANGE_TAGS].text,
		"web, demo");
	sample_take(&m, SAMPLE_OURS("0"));
	sample_take(&m, SAMPLE_STOCK); /* the tunnel was gone, and so is its draft */
	assert_null(model_peek_draft(&m));
	model_fini(&m);
}

static void test_an_agent_that_is_gone_is_not_live(void **state)
{
	struct model m;

	(void)state;
	model_init(&m);
	model_lose(&m, "no agent runs");
	assert_int_equal(m.contact, MODEL_ABSENT);
	sample_take(&m, SAMPLE_STOCK);
	assert_true(model_is_live(&m));
	m.now_ms = 5000;
	model_lose(&m, "connection refused");
	m.now_ms = 9000;
	model_lose(&m, "connection refused");
	assert_int_equal(m.contact, MODEL_GONE);
	assert_int_equal(m.gone_ms, 5000);
	sample_take(&m, SAMPLE_STOCK);
	assert_true(model_is_live(&m));
	assert_non_null(strstr(m.message, "running again"));
	model_fini(&m);
}

static void test_the_log_is_a_ring(void **state)
{
	char json[256];
	struct model m;

	(void)state;
	model_init(&m);
	for (int i = 1; i <= MODEL_LOG_MAX + 5; i++) {
		snprintf(json, sizeof(json),
			"{\"data\":{\"lines\":[{\"n\":%d,\"text\":\"line %d\"}],\"next\":%d}}",
			i, i, i);
		assert_int_equal(model_read_log(&m, span_str(json), NULL), ERR_OK);
		if (i == 10)
			model_select(&m, MODEL_LOG, 8); /* scrolled back by one */
	}
	assert_int_equal(m.log_count, MODEL_LOG_MAX);
	assert_int_equal(m.log_next, MODEL_LOG_MAX + 5);
	assert_string_equal(model_log_line(&m, 0)->text, "line 6");
	assert_string_equal(model_log_line(&m, model_at(&m, MODEL_LOG))->text, "line 9");
	assert_int_not_equal(model_read_log(&m, span_str("{\"data\":7}"), NULL), ERR_OK);
	model_fini(&m);
}

static void test_an_endpoint_is_read_strictly(void **state)
{
	static const char *const bad[] = { "", "{}", "{\"control_addr\":\"127.0.0.1:1\"}",
		"{\"control_addr\":\"127.0.0.1\",\"token\":\"a\"}",
		"{\"control_addr\":\"127.0.0.1:0\",\"token\":\"a\"}",
		"{\"control_addr\":\":1\",\"token\":\"a\"}",
		"{\"control_addr\":\"127.0.0.1:65536\",\"token\":\"a\"}",
		"{\"control_addr\":\"127.0.0.1:1\",\"token\":\"a\\r\\nHost: b\"}",
		"{\"control_addr\":\"127.0.0.1:1\",\"token\":\"a b\"}" };
	struct agent_endpoint e;

	(void)state;
	for (size_t i = 0; i < mem_count(bad); i++)
		assert_int_not_equal(agent_endpoint_parse(span_str(bad[i]), &e, NULL),
			ERR_OK);
	assert_int_equal(
		agent_endpoint_parse(
			span_str(
				"{\"control_addr\":\"[::1]:4018\",\"token\":\"agent_1\"}"),
			&e, NULL),
		ERR_OK);
	assert_string_equal(e.host, "::1");
	assert_int_equal(e.port, 4018);
	assert_string_equal(e.token, "agent_1");
	free(e.token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tunnel_has_one_word_and_a_reason),
		cmocka_unit_test(test_a_status_that_is_none_is_refused),
		cmocka_unit_test(test_the_selection_follows_its_tunnel),
		cmocka_unit_test(test_the_selected_relay_stays_when_they_are_sorted_anew),
		cmocka_unit_test(test_traffic_is_kept_as_rates),
		cmocka_unit_test(test_what_is_typed_survives_a_status),
		cmocka_unit_test(test_an_agent_that_is_gone_is_not_live),
		cmocka_unit_test(test_the_log_is_a_ring),
		cmocka_unit_test(test_an_endpoint_is_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
