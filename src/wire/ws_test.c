/* Behaviour of WebSocket frames, as a reader of untrusted ones sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rand.h"
#include "wire/ws.h"

static const uint8_t mask_abcd[4] = { 0xa1, 0xb2, 0xc3, 0xd4 };

/* What a reader said, written down: data gathered, control frames as "[9:ping]". */
struct received {
	struct ws_reader reader;
	struct buf text;
	enum err rc;
};

static void received_init(struct received *h, enum ws_role role)
{
	ws_reader_init(&h->reader, role);
	buf_init(&h->text, 1 << 20);
	h->rc = ERR_AGAIN;
}

static void received_note(struct received *h, const struct ws_event *e)
{
	if (e->opcode == WS_BINARY) {
		buf_put(&h->text, e->data.p, e->data.n);
		return;
	}
	buf_printf(&h->text, "[%d:%.*s", e->opcode, (int)e->data.n, (char *)e->data.p);
	if (e->opcode == WS_CLOSE)
		buf_printf(&h->text, ":%u", e->close_code);
	buf_put_str(&h->text, "]");
}

/* Gives @in in pieces of at most @step bytes;
 * a head that was not finished is given again. */
static void received_feed(struct received *h, const uint8_t *in, size_t n, size_t step)
{
	uint8_t *copy = malloc(n + 1);
	size_t begin = 0, end = 0;
	struct ws_event e;
	struct mspan rest;

	memcpy(copy, in, n);
	h->rc = ERR_AGAIN;
	while (h->rc == ERR_AGAIN && end < n) {
		end = end + step < n ? end + step : n;
		rest = (struct mspan){ .p = copy + begin, .n = end - begin };
		while ((h->rc = ws_next(&h->reader, &rest, &e)) == ERR_OK)
			received_note(h, &e);
		begin = end - rest.n;
	}
	free(copy);
}

static void put_frame(struct buf *b, uint8_t first, const uint8_t *mask,
	const char *payload, size_t n)
{
	uint8_t head[WS_HEADER_MAX], *p;
	size_t head_n = ws_header_before(head + sizeof(head), first & 0x0f, n, mask);
	uint8_t *start = head + sizeof(head) - head_n;

	start[0] = first;
	buf_put(b, start, head_n);
	assert_int_equal(buf_reserve(b, n, &p), ERR_OK);
	memcpy(p, payload, n);
	if (mask != NULL)
		ws_mask(p, n, mask, 0);
	buf_commit(b, n);
}

/* A fragmented text message with a ping inside, an empty message, and a close. */
static void put_talk(struct buf *b, const uint8_t *mask)
{
	static char big[300];

	memset(big, 'x', sizeof(big));
	put_frame(b, 0x01, mask, "one,", 4);
	put_frame(b, 0x89, mask, "hello", 5);
	put_frame(b, 0x00, mask, "", 0);
	put_frame(b, 0x80, mask, "two,", 4);
	put_frame(b, 0x82, mask, "", 0);
	put_frame(b, 0x82, mask, big, sizeof(big));
	put_frame(b, 0x8a, mask, "", 0);
	put_frame(b, 0x88, mask,
		"\x03\xe8"
		"bye",
		5);
}

static void check_events(struct received *h)
{
	assert_int_equal(h->rc, ERR_AGAIN);
	assert_int_equal(h->text.n, 4 + 9 + 4 + 300 + 5 + 14);
	assert_memory_equal(buf_span(&h->text).p, "one,[9:hello]two,xxx", 20);
	assert_memory_equal(buf_span(&h->text).p + h->text.n - 20,
		"x[10:][8:\x03\xe8"
		"bye:1000]",
		20);
}

static void test_every_split_gives_the_same_events(void **state)
{
	struct received h;
	struct buf b;
	size_t step;
	int is_masked;

	(void)state;
	for (is_masked = 0; is_masked < 2; is_masked++) {
		buf_init(&b, 4096);
		put_talk(&b, is_masked ? mask_abcd : NULL);
		for (step = 1; step <= b.n; step++) {
			received_init(&h, is_masked ? WS_SERVER : WS_CLIENT);
			received_feed(&h, buf_span(&b).p, b.n, step);
			check_events(&h);
			buf_fini(&h.text);
		}
		buf_fini(&b);
	}
}

static void test_a_prefix_waits_for_the_rest(void **state)
{
	struct received h;
	struct buf b;
	size_t n;

	(void)state;
	buf_init(&b, 4096);
	put_talk(&b, mask_abcd);
	for (n = 1; n < b.n; n++) {
		received_init(&h, WS_SERVER);
		received_feed(&h, buf_span(&b).p, n, n);
		assert_int_equal(h.rc, ERR_AGAIN);
		buf_fini(&h.text);
	}
	buf_fini(&b);
}

static void test_broken_frames_are_refused(void **state)
{
	static const struct {
		const char *what;
		enum ws_role role;
		const char *bytes;
		size_t n;
		enum err rc;
	} table[] = {
		{ "server: no mask", WS_SERVER, "\x82\x01", 2, ERR_PROTO },
		{ "client: a mask", WS_CLIENT, "\x82\x81", 2, ERR_PROTO },
		{ "first reserved bit", WS_CLIENT, "\xc2", 1, ERR_PROTO },
		{ "second reserved bit", WS_CLIENT, "\xa2", 1, ERR_PROTO },
		{ "third reserved bit", WS_CLIENT, "\x92", 1, ERR_PROTO },
		{ "opcode 3", WS_CLIENT, "\x83\x00", 2, ERR_PROTO },
		{ "opcode 7", WS_CLIENT, "\x87\x00", 2, ERR_PROTO },
		{ "opcode 11", WS_CLIENT, "\x8b\x00", 2, ERR_PROTO },
		{ "opcode 15", WS_CLIENT, "\x8f\x00", 2, ERR_PROTO },
		{ "a ping of 126 bytes", WS_CLIENT, "\x89\x7e", 2, ERR_PROTO },
		{ "a ping in two parts", WS_CLIENT, "\x09\x00", 2, ERR_PROTO },
		{ "nothing to continue", WS_CLIENT, "\x80\x00", 2, ERR_PROTO },
		{ "a message in a message", WS_CLIENT, "\x02\x00\x82\x00", 4, ERR_PROTO },
		{ "continued after its end", WS_CLIENT, "\x02\x00\x80\x00\x80\x00", 6,
			ERR_PROTO },
		{ "125 in two bytes", WS_CLIENT, "\x82\x7e\x00\x7d", 4, ERR_PROTO },
		{ "65535 in eight bytes", WS_CLIENT, "\x82\x7f\0\0\0\0\0\0\xff\xff", 10,
			ERR_PROTO },
		{ "a negative length", WS_CLIENT, "\x82\x7f\x80\0\0\0", 6, ERR_PROTO },
		{ "half a close code", WS_CLIENT, "\x88\x01\x03", 3, ERR_PROTO },
		{ "close code 999", WS_CLIENT, "\x88\x02\x03\xe7", 4, ERR_PROTO },
		{ "close code 1005", WS_CLIENT, "\x88\x02\x03\xed", 4, ERR_PROTO },
		{ "close code 1006", WS_CLIENT, "\x88\x02\x03\xee", 4, ERR_PROTO },
		{ "close code 5000", WS_CLIENT, "\x88\x02\x13\x88", 4, ERR_PROTO },
		{ "a frame of 65536", WS_CLIENT, "\x82\x7f\0\0\0\0\0\1\0\0", 10,
			ERR_LIMIT },
		{ "a frame of 2^62", WS_CLIENT, "\x82\x7f\x40\0\0\0\0\0\0\0", 10,
			ERR_LIMIT },
		{ "a frame of 65535", WS_CLIENT, "\x82\x7e\xff\xff", 4, ERR_AGAIN },
	};
	struct received h;
	size_t i, step;

	(void)state;
	for (i = 0; i < mem_count(table); i++) {
		for (step = 1; step <= table[i].n; step++) {
			received_init(&h, table[i].role);
			h.reader.frame_max = WS_MESSAGE_MAX;
			received_feed(&h, (const uint8_t *)table[i].bytes, table[i].n,
				step);
			if (h.rc != table[i].rc)
				fail_msg("%s: %s", table[i].what, err_name(h.rc));
			buf_fini(&h.text);
		}
	}
}

static void test_a_close_may_give_no_code(void **state)
{
	struct received h;

	(void)state;
	received_init(&h, WS_CLIENT);
	received_feed(&h, (const uint8_t *)"\x88\x00", 2, 2);
	assert_true(span_is(buf_span(&h.text), "[8::1005]"));
	buf_fini(&h.text);
}

static void test_a_header_is_as_short_as_can_be(void **state)
{
	static const struct {
		uint64_t n;
		size_t bytes;
		const char *is;
	} table[] = {
		{ 0, 2, "\x82\x00" },
		{ 125, 2, "\x82\x7d" },
		{ 126, 4, "\x82\x7e\x00\x7e" },
		{ 65535, 4, "\x82\x7e\xff\xff" },
		{ 65536, 10, "\x82\x7f\0\0\0\0\0\1\0\0" },
	};
	uint8_t room[WS_HEADER_MAX];
	uint8_t *end = room + sizeof(room);
	size_t i;

	(void)state;
	for (i = 0; i < mem_count(table); i++) {
		assert_int_equal(ws_header_before(end, WS_BINARY, table[i].n, NULL),
			table[i].bytes);
		assert_memory_equal(end - table[i].bytes, table[i].is, table[i].bytes);
		assert_int_equal(ws_header_before(end, WS_BINARY, table[i].n, mask_abcd),
			table[i].bytes + 4);
		assert_memory_equal(end - 4, mask_abcd, 4);
		assert_int_equal(end[-(int)table[i].bytes - 3] & 0x80, 0x80);
	}
}

static void test_masking_agrees_with_the_bytewise_rule(void **state)
{
	uint8_t plain[300], masked[300];
	size_t begin, n, i;
	uint64_t at;

	(void)state;
	rand_bytes(plain, sizeof(plain));
	for (begin = 0; begin < 9; begin++) {
		for (n = 0; n < 280; n += 1 + n / 17) {
			at = (uint64_t)begin * 7 + n;
			memcpy(masked, plain, sizeof(plain));
			ws_mask(masked + begin, n, mask_abcd, at);
			for (i = 0; i < n; i++)
				plain[begin + i] ^= mask_abcd[(at + i) % 4];
			assert_memory_equal(masked, plain, sizeof(plain));
		}
	}
}

static void test_an_accept_follows_from_its_key(void **state)
{
	char accept[WS_ACCEPT_CHARS + 1];

	(void)state;
	ws_accept(span_str("QeqBjxyxCzN+gukk8Tdi0g=="), accept);
	assert_string_equal(accept, "HyZR4j7+3HvrDii05Zjwbs97D9I=");
	ws_accept(span_str("dGhlIHNhbXBsZSBub25jZQ=="), accept); /* RFC 6455 1.3 */
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void test_a_key_is_sixteen_bytes(void **state)
{
	(void)state;
	assert_true(ws_key_is_good(span_str("QeqBjxyxCzN+gukk8Tdi0g==")));
	assert_true(
		ws_key_is_good(span_str("QeqBjxyxCzN+gukk8Tdi0h=="))); /* stray bits */
	assert_false(ws_key_is_good(span_str("")));
	assert_false(ws_key_is_good(span_str("QeqBjxyxCzN+gukk8Tdi0g=")));
	assert_false(ws_key_is_good(span_str("QeqBjxyxCzN+gukk8Tdi0gA=")));
	assert_false(ws_key_is_good(span_str("QeqBjxyxCzN-gukk8Tdi0g==")));
	assert_false(ws_key_is_good(span_str("QeqBjxyxCzN+gukk8Tdi0gAAAA==")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_split_gives_the_same_events),
		cmocka_unit_test(test_a_prefix_waits_for_the_rest),
		cmocka_unit_test(test_broken_frames_are_refused),
		cmocka_unit_test(test_a_close_may_give_no_code),
		cmocka_unit_test(test_a_header_is_as_short_as_can_be),
		cmocka_unit_test(test_masking_agrees_with_the_bytewise_rule),
		cmocka_unit_test(test_an_accept_follows_from_its_key),
		cmocka_unit_test(test_a_key_is_sixteen_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
