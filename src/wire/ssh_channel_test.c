/* Channels: opening, data within windows, and every way they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/ssh_pair_test.h"

/* A payload in a literal. */
#define SAY(end, literal) ssh_end_send((end), (literal), sizeof(literal) - 1)

/* An open of "chisel" by number 7, with a window of 1 MiB and a maximum packet. */
#define OPEN(max) \
	"\x5a\0\0\0\x06" \
	"chisel\0\0\0\x07\0\x10\0\0" max "h:1"

static uint8_t zeros[SSH_DATA_MAX + 1];

static void setup(struct ssh_pair *p, struct ssh_channel **c, struct ssh_channel **s)
{
	ssh_pair_up(p, 0);
	ssh_pair_open(p, &p->client, c, s);
}

static void test_data_goes_both_ways(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c, *s;

	(void)state;
	setup(&p, &c, &s);
	assert_true(span_is(buf_span(&p.server.text), "host:80"));
	assert_int_equal(ssh_end_write(c, span_str("hello")), 5);
	assert_int_equal(ssh_end_write(s, span_str("world!")), 6);
	ssh_pair_run(&p);
	assert_true(span_is(buf_span(&p.server.data), "hello"));
	assert_true(span_is(buf_span(&p.client.data), "world!"));
	assert_ptr_equal(p.client.last[SSH_DATA].owner, &p.client);
	ssh_pair_fini(&p);
}

static void test_a_server_opens_channels_too(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c, *s;

	(void)state;
	ssh_pair_up(&p, 0);
	ssh_pair_open(&p, &p.server, &s, &c);
	assert_int_equal(ssh_end_write(s, span_str("visitor")), 7);
	ssh_pair_run(&p);
	assert_true(span_is(buf_span(&p.client.data), "visitor"));
	ssh_pair_fini(&p);
}

static void test_the_owner_may_refuse(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *ch;

	(void)state;
	ssh_pair_up(&p, 0);
	p.server.hesitates = true;
	assert_int_equal(ssh_channel_open(p.client.ssh, span_str("x:1"), 1000, &p, &ch),
		ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.server.seen[SSH_OPEN], 1);
	assert_int_equal(ssh_channel_refuse(p.server.last[SSH_OPEN].channel,
				 SSH_PROHIBITED, "access denied"),
		ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.client.seen[SSH_REFUSED], 1);
	assert_int_equal(p.client.last[SSH_REFUSED].reason, SSH_PROHIBITED);
	assert_ptr_equal(p.client.last[SSH_REFUSED].owner, &p);
	assert_true(span_is(buf_span(&p.client.text), "access denied"));
	assert_int_equal(ssh_channel_count(p.client.ssh), 0);
	assert_int_equal(ssh_channel_count(p.server.ssh), 0);
	ssh_pair_fini(&p);
}

/* The refusal of a channel that the client never asked for ends it, but shows in its
 * words. */
static void check_refused(const char *payload, size_t n)
{
	struct ssh_pair p;

	ssh_pair_up(&p, 0);
	ssh_end_send(&p.client, payload, n);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_AGAIN);
	assert_int_equal(p.server.seen[SSH_OPEN], 0);
	assert_int_equal(ssh_channel_count(p.server.ssh), 0);
	assert_string_equal(p.client.why.text, "there is no channel 7");
	ssh_pair_fini(&p);
}

static void test_the_engine_refuses_calls_out_of_order(void **state)
{
	static const char session[] = "\x5a\0\0\0\x07session\0\0\0\x07\0\0\0\1\0\0\x80\0";
	static const char tiny[] = OPEN("\0\0\0\x08");
	static const char huge[] = OPEN("\x80\0\0\1");

	(void)state;
	check_refused(session, sizeof(session) - 1);
	check_refused(tiny, sizeof(tiny) - 1);
	check_refused(huge, sizeof(huge) - 1);
}

static void test_numbers_are_the_lowest_free_ones(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c[3], *s[3], *again;

	(void)state;
	ssh_pair_up(&p, 0);
	for (size_t i = 0; i < 3; i++)
		ssh_pair_open(&p, &p.client, &c[i], &s[i]);
	for (uint32_t i = 0; i < 3; i++)
		assert_ptr_equal(ssh_channel_find(p.client.ssh, i), c[i]);

	/* Ours is closed, theirs is not: the number is taken. */
	assert_int_equal(ssh_channel_close(c[1]), ERR_OK);
	assert_int_equal(ssh_channel_open(p.client.ssh, span_str("x:1"), 1, NULL, &again),
		ERR_OK);
	assert_ptr_equal(ssh_channel_find(p.client.ssh, 3), again);
	ssh_pair_run(&p);
	assert_int_equal(ssh_channel_open(p.client.ssh, span_str("x:1"), 1, NULL, &again),
		ERR_OK);
	assert_ptr_equal(ssh_channel_find(p.client.ssh, 1), again);
	ssh_pair_fini(&p);
}

static void test_channels_are_bounded(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *ch, *first = NULL;

	(void)state;
	ssh_pair_up(&p, 0);
	for (size_t i = 0; i < SSH_CHANNELS_MAX; i++) {
		assert_int_equal(ssh_channel_open(p.client.ssh, span_str("x:1"), 1, NULL,
					 &ch),
			ERR_OK);
		first = first == NULL ? ch : first;
	}
	ssh_pair_run(&p);
	assert_int_equal(ssh_channel_open(p.client.ssh, span_str("x:1"), 1, NULL, &ch),
		ERR_LIMIT);
	assert_int_equal(ssh_channel_count(p.server.ssh), SSH_CHANNELS_MAX);

	/* One more from a peer is refused, and the rest lives on. */
	SAY(&p.client, OPEN("\0\0\x80\0"));
	assert_int_equal(ssh_channel_close(first), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_AGAIN);
	assert_int_equal(p.server.seen[SSH_OPEN], SSH_CHANNELS_MAX);
	assert_int_equal(p.server.seen[SSH_CLOSE], 1);
	ssh_pair_fini(&p);
}

static void test_a_sender_stops_at_the_window(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c, *s;
	struct mspan room;

	(void)state;
	ssh_pair_up(&p, 0);
	p.server.window = 100000;
	p.server.keeps_credit = true;
	ssh_pair_open(&p, &p.client, &c, &s);
	assert_int_equal(ssh_channel_window(c), 100000);
	assert_int_equal(ssh_end_write(c, span_of(zeros, 60000)), 60000);
	assert_int_equal(ssh_end_write(c, span_of(zeros, 60000)), 40000);
	assert_int_equal(ssh_channel_reserve(c, 1, &room), ERR_AGAIN);
	ssh_pair_run(&p);
	assert_int_equal(ssh_channel_window_size(s), 100000);

	/* Credit comes in lumps, here of half the window. */
	assert_int_equal(ssh_channel_credit(s, 49999), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.client.seen[SSH_WINDOW], 0);
	assert_int_equal(ssh_channel_credit(s, 1), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.client.seen[SSH_WINDOW], 1);
	assert_int_equal(ssh_channel_window(c), 50000);
	assert_int_equal(ssh_channel_credit(s, 50001), ERR_USAGE);
	ssh_pair_fini(&p);
}

static void test_a_window_widens(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c, *s;

	(void)state;
	setup(&p, &c, &s);
	assert_int_equal(ssh_channel_widen(s, 2 * PAIR_WINDOW), ERR_OK);
	assert_int_equal(ssh_channel_widen(s, 1000), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.client.seen[SSH_WINDOW], 1);
	assert_int_equal(ssh_channel_window(c), 2 * PAIR_WINDOW);
	assert_int_equal(ssh_channel_window_size(s), 2 * PAIR_WINDOW);
	ssh_pair_fini(&p);
}

/* Two of them, sealed, fit a WebSocket message of 65535 bytes. */
static void test_packets_to_a_stock_peer_fit_two_by_two(void **state)
{
	static const struct {
		const char *open;
		size_t n, data, sealed;
	} rows[] = {
		{ OPEN("\0\0\x80\0"), 26, 32706, 32740 },
		{ OPEN("\0\0\xff\x80"), 26, 65408, 65444 },
		{ OPEN("\x80\0\0\0"), 26, 65408, 65444 },
		{ OPEN("\0\0\0\x09"), 26, 9, 52 },
		{ OPEN("\0\0\x4e\x20"), 26, 20000, 20036 },
	};
	struct ssh_pair p;
	struct mspan room;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		ssh_pair_up(&p, 0);
		ssh_end_send(&p.client, rows[i].open, rows[i].n);
		p.client.rc = ERR_CLOSED; /* it does not know the channel */
		ssh_pair_run(&p);
		buf_consume(&p.server.out, p.server.out.n);
		assert_int_equal(ssh_channel_reserve(p.server.last[SSH_OPEN].channel,
					 1000000, &room),
			ERR_OK);
		assert_int_equal(room.n, rows[i].data);
		assert_int_equal(ssh_channel_commit(p.server.last[SSH_OPEN].channel,
					 room.n),
			ERR_OK);
		assert_int_equal(p.server.out.n, rows[i].sealed);
		ssh_pair_fini(&p);
	}
}

static void test_room_may_be_given_back(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c, *s;
	struct mspan room;

	(void)state;
	setup(&p, &c, &s);
	assert_int_equal(ssh_channel_reserve(c, 1000, &room), ERR_OK);
	assert_int_equal(ssh_channel_commit(c, 0), ERR_OK);
	assert_int_equal(p.client.out.n, 0);
	assert_int_equal(ssh_channel_window(c), PAIR_WINDOW);
	assert_int_equal(ssh_channel_reserve(c, 0, &room), ERR_USAGE);
	assert_int_equal(ssh_channel_reserve(c, 1000, &room), ERR_OK);
	assert_int_equal(ssh_channel_commit(c, 1001), ERR_USAGE);
	ssh_pair_fini(&p);
}

static void test_a_piece_is_as_large_as_the_sink_allows(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c, *s;
	struct mspan room;

	(void)state;
	setup(&p, &c, &s);
	p.client.out.max = 1000;
	assert_int_equal(ssh_channel_reserve(c, 5000, &room), ERR_OK);
	assert_int_equal(room.n, 1000 - SSH_PACKET_OVERHEAD);
	assert_int_equal(ssh_channel_commit(c, room.n), ERR_OK);
	assert_true(p.client.out.n <= 1000);

	/* No room is no disaster: the owner tries again. */
	assert_int_equal(ssh_channel_reserve(c, 5000, &room), ERR_LIMIT);
	buf_consume(&p.client.out, p.client.out.n);
	p.client.out.failed = ERR_OK;
	assert_int_equal(ssh_channel_reserve(c, 5000, &room), ERR_OK);
	ssh_pair_fini(&p);
}

static void test_each_way_ends_by_itself(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c, *s;

	(void)state;
	setup(&p, &c, &s);
	assert_int_equal(ssh_channel_eof(c), ERR_OK);
	assert_int_equal(ssh_channel_eof(c), ERR_OK);
	assert_int_equal(ssh_channel_window(c), 0);
	ssh_pair_run(&p);
	assert_int_equal(p.server.seen[SSH_EOF], 1);
	assert_int_equal(ssh_end_write(s, span_str("the rest")), 8);
	assert_int_equal(ssh_channel_eof(s), ERR_OK);
	ssh_pair_run(&p);
	assert_true(span_is(buf_span(&p.client.data), "the rest"));
	assert_int_equal(p.client.seen[SSH_EOF], 1);
	assert_int_equal(ssh_channel_close(s), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.client.seen[SSH_CLOSE], 1);
	assert_int_equal(ssh_channel_count(p.client.ssh), 0);
	assert_int_equal(ssh_channel_count(p.server.ssh), 0);
	assert_int_equal(p.server.seen[SSH_CLOSE], 0); /* it asked for it */
	ssh_pair_fini(&p);
}

static void test_both_may_close_at_once(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c, *s;

	(void)state;
	setup(&p, &c, &s);
	assert_int_equal(ssh_channel_close(c), ERR_OK);
	assert_int_equal(ssh_channel_close(s), ERR_OK);
	assert_int_equal(ssh_channel_close(s), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.client.rc, ERR_AGAIN);
	assert_int_equal(p.server.rc, ERR_AGAIN);
	assert_int_equal(p.client.seen[SSH_CLOSE] + p.server.seen[SSH_CLOSE], 0);
	assert_int_equal(ssh_channel_count(p.client.ssh), 0);
	ssh_pair_fini(&p);
}

/* What was on its way when we closed is dropped, and no credit is given for it. */
static void test_data_for_a_closed_channel_is_dropped(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c, *s;

	(void)state;
	setup(&p, &c, &s);
	while (ssh_channel_window(s) > 0)
		assert_true(ssh_end_write(s, span_of(zeros, SSH_DATA_MAX)) > 0);
	assert_int_equal(ssh_channel_eof(s), ERR_OK);
	assert_int_equal(ssh_channel_close(c), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.client.rc, ERR_AGAIN);
	assert_int_equal(p.client.seen[SSH_DATA], 0);
	assert_int_equal(p.client.seen[SSH_EOF], 0);
	assert_int_equal(p.server.seen[SSH_WINDOW], 0);
	assert_int_equal(p.server.seen[SSH_CLOSE], 1);
	ssh_pair_fini(&p);
}

static void test_an_unanswered_channel_may_be_given_up(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *ch;

	(void)state;
	ssh_pair_up(&p, 0);
	assert_int_equal(ssh_channel_open(p.client.ssh, span_str("x:1"), 1, NULL, &ch),
		ERR_OK);
	assert_int_equal(ssh_channel_close(ch), ERR_OK);
	ssh_pair_run(&p); /* accepted, then closed */
	assert_int_equal(p.client.seen[SSH_OPENED], 0);
	assert_int_equal(p.server.seen[SSH_CLOSE], 1);
	assert_int_equal(ssh_channel_count(p.client.ssh), 0);

	p.server.hesitates = true;
	assert_int_equal(ssh_channel_open(p.client.ssh, span_str("x:1"), 1, NULL, &ch),
		ERR_OK);
	assert_int_equal(ssh_channel_close(ch), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(ssh_channel_close(p.server.last[SSH_OPEN].channel), ERR_OK);
	ssh_pair_run(&p); /* refused */
	assert_int_equal(p.client.seen[SSH_REFUSED], 0);
	assert_int_equal(ssh_channel_count(p.client.ssh), 0);
	assert_int_equal(ssh_channel_count(p.server.ssh), 0);
	ssh_pair_fini(&p);
}

/* What the client may not say on its channel 0, which the server calls 0 too. */
static void test_breaches_end_the_connection(void **state)
{
	static const struct {
		const char *payload;
		size_t n;
	} rows[] = {
		{ "\x5b\0\0\0\0\0\0\0\0\0\0\0\x09\0\0\x80\0", 17 }, /* it was theirs */
		{ "\x5c\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0", 17 },
		{ "\x5d\0\0\0\0\xff\xff\xff\xff", 9 }, /* the sum passes 2^32 - 1 */
		{ "\x5d\0\0\0\1\0\0\0\1", 9 },         /* no channel 1 */
		{ "\x5e\0\0\0\1\0\0\0\1x", 10 }, { "\x5f\0\0\0\1\0\0\0\1\0\0\0\1x", 14 },
		{ "\x60\0\0\0\1", 5 }, { "\x61\0\0\0\1", 5 },
		{ "\x62\0\0\0\1\0\0\0\1x\1", 11 },
		{ "\x64\0\0\0\0", 5 }, /* a failure of nothing */
	};
	struct ssh_channel *c, *s;
	struct ssh_pair p;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		setup(&p, &c, &s);
		ssh_end_send(&p.client, rows[i].payload, rows[i].n);
		ssh_pair_run(&p);
		assert_int_equal(p.server.rc, ERR_PROTO);
		ssh_pair_fini(&p);
	}
}

static void say_data(struct ssh_end *e, uint32_t n)
{
	static uint8_t payload[SSH_DATA_HEADER + SSH_DATA_MAX + 1] = {
		SSH_MSG_CHANNEL_DATA
	};

	payload[5] = 0;
	payload[6] = (uint8_t)(n >> 16);
	payload[7] = (uint8_t)(n >> 8);
	payload[8] = (uint8_t)n;
	ssh_end_send(e, payload, SSH_DATA_HEADER + n);
}

static void test_a_window_may_not_be_overrun(void **state)
{
	struct ssh_channel *c, *s;
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	p.server.window = 1000;
	p.server.keeps_credit = true;
	ssh_pair_open(&p, &p.client, &c, &s);
	say_data(&p.client, 1000);
	say_data(&p.client, 0);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_AGAIN);
	assert_int_equal(p.server.seen[SSH_DATA], 1);
	say_data(&p.client, 1);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);
}

static void test_a_packet_holds_no_more_data_than_we_said(void **state)
{
	struct ssh_channel *c, *s;
	struct ssh_pair p;

	(void)state;
	setup(&p, &c, &s);
	say_data(&p.client, SSH_DATA_MAX);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_AGAIN);
	say_data(&p.client, SSH_DATA_MAX + 1);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);
}

static void test_nothing_follows_an_eof(void **state)
{
	struct ssh_channel *c, *s;
	struct ssh_pair p;

	(void)state;
	setup(&p, &c, &s);
	assert_int_equal(ssh_channel_eof(c), ERR_OK);
	say_data(&p.client, 1);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);
}

static void test_a_number_is_free_after_both_closes(void **state)
{
	struct ssh_channel *c, *s;
	struct ssh_pair p;

	(void)state;
	setup(&p, &c, &s);
	assert_int_equal(ssh_channel_close(c), ERR_OK);
	ssh_pair_run(&p);
	SAY(&p.client, "\x5d\0\0\0\0\0\0\0\1");
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);
}

/* Credit after our CLOSE, or after the peer's EOF, would be a message too many. */
static void test_no_credit_is_sent_to_a_channel_that_has_ended(void **state)
{
	struct ssh_channel *c, *s;
	struct ssh_pair p;

	(void)state;
	setup(&p, &c, &s);
	p.server.keeps_credit = true;
	while (ssh_channel_window(c) > 0)
		assert_true(ssh_end_write(c, span_of(zeros, SSH_DATA_MAX)) > 0);
	assert_int_equal(ssh_channel_eof(c), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(ssh_channel_credit(s, PAIR_WINDOW / 2), ERR_OK);
	assert_int_equal(ssh_channel_close(s), ERR_OK);
	assert_int_equal(ssh_channel_credit(s, PAIR_WINDOW / 2), ERR_OK);
	assert_int_equal(ssh_channel_widen(s, 2 * PAIR_WINDOW), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.client.rc, ERR_AGAIN);
	assert_int_equal(p.client.seen[SSH_WINDOW], 0);
	assert_int_equal(p.client.seen[SSH_CLOSE], 1);
	ssh_pair_fini(&p);
}

static void test_requests_on_a_channel_fail(void **state)
{
	struct ssh_channel *c, *s;
	struct ssh_pair p;

	(void)state;
	setup(&p, &c, &s);
	SAY(&p.client, "\x62\0\0\0\0\0\0\0\5shell\0");
	ssh_pair_run(&p);
	assert_int_equal(p.client.rc, ERR_AGAIN);
	SAY(&p.client, "\x62\0\0\0\0\0\0\0\5shell\1");
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_AGAIN);
	assert_string_equal(p.client.why.text, "unexpected message 100");
	ssh_pair_fini(&p);
}

static void test_extended_data_is_dropped_and_credited(void **state)
{
	struct ssh_channel *c, *s;
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	p.server.window = 2;
	ssh_pair_open(&p, &p.client, &c, &s);
	SAY(&p.client, "\x5f\0\0\0\0\0\0\0\1\0\0\0\2xx");
	ssh_pair_run(&p);
	assert_int_equal(p.server.seen[SSH_DATA], 0);
	assert_int_equal(p.client.seen[SSH_WINDOW], 1);
	SAY(&p.client, "\x5f\0\0\0\0\0\0\0\1\0\0\0\3xxx");
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_goes_both_ways),
		cmocka_unit_test(test_a_server_opens_channels_too),
		cmocka_unit_test(test_the_owner_may_refuse),
		cmocka_unit_test(test_the_engine_refuses_calls_out_of_order),
		cmocka_unit_test(test_numbers_are_the_lowest_free_ones),
		cmocka_unit_test(test_channels_are_bounded),
		cmocka_unit_test(test_a_sender_stops_at_the_window),
		cmocka_unit_test(test_a_window_widens),
		cmocka_unit_test(test_packets_to_a_stock_peer_fit_two_by_two),
		cmocka_unit_test(test_room_may_be_given_back),
		cmocka_unit_test(test_a_piece_is_as_large_as_the_sink_allows),
		cmocka_unit_test(test_each_way_ends_by_itself),
		cmocka_unit_test(test_both_may_close_at_once),
		cmocka_unit_test(test_data_for_a_closed_channel_is_dropped),
		cmocka_unit_test(test_an_unanswered_channel_may_be_given_up),
		cmocka_unit_test(test_breaches_end_the_connection),
		cmocka_unit_test(test_a_window_may_not_be_overrun),
		cmocka_unit_test(test_a_packet_holds_no_more_data_than_we_said),
		cmocka_unit_test(test_nothing_follows_an_eof),
		cmocka_unit_test(test_a_number_is_free_after_both_closes),
		cmocka_unit_test(test_no_credit_is_sent_to_a_channel_that_has_ended),
		cmocka_unit_test(test_requests_on_a_channel_fail),
		cmocka_unit_test(test_extended_data_is_dropped_and_credited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
