/* Behaviour of the outbox: blocks become frames, in order, and are bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/fake_test.h"
#include "tunnel/chisel/outbox.h"

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct fake wire;
	struct outbox box;
};

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, WORKER_BLOCK_BYTES, 4);
	fake_init(&f->wire, f->loop, 0);
	outbox_init(&f->box, &f->pool, WS_SERVER);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	outbox_fini(&f->box);
	fake_fini(&f->wire);
	pool_fini(&f->pool);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *text, size_t n)
{
	struct mspan room;

	assert_int_equal(f->box.sink.reserve(&f->box.sink, n, n, &room), ERR_OK);
	memset(room.p, *text, n);
	f->box.sink.commit(&f->box.sink, n);
}

/* Reads what went over the wire as the peer would: payload bytes and frames. */
static size_t read_wire(struct fixture *f, enum ws_role role, unsigned *messages,
	unsigned *pongs)
{
	struct mspan in = { .p = f->wire.out, .n = f->wire.out_n };
	struct ws_reader reader;
	struct ws_event ev;
	size_t n = 0;

	*messages = *pongs = 0;
	ws_reader_init(&reader, role);
	while (ws_next(&reader, &in, &ev) == ERR_OK) {
		*messages += ev.opcode == WS_BINARY;
		*pongs += ev.opcode == WS_PONG;
		n += ev.opcode == WS_BINARY ? ev.data.n : 0;
	}
	assert_int_equal(in.n, 0);
	return n;
}

static void test_small_packets_share_a_message(void **state)
{
	struct fixture *f = *state;
	unsigned messages, pongs;

	for (int i = 0; i < 100; i++)
		put(f, "x", 50);
	assert_int_equal(outbox_flush(&f->box, &f->wire.stream), ERR_OK);
	assert_int_equal(f->box.queued_bytes, 0);
	assert_int_equal(read_wire(f, WS_CLIENT, &messages, &pongs), 5000);
	assert_int_equal(messages, 1);
}

static void test_no_message_is_longer_than_allowed(void **state)
{
	struct fixture *f = *state;
	unsigned messages, pongs;

	for (int i = 0; i < 10; i++)
		put(f, "x", 30000);
	assert_int_equal(outbox_flush(&f->box, &f->wire.stream), ERR_OK);
	assert_int_equal(read_wire(f, WS_CLIENT, &messages, &pongs), 300000);
	assert_int_equal(messages, 5);
}

static void test_a_client_masks(void **state)
{
	struct fixture *f = *state;
	unsigned messages, pongs;

	outbox_init(&f->box, &f->pool, WS_CLIENT);
	for (int i = 0; i < 40; i++) {
		put(f, "x", 100);
		assert_int_equal(outbox_put_pong(&f->box, span_str("ping")), ERR_OK);
		assert_int_equal(outbox_flush(&f->box, &f->wire.stream), ERR_OK);
	}
	assert_int_equal(read_wire(f, WS_SERVER, &messages, &pongs), 4000);
	assert_int_equal(pongs, 40);
}

static void test_a_slow_stream_gets_all_bytes(void **state)
{
	struct fixture *f = *state;
	unsigned messages, pongs;
	enum err rc = ERR_AGAIN;

	f->wire.out_step = 7;
	f->wire.is_blocking = true;
	put(f, "x", 20000);
	assert_int_equal(outbox_put_pong(&f->box, span_str("1")), ERR_OK);
	assert_int_equal(outbox_put_pong(&f->box, span_str("2")), ERR_OK);
	put(f, "y", 100);
	for (int i = 0; i < 10000 && rc == ERR_AGAIN; i++)
		rc = outbox_flush(&f->box, &f->wire.stream);
	assert_int_equal(rc, ERR_OK);
	assert_int_equal(f->box.queued_bytes, 0);
	assert_int_equal(read_wire(f, WS_CLIENT, &messages, &pongs), 20100);
	assert_int_equal(pongs, 1);
	assert_int_equal(f->wire.out[f->wire.out_n - 1], 'y');
}

static void test_an_empty_commit_leaves_no_message(void **state)
{
	struct fixture *f = *state;
	struct mspan room;

	assert_int_equal(f->box.sink.reserve(&f->box.sink, 10, 100, &room), ERR_OK);
	f->box.sink.commit(&f->box.sink, 0);
	assert_int_equal(outbox_flush(&f->box, &f->wire.stream), ERR_OK);
	assert_int_equal(f->wire.out_n, 0);
}

static void test_the_queue_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct mspan room;
	enum err rc = ERR_OK;
	size_t n = 0;

	while (rc == ERR_OK && n < 2 * OUTBOX_BYTES_MAX) {
		rc = f->box.sink.reserve(&f->box.sink, 5000, 5000, &room);
		if (rc == ERR_OK)
			f->box.sink.commit(&f->box.sink, 5000);
		n += 5000;
	}
	assert_int_equal(rc, ERR_LIMIT);
	assert_in_range(f->box.queued_bytes, OUTBOX_BYTES_MAX - 5000, OUTBOX_BYTES_MAX);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_small_packets_share_a_message),
		TEST(test_no_message_is_longer_than_allowed),
		TEST(test_a_client_masks),
		TEST(test_a_slow_stream_gets_all_bytes),
		TEST(test_an_empty_commit_leaves_no_message),
		TEST(test_the_queue_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
