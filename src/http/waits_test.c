/*
 * What the proxy waits for, and for how long: silence, ends, and the word to send a body.
 */
#include "http/proxied_test.h"

#define DAY_MS ((uint64_t)24 * 3600 * 1000)

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEARD \
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
#define ANSWER HEAD "hi"

/* ---- steps ---- */

static void say(struct fixture *f, struct party *p, const char *text)
{
	buf_put_str(&p->says, text);
	p->may_say = SIZE_MAX;
	if (p->stream != NULL)
		party_run(p);
	settle(f);
}

/* @p hears just that, without time. */
static void hear(struct fixture *f, struct party *p, const char *text)
{
	for (int i = 0; i < IDLE_TURNS_MAX && p->heard.n < strlen(text); i++)
		settle(f);
	settle(f);
	if (!span_is(buf_span(&p->heard), text))
		fail_msg("the %s hears\n%.*s\nand not\n%s",
			p == &f->client ? "client" : "upstream", (int)p->heard.n,
			(const char *)buf_span(&p->heard).p, text);
	buf_reset(&p->heard);
}

/* Has @p's connection ended, without time? */
static bool has_gone(struct fixture *f, const struct party *p)
{
	for (int i = 0; i < IDLE_TURNS_MAX && p->stream != NULL; i++)
		settle(f);
	return p->stream == NULL;
}

/* The upstream has the request, and the client what @says is the begin of. */
static void begin_exchange(struct fixture *f, const char *says)
{
	begin(f, BLOCK_BYTES);
	say(f, &f->client, GET);
	hear(f, &f->origin, HEARD);
	say(f, &f->origin, says);
	hear(f, &f->client, says);
}

/* ---- silence ---- */

static const char *const begins[] = { "", HEAD, HEAD "h" };

static void test_an_exchange_has_no_idle_timeout(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 2 * mem_count(begins); i++) {
		f->front_is_secure = i % 2 != 0;
		begin_exchange(f, begins[i / 2]);
		time_pass(f->loop, 30 * DAY_MS);
		say(f, &f->origin, &ANSWER[strlen(begins[i / 2])]);
		hear(f, &f->client, &ANSWER[strlen(begins[i / 2])]);
		end(f);
	}
}

static void test_an_upload_has_no_idle_timeout(void **state)
{
	struct fixture *f = *state;

	begin(f, BLOCK_BYTES);
	say(f, &f->client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
	hear(f, &f->origin,
		"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n"
		"X-Forwarded-For: 192.0.2.7\r\n\r\nab");
	time_pass(f->loop, 30 * DAY_MS);
	say(f, &f->client, "cd");
	hear(f, &f->origin, "cd");
	say(f, &f->origin, ANSWER);
	hear(f, &f->client, ANSWER);
	end(f);
}

/* ---- clients that go ---- */

static void test_an_aborted_client_closes_the_upstream(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 2 * mem_count(begins); i++) {
		f->front_is_secure = i % 2 != 0;
		begin_exchange(f, begins[i / 2]);
		stream_abort(f->client.stream);
		f->client.stream = NULL;
		settle(f);
		time_pass(f->loop, 5000); /* a Unix socket shows no reset, but an end */
		assert_true(has_gone(f, &f->origin));
		end(f);
	}
}

static void test_a_client_aborted_in_its_upload_closes_the_upstream(void **state)
{
	struct fixture *f = *state;

	begin(f, BLOCK_BYTES);
	say(f, &f->client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
	assert_non_null(f->origin.stream);
	party_close(&f->client);
	assert_true(has_gone(f, &f->origin));
	end(f);
}

/* It may still read: what the upstream says in time reaches it. */
static void test_a_client_that_half_closes_gets_its_answer(void **state)
{
	struct fixture *f = *state;
	const char *events = "HTTP/1.1 200 OK\r\n\r\n";
	const char *heard = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

	for (int i = 0; i < 2; i++) {
		f->front_is_secure = i != 0;
		begin_exchange(f, "");
		assert_int_equal(stream_finish(f->client.stream), ERR_OK);
		time_pass(f->loop, 4999);
		say(f, &f->origin, events);
		hear(f, &f->client, heard);
		for (int n = 0; n < 20; n++) {
			time_pass(f->loop, 4999);
			say(f, &f->origin, "x");
			hear(f, &f->client, "1\r\nx\r\n");
		}
		time_pass(f->loop, 5000);
		assert_true(has_gone(f, &f->origin));
		assert_true(has_gone(f, &f->client));
		end(f);
	}
}

/* More than is read ahead: it waits for its turn. */
static void test_a_client_may_pipeline(void **state)
{
	struct fixture *f = *state;

	begin_exchange(f, "");
	for (int i = 0; i < 3000; i++)
		buf_put_str(&f->client.says, GET);
	say(f, &f->client, "");
	for (int i = 0; i < 5; i++) {
		say(f, &f->origin, ANSWER);
		hear(f, &f->client, ANSWER);
		hear(f, &f->origin, HEARD);
	}
	end(f);
}

/* ---- 100 Continue ---- */

#define EXPECT \
	"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
#define EXPECTED \
	"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define EARLY "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
#define REFUSAL "HTTP/1.1 417 No\r\nContent-Length: 2\r\n"

static void begin_expecting(struct fixture *f)
{
	begin(f, BLOCK_BYTES);
	say(f, &f->client, EXPECT);
	hear(f, &f->origin, EXPECTED);
	hear(f, &f->client, "");
}

static void send_body_and_end(struct fixture *f)
{
	say(f, &f->client, "body");
	hear(f, &f->origin, "body");
	say(f, &f->origin, ANSWER);
	hear(f, &f->client, ANSWER);
	time_pass(f->loop, 2000);
	hear(f, &f->client, "");
	say(f, &f->client, GET); /* the connection serves on */
	hear(f, &f->origin, HEARD);
	end(f);
}

static void test_the_upstream_asks_for_the_body(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		f->front_is_secure = i != 0;
		begin_expecting(f);
		time_pass(f->loop, 900);
		hear(f, &f->client, "");
		say(f, &f->origin, EARLY "HTTP/1.1 100 Go on\r\nX: y\r\n\r\n" EARLY);
		hear(f, &f->client, EARLY "HTTP/1.1 100 Go on\r\nX: y\r\n\r\n" EARLY);
		time_pass(f->loop, DAY_MS); /* once is enough */
		hear(f, &f->client, "");
		say(f, &f->origin, CONTINUE);
		hear(f, &f->client, "");
		send_body_and_end(f);
	}
}

static void test_the_proxy_asks_if_the_upstream_does_not(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		f->front_is_secure = i != 0;
		begin_expecting(f);
		time_pass(f->loop, 999);
		hear(f, &f->client, "");
		time_pass(f->loop, 1);
		hear(f, &f->client, CONTINUE);
		say(f, &f->origin, CONTINUE EARLY); /* too late */
		hear(f, &f->client, EARLY);
		send_body_and_end(f);
	}
}

static void test_a_body_sent_without_100_continue_passes(void **state)
{
	struct fixture *f = *state;

	begin_expecting(f);
	say(f, &f->client, "bo");
	hear(f, &f->origin, "bo");
	time_pass(f->loop, 2000);
	say(f, &f->origin, CONTINUE);
	say(f, &f->client, "dy");
	hear(f, &f->origin, "dy");
	say(f, &f->origin, ANSWER);
	hear(f, &f->client, ANSWER);
	end(f);
	begin(f, BLOCK_BYTES);
	say(f, &f->client, EXPECT "body");
	hear(f, &f->origin, EXPECTED "body");
	say(f, &f->origin, CONTINUE ANSWER);
	hear(f, &f->client, ANSWER);
	end(f);
}

static void test_a_final_answer_may_come_instead(void **state)
{
	struct fixture *f = *state;

	begin_expecting(f);
	say(f, &f->origin, REFUSAL "\r\nno");
	hear(f, &f->client, REFUSAL "Connection: close\r\n\r\nno");
	assert_true(has_gone(f, &f->client));
	end(f);
}

/* Nor is a client that sends the body all the same, for a while:
 * it may read the answer last. */
static void test_an_early_answer_is_not_reset(void **state)
{
	struct fixture *f = *state;

	f->client.stays = true;
	for (int expects = 0; expects < 2; expects++) {
		if (expects) {
			begin_expecting(f);
		} else {
			begin(f, BLOCK_BYTES);
			say(f, &f->client,
				"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n");
			buf_reset(&f->origin.heard);
		}
		say(f, &f->origin, REFUSAL "\r\nno");
		f->origin.closes = true;
		party_start(&f->origin);
		for (int i = 0; i < 7; i++) {
			buf_put(&f->client.says, f->body, 100000);
			say(f, &f->client, "");
			settle(f);
			assert_non_null(f->client.stream);
			assert_int_equal(f->client.says.n, 0);
			time_pass(f->loop, 4000);
		}
		time_pass(f->loop, 5000);
		buf_put(&f->client.says, f->body, 1);
		say(f, &f->client, "");
		assert_int_equal(f->client.says.n, 1); /* the connection has ended */
		f->origin.closes = false;
		end(f);
	}
}

static void test_an_expectation_without_a_body_is_not_forwarded(void **state)
{
	struct fixture *f = *state;

	begin(f, BLOCK_BYTES);
	say(f, &f->client, "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
	hear(f, &f->origin, HEARD);
	end(f);
	begin(f, BLOCK_BYTES);
	say(f, &f->client,
		"PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
	hear(f, &f->origin,
		"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n"
		"X-Forwarded-For: 192.0.2.7\r\n\r\n");
	time_pass(f->loop, 2000);
	say(f, &f->origin, CONTINUE EARLY);
	hear(f, &f->client, "");
	end(f);
}

#define WAITS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WAITS_TEST(test_an_exchange_has_no_idle_timeout),
		WAITS_TEST(test_an_upload_has_no_idle_timeout),
		WAITS_TEST(test_an_aborted_client_closes_the_upstream),
		WAITS_TEST(test_a_client_aborted_in_its_upload_closes_the_upstream),
		WAITS_TEST(test_a_client_that_half_closes_gets_its_answer),
		WAITS_TEST(test_a_client_may_pipeline),
		WAITS_TEST(test_the_upstream_asks_for_the_body),
		WAITS_TEST(test_the_proxy_asks_if_the_upstream_does_not),
		WAITS_TEST(test_a_body_sent_without_100_continue_passes),
		WAITS_TEST(test_a_final_answer_may_come_instead),
		WAITS_TEST(test_an_early_answer_is_not_reset),
		WAITS_TEST(test_an_expectation_without_a_body_is_not_forwarded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
