/* Behaviour of HTTP/1 messages: what is understood, and all that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/http1.h"

#define HEAD "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\n"

/* A message as read: its head in one line, its body, and how it ended. */
struct read {
	struct http1_reader reader;
	struct buf text;
	struct why why;
	enum err rc;
	size_t left; /* bytes that were not taken */
};

static void note_head(struct read *t)
{
	static const char *const bodies[] = { "none", "length", "chunked", "close" };
	const struct http1_head *h = &t->reader.head;
	unsigned i;

	if (h->is_request)
		buf_printf(&t->text, "%.*s %.*s", (int)h->method.n,
			(const char *)h->method.p, (int)h->target.n,
			(const char *)h->target.p);
	else
		buf_printf(&t->text, "%u %.*s", h->status, (int)h->reason.n,
			(const char *)h->reason.p);
	buf_printf(&t->text, " 1.%u", h->minor);
	for (i = 0; i < h->headers_n; i++)
		buf_printf(&t->text, " %.*s=%.*s", (int)h->headers[i].name.n,
			(const char *)h->headers[i].name.p, (int)h->headers[i].value.n,
			(const char *)h->headers[i].value.p);
	buf_printf(&t->text, " (%s%s%s%s)", bodies[h->body],
		h->keeps_alive ? ",keep" : "", h->wants_upgrade ? ",upgrade" : "",
		h->is_ambiguous ? ",ambiguous" : "");
}

static void note(struct read *t, const struct http1_event *e)
{
	if (e->kind == HTTP1_HEAD)
		note_head(t);
	else if (e->kind == HTTP1_DATA)
		buf_put_span(&t->text, e->data);
	else
		buf_put_str(&t->text, "$");
	for (unsigned i = 0; e->kind == HTTP1_END && i < t->reader.trailers_n; i++)
		buf_printf(&t->text, " %.*s=%.*s", (int)t->reader.trailers[i].name.n,
			(const char *)t->reader.trailers[i].name.p,
			(int)t->reader.trailers[i].value.n,
			(const char *)t->reader.trailers[i].value.p);
}

/* Reads @text in pieces of @step bytes. @answers:
 * the method it answers, NULL for a request. */
static void read_text(struct read *t, struct span text, size_t step, const char *answers)
{
	struct http1_event e = { .kind = HTTP1_HEAD };
	struct span piece;

	memset(t, 0, sizeof(*t));
	buf_init(&t->text, 1 << 20);
	if (answers == NULL)
		http1_reader_init_request(&t->reader, &http1_request_limits);
	else
		http1_reader_init_response(&t->reader, &http1_response_limits,
			span_str(answers));
	t->rc = ERR_AGAIN;
	while (t->rc == ERR_AGAIN && text.n > 0) {
		span_cut(&text, step < text.n ? step : text.n, &piece);
		while (e.kind != HTTP1_END &&
			(t->rc = http1_next(&t->reader, &piece, &e, &t->why)) == ERR_OK)
			note(t, &e);
		if (t->rc == ERR_AGAIN)
			assert_int_equal(piece.n, 0);
	}
	t->left = text.n + (t->rc == ERR_OK ? piece.n : 0);
}

static void read_fini(struct read *t)
{
	http1_reader_fini(&t->reader);
	buf_fini(&t->text);
}

/* Understood in the same way whole and in every split. */
static void check_reads(const char *text, const char *answers, const char *expected)
{
	struct read t;
	size_t step;

	for (step = 1; step <= strlen(text); step++) {
		read_text(&t, span_str(text), step, answers);
		if (t.rc != ERR_OK && t.rc != ERR_AGAIN)
			fail_msg("%s: %s", text, t.why.text);
		if (!span_is(buf_span(&t.text), expected))
			fail_msg("by %zu: %.*s\n is not %s", step, (int)t.text.n,
				(const char *)buf_span(&t.text).p, expected);
		read_fini(&t);
	}
}

static void test_requests_are_understood(void **state)
{
	(void)state;
	check_reads(HEAD "\r\n", NULL, "GET / 1.1 Host=a (none,keep)$");
	check_reads("GET /x?y=1 HTTP/1.0\r\n\r\n", NULL, "GET /x?y=1 1.0 (none)$");
	check_reads("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", NULL,
		"GET / 1.0 Connection=keep-alive (none,keep)$");
	check_reads(
		"GET / HTTP/1.1\r\nHost:\r\nA:  b c \t\r\nconnection: x, Close\r\n\r\n",
		NULL, "GET / 1.1 Host= A=b c connection=x, Close (none)$");
	check_reads("\r\n\r\n" HEAD "\r\n", NULL, "GET / 1.1 Host=a (none,keep)$");
	check_reads("b%W-x /\xc3\xa4?\xff HTTP/1.7\r\nHost: a\r\n\r\n", NULL,
		"b%W-x /\xc3\xa4?\xff 1.1 Host=a (none,keep)$");
	check_reads("get / HTTP/1.1\r\nHost: a\r\n\r\n", NULL,
		"get / 1.1 Host=a (none,keep)$");
	check_reads("OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", NULL,
		"OPTIONS * 1.1 Host=[::1]:80 (none,keep)$");
	check_reads("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", NULL,
		"CONNECT a:443 1.1 Host=a:443 (none,keep)$");
	check_reads(HEAD "A: \xc3\xa4\r\nA:\r\n\r\n", NULL,
		"GET / 1.1 Host=a A=\xc3\xa4 A= (none,keep)$");
}

/* RFC 9112 3.2.2: the authority is the host, whatever Host says. */
static void test_absolute_targets_are_split(void **state)
{
	(void)state;
	check_reads("GET http://A:80/p HTTP/1.1\r\nHost: b\r\n\r\n", NULL,
		"GET /p 1.1 Host=A:80 (none,keep)$");
	check_reads("GET HTTPS://a/p?q HTTP/1.1\r\nX: y\r\nhost:\r\n\r\n", NULL,
		"GET /p?q 1.1 X=y host=a (none,keep)$");
	check_reads("GET http://a HTTP/1.1\r\nHost: b\r\n\r\n", NULL,
		"GET / 1.1 Host=a (none,keep)$");
	check_reads("GET http://abc?q HTTP/1.1\r\nHost: b\r\n\r\n", NULL,
		"GET /?q 1.1 Host=abc (none,keep)$");
	check_reads("GET http://a/p HTTP/1.0\r\n\r\n", NULL, "GET /p 1.0 Host=a (none)$");
	check_reads("OPTIONS http://abc HTTP/1.1\r\nHost: b\r\n\r\n", NULL,
		"OPTIONS * 1.1 Host=abc (none,keep)$");
	check_reads("OPTIONS http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", NULL,
		"OPTIONS / 1.1 Host=a (none,keep)$");
}

static void test_bodies_are_cut_where_they_end(void **state)
{
	(void)state;
	check_reads(POST "Content-Length: 5\r\n\r\nhello", NULL,
		"POST / 1.1 Host=a Content-Length=5 (length,keep)hello$");
	check_reads(POST "Content-Length: 0\r\n\r\n", NULL,
		"POST / 1.1 Host=a Content-Length=0 (none,keep)$");
	check_reads(CHUNKED "5\r\nhello\r\n00b\r\n, the world\r\n0\r\n\r\n", NULL,
		"POST / 1.1 Host=a Transfer-Encoding=chunked (chunked,keep)hello, the world$");
	check_reads(CHUNKED "1;a=b\r\nx\r\n0\r\nTrailer: y\r\nZ: z\r\n\r\n", NULL,
		"POST / 1.1 Host=a Transfer-Encoding=chunked (chunked,keep)x$ Trailer=y Z=z");
	check_reads(CHUNKED "0\r\n\r\n", NULL,
		"POST / 1.1 Host=a Transfer-Encoding=chunked (chunked,keep)$");
}

static void test_responses_are_understood(void **state)
{
	(void)state;
	check_reads(OK "Content-Length: 2\r\n\r\nhi", "GET",
		"200 OK 1.1 Content-Length=2 (length,keep)hi$");
	check_reads(OK "\r\nall of it", "GET", "200 OK 1.1 (close)all of it");
	check_reads(OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "GET",
		"200 OK 1.1 Transfer-Encoding=chunked (chunked,keep)hi$");
	check_reads(
		"HTTP/1.0 404 Not here\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
		"GET",
		"404 Not here 1.0 Connection=keep-alive Content-Length=0 (none,keep)$");
	check_reads("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET",
		"200  1.1 Content-Length=0 (none,keep)$");
	check_reads("HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", "GET",
		"299  1.1 Content-Length=0 (none,keep)$");
}

/* What a server may have meant is clear, and comes out in one form. */
static void test_responses_are_read_leniently(void **state)
{
	(void)state;
	check_reads("\r\n\nHTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nhi", "GET",
		"200 OK 1.1 A=b Content-Length=2 (length,keep)hi$");
	check_reads(OK "A: b\r\n  c\r\n\td \r\nB:\n e\nContent-Length: 0\r\n\r\n", "GET",
		"200 OK 1.1 A=b c d B=e Content-Length=0 (none,keep)$");
	check_reads(OK "A : b\r\nB\t: c\r\nContent-Length : 2\r\n\r\nhi", "GET",
		"200 OK 1.1 A=b B=c Content-Length=2 (length,keep)hi$");
	check_reads(OK "Some Words: b\r\n c\r\nB: d\r\nContent-Length: 0\r\n\r\n", "GET",
		"200 OK 1.1 B=d Content-Length=0 (none,keep)$");
	check_reads(OK "A: b\x01"
		       "c\x7f\r\nB: d\re\r\r\nContent-Length: 0\r\n\r\n",
		"GET", "200 OK 1.1 A=b c B=d e Content-Length=0 (none,keep)$");
	check_reads("HTTP/1.9   999\r\nContent-Length: 0\r\n\r\n", "GET",
		"999  1.1 Content-Length=0 (none,keep)$");
	check_reads("HTTP/1.2 100\n\n", "GET", "100  1.1 (none,keep)$");
	check_reads("HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n", "GET",
		"200 O K 1.1 Content-Length=0 (none,keep)$");
	check_reads(OK "Content-Length: 2\r\nContent-Length: 2, 2\r\n\r\nhi", "GET",
		"200 OK 1.1 Content-Length=2 Content-Length=2, 2 (length,keep)hi$");
	check_reads(OK "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi",
		"GET",
		"200 OK 1.1 Transfer-Encoding=identity Content-Length=2 (length,keep)hi$");
	check_reads(OK
		"Transfer-Encoding: Chunked\n\n2 ;x\rx\nhi\n1\t\n!\n0\nA : b\n  c\n\n",
		"GET", "200 OK 1.1 Transfer-Encoding=Chunked (chunked,keep)hi!$ A=b c");
}

static void test_a_coding_wins_over_a_length(void **state)
{
	(void)state;
	check_reads(OK
		"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"GET",
		"200 OK 1.1 Content-Length=9 Transfer-Encoding=chunked (chunked,ambiguous)hi$");
	check_reads(OK "Transfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n0\r\n\r\n",
		"GET",
		"200 OK 1.1 Transfer-Encoding=chunked Content-Length=x (chunked,ambiguous)$");
	check_reads(
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
		"\r\n2\r\nhi\r\n0\r\n\r\n",
		"GET",
		"200 OK 1.0 Connection=keep-alive Transfer-Encoding=chunked "
		"(chunked,ambiguous)hi$");
	check_reads(OK "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD",
		"200 OK 1.1 Content-Length=9 Transfer-Encoding=chunked (none,keep)$");
}

static void test_some_responses_have_no_body(void **state)
{
	(void)state;
	check_reads(OK "Content-Length: 2\r\n\r\n", "HEAD",
		"200 OK 1.1 Content-Length=2 (none,keep)$");
	check_reads(OK "Transfer-Encoding: chunked\r\n\r\n", "HEAD",
		"200 OK 1.1 Transfer-Encoding=chunked (none,keep)$");
	check_reads(OK "\r\n", "CONNECT", "200 OK 1.1 (none,keep)$");
	check_reads("HTTP/1.1 204 No Content\r\n\r\n", "GET",
		"204 No Content 1.1 (none,keep)$");
	check_reads("HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", "GET",
		"304 Same 1.1 Content-Length=9 (none,keep)$");
	check_reads("HTTP/1.1 100 Continue\r\n\r\n", "POST",
		"100 Continue 1.1 (none,keep)$");
}

static void test_upgrades_are_seen(void **state)
{
	(void)state;
	check_reads(HEAD "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
		NULL,
		"GET / 1.1 Host=a Connection=keep-alive, Upgrade Upgrade=websocket "
		"(none,keep,upgrade)$");
	check_reads(HEAD "Upgrade: websocket\r\n\r\n", NULL,
		"GET / 1.1 Host=a Upgrade=websocket (none,keep)$");
	check_reads(HEAD "Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n\r\n", NULL,
		"GET / 1.1 Host=a Connection=Upgrade Upgrade=websocket, H2C (none,keep,upgrade)$");
	check_reads(HEAD "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: x\r\n\r\n",
		NULL,
		"GET / 1.1 Host=a Connection=Upgrade Upgrade=h2c Upgrade=x (none,keep,upgrade)$");
	check_reads(POST
		"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
		NULL,
		"POST / 1.1 Host=a Connection=Upgrade Upgrade=h2c Content-Length=2 "
		"(length,keep)hi$");
	check_reads("HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
		"GET",
		"101 Switch 1.1 Connection=upgrade Upgrade=x (none,keep,upgrade)$");
	check_reads(OK "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\n!",
		"GET",
		"200 OK 1.1 Connection=upgrade Upgrade=x Content-Length=1 (length,keep)!$");
}

static void test_what_follows_a_message_is_left_alone(void **state)
{
	static const char *const table[] = {
		HEAD "\r\n",
		HEAD "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		HEAD "Connection: close\r\n\r\n",
		"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
		POST "Content-Length: 5\r\n\r\nhello",
		CHUNKED "5\r\nhello\r\n0\r\n\r\n",
		CHUNKED "0\r\na: b\r\n\r\n",
	};
	struct read t;
	char text[512];
	size_t i, step;

	(void)state;
	for (i = 0; i < mem_count(table); i++) {
		snprintf(text, sizeof(text), "%sNEXT", table[i]);
		for (step = 1; step <= strlen(text); step++) {
			read_text(&t, span_str(text), step, NULL);
			assert_int_equal(t.rc, ERR_OK);
			if (t.left != 4)
				fail_msg("%s by %zu: %zu bytes left", table[i], step,
					t.left);
			read_fini(&t);
		}
	}
}

static void test_a_prefix_is_no_message(void **state)
{
	static const char *const table[] = {
		POST "Content-Length: 5\r\n\r\nhello",
		CHUNKED "5;x\r\nhello\r\n0\r\na: b\r\n\r\n",
	};
	struct read t;
	size_t i, n;

	(void)state;
	for (i = 0; i < mem_count(table); i++) {
		for (n = 1; n < strlen(table[i]); n++) {
			read_text(&t, span_of(table[i], n), n, NULL);
			assert_int_equal(t.rc, ERR_AGAIN);
			assert_int_equal(http1_finish(&t.reader, &t.why), ERR_SYNTAX);
			read_fini(&t);
		}
	}
}

static void test_a_close_ends_only_a_body_without_a_length(void **state)
{
	struct read t;

	(void)state;
	read_text(&t, span_str(""), 1, NULL);
	assert_int_equal(http1_finish(&t.reader, NULL), ERR_EOF);
	read_fini(&t);
	read_text(&t, span_str(OK "\r\nabc"), 7, "GET");
	assert_int_equal(http1_finish(&t.reader, NULL), ERR_OK);
	read_fini(&t);
}

/* Each is refused whole and in every split, in a request and not later than its end. */
static void check_refuses(const char *const *table, size_t count, const char *answers)
{
	struct read t;
	size_t i, step;

	for (i = 0; i < count; i++) {
		for (step = 1; step <= strlen(table[i]); step++) {
			read_text(&t, span_str(table[i]), step, answers);
			if (t.rc != ERR_SYNTAX)
				fail_msg("%s by %zu: %s", table[i], step, err_name(t.rc));
			assert_true(t.why.text[0] != '\0');
			read_fini(&t);
		}
	}
}

static void test_hostile_request_lines_are_refused(void **state)
{
	static const char *const table[] = {
		"\n" HEAD "\r\n",
		" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
		"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\r\n\r\n",
		"GET /\r\n\r\n",
		"GET / \r\nHost: a\r\n\r\n",
		"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.10\r\nHost: a\r\n\r\n",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
		"GET / http/1.1\r\nHost: a\r\n\r\n",
		"GET / RTSP/1.0\r\nHost: a\r\n\r\n",
		"SOURCE / ICE/1.0\r\nHost: a\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
		"G\xc3\xa4T / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET x HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /#f HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http:///x HTTP/1.1\r\nHost: \r\n\r\n",
		"GET http://a/ HTTP/1.1\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n",
		"GET http://\xc3\xa4/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n",
		"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n",
		"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
		"\x16\x03\x01\x02\x01",
		"HTTP/1.1 200 OK\r\n\r\n",
	};

	(void)state;
	check_refuses(table, mem_count(table), NULL);
}

static void test_hostile_header_lines_are_refused(void **state)
{
	static const char *const table[] = {
		HEAD "A: b\n\r\n",
		HEAD "A: b\rC: d\r\n\r\n",
		HEAD "A: b\r\r\n\r\n",
		HEAD "\n",
		HEAD "A: b\r\n c\r\n\r\n",
		HEAD "A: b\r\n\tc\r\n\r\n",
		HEAD " A: b\r\n\r\n",
		HEAD "A : b\r\n\r\n",
		HEAD "A\t: b\r\n\r\n",
		HEAD "A b: c\r\n\r\n",
		HEAD ": b\r\n\r\n",
		HEAD "A\r\n\r\n",
		HEAD "A(: b\r\n\r\n",
		HEAD "\xc3\xa4: b\r\n\r\n",
		HEAD "A: b\x01\r\n\r\n",
		HEAD "A: b\x7f\r\n\r\n",
		HEAD "A: b\x0b\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		HEAD "Host: a\r\n\r\n",
		HEAD "HOST: b\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
	};
	static const char nul[] = HEAD "A: b\0c\r\n\r\n";
	struct read t;

	(void)state;
	check_refuses(table, mem_count(table), NULL);
	read_text(&t, span_of(nul, sizeof(nul) - 1), sizeof(nul), NULL);
	assert_int_equal(t.rc, ERR_SYNTAX);
	read_fini(&t);
}

static void test_ambiguous_lengths_are_refused(void **state)
{
	static const char *const table[] = {
		POST "Content-Length: +5\r\n\r\nhello",
		POST "Content-Length: -5\r\n\r\nhello",
		POST "Content-Length: 5 5\r\n\r\nhello",
		POST "Content-Length: 5, 5\r\n\r\nhello",
		POST "Content-Length: 0x5\r\n\r\nhello",
		POST "Content-Length: 5a\r\n\r\nhello",
		POST "Content-Length: \r\n\r\nhello",
		POST "Content-Length: 18446744073709551621\r\n\r\nhello",
		POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\nhello",
		POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n",
		POST
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	};

	(void)state;
	check_refuses(table, mem_count(table), NULL);
}

static void test_hostile_chunks_are_refused(void **state)
{
	static const char *const table[] = {
		CHUNKED "5\nhello\r\n0\r\n\r\n",
		CHUNKED "5\r\nhello\n0\r\n\r\n",
		CHUNKED "5\r\nhelloxx0\r\n\r\n",
		CHUNKED "5\r\nhello0\r\n\r\n",
		CHUNKED "5 \r\nhello\r\n0\r\n\r\n",
		CHUNKED " 5\r\nhello\r\n0\r\n\r\n",
		CHUNKED "+5\r\nhello\r\n0\r\n\r\n",
		CHUNKED "0x5\r\nhello\r\n0\r\n\r\n",
		CHUNKED "\r\nhello\r\n0\r\n\r\n",
		CHUNKED ";a\r\nhello\r\n0\r\n\r\n",
		CHUNKED "5;a\nhello\r\n0\r\n\r\n",
		CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n",
		CHUNKED "5;\x01\r\nhello\r\n0\r\n\r\n",
		CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n",
		CHUNKED "0\r\n\n",
		CHUNKED "0\n\r\n",
		CHUNKED "0\r\nA: b\n\r\n",
		CHUNKED "0\r\nA : b\r\n\r\n",
		CHUNKED "0\r\nA: b\r\n c\r\n\r\n",
		CHUNKED "0\r\nno colon\r\n\r\n",
	};

	(void)state;
	check_refuses(table, mem_count(table), NULL);
}

static void test_unclear_responses_are_refused(void **state)
{
	static const char *const table[] = {
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1\r\n\r\n",
		"HTTP/1.1 -20 OK\r\n\r\n",
		"HTTP/1.10 200 OK\r\n\r\n",
		"http/1.1 200 OK\r\n\r\n",
		" HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200OK\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"SSH-2.0-x\r\n",
		"\x15\x03\x03",
		"ICY 200 OK\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n!",
		OK "Content-Length: 1, 2\r\n\r\n!",
		OK "Content-Length: +1\r\n\r\n!",
		OK "Content-Length:\r\n\r\n!",
		OK "Content-Length: 1\r\n 0\r\n\r\n!",
		OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		OK
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		OK "Transfer-Encoding: xchunked\r\n\r\n",
		OK " folded: into nothing\r\n\r\n",
		OK "no colon\r\n\r\n",
		OK ": no name\r\n\r\n",
		OK "A(: b\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n5x\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n 5\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n\n",
		OK "Transfer-Encoding: chunked\r\n\r\n2\nhix",
		OK "Transfer-Encoding: chunked\r\n\r\n2\nhi\r\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
	};

	(void)state;
	check_refuses(table, mem_count(table), "GET");
}

static void check_limit(struct buf *b)
{
	struct read t;

	read_text(&t, buf_span(b), b->n, NULL);
	assert_int_equal(t.rc, ERR_LIMIT);
	read_fini(&t);
	read_text(&t, buf_span(b), 97, NULL);
	assert_int_equal(t.rc, ERR_LIMIT);
	read_fini(&t);
	buf_fini(b);
}

static void test_heads_bodies_and_trailers_are_bounded(void **state)
{
	struct buf b;
	int i;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_put_str(&b, HEAD "A: ");
	for (i = 0; i < HTTP1_REQUEST_HEAD_MAX; i++)
		buf_put_u8(&b, 'x');
	check_limit(&b);

	buf_init(&b, 1 << 20);
	for (i = 0; i < HTTP1_REQUEST_HEAD_MAX; i++)
		buf_put_str(&b, "\r\n");
	check_limit(&b);

	buf_init(&b, 1 << 20);
	buf_put_str(&b, HEAD);
	for (i = 0; i < HTTP1_FIELDS_MAX; i++)
		buf_put_str(&b, "A: b\r\n");
	buf_put_str(&b, "\r\n");
	check_limit(&b);

	buf_init(&b, 1 << 20);
	buf_put_str(&b, CHUNKED "5;");
	for (i = 0; i < HTTP1_CHUNK_LINE_MAX; i++)
		buf_put_u8(&b, 'x');
	check_limit(&b);

	buf_init(&b, 1 << 20);
	buf_put_str(&b, CHUNKED "5\r\nhello\r\n0\r\n");
	for (i = 0; i <= HTTP1_FIELDS_MAX; i++)
		buf_put_str(&b, "A: b\r\n");
	check_limit(&b);
}

/* @n bytes of head in @fields fields, as a response. */
static enum err read_response_head(size_t n, unsigned fields)
{
	struct buf b;
	struct read t;
	enum err rc;

	buf_init(&b, 1 << 20);
	buf_put_str(&b, OK);
	for (unsigned i = 1; i < fields; i++)
		buf_put_str(&b, "A: b\r\n");
	buf_put_str(&b, "A: ");
	while (b.n < n - 4)
		buf_put_u8(&b, 'x');
	buf_put_str(&b, "\r\n\r\n");
	read_text(&t, buf_span(&b), 1000, "HEAD");
	rc = t.rc;
	read_fini(&t);
	buf_fini(&b);
	return rc;
}

static void test_a_response_s_head_has_more_room(void **state)
{
	(void)state;
	assert_int_equal(read_response_head(HTTP1_RESPONSE_HEAD_MAX, HTTP1_FIELDS_MAX),
		ERR_OK);
	assert_int_equal(read_response_head(HTTP1_RESPONSE_HEAD_MAX + 1, 1), ERR_LIMIT);
	assert_int_equal(read_response_head(HTTP1_RESPONSE_HEAD_MAX,
				 HTTP1_FIELDS_MAX + 1),
		ERR_LIMIT);
}

static void test_a_head_just_fits(void **state)
{
	struct buf b;
	struct read t;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_put_str(&b, HEAD "A: ");
	while (b.n < HTTP1_REQUEST_HEAD_MAX - 4)
		buf_put_u8(&b, 'x');
	buf_put_str(&b, "\r\n\r\n");
	read_text(&t, buf_span(&b), 1000, NULL);
	assert_int_equal(t.rc, ERR_OK);
	read_fini(&t);
	buf_fini(&b);
}

static void test_headers_are_found_by_name_and_token(void **state)
{
	const char *text =
		"GET /a?b HTTP/1.1\r\nHost: a\r\nVia: one, TWO\r\nX: y\r\nvia: ,, three,"
		"\r\n\r\n";
	const struct http1_header *h;
	struct read t;

	(void)state;
	read_text(&t, span_str(text), 1000, NULL);
	h = http1_head_find(&t.reader.head, "VIA");
	assert_true(span_is(h->value, "one, TWO"));
	h = http1_head_next(&t.reader.head, h);
	assert_true(span_is(h->value, ",, three,"));
	assert_null(http1_head_next(&t.reader.head, h));
	assert_true(http1_head_has_token(&t.reader.head, "via", "two"));
	assert_true(http1_head_has_token(&t.reader.head, "via", "three"));
	assert_false(http1_head_has_token(&t.reader.head, "via", "on"));
	assert_false(http1_has_token(span_str(" , "), ""));
	assert_true(span_is(http1_head_value(&t.reader.head, "none"), ""));
	assert_true(span_is(http1_path(&t.reader.head), "/a"));
	read_fini(&t);
}

static void test_a_path_leaves_the_query_out(void **state)
{
	static const struct {
		const char *target, *path;
	} table[] = {
		{ "/", "/" },
		{ "/health?x=/y", "/health" },
		{ "*", "*" },
	};
	struct http1_head head = { .is_request = true };
	size_t i;

	(void)state;
	for (i = 0; i < mem_count(table); i++) {
		head.target = span_str(table[i].target);
		assert_true(span_is(http1_path(&head), table[i].path));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_understood),
		cmocka_unit_test(test_absolute_targets_are_split),
		cmocka_unit_test(test_bodies_are_cut_where_they_end),
		cmocka_unit_test(test_responses_are_understood),
		cmocka_unit_test(test_responses_are_read_leniently),
		cmocka_unit_test(test_a_coding_wins_over_a_length),
		cmocka_unit_test(test_some_responses_have_no_body),
		cmocka_unit_test(test_upgrades_are_seen),
		cmocka_unit_test(test_what_follows_a_message_is_left_alone),
		cmocka_unit_test(test_a_prefix_is_no_message),
		cmocka_unit_test(test_a_close_ends_only_a_body_without_a_length),
		cmocka_unit_test(test_hostile_request_lines_are_refused),
		cmocka_unit_test(test_hostile_header_lines_are_refused),
		cmocka_unit_test(test_ambiguous_lengths_are_refused),
		cmocka_unit_test(test_hostile_chunks_are_refused),
		cmocka_unit_test(test_unclear_responses_are_refused),
		cmocka_unit_test(test_heads_bodies_and_trailers_are_bounded),
		cmocka_unit_test(test_a_head_just_fits),
		cmocka_unit_test(test_a_response_s_head_has_more_room),
		cmocka_unit_test(test_headers_are_found_by_name_and_token),
		cmocka_unit_test(test_a_path_leaves_the_query_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
