/* The writer of JSON: what it writes is what others have signed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/json.h"

struct page {
	struct buf out;
	struct json_writer w;
};

static void page_init(struct page *p)
{
	buf_init(&p->out, 4096);
	json_writer_init(&p->w, &p->out);
}

static void page_says(struct page *p, const char *want)
{
	assert_int_equal(p->out.failed, ERR_OK);
	assert_int_equal(buf_put_u8(&p->out, '\0'), ERR_OK);
	assert_string_equal((const char *)buf_front(&p->out), want);
	buf_fini(&p->out);
}

static void member_text(struct json_writer *w, const char *key, const char *value)
{
	json_put_key(w, key);
	json_put_text(w, span_str(value));
}

static void member_int(struct json_writer *w, const char *key, int64_t value)
{
	json_put_key(w, key);
	json_put_int(w, value);
}

static void member_flag(struct json_writer *w, const char *key, bool value)
{
	json_put_key(w, key);
	json_put_flag(w, value);
}

/* The descriptor of a relay, as its signature covers it. */
static void test_a_signed_object_has_one_text(void **state)
{
	struct page p;

	(void)state;
	page_init(&p);
	json_put_open(&p.w);
	member_text(&p.w, "address", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
	member_text(&p.w, "version", "7");
	member_int(&p.w, "issued_at_unix_nano", 1780315200123456789);
	member_int(&p.w, "expires_at_unix_nano", 1780315500123456789);
	member_text(&p.w, "api_https_addr", "https://exit.example.com");
	member_text(&p.w, "wireguard_public_key",
		"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=");
	member_int(&p.w, "wireguard_port", 51820);
	member_flag(&p.w, "supports_overlay", true);
	member_flag(&p.w, "supports_udp", false);
	member_flag(&p.w, "supports_tcp", true);
	member_int(&p.w, "active_connections", 3);
	member_int(&p.w, "tcp_bps", 1536);
	json_put_close(&p.w);
	page_says(&p,
		"{\"address\":\"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\","
		"\"version\":\"7\",\"issued_at_unix_nano\":1780315200123456789,"
		"\"expires_at_unix_nano\":1780315500123456789,"
		"\"api_https_addr\":\"https://exit.example.com\","
		"\"wireguard_public_key\":\"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=\","
		"\"wireguard_port\":51820,\"supports_overlay\":true,\"supports_udp\":false,"
		"\"supports_tcp\":true,\"active_connections\":3,\"tcp_bps\":1536}");
}

static void test_commas_stand_between(void **state)
{
	struct page p;

	(void)state;
	page_init(&p);
	json_put_open_list(&p.w);
	json_put_open(&p.w);
	json_put_close(&p.w);
	json_put_open_list(&p.w);
	json_put_close_list(&p.w);
	json_put_int(&p.w, INT64_MIN);
	json_put_open(&p.w);
	member_flag(&p.w, "a", true);
	json_put_key(&p.w, "b");
	json_put_open(&p.w);
	json_put_close(&p.w);
	member_int(&p.w, "c", 0);
	json_put_close(&p.w);
	json_put_close_list(&p.w);
	page_says(&p, "[{},[],-9223372036854775808,{\"a\":true,\"b\":{},\"c\":0}]");
}

static void test_text_is_escaped_as_go_escapes_it(void **state)
{
	static const char *const cases[][2] = {
		{ "", "\"\"" }, { "a \"b\" \\c", "\"a \\\"b\\\" \\\\c\"" },
		{ "\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"" },
		{ "<a>&", "\"\\u003ca\\u003e\\u0026\"" },
		{ "\u00e4\u20ac\U0001f600", "\"\u00e4\u20ac\U0001f600\"" },
		{ "\u2027\u2028\u2029", "\"\u2027\\u2028\\u2029\"" },
		{ "\xff"
		  "a",
			"\"\\ufffda\"" },
		{ "\xc3", "\"\\ufffd\"" }, { "\xe2\x82", "\"\\ufffd\\ufffd\"" },
		{ "\xc0\x80", "\"\\ufffd\\ufffd\"" },            /* too long a form */
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" }, /* half a pair */
		{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" }, /* no such */
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct page p;

		page_init(&p);
		json_put_text(&p.w, span_str(cases[i][0]));
		page_says(&p, cases[i][1]);
	}
}

static void test_a_zero_byte_is_text(void **state)
{
	struct page p;

	(void)state;
	page_init(&p);
	json_put_text(&p.w, span_of("a\0b", 3));
	page_says(&p, "\"a\\u0000b\"");
}

static void test_the_bound_of_the_buf_holds(void **state)
{
	struct json_writer w;
	struct buf out;

	(void)state;
	buf_init(&out, 4);
	json_writer_init(&w, &out);
	json_put_text(&w, span_str("long"));
	assert_int_equal(out.failed, ERR_LIMIT);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_signed_object_has_one_text),
		cmocka_unit_test(test_commas_stand_between),
		cmocka_unit_test(test_text_is_escaped_as_go_escapes_it),
		cmocka_unit_test(test_a_zero_byte_is_text),
		cmocka_unit_test(test_the_bound_of_the_buf_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
