/* Behaviour of the udp_channel: datagrams both ways, and dropped rather than late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "net/pipe_test.h"
#include "tunnel/chisel/udp_channel.h"

struct end {
	struct udp_channel udp;
	unsigned packets, closes;
	size_t bytes;
	char src[GOB_SRC_MAX + 1];
	enum err rc;
	bool closes_at_once;
};

struct fixture {
	struct loop *loop;
	struct pipe_pair wire;
	struct end a, b;
};

static void on_packet(void *arg, const struct gob_packet *packet)
{
	struct end *e = arg;

	e->packets++;
	e->bytes += packet->payload.n;
	snprintf(e->src, sizeof(e->src), "%.*s", (int)packet->src.n,
		(const char *)packet->src.p);
	if (e->closes_at_once)
		udp_channel_close(&e->udp);
}

static void on_closed(void *arg, enum err rc)
{
	struct end *e = arg;

	e->closes++;
	e->rc = rc;
}

static void end_init(struct end *e, struct stream *stream)
{
	udp_channel_init(&e->udp);
	e->udp.on_packet = on_packet;
	e->udp.on_closed = on_closed;
	e->udp.arg = e;
	assert_int_equal(udp_channel_open_take(&e->udp, stream), ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pipe_pair_init(&f->wire, f->loop);
	end_init(&f->a, &f->wire.a.stream);
	end_init(&f->b, &f->wire.b.stream);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	udp_channel_close(&f->a.udp);
	udp_channel_close(&f->b.udp);
	pipe_pair_fini(&f->wire);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void settle(struct fixture *f)
{
	for (int i = 0; i < 100; i++)
		loop_turn(f->loop);
}

static void send_bytes(struct end *e, size_t n)
{
	static uint8_t bytes[GOB_PAYLOAD_MAX];

	udp_channel_send(&e->udp,
		&(struct gob_packet){
			.src = span_str("127.0.0.1:5353"),
			.payload = span_of(bytes, n),
		});
}

static void test_datagrams_go_both_ways(void **state)
{
	struct fixture *f = *state;

	send_bytes(&f->a, 10);
	send_bytes(&f->a, 0);
	send_bytes(&f->b, GOB_PAYLOAD_MAX);
	settle(f);
	assert_int_equal(f->b.packets, 2);
	assert_int_equal(f->b.bytes, 10);
	assert_string_equal(f->b.src, "127.0.0.1:5353");
	assert_int_equal(f->a.packets, 1);
	assert_int_equal(f->a.bytes, GOB_PAYLOAD_MAX);
}

static void test_datagrams_may_be_split_anywhere(void **state)
{
	struct fixture *f = *state;

	f->wire.a.step = f->wire.b.step = 1;
	send_bytes(&f->a, 300);
	send_bytes(&f->a, 5);
	for (int i = 0; i < 1000; i++)
		loop_turn(f->loop);
	assert_int_equal(f->b.packets, 2);
	assert_int_equal(f->b.bytes, 305);
}

static void test_a_full_channel_drops_and_continues_later(void **state)
{
	struct fixture *f = *state;

	settle(f);
	f->wire.b.room = 0;
	for (int i = 0; i < 1000; i++)
		send_bytes(&f->a, 60000);
	assert_true(f->a.udp.out.n <= f->a.udp.out.max);
	settle(f);
	assert_int_equal(f->b.packets, 0);
	f->wire.b.room = PIPE_ROOM;
	pipe_check(&f->wire.a);
	settle(f);
	assert_in_range(f->b.packets, 1, 10);
	assert_int_equal(f->b.bytes, f->b.packets * 60000);
	send_bytes(&f->a, 7);
	settle(f);
	assert_int_equal(f->b.bytes % 60000, 7);
}

static void test_garbage_closes_it(void **state)
{
	struct fixture *f = *state;
	size_t put;

	settle(f);
	assert_int_equal(stream_put(&f->wire.a.stream, "\xfc\xff\xff\xff\xff", 5, &put),
		ERR_OK);
	settle(f);
	assert_int_equal(f->b.closes, 1);
	assert_null(f->b.udp.stream);
	send_bytes(&f->b, 10); /* nowhere, quietly */
}

static void test_the_end_of_the_stream_is_reported_once(void **state)
{
	struct fixture *f = *state;

	settle(f);
	udp_channel_close(&f->a.udp);
	udp_channel_close(&f->a.udp);
	settle(f);
	assert_int_equal(f->a.closes, 0);
	assert_int_equal(f->b.closes, 1);
	assert_int_equal(f->b.rc, ERR_EOF);
}

static void test_it_may_be_closed_in_on_packet(void **state)
{
	struct fixture *f = *state;

	f->b.closes_at_once = true;
	send_bytes(&f->a, 10);
	send_bytes(&f->a, 10);
	settle(f);
	assert_int_equal(f->b.packets, 1);
	assert_int_equal(f->b.closes, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_datagrams_go_both_ways),
		TEST(test_datagrams_may_be_split_anywhere),
		TEST(test_a_full_channel_drops_and_continues_later),
		TEST(test_garbage_closes_it),
		TEST(test_the_end_of_the_stream_is_reported_once),
		TEST(test_it_may_be_closed_in_on_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
