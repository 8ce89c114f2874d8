/* Requests to the API: reverse sessions, signatures, calls and malformed requests. */
#include "serve/site_test.h"

#include "tunnel/portal/message.h"

/* The control worker answers the call that it has. */
static void answer(struct site *s, unsigned status, const char *text)
{
	site_until(s, s->call != NULL);
	s->call->status = status;
	str_copy(s->call->headers, sizeof(s->call->headers), "X-Test: yes\r\n");
	assert_int_equal(buf_put_str(&s->call->answer, text), ERR_OK);
	lease_service_answer(s->call->sender, s->call);
	s->call = NULL;
}

static void expect_refusal(struct guest *g, unsigned status, const char *code)
{
	char text[128];

	assert_int_equal(guest_read_answer(g), status);
	snprintf(text, sizeof(text), "\"code\":\"%s\"", code);
	assert_non_null(strstr(g->body, text));
	assert_non_null(strstr(g->head, "Content-Type: application/json"));
}

/* One request and its refusal. The connection can be used again. */
static void refuse_session(struct guest *g, unsigned status, const char *code)
{
	guest_ask_session(g, "demo");
	expect_refusal(g, status, code);
}

/* ---- reverse sessions ---- */

static void test_a_session_is_what_old_clients_expect(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct guest g;

	guest_come(&g, s, 0);
	site_pass(s, 1000);
	guest_ask_session(&g, "demo");
	guest_expect_text(&g,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
		"Connection: keep-alive\r\n\r\n");
	site_settle(s);
	assert_int_equal(r->present, 1);
	assert_int_equal(lease_route_of(r)->seen_ms, SITE_T0_MS + 1000);
	guest_close(&g);
}

static void test_a_refused_session_gets_the_reason(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct guest g;

	guest_come(&g, s, 0);
	atomic_store(&r->is_routable, false);
	refuse_session(&g, 403, "lease_rejected");
	guest_ask_as(&g, "POST /sdk/connect HTTP/1.1", "demo",
		"Content-Length: 0\r\n\r\n");
	expect_refusal(&g, 405, "method_not_allowed");
	assert_non_null(strstr(g.head, "Allow: GET\r\n"));
	guest_say_text(&g, "GET /sdk/connect HTTP/1.1\r\nHost: " SITE_ROOT "\r\n\r\n");
	expect_refusal(&g, 403, "unauthorized");
	guest_say_text(&g,
		"GET /sdk/connect HTTP/1.1\r\nHost: " SITE_ROOT "\r\n"
		"X-Portal-Access-Token: a.b.c\r\n\r\n");
	expect_refusal(&g, 403, "unauthorized");
	atomic_store(&r->is_routable, true);
	guest_ask_session(&g, "demo");
	assert_int_equal(guest_read_answer(&g), 200);
	guest_close(&g);
}

static void test_a_token_is_valid_until_it_expires(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct guest g;
	struct buf token;

	atomic_store(&r->until_ms, UINT64_MAX);
	buf_init(&token, 4096);
	site_put_token(s, "demo", &token);
	for (int i = 0; i < 2; i++) {
		guest_come(&g, s, 0);
		guest_say_text(&g,
			"GET /sdk/connect HTTP/1.1\r\nHost: " SITE_ROOT "\r\n"
			"X-Portal-Access-Token: ");
		guest_say(&g, buf_span(&token).p, token.n);
		guest_say_text(&g, "\r\n\r\n");
		assert_int_equal(guest_read_answer(&g), i == 0 ? 200 : 403);
		guest_close(&g);
		site_pass(s, SITE_TTL_MS + 1000);
	}
	buf_fini(&token);
}

static void test_a_later_registration_gets_the_sessions(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct guest g;

	s->registration = 5;
	lease_route_of(r)->registration = 6;
	guest_come(&g, s, 0);
	refuse_session(&g, 409, "hostname_conflict");
	lease_route_of(r)->registration = 4; /* the relay has lost the later one */
	guest_ask_session(&g, "demo");
	site_until(s, s->call != NULL);
	assert_ptr_equal(s->call->row, s->leases.revival);
	lease_route_of(r)->registration = 5;
	answer(s, 200, "");
	assert_int_equal(guest_read_answer(&g), 200);
	guest_close(&g);
}

static void test_a_forgotten_lease_is_requested_again(void **state)
{
	struct site *s = *state;
	struct guest g;
	struct buf token;

	buf_init(&token, 4096);
	site_put_token(s, "demo", &token);
	guest_come(&g, s, 0);
	guest_ask_session(&g, "demo");
	site_until(s, s->call != NULL);
	assert_ptr_equal(s->call->row, s->leases.revival);
	assert_true(span_eq(buf_span(&s->call->body), buf_span(&token)));
	answer(s, 404, "{\"no\":1}");
	assert_int_equal(guest_read_answer(&g), 404);
	assert_string_equal(g.body, "{\"no\":1}");

	guest_ask_session(&g, "demo");
	answer(s, 200, ""); /* but there is none: the call is not repeated */
	expect_refusal(&g, 404, "lease_not_found");

	guest_ask_session(&g, "demo");
	site_until(s, s->call != NULL);
	site_open_lease(s, "demo", 1);
	answer(s, 200, "");
	assert_int_equal(guest_read_answer(&g), 200);
	site_until(s, s->workers[1].stats.sessions == 1);
	assert_int_equal(s->calls, 3);
	guest_close(&g);
	buf_fini(&token);
}

static void test_a_client_that_disconnects_during_a_revival_gets_no_session(void **state)
{
	struct site *s = *state;
	struct guest g;

	guest_come(&g, s, 0);
	guest_ask_session(&g, "demo");
	site_until(s, s->call != NULL);
	stream_abort(g.stream);
	g.stream = NULL;
	site_settle(s);
	site_open_lease(s, "demo", 0);
	answer(s, 200, "");
	site_settle(s);
	assert_int_equal(s->workers[0].stats.sessions, 0);
	guest_close(&g);
}

/* No data may follow before the session is activated, even in the same packet. */
static void test_bytes_behind_the_request_end_the_connection(void **state)
{
	static const char *const rests[] = { "\r\nearly", "Content-Length: 3\r\n\r\nabc",
		"\r\nGET /healthz HTTP/1.1\r\nHost: " SITE_ROOT "\r\n\r\n" };
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct guest g;

	for (size_t i = 0; i < mem_count(rests); i++) {
		guest_come(&g, s, 0);
		guest_ask_as(&g, "GET /sdk/connect HTTP/1.1", "demo", rests[i]);
		site_until(s, g.rc != ERR_OK);
		site_settle(s);
		assert_int_equal(r->present, 0);
		guest_close(&g);
	}
	assert_int_equal(s->calls, 0);
}

static void test_a_session_that_sends_data_later_is_closed(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 1);
	struct guest g;

	guest_open_session(&g, s, 0, "demo");
	assert_int_equal(r->present, 1);
	guest_say_text(&g, "x");
	site_until(s, g.rc != ERR_OK);
	assert_int_equal(r->present, 0);
	guest_close(&g);
}

static void test_sessions_are_refused_while_shutting_down(void **state)
{
	struct site *s = *state;
	struct guest g;

	site_open_lease(s, "demo", 0);
	guest_come(&g, s, 0);
	guest_say_text(&g, "GET /sdk/connect HTTP/1.1\r\n");
	site_settle(s);
	data_worker_end(&s->workers[0], 5000);
	site_settle(s);
	guest_say_text(&g, "Host: " SITE_ROOT "\r\n\r\n");
	expect_refusal(&g, 500, "internal");
	guest_expect_end(&g, ERR_EOF);
	guest_close(&g);
}

/* ---- the client ---- */

static void ban(struct prefix_set *set, const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_str(text), &p), ERR_OK);
	assert_int_equal(prefix_set_add(set, &p), ERR_OK);
}

static void test_a_banned_address_gets_no_session(void **state)
{
	struct site *s = *state;
	struct guest g;

	site_open_lease(s, "demo", 0);
	ban(&s->snapshot->banned, "203.0.113.9");
	guest_come(&g, s, 0);
	refuse_session(&g, 403, "ip_banned");
	guest_say_text(&g, "GET / HTTP/1.1\r\nHost: " SITE_ROOT "\r\n\r\n");
	site_until(s, s->call != NULL);
	assert_true(s->call->is_banned);
	answer(s, 200, "");
	assert_int_equal(guest_read_answer(&g), 200);
	guest_close(&g);
}

static void test_a_trusted_proxy_names_the_client(void **state)
{
	static const struct {
		const char *header, *ip;
	} cases[] = {
		{ "X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7" },
		{ "X-Forwarded-For: nonsense\r\n", "203.0.113.9" },
		{ "X-Forwarded-For: \r\n", "203.0.113.9" },
		{ "X-Real-IP: 2001:db8::7\r\n", "2001:db8::7" },
		{ "", "203.0.113.9" },
	};
	struct site *s = *state;
	char ip[ADDR_TEXT_MAX];
	struct guest g;

	guest_come(&g, s, 0);
	for (int trusted = 0; trusted < 2; trusted++) {
		for (size_t i = 0; i < mem_count(cases); i++) {
			guest_say_text(&g, "GET / HTTP/1.1\r\nHost: " SITE_ROOT "\r\n");
			guest_say_text(&g, cases[i].header);
			guest_say_text(&g, "\r\n");
			site_until(s, s->call != NULL);
			assert_string_equal(addr_print_ip(&s->call->client, ip),
				trusted ? cases[i].ip : "203.0.113.9");
			answer(s, 204, "");
			assert_int_equal(guest_read_answer(&g), 204);
		}
		ban(&s->snapshot->proxies, "203.0.113.0/24");
	}
	guest_close(&g);
}

/* ---- the host ---- */

static void test_the_api_answers_under_its_own_host(void **state)
{
	static const struct {
		const char *host;
		bool is_ours;
	} cases[] = {
		{ SITE_ROOT, true },
		{ SITE_ROOT ":4017", true },
		{ SITE_ROOT ".", true },
		{ "RELAY.example.com", true },
		{ "demo." SITE_ROOT, false },
		{ "example.com", false },
		{ "localhost", false },
		{ "127.0.0.1:4017", false },
		{ "[::1]:4017", false },
		{ "evil.example", false },
		{ "", false },
		{ SITE_ROOT ".evil.example", false },
	};
	static const char *const paths[] = { "/", "/sdk/domain", "/sdk/connect",
		"/v1/sign", "/admin/snapshot" };
	struct site *s = *state;
	char ask[512];
	struct guest g;

	for (size_t i = 0; i < mem_count(cases); i++) {
		for (size_t k = 0; k < mem_count(paths); k++) {
			unsigned status;

			if (cases[i].is_ours && k != 1)
				continue;
			guest_come(&g, s, 0);
			snprintf(ask, sizeof(ask), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
				paths[k], cases[i].host);
			guest_say_text(&g, ask);
			if (cases[i].is_ours)
				answer(s, 200, "");
			status = guest_read_answer(&g);
			if (status != (cases[i].is_ours ? 200 : 421))
				fail_msg("%s of %s: %u", paths[k], cases[i].host, status);
			guest_close(&g);
		}
	}
	assert_int_equal(s->calls, 4);
	guest_come(&g, s, 0); /* any client may ask for the state */
	guest_say_text(&g, "GET /healthz HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
	answer(s, 200, "");
	assert_int_equal(guest_read_answer(&g), 200);
	guest_close(&g);
}

static void expect_headers(const struct guest *g, bool is_public)
{
	assert_non_null(strstr(g->head, "X-Content-Type-Options: nosniff\r\n"));
	assert_int_equal(strstr(g->head, "Strict-Transport-Security: max-age=") != NULL,
		is_public);
}

static void test_responses_have_security_headers(void **state)
{
	struct site *s = *state;
	struct guest g;

	for (int is_public = 1; is_public >= 0; is_public--) {
		const char *host = is_public ? SITE_ROOT : "relay.localhost";
		char ask[256];

		s->shared.root = host;
		assert_int_equal(lease_api_open(lease_service_of(&s->workers[0])),
			ERR_OK);
		guest_come(&g, s, 0);
		snprintf(ask, sizeof(ask), "GET /app/x HTTP/1.1\r\nHost: %s\r\n\r\n",
			host);
		guest_say_text(&g, ask);
		answer(s, 200, "");
		assert_int_equal(guest_read_answer(&g), 200);
		expect_headers(&g, is_public);
		snprintf(ask, sizeof(ask),
			"POST /v1/sign HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n",
			host);
		guest_say_text(&g, ask);
		assert_int_equal(guest_read_answer(&g), 403);
		expect_headers(&g, is_public);
		assert_non_null(strstr(g.head, "Cache-Control: no-store\r\n"));
		guest_say_text(&g, "GET / HTTP/1.1\r\nHost: other\r\n\r\n");
		assert_int_equal(guest_read_answer(&g), 421);
		expect_headers(&g, is_public);
		guest_close(&g);
	}
	s->shared.root = SITE_ROOT;
}

/* ---- calls ---- */

static void test_a_call_has_all_of_the_request(void **state)
{
	struct site *s = *state;
	struct guest g;

	guest_come(&g, s, 1);
	guest_say_text(&g,
		"POST /sdk/register?x=1 HTTP/1.1\r\nHost: " SITE_ROOT ":443\r\n"
		"Cookie: c=1\r\nOrigin: https://b.example\r\n"
		"Content-Length: 7\r\n\r\n{\"a\":");
	site_settle(s);
	assert_null(s->call);
	guest_say_text(&g, "1}");
	site_until(s, s->call != NULL);
	assert_ptr_equal(s->call->sender, &s->workers[1]);
	assert_string_equal(s->call->method, "POST");
	assert_string_equal(s->call->target, "/sdk/register?x=1");
	assert_string_equal(s->call->host, SITE_ROOT ":443");
	assert_string_equal(s->call->cookie, "c=1");
	assert_string_equal(s->call->origin, "https://b.example");
	assert_true(span_is(buf_span(&s->call->body), "{\"a\":1}"));
	assert_false(s->call->is_banned);
	assert_ptr_not_equal(s->call->row, s->leases.revival);
	answer(s, 201, "made");
	assert_int_equal(guest_read_answer(&g), 201);
	assert_string_equal(g.body, "made");
	assert_non_null(strstr(g.head, "X-Test: yes"));
	guest_close(&g);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
	struct site *s = *state;
	struct guest g;

	guest_come(&g, s, 0);
	guest_say_text(&g,
		"GET /app HTTP/1.1\r\nHost: " SITE_ROOT "\r\n\r\n"
		"POST /sdk/renew HTTP/1.1\r\nHost: " SITE_ROOT
		"\r\nContent-Length: 1\r\n\r\nB"
		"GET /healthz HTTP/1.1\r\nHost: " SITE_ROOT "\r\n\r\n");
	for (const char *path = "ash"; *path != '\0'; path++) {
		site_until(s, s->call != NULL);
		assert_int_equal(s->call->target[1], *path);
		site_settle(s); /* no other turn before the response */
		answer(s, 200, s->call->target);
		assert_int_equal(guest_read_answer(&g), 200);
		assert_int_equal(g.body[1], *path);
	}
	guest_close(&g);
}

static void test_a_body_has_a_limit(void **state)
{
	static const struct {
		const char *path;
		size_t most;
	} cases[] = { { "/sdk/register", (size_t)256 * 1024 },
		{ "/admin/settings/udp", (size_t)64 * 1024 },
		{ "/sdk/renew", (size_t)256 * 1024 } };
	struct site *s = *state;
	static uint8_t body[256 * 1024 + 1];
	char head[256];
	struct guest g;

	memset(body, ' ', sizeof(body));
	for (size_t i = 0; i < mem_count(cases); i++) {
		for (size_t more = 0; more < 2; more++) {
			guest_come(&g, s, 0);
			snprintf(head, sizeof(head),
				"POST %s HTTP/1.1\r\nHost: " SITE_ROOT "\r\n"
				"Content-Length: %zu\r\n\r\n",
				cases[i].path, cases[i].most + more);
			guest_say_text(&g, head);
			if (more == 0) {
				guest_say(&g, body, cases[i].most);
				answer(s, 200, "");
			}
			assert_int_equal(guest_read_answer(&g), more == 0 ? 200 : 413);
			guest_close(&g);
		}
	}
	assert_int_equal(s->calls, 3);
}

static void test_a_malformed_request_is_answered_and_closed(void **state)
{
	static const struct {
		const char *text;
		unsigned status;
	} cases[] = {
		{ "\x16\x03\x01\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: " SITE_ROOT "\r\nBad Header: 1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: " SITE_ROOT "\r\nContent-Length: 1\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n",
			400 },
		{ "POST /sdk/renew HTTP/1.1\r\nHost: " SITE_ROOT
		  "\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
			400 },
	};
	struct site *s = *state;
	struct guest g;

	for (size_t i = 0; i < mem_count(cases); i++) {
		guest_come(&g, s, 0);
		guest_say_text(&g, cases[i].text);
		assert_int_equal(guest_read_answer(&g), cases[i].status);
		guest_expect_end(&g, ERR_EOF);
		guest_close(&g);
	}
	assert_int_equal(s->calls, 0);
}

static void test_a_head_has_a_limit(void **state)
{
	struct site *s = *state;
	static char line[1024];
	struct guest g;

	memset(line, 'x', sizeof(line));
	memcpy(line, "X-A: ", 5);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	guest_come(&g, s, 0);
	guest_say_text(&g, "GET / HTTP/1.1\r\nHost: " SITE_ROOT "\r\n");
	for (int i = 0; i < 17; i++)
		guest_say_text(&g, line);
	assert_int_equal(guest_read_answer(&g), 431);
	guest_expect_end(&g, ERR_EOF);
	guest_close(&g);
}

static void test_a_head_must_arrive_within_ten_seconds(void **state)
{
	struct site *s = *state;
	struct guest slow, silent;

	guest_come(&silent, s, 0);
	guest_come(&slow, s, 0);
	guest_say_text(&slow, "GET / HTTP/1.1\r\n");
	for (int i = 0; i < 9; i++) {
		site_pass(s, 1000);
		guest_say_text(&slow, "A: 1\r\n");
	}
	assert_int_equal(slow.rc, ERR_OK);
	assert_int_equal(silent.rc, ERR_OK);
	site_pass(s, 1500);
	site_until(s, slow.rc != ERR_OK && silent.rc != ERR_OK);
	assert_int_equal(s->calls, 0);
	guest_close(&slow);
	guest_close(&silent);
}

static void test_an_unfinished_handshake_is_closed(void **state)
{
	struct site *s = *state;
	int ends[2];

	site_pair(ends);
	assert_true(data_worker_give_client(&s->workers[0], ends[1], &s->peer));
	visitor_say(ends[0], "\x16\x03\x01\x01", 4);
	site_pass(s, 9000);
	assert_false(visitor_has_ended(ends[0]));
	site_pass(s, 1500);
	visitor_expect_end(s, ends[0]);
}

static void test_a_client_that_disconnects_before_its_body_is_forgotten(void **state)
{
	struct site *s = *state;
	struct guest g;

	guest_come(&g, s, 0);
	guest_say_text(&g,
		"POST /sdk/renew HTTP/1.1\r\nHost: " SITE_ROOT
		"\r\nContent-Length: 9\r\n\r\nabc");
	site_settle(s);
	stream_abort(g.stream);
	g.stream = NULL;
	guest_close(&g);
	site_settle(s);
	assert_int_equal(s->calls, 0);
	data_worker_end(&s->workers[0], 5000);
	site_until(s, atomic_load(&s->workers[0].worker.is_stopping));
}

/* ---- signatures ---- */

static void ask_sign(struct guest *g, const char *method, const char *headers,
	struct span body)
{
	char first[64], *rest = malloc(body.n + 512);
	int n;

	assert_non_null(rest);
	snprintf(first, sizeof(first), "%s /v1/sign HTTP/1.1", method);
	n = snprintf(rest, 512, "%sContent-Length: %zu\r\n\r\n", headers, body.n);
	if (body.n > 0)
		memcpy(rest + n, body.p, body.n);
	rest[(size_t)n + body.n] = '\0';
	guest_ask_as(g, first, "demo", rest);
	free(rest);
}

/* A valid request, for a digest of zeros. */
static void put_question(struct buf *out, int64_t at_s)
{
	char text[512];

	snprintf(text, sizeof(text),
		"{\"key_id\":\"relay-cert\",\"algorithm\":\"ECDSA_SHA256\",\"digest\":"
		"\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
		"\"timestamp_unix\":%lld,\"nonce\":\"00112233445566778899aabbccddeeff\"}",
		(long long)at_s);
	buf_reset(out);
	assert_int_equal(buf_put_str(out, text), ERR_OK);
}

static void assert_is_signed(struct site *s, struct guest *g)
{
	static const uint8_t zeros[32];
	const struct sign_order order = { .algorithm = SIGN_ECDSA_SHA256 };
	struct message_refusal refusal;
	uint8_t signature[SIGN_SIGNATURE_MAX];
	size_t n = 0;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(s->certificate.pkey, NULL);

	assert_int_equal(message_read_signature(200, span_str(g->body), &order,
				 (struct mspan){ .p = signature, .n = sizeof(signature) },
				 &n, &refusal, NULL),
		ERR_OK);
	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	assert_int_equal(EVP_PKEY_verify(ctx, signature, n, zeros, sizeof(zeros)), 1);
	EVP_PKEY_CTX_free(ctx);
}

static void test_a_lease_has_its_handshakes_signed(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 1);
	struct buf question;
	struct guest g;

	buf_init(&question, 4096);
	put_question(&question, (int64_t)(clock_wall_ms() / 1000));
	guest_come(&g, s, 0); /* any worker signs */
	ask_sign(&g, "POST", "Content-Type: application/json; charset=utf-8\r\n",
		buf_span(&question));
	assert_int_equal(guest_read_answer(&g), 200);
	assert_is_signed(s, &g);
	assert_int_equal(lease_route_of(r)->signatures, 1);
	assert_int_equal(s->leases.signatures, 1);
	guest_close(&g);
	buf_fini(&question);
}

static void test_invalid_requests_for_signatures_are_refused(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	static char big[5000];
	struct buf question;
	struct guest g;

	memset(big, ' ', sizeof(big));
	buf_init(&question, 4096);
	put_question(&question, (int64_t)(clock_wall_ms() / 1000));
	guest_come(&g, s, 0);
	ask_sign(&g, "GET", "", buf_span(&question));
	assert_int_equal(guest_read_answer(&g), 405);
	assert_non_null(strstr(g.head, "Allow: POST"));
	ask_sign(&g, "POST", "Content-Type: text/plain\r\n", buf_span(&question));
	assert_int_equal(guest_read_answer(&g), 415);
	ask_sign(&g, "POST", "Content-Type: text/plain\r\n", span_str("{"));
	assert_int_equal(guest_read_answer(&g), 415);
	ask_sign(&g, "GET", "Content-Type: text/plain\r\n", span_str("{"));
	assert_int_equal(guest_read_answer(&g), 405);
	ask_sign(&g, "POST", "", span_str("{"));
	assert_int_equal(guest_read_answer(&g), 400);
	put_question(&question, (int64_t)(clock_wall_ms() / 1000) - 31);
	ask_sign(&g, "POST", "", buf_span(&question));
	assert_int_equal(guest_read_answer(&g), 400);
	atomic_store(&r->is_routable, false);
	ask_sign(&g, "POST", "", buf_span(&question));
	expect_refusal(&g, 403, "lease_rejected");
	route_remove(s->shared.routes, r);
	ask_sign(&g, "POST", "", buf_span(&question));
	expect_refusal(&g, 404, "lease_not_found");
	assert_int_equal(s->leases.signatures_refused, 8);
	assert_int_equal(s->leases.signatures, 0);
	guest_close(&g);

	site_open_lease(s, "demo", 0);
	guest_come(&g, s, 0);
	ask_sign(&g, "POST", "", span_of(big, sizeof(big)));
	assert_int_equal(guest_read_answer(&g), 400);
	guest_close(&g);
	guest_come(&g, s, 0);
	ask_sign(&g, "POST", "Content-Type: text/plain\r\n", span_of(big, sizeof(big)));
	assert_int_equal(guest_read_answer(&g), 415);
	assert_int_equal(s->calls, 0);
	guest_close(&g);
	buf_fini(&question);
}

static void test_signatures_of_a_lease_are_rate_limited(void **state)
{
	struct site *s = *state;
	struct buf question;
	struct guest g;
	unsigned refused = 0;

	s->settings->sign_per_s = 2;
	site_open_lease(s, "demo", 0);
	buf_init(&question, 4096);
	put_question(&question, (int64_t)(clock_wall_ms() / 1000));
	guest_come(&g, s, 0);
	for (int i = 0; i < 22; i++) { /* ten seconds' worth at once */
		ask_sign(&g, "POST", "", buf_span(&question));
		refused += guest_read_answer(&g) == 429;
	}
	assert_int_equal(refused, 2);
	site_pass(s, 1000);
	ask_sign(&g, "POST", "", buf_span(&question));
	assert_int_equal(guest_read_answer(&g), 200);
	guest_close(&g);
	buf_fini(&question);
}

/* All of the time for signatures is spent, until @ms from now. */
static void spend(struct site *s, uint64_t ms)
{
	lease_service_of(&s->workers[0])->signing.due_us = clock_now_us() +
		TIME_SHARE_BURST_US + ms * 1000;
}

static void ask_well(struct site *s, struct guest *g)
{
	struct buf question;

	buf_init(&question, 4096);
	put_question(&question, (int64_t)(clock_wall_ms() / 1000));
	guest_come(g, s, 0);
	ask_sign(g, "POST", "", buf_span(&question));
	site_settle(s);
	buf_fini(&question);
}

static void test_a_signature_waits_while_there_is_no_time_for_it(void **state)
{
	struct site *s = *state;
	struct guest g;

	site_open_lease(s, "demo", 0);
	spend(s, 500);
	ask_well(s, &g);
	site_pass(s, 499);
	assert_int_equal(g.in.n, 0);
	site_pass(s, 2);
	assert_int_equal(guest_read_answer(&g), 200);
	assert_is_signed(s, &g);
	guest_close(&g);
}

static void test_a_waiting_request_times_out(void **state)
{
	struct site *s = *state;
	struct guest g;

	site_open_lease(s, "demo", 0);
	spend(s, 10000);
	ask_well(s, &g);
	site_pass(s, 1999);
	assert_int_equal(g.in.n, 0);
	site_pass(s, 1);
	assert_int_equal(guest_read_answer(&g), 429);
	assert_int_equal(s->leases.signatures_refused, 1);
	assert_int_equal(lease_service_of(&s->workers[0])->unsigned_items.count, 0);
	guest_close(&g);
}

static void test_a_banned_address_gets_no_signature(void **state)
{
	struct site *s = *state;
	struct guest g, waiting;

	site_open_lease(s, "demo", 0);
	spend(s, 500);
	ask_well(s, &waiting);
	ban(&s->snapshot->banned, "203.0.113.0/24");
	site_pass(s, 501);
	expect_refusal(&waiting, 403, "ip_banned");
	ask_well(s, &g);
	expect_refusal(&g, 403, "ip_banned");
	assert_int_equal(s->leases.signatures, 0);
	assert_int_equal(s->leases.signatures_refused, 2);
	guest_close(&g);
	guest_close(&waiting);
}

/* Policy has changed, the lease has ended, or the client has disconnected. */
static void test_nothing_is_signed_after_a_ban(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct guest g, gone;

	spend(s, 500);
	ask_well(s, &g);
	ask_well(s, &gone);
	stream_abort(gone.stream);
	gone.stream = NULL;
	atomic_store(&r->is_routable, false);
	site_pass(s, 501);
	expect_refusal(&g, 403, "lease_rejected");
	assert_int_equal(lease_route_of(r)->signatures, 0);
	assert_int_equal(s->leases.signatures, 0);
	guest_close(&g);
	guest_close(&gone);
}

static void test_waiting_requests_are_answered_before_the_end(void **state)
{
	struct site *s = *state;
	struct guest g;

	site_open_lease(s, "demo", 0);
	spend(s, 500);
	ask_well(s, &g);
	data_worker_end(&s->workers[0], 5000);
	site_pass(s, 400);
	clock_advance(101);
	assert_int_equal(guest_read_answer(&g), 200);
	guest_expect_end(&g, ERR_EOF);
	guest_close(&g);
}

static void test_waiting_requests_are_freed_at_the_end(void **state)
{
	struct site *s = *state;
	struct guest g;

	site_open_lease(s, "demo", 0);
	spend(s, 500);
	ask_well(s, &g);
	assert_int_equal(lease_service_of(&s->workers[0])->unsigned_items.count, 1);
	guest_close(&g);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, site_set_up, site_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_session_is_what_old_clients_expect),
		TEST(test_a_refused_session_gets_the_reason),
		TEST(test_a_token_is_valid_until_it_expires),
		TEST(test_a_later_registration_gets_the_sessions),
		TEST(test_a_forgotten_lease_is_requested_again),
		TEST(test_a_client_that_disconnects_during_a_revival_gets_no_session),
		TEST(test_bytes_behind_the_request_end_the_connection),
		TEST(test_a_session_that_sends_data_later_is_closed),
		TEST(test_sessions_are_refused_while_shutting_down),
		TEST(test_a_banned_address_gets_no_session),
		TEST(test_a_trusted_proxy_names_the_client),
		TEST(test_the_api_answers_under_its_own_host),
		TEST(test_responses_have_security_headers),
		TEST(test_a_call_has_all_of_the_request),
		TEST(test_pipelined_requests_are_answered_in_order),
		TEST(test_a_body_has_a_limit),
		TEST(test_a_malformed_request_is_answered_and_closed),
		TEST(test_a_head_has_a_limit),
		TEST(test_a_head_must_arrive_within_ten_seconds),
		TEST(test_an_unfinished_handshake_is_closed),
		TEST(test_a_client_that_disconnects_before_its_body_is_forgotten),
		TEST(test_a_lease_has_its_handshakes_signed),
		TEST(test_invalid_requests_for_signatures_are_refused),
		TEST(test_signatures_of_a_lease_are_rate_limited),
		TEST(test_a_signature_waits_while_there_is_no_time_for_it),
		TEST(test_a_waiting_request_times_out),
		TEST(test_a_banned_address_gets_no_signature),
		TEST(test_nothing_is_signed_after_a_ban),
		TEST(test_waiting_requests_are_answered_before_the_end),
		TEST(test_waiting_requests_are_freed_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
