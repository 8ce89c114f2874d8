/* Behaviour of the demo's tap: what it carries, and what it finds in that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/demo/demo_priv.h"
#include "net/addr.h"

#define MARK "the-word"
#define PUMP_TURNS 100000

/* A visitor and a service, with a tap between them. */
struct wire {
	struct worker worker;
	struct demo_tap tap;
	int listening, visitor, service;
};

static struct addr local(uint16_t port)
{
	struct addr at;

	assert_int_equal(addr_from_literal("127.0.0.1", port, &at), ERR_OK);
	return at;
}

static void open_wire(struct wire *w)
{
	struct addr at = local(0), tap;

	assert_int_equal(worker_init(&w->worker, 0), ERR_OK);
	w->tap = (struct demo_tap){ .worker = &w->worker,
		.host = "127.0.0.1",
		.word = "" };
	assert_int_equal(demo_tap_open(&w->tap, NULL), ERR_OK);
	w->listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(w->listening, &at.sa, at.n), 0);
	assert_int_equal(listen(w->listening, 1), 0);
	assert_true(addr_of_local(w->listening, &at));
	w->tap.host_port = addr_port(&at);

	tap = local(w->tap.port);
	w->visitor = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(w->visitor, &tap.sa, tap.n), 0);
	w->service = -1;
	for (int i = 0; i < PUMP_TURNS && w->service < 0; i++) {
		loop_turn(w->worker.loop);
		w->service = accept4(w->listening, NULL, NULL, SOCK_NONBLOCK);
	}
	assert_true(w->service >= 0);
}

static void close_wire(struct wire *w)
{
	demo_tap_close(&w->tap);
	loop_turn(w->worker.loop);
	worker_fini(&w->worker);
	close(w->visitor);
	close(w->service);
	close(w->listening);
}

/* Sends @text from one end and sees it arrive at the other. */
static void say(struct wire *w, int from, int to, const char *text)
{
	char got[64];
	size_t n = 0, want = strlen(text);

	assert_int_equal(send(from, text, want, 0), (ssize_t)want);
	for (int i = 0; i < PUMP_TURNS && n < want; i++) {
		ssize_t more = recv(to, got + n, sizeof(got) - n, MSG_DONTWAIT);

		loop_turn(w->worker.loop);
		n += more > 0 ? (size_t)more : 0;
	}
	assert_int_equal(n, want);
	assert_memory_equal(got, text, want);
}

static void test_bytes_pass_both_ways_and_are_counted(void **state)
{
	struct wire w;

	(void)state;
	open_wire(&w);
	say(&w, w.visitor, w.service, "hello");
	say(&w, w.service, w.visitor, "who is there?");
	assert_int_equal(w.tap.bytes, 18);
	assert_int_equal(w.tap.found, 0);
	close_wire(&w);
}

static void test_a_word_is_found_in_one_piece_and_in_any_two(void **state)
{
	struct wire w;
	unsigned found = 0;

	(void)state;
	open_wire(&w);
	w.tap.word = MARK;
	say(&w, w.visitor, w.service, "..." MARK "..." MARK);
	assert_int_equal(w.tap.found, found += 2);
	for (size_t cut = 1; cut < strlen(MARK); cut++) {
		char first[sizeof(MARK)] = "";

		memcpy(first, MARK, cut);
		say(&w, w.service, w.visitor, first);
		assert_int_equal(w.tap.found, found);
		say(&w, w.service, w.visitor, &MARK[cut]);
		assert_int_equal(w.tap.found, ++found);
	}
	close_wire(&w);
}

static void test_a_word_is_found_byte_by_byte(void **state)
{
	struct wire w;

	(void)state;
	open_wire(&w);
	w.tap.word = MARK;
	for (const char *p = "xx" MARK "x"; *p != '\0'; p++) {
		char one[] = { *p, '\0' };

		say(&w, w.visitor, w.service, one);
	}
	assert_int_equal(w.tap.found, 1);
	close_wire(&w);
}

static void test_the_two_directions_are_not_mixed_up(void **state)
{
	struct wire w;

	(void)state;
	open_wire(&w);
	w.tap.word = MARK;
	say(&w, w.visitor, w.service, "the-");
	say(&w, w.service, w.visitor, "word");
	assert_int_equal(w.tap.found, 0);
	close_wire(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_pass_both_ways_and_are_counted),
		cmocka_unit_test(test_a_word_is_found_in_one_piece_and_in_any_two),
		cmocka_unit_test(test_a_word_is_found_byte_by_byte),
		cmocka_unit_test(test_the_two_directions_are_not_mixed_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
