/* For tests: a relay on this machine that does what it should, until it is told
 * otherwise. */
#ifndef AGENT_RELAY_TEST_H
#define AGENT_RELAY_TEST_H

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "crypto/certificate_test.h"
#include "http/server.h"
#include "loop/timer_test.h"
#include "net/listener.h"
#include "net/socket.h"
#include "net/tls.h"
#include "tunnel/portal/challenge_test.h"
#include "tunnel/portal/identity_vector_test.h"
#include "tunnel/portal/message.h"
#include "wire/marker.h"

#define TEST_RELAY_SESSIONS_MAX 64

enum test_question {
	ASKED_DOMAIN,
	ASKED_CHALLENGE,
	ASKED_REGISTER,
	ASKED_RENEW,
	ASKED_UNREGISTER,
	ASKED_CONNECT,
	ASKED_SIGN,
	TEST_QUESTIONS,
};

static const char *const test_paths[TEST_QUESTIONS] = { "/sdk/domain",
	"/sdk/register/challenge", "/sdk/register", "/sdk/renew", "/sdk/unregister",
	"/sdk/connect", "/v1/sign" };

/* What it says in place of the right answer. */
struct test_answer {
	unsigned status; /* 0: the right one */
	const char *code;
	bool is_mute; /* none at all */
};

struct test_relay;

/* Whose question it is, and which. */
struct test_exchange {
	struct test_relay *relay;
	enum test_question question;
};

struct test_relay {
	struct loop *loop;
	const char *root, *release;
	struct pool *pool;
	struct http_server *server; /* NULL: killed */
	struct listener *listener;
	uint16_t port;
	char authority[128], url[160];
	struct test_certificate certificates[4];   /* the last is in use */
	const struct test_certificate *signs_with; /* or NULL: that */
	unsigned certificates_n;
	struct tls_context *tls;

	struct test_answer answers[TEST_QUESTIONS];
	unsigned asked[TEST_QUESTIONS];
	unsigned accepted; /* connections */
	int64_t ttl_s, clock_ahead_s;
	uint16_t sni_port;
	const char *tcp_addr; /* or NULL */

	struct stream *sessions[TEST_RELAY_SESSIONS_MAX]; /* in order; NULL: gone */
	unsigned sessions_n;
	char body[8192], token[64]; /* of the last request */
	struct test_exchange exchanges[TEST_QUESTIONS];
};

/* ---- what it says ---- */

static inline void test_put_time(struct buf *out, int64_t s)
{
	char text[TIMEFMT_TEXT_MAX];

	buf_put_str(out, timefmt_print((struct timestamp){ .s = s }, text));
}

static inline int64_t test_relay_now_s(const struct test_relay *r)
{
	return (int64_t)(clock_wall_ms() / 1000) + r->clock_ahead_s;
}

/* The token says which question brought it: "register.1", "renew.3". */
static inline void test_put_lease(const struct test_relay *r, enum test_question question,
	struct buf *out)
{
	buf_printf(out,
		"{\"ok\":true,\"data\":{\"identity\":{\"name\":\"%s\",\"address\":\"%s\"},"
		"\"access_token\":\"%s.%u\",\"sni_port\":%u,\"expires_at\":\"",
		VECTOR_NAME, VECTOR_ADDRESS,
		question == ASKED_RENEW ? "renew" : "register", r->asked[question],
		r->sni_port);
	test_put_time(out, test_relay_now_s(r) + r->ttl_s);
	buf_put_str(out, "\"");
	if (r->tcp_addr != NULL)
		buf_printf(out, ",\"tcp_enabled\":true,\"tcp_addr\":\"%s\"", r->tcp_addr);
	buf_put_str(out, "}}");
}

static inline void test_put_signature(const struct test_relay *r, struct span body,
	struct buf *out)
{
	struct message_sign_request m = { 0 };
	struct sign_order order;
	uint8_t signature[SIGN_SIGNATURE_MAX];
	size_t n;

	assert_int_equal(message_read_request(&message_sign_request_fields, body, &m,
				 NULL),
		ERR_OK);
	assert_int_equal(message_sign_request_check(&m, test_relay_now_s(r), &order,
				 NULL),
		ERR_OK);
	n = test_certificate_sign(r->signs_with != NULL ?
			r->signs_with :
			&r->certificates[r->certificates_n - 1],
		&order, signature);
	assert_int_equal(message_put_signature(order.algorithm, span_of(signature, n),
				 out),
		ERR_OK);
}

static inline void test_put_answer(struct test_relay *r, enum test_question question,
	struct span body, struct buf *out)
{
	if (question == ASKED_DOMAIN)
		buf_printf(out,
			"{\"ok\":true,\"data\":{\"protocol_version\":\"7\","
			"\"release_version\":\"%s\"}}",
			r->release);
	else if (question == ASKED_CHALLENGE)
		test_challenge_put(r->authority, test_relay_now_s(r), out);
	else if (question == ASKED_REGISTER || question == ASKED_RENEW)
		test_put_lease(r, question, out);
	else if (question == ASKED_SIGN)
		test_put_signature(r, body, out);
	else
		buf_put_str(out, "{\"ok\":true,\"data\":{}}");
}

static inline void test_relay_on_body(void *arg, struct http_exchange *x, enum err rc,
	struct span body)
{
	struct test_exchange *e = arg;
	struct test_relay *r = e->relay;
	const struct test_answer *a = &r->answers[e->question];
	struct buf out;

	assert_int_equal(rc, ERR_OK);
	assert_true(body.n < sizeof(r->body));
	if (body.n > 0)
		memcpy(r->body, body.p, body.n);
	r->body[body.n] = '\0';
	buf_init(&out, 16384);
	if (a->status != 0)
		buf_printf(&out,
			"{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"it says "
			"%s\"}}",
			a->code, a->code);
	else if (!a->is_mute)
		test_put_answer(r, e->question, body, &out);
	if (!a->is_mute)
		http_reply(x, a->status != 0 ? a->status : 200,
			"Content-Type: application/json\r\n", buf_span(&out));
	buf_fini(&out);
}

static inline void test_relay_connect(struct test_relay *r, struct http_exchange *x)
{
	struct stream *session;

	assert_true(r->sessions_n < TEST_RELAY_SESSIONS_MAX);
	if (http_detach(x, 200, "Content-Length: 0\r\n", &session) == ERR_OK)
		r->sessions[r->sessions_n++] = session; /* else the client has gone */
}

static inline void test_relay_note_token(struct test_relay *r,
	const struct http1_head *head)
{
	const struct http1_header *h = http1_head_find(head, "X-Portal-Access-Token");

	if (h == NULL)
		return;
	assert_true(h->value.n < sizeof(r->token));
	memcpy(r->token, h->value.p, h->value.n);
	r->token[h->value.n] = '\0';
}

static inline void test_relay_on_request(void *arg, struct http_exchange *x)
{
	struct test_relay *r = arg;
	struct span path = http1_path(http_request(x));
	enum test_question q = 0;

	while (q < TEST_QUESTIONS && !span_eq(path, span_str(test_paths[q])))
		q++;
	assert_true(q < TEST_QUESTIONS);
	r->asked[q]++;
	test_relay_note_token(r, http_request(x));
	if (q == ASKED_CONNECT && r->answers[q].status == 0) {
		if (!r->answers[q].is_mute)
			test_relay_connect(r, x);
		return;
	}
	r->exchanges[q] = (struct test_exchange){ .relay = r, .question = q };
	http_read_body(x, sizeof(r->body) - 1, test_relay_on_body, &r->exchanges[q]);
}

/* ---- its life ---- */

static inline void test_relay_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct test_relay *r = arg;
	struct tls_options o = { .context = r->tls, .loop = r->loop, .is_server = true };
	struct stream *tls;

	r->accepted++;
	assert_int_equal(socket_open_take(r->loop, fd, &o.below), ERR_OK);
	assert_int_equal(tls_open(&o, &tls, NULL), ERR_OK);
	http_server_serve_take(r->server, tls, peer);
}

/* Opens its port again. */
static inline void test_relay_start(struct test_relay *r)
{
	struct http_server_options o = { .loop = r->loop,
		.pool = r->pool,
		.on_request = test_relay_on_request,
		.arg = r };
	struct addr at;

	assert_int_equal(http_server_new(&o, &r->server), ERR_OK);
	assert_int_equal(listener_open(r->loop, "127.0.0.1", r->port,
				 test_relay_on_accept, r, &r->listener, NULL),
		ERR_OK);
	listener_addr(r->listener, &at);
	r->port = addr_port(&at);
}

static inline void test_relay_drop_session(struct test_relay *r, unsigned i)
{
	stream_close(r->sessions[i]);
	r->sessions[i] = NULL;
}

/* As kill -9 does. */
static inline void test_relay_kill(struct test_relay *r)
{
	for (unsigned i = 0; i < r->sessions_n; i++)
		test_relay_drop_session(r, i);
	listener_close(r->listener);
	r->listener = NULL;
	http_server_free(r->server);
	r->server = NULL;
}

/* Another certificate: for connections and signatures from now on. */
static inline void test_relay_certify(struct test_relay *r, const char *names)
{
	struct test_certificate *c = &r->certificates[r->certificates_n++];
	struct tls_server_options o = { .alpn = "http/1.1" };

	assert_true(r->certificates_n <= mem_count(r->certificates));
	test_certificate_init(c, names);
	o.cert_pem = buf_span(&c->pem);
	assert_int_equal(remote_key_new(o.cert_pem, test_certificate_on_order, c, &o.key,
				 NULL),
		ERR_OK);
	tls_context_free(r->tls);
	assert_int_equal(tls_context_new_server(&o, &r->tls, NULL), ERR_OK);
	remote_key_unref(o.key);
}

/* @root is a name that ends in ".localhost". @names: see certificate_test.h. */
static inline void test_relay_init(struct test_relay *r, struct loop *loop,
	struct pool *pool, const char *root, const char *names)
{
	*r = (struct test_relay){ .loop = loop,
		.pool = pool,
		.root = root,
		.release = "adit/0.0.0",
		.ttl_s = 120,
		.sni_port = 443 };
	test_relay_certify(r, names);
	test_relay_start(r);
	snprintf(r->authority, sizeof(r->authority), "%s:%u", root, r->port);
	snprintf(r->url, sizeof(r->url), "https://%s", r->authority);
}

static inline void test_relay_fini(struct test_relay *r)
{
	test_relay_kill(r);
	tls_context_free(r->tls);
	for (unsigned i = 0; i < r->certificates_n; i++)
		test_certificate_fini(&r->certificates[i]);
}

/* All that wait hear that we are there, as they should every 15 s. */
static inline void test_relay_keep(struct test_relay *r)
{
	for (unsigned i = 0; i < r->sessions_n; i++) {
		size_t put;

		if (r->sessions[i] != NULL)
			(void)!stream_put(r->sessions[i], "", 1, &put);
	}
}

/* A session says a marker, which makes it a visitor's. */
static inline struct stream *test_relay_activate(struct test_relay *r, unsigned i,
	enum marker kind)
{
	struct stream *s = r->sessions[i];
	uint8_t byte = (uint8_t)kind;
	size_t put;

	assert_non_null(s);
	r->sessions[i] = NULL;
	assert_int_equal(stream_put(s, &byte, 1, &put), ERR_OK);
	return s;
}

#endif
