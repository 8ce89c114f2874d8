/* Behaviour of the WebSocket handshake: the bytes are those that stock peers send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/websocket.h"

#define KEY "QeqBjxyxCzN+gukk8Tdi0g=="
#define ACCEPT "HyZR4j7+3HvrDii05Zjwbs97D9I="
#define GOOD_REST "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
#define GOOD_ANSWER "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static void read_head(struct http1_reader *r, const char *text)
{
	struct span in = span_str(text);
	struct http1_event e;

	if (text[0] == 'H')
		http1_reader_init_response(r, &http1_response_limits, span_str("GET"));
	else
		http1_reader_init_request(r, &http1_request_limits);
	assert_int_equal(http1_next(r, &in, &e, NULL), ERR_OK);
}

static unsigned status_of(const char *method, const char *headers)
{
	struct http1_reader r;
	char text[512];
	unsigned status;

	snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method,
		headers);
	read_head(&r, text);
	status = websocket_check_request(&r.head);
	http1_reader_fini(&r);
	return status;
}

static void test_a_request_is_checked_in_order(void **state)
{
	static const struct {
		const char *method, *headers;
		unsigned status;
	} table[] = {
		{ "GET",
			"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" GOOD_REST,
			101 },
		{ "GET", "Upgrade: websocket\r\n" GOOD_REST, 400 },
		{ "POST", "Connection: close\r\nUpgrade: websocket\r\n" GOOD_REST, 400 },
		{ "POST", "Connection: Upgrade\r\nUpgrade: h2c\r\n" GOOD_REST, 400 },
		{ "POST", "Connection: Upgrade\r\nUpgrade: websocket\r\n", 405 },
		{ "GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n", 400 },
		{ "GET",
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"
			"Sec-WebSocket-Key: " KEY "\r\n",
			400 },
		{ "GET",
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8, 13\r\n"
			"Sec-WebSocket-Key: " KEY "\r\n",
			101 },
		{ "GET",
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			"Sec-WebSocket-Key: short==\r\n",
			400 },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(table); i++) {
		if (status_of(table[i].method, table[i].headers) != table[i].status)
			fail_msg("row %zu", i);
	}
}

static void test_a_good_request_is_answered_in_three_lines(void **state)
{
	char answer[WEBSOCKET_ANSWER_MAX];
	struct http1_reader r;

	(void)state;
	read_head(&r, "GET / HTTP/1.1\r\nHost: a\r\n" GOOD_REST "\r\n");
	assert_string_equal(websocket_print_answer(&r.head, answer),
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT
		"\r\n");
	http1_reader_fini(&r);
}

static void check_request(const struct websocket_header *headers, size_t n,
	const char *target, const char *expected)
{
	struct websocket_request req = {
		.target = target,
		.host = "127.0.0.1:8080",
		.key = KEY,
		.protocol = "chisel-v3",
		.headers = headers,
		.headers_n = n,
	};
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(websocket_request_write(&req, &out, NULL), ERR_OK);
	buf_put_u8(&out, '\0');
	assert_string_equal((const char *)buf_span(&out).p, expected);
	buf_fini(&out);
}

static void test_a_request_is_written_as_stock_writes_it(void **state)
{
	(void)state;
	check_request(NULL, 0, "",
		"GET / HTTP/1.1\r\n"
		"Host: 127.0.0.1:8080\r\n"
		"User-Agent: Go-http-client/1.1\r\n"
		"Connection: Upgrade\r\n"
		"Sec-WebSocket-Key: " KEY "\r\n"
		"Sec-WebSocket-Protocol: chisel-v3\r\n"
		"Sec-WebSocket-Version: 13\r\n"
		"Upgrade: websocket\r\n"
		"\r\n");
}

static void test_the_users_headers_are_merged_in_order(void **state)
{
	static const struct websocket_header headers[] = {
		{ "x-late", "2" },
		{ "authorization", "Basic eA==" },
		{ "HOST", "example.com" },
		{ "User-agent", "mine" },
		{ "Sec-Fetch", "a" },
		{ "Sec-x", "b" },
		{ "X-LATE", "3" },
	};

	(void)state;
	check_request(headers, mem_count(headers), "/p?q=1",
		"GET /p?q=1 HTTP/1.1\r\n"
		"Host: example.com\r\n"
		"User-Agent: mine\r\n"
		"Authorization: Basic eA==\r\n"
		"Connection: Upgrade\r\n"
		"Sec-Fetch: a\r\n"
		"Sec-WebSocket-Key: " KEY "\r\n"
		"Sec-WebSocket-Protocol: chisel-v3\r\n"
		"Sec-WebSocket-Version: 13\r\n"
		"Sec-X: b\r\n"
		"Upgrade: websocket\r\n"
		"X-Late: 3\r\n"
		"\r\n");
}

static void test_some_headers_may_not_be_set(void **state)
{
	static const struct websocket_header headers[] = {
		{ "upgrade", "x" },
		{ "Connection", "x" },
		{ "sec-websocket-key", "x" },
		{ "Sec-WebSocket-Version", "x" },
		{ "Sec-WebSocket-Extensions", "x" },
		{ "Sec-WebSocket-Protocol", "x" },
		{ "Content-Length", "5" },
		{ "Bad Name", "x" },
		{ "", "x" },
		{ "A", "b\r\nC: d" },
	};
	struct websocket_request req = { .target = "/",
		.host = "a",
		.key = KEY,
		.protocol = "p",
		.headers_n = 1 };
	struct why why;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < mem_count(headers); i++) {
		req.headers = &headers[i];
		assert_int_equal(websocket_request_write(&req, &out, &why), ERR_USAGE);
		if (i < 6)
			assert_non_null(strstr(why.text, "duplicate header not allowed"));
	}
	assert_int_equal(out.n, 0);
	buf_fini(&out);
}

static enum err check_answer(const char *text)
{
	struct http1_reader r;
	enum err rc;

	read_head(&r, text);
	rc = websocket_check_answer(&r.head, KEY, NULL);
	http1_reader_fini(&r);
	return rc;
}

#define ACCEPTS "Sec-WebSocket-Accept: " ACCEPT "\r\n"

static void test_only_the_right_answer_will_do(void **state)
{
	static const char *const wrong[] = {
		"HTTP/1.1 200 OK\r\n" GOOD_ANSWER ACCEPTS "\r\n",
		"HTTP/1.1 101 S\r\nConnection: Upgrade\r\n" ACCEPTS "\r\n",
		"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n" ACCEPTS "\r\n",
		"HTTP/1.1 101 S\r\n" GOOD_ANSWER "\r\n",
		"HTTP/1.1 101 S\r\n" GOOD_ANSWER "Sec-WebSocket-Accept: " KEY "\r\n\r\n",
		"HTTP/1.1 101 S\r\n" GOOD_ANSWER ACCEPTS
		"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
	};

	(void)state;
	assert_int_equal(check_answer("HTTP/1.1 101 S\r\n" GOOD_ANSWER ACCEPTS "\r\n"),
		ERR_OK);
	assert_int_equal(check_answer("HTTP/1.1 101 S\r\n" GOOD_ANSWER ACCEPTS
				      "Sec-WebSocket-Protocol: chisel-v3\r\n\r\n"),
		ERR_OK);
	for (size_t i = 0; i < mem_count(wrong); i++)
		assert_int_equal(check_answer(wrong[i]), ERR_PROTO);
}

static void test_keys_differ(void **state)
{
	char a[WEBSOCKET_KEY_CHARS + 1], b[WEBSOCKET_KEY_CHARS + 1];

	(void)state;
	websocket_make_key(a);
	websocket_make_key(b);
	assert_int_equal(strlen(a), WEBSOCKET_KEY_CHARS);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_is_checked_in_order),
		cmocka_unit_test(test_a_good_request_is_answered_in_three_lines),
		cmocka_unit_test(test_a_request_is_written_as_stock_writes_it),
		cmocka_unit_test(test_the_users_headers_are_merged_in_order),
		cmocka_unit_test(test_some_headers_may_not_be_set),
		cmocka_unit_test(test_only_the_right_answer_will_do),
		cmocka_unit_test(test_keys_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
