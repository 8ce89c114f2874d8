/* Behaviour of TLS streams whose private key is elsewhere, and of names under
 * localhost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <malloc.h>
#include <sys/ioctl.h>

#include "crypto/certificate_test.h"
#include "net/pushback.h"
#include "net/socket.h"
#include "net/talker_test.h"
#include "net/tls.h"

#define TLS_BYTE_BYTES (5 + 1 + 1 + 16) /* a record with one byte in it */
#define HANDSHAKES 50

/* ---- the holder of the key ---- */

enum manner { AT_ONCE, LATER, REFUSES, TALKS_RUBBISH };

struct fixture;

/* A question that was put off. */
struct question {
	struct fixture *x;
	struct sign_order order;
	struct remote_signing *signing; /* NULL: answered or cancelled */
};

struct fixture {
	EVP_PKEY *pkey;
	struct buf pem; /* its certificate */
	struct remote_key *key;
	struct loop *loop;
	struct tls_context *server_context, *client_context;
	enum manner manner;
	unsigned asked, cancelled;
	struct question questions[HANDSHAKES];
	unsigned questions_n;
};

static void answer(struct fixture *x, const struct sign_order *order,
	struct remote_signing *signing)
{
	uint8_t signature[SIGN_SIGNATURE_MAX];
	size_t n = sizeof(signature);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(x->pkey, NULL);

	assert_int_equal(order->algorithm, SIGN_ECDSA_SHA256);
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, signature, &n, order->digest, 32), 1);
	EVP_PKEY_CTX_free(ctx);
	remote_signing_end(signing, ERR_OK, span_of(signature, n));
}

static void on_cancel(void *arg)
{
	struct question *q = arg;

	assert_non_null(q->signing);
	q->signing = NULL;
	q->x->cancelled++;
}

static void put_off(struct fixture *x, const struct sign_order *order,
	struct remote_signing *signing)
{
	struct question *q = &x->questions[x->questions_n++];

	assert_true(x->questions_n <= HANDSHAKES);
	*q = (struct question){ .x = x, .order = *order, .signing = signing };
	remote_signing_on_cancel(signing, on_cancel, q);
}

static void sign(void *arg, const struct sign_order *order,
	struct remote_signing *signing)
{
	struct fixture *x = arg;

	x->asked++;
	switch (x->manner) {
	case AT_ONCE:
		answer(x, order, signing);
		break;
	case LATER:
		put_off(x, order, signing);
		break;
	case REFUSES:
		remote_signing_end(signing, ERR_DENIED, (struct span){ 0 });
		break;
	case TALKS_RUBBISH:
		remote_signing_end(signing, ERR_OK, span_str("no signature"));
		break;
	}
}

/* ---- certificates and contexts ---- */

static void make_certificate(struct fixture *x, const char *names)
{
	buf_reset(&x->pem);
	test_certificate_issue(x->pkey, names, &x->pem);
}

static struct tls_context *new_server(struct fixture *x, unsigned min_version)
{
	struct tls_server_options o = { .cert_pem = buf_span(&x->pem),
		.key = x->key,
		.min_version = min_version };
	struct tls_context *ctx = NULL;

	assert_int_equal(tls_context_new_server(&o, &ctx, NULL), ERR_OK);
	return ctx;
}

static void use_client(struct fixture *x, bool keeps_session)
{
	struct tls_client_options o = { .ca_pem = buf_span(&x->pem),
		.keeps_session = keeps_session };

	tls_context_free(x->client_context);
	assert_int_equal(tls_context_new_client(&o, &x->client_context, NULL), ERR_OK);
}

static int setup(void **state)
{
	struct fixture *x = mem_new(x);

	x->pkey = EVP_EC_gen("P-256");
	buf_init(&x->pem, 65536);
	make_certificate(x, "DNS:*.localhost");
	assert_int_equal(loop_new(&x->loop), ERR_OK);
	assert_int_equal(remote_key_new(buf_span(&x->pem), sign, x, &x->key, NULL),
		ERR_OK);
	x->server_context = new_server(x, 0);
	use_client(x, false);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	tls_context_free(x->server_context);
	tls_context_free(x->client_context);
	remote_key_unref(x->key);
	EVP_PKEY_free(x->pkey);
	buf_fini(&x->pem);
	loop_free(x->loop);
	free(x);
	return 0;
}

/* ---- handshakes ---- */

struct hand {
	struct stream *tls;
	enum err rc;
	unsigned calls;
	struct why why;
};

struct pair {
	struct hand client, server;
};

static void hand_on_ready(void *arg, unsigned ready)
{
	struct hand *hand = arg;

	(void)ready;
	hand->calls++;
	hand->rc = tls_handshake(hand->tls, &hand->why);
	stream_want(hand->tls, hand->rc == ERR_AGAIN ? tls_wants(hand->tls) : 0);
}

static void hand_begin(struct fixture *x, struct hand *hand, int fd, const char *name)
{
	struct tls_options o = { .context = name != NULL ? x->client_context :
							   x->server_context,
		.loop = x->loop,
		.is_server = name == NULL,
		.server_name = name };

	*hand = (struct hand){ .rc = ERR_AGAIN };
	assert_int_equal(socket_open_take(x->loop, fd, &o.below), ERR_OK);
	assert_int_equal(tls_open(&o, &hand->tls, NULL), ERR_OK);
	stream_set_owner(hand->tls, hand_on_ready, hand);
	hand_on_ready(hand, 0);
}

static void turn(struct fixture *x)
{
	for (int i = 0; i < 20; i++)
		loop_turn(x->loop);
}

static void pair_begin(struct fixture *x, struct pair *p, const char *name)
{
	int ends[2];

	unix_pair(ends);
	hand_begin(x, &p->client, ends[0], name);
	hand_begin(x, &p->server, ends[1], NULL);
}

/* Until both know how it went, or wait for a signature. */
static void pair_shake(struct fixture *x, struct pair *p, const char *name)
{
	pair_begin(x, p, name);
	turn(x);
}

static void pair_part(struct fixture *x, struct pair *p)
{
	stream_close(p->client.tls);
	stream_close(p->server.tls);
	loop_turn(x->loop);
}

/* ---- signatures ---- */

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static void shuffle(unsigned *numbers, unsigned n, unsigned seed)
{
	for (unsigned i = 0; i < n; i++)
		numbers[i] = i;
	for (unsigned i = n - 1; i > 0; i--) {
		unsigned other = next_random(&seed) % (i + 1), kept = numbers[i];

		numbers[i] = numbers[other];
		numbers[other] = kept;
	}
}

static void answer_question(struct fixture *x, unsigned i)
{
	struct question *q = &x->questions[i];
	struct remote_signing *signing = q->signing;

	assert_non_null(signing);
	q->signing = NULL;
	answer(x, &q->order, signing);
}

static void test_fifty_handshakes_are_answered_in_any_order(void **state)
{
	struct fixture *x = *state;
	static struct pair pairs[HANDSHAKES];
	unsigned order[HANDSHAKES];

	x->manner = LATER;
	for (unsigned seed = 1; seed <= 3; seed++) {
		x->questions_n = 0;
		for (unsigned i = 0; i < HANDSHAKES; i++)
			pair_begin(x, &pairs[i], "a.localhost");
		turn(x);
		assert_int_equal(x->questions_n, HANDSHAKES);
		shuffle(order, HANDSHAKES, seed);
		for (unsigned i = 0; i < HANDSHAKES; i++) {
			answer_question(x, order[i]);
			if (next_random(&seed) % 2 == 0)
				loop_turn(x->loop);
		}
		turn(x);
		for (unsigned i = 0; i < HANDSHAKES; i++) {
			assert_int_equal(pairs[i].client.rc, ERR_OK);
			assert_int_equal(pairs[i].server.rc, ERR_OK);
			pair_part(x, &pairs[i]);
		}
	}
	assert_int_equal(x->cancelled, 0);
}

static void test_a_stream_closed_meanwhile_cancels_its_signature(void **state)
{
	struct fixture *x = *state;
	struct pair p, other;
	unsigned calls;

	x->manner = LATER;
	pair_shake(x, &p, "a.localhost");
	pair_shake(x, &other, "a.localhost");
	assert_int_equal(x->questions_n, 2);
	calls = p.server.calls;
	stream_abort(p.server.tls);
	assert_int_equal(x->cancelled, 1);
	assert_null(x->questions[0].signing);
	assert_non_null(x->questions[1].signing);
	turn(x);
	assert_int_equal(p.server.calls, calls);
	assert_int_not_equal(p.client.rc, ERR_OK);
	stream_close(p.client.tls);

	answer_question(x, 1);
	turn(x);
	assert_int_equal(other.server.rc, ERR_OK);
	assert_int_equal(x->cancelled, 1);
	pair_part(x, &other);
}

static void test_a_stream_may_be_closed_between_answer_and_wake(void **state)
{
	struct fixture *x = *state;
	struct pair p;
	unsigned calls;

	x->manner = LATER;
	pair_shake(x, &p, "a.localhost");
	calls = p.server.calls;
	answer_question(x, 0);
	stream_close(p.server.tls);
	turn(x);
	assert_int_equal(p.server.calls, calls);
	assert_int_equal(x->cancelled, 0);
	stream_close(p.client.tls);
}

static void test_without_a_good_signature_there_is_no_handshake(void **state)
{
	static const enum manner manners[] = { REFUSES, TALKS_RUBBISH };
	struct fixture *x = *state;
	struct pair p;

	for (size_t i = 0; i < mem_count(manners); i++) {
		x->manner = manners[i];
		pair_shake(x, &p, "a.localhost");
		assert_int_not_equal(p.client.rc, ERR_OK);
		assert_int_not_equal(p.client.rc, ERR_AGAIN);
		pair_part(x, &p);
	}
	x->manner = AT_ONCE;
	pair_shake(x, &p, "a.localhost");
	assert_int_equal(p.client.rc, ERR_OK);
	pair_part(x, &p);
}

/* ---- resumption and versions, with a client of OpenSSL's own ---- */

struct visitor {
	SSL_CTX *ctx;
	SSL_SESSION *session; /* the newest */
};

static int visitor_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct visitor *v = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(v->session);
	v->session = session;
	return 1;
}

static void visitor_init(struct visitor *v, int version)
{
	v->session = NULL;
	v->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(v->ctx, version);
	SSL_CTX_set_max_proto_version(v->ctx, version);
	SSL_CTX_set_app_data(v->ctx, v);
	SSL_CTX_set_session_cache_mode(v->ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(v->ctx, visitor_on_session);
}

static void visitor_fini(struct visitor *v)
{
	SSL_SESSION_free(v->session);
	SSL_CTX_free(v->ctx);
}

enum visit { REFUSED, FULL, RESUMED };

/* Comes, offers what it has, and hears one byte, behind which are the tickets. */
static enum visit visitor_visit(struct fixture *x, struct visitor *v)
{
	enum visit how = REFUSED;
	SSL *ssl = SSL_new(v->ctx);
	struct hand server;
	int ends[2], rc = 0;
	size_t n;
	char byte;

	unix_pair(ends);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	SSL_set_fd(ssl, ends[0]);
	SSL_set_connect_state(ssl);
	if (v->session != NULL)
		SSL_set_session(ssl, v->session);
	hand_begin(x, &server, ends[1], NULL);
	for (int i = 0; i < 20 && rc != 1; i++) {
		rc = SSL_do_handshake(ssl);
		loop_turn(x->loop);
	}
	turn(x);
	if (rc == 1 && server.rc == ERR_OK) {
		assert_int_equal(stream_put(server.tls, "x", 1, &n), ERR_OK);
		turn(x);
		assert_int_equal(SSL_read(ssl, &byte, 1), 1);
		how = SSL_session_reused(ssl) == 1 ? RESUMED : FULL;
		assert_int_equal(tls_is_resumed(server.tls), how == RESUMED);
		(void)SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	close(ends[0]);
	stream_close(server.tls);
	loop_turn(x->loop);
	return how;
}

static void test_a_resumed_session_needs_no_signature(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct fixture *x = *state;
	struct visitor v;

	for (size_t i = 0; i < mem_count(versions); i++) {
		x->asked = 0;
		visitor_init(&v, versions[i]);
		assert_int_equal(visitor_visit(x, &v), FULL);
		assert_int_equal(x->asked, 1);
		x->manner = REFUSES;
		assert_int_equal(visitor_visit(x, &v), RESUMED);
		assert_int_equal(visitor_visit(x, &v), RESUMED);
		assert_int_equal(x->asked, 1);
		x->manner = AT_ONCE;
		visitor_fini(&v);
	}
}

static void test_tickets_end_with_their_context(void **state)
{
	struct fixture *x = *state;
	struct visitor v;

	visitor_init(&v, TLS1_3_VERSION);
	assert_int_equal(visitor_visit(x, &v), FULL);
	tls_context_free(x->server_context);
	x->server_context = new_server(x, 0);
	assert_int_equal(visitor_visit(x, &v), FULL);
	assert_int_equal(x->asked, 2);
	visitor_fini(&v);
}

/* How many bytes lie at the client's end, of the first thing that was sent to it. */
static ssize_t lies_at(const struct hand *client)
{
	char bytes[2048];

	return recv(stream_socket(client->tls), bytes, sizeof(bytes),
		MSG_PEEK | MSG_DONTWAIT);
}

static void test_a_ticket_goes_with_the_first_bytes(void **state)
{
	struct fixture *x = *state;
	struct pair p;
	char byte;
	size_t n;

	pair_shake(x, &p, "a.localhost");
	assert_int_equal(lies_at(&p.client), -1);
	assert_int_equal(stream_put(p.server.tls, "a", 1, &n), ERR_OK);
	assert_true(lies_at(&p.client) > 100);
	assert_int_equal(stream_read(p.client.tls, &byte, 1, &n), ERR_OK);
	assert_int_equal(stream_put(p.server.tls, "b", 1, &n), ERR_OK);
	assert_int_equal(lies_at(&p.client), TLS_BYTE_BYTES);
	pair_part(x, &p);
}

/* What OpenSSL has of memory. */
static size_t held;

static void *count_malloc(size_t n, const char *file, int line)
{
	void *p = malloc(n);

	(void)file;
	(void)line;
	held += malloc_usable_size(p);
	return p;
}

static void count_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	held -= malloc_usable_size(p);
	free(p);
}

static void *count_realloc(void *old, size_t n, const char *file, int line)
{
	void *p;

	(void)file;
	(void)line;
	held -= malloc_usable_size(old);
	p = realloc(old, n);
	held += malloc_usable_size(p);
	return p;
}

/* A session that waits for a visitor has told its client one thing, and may wait for
 * long. */
static void test_a_ticket_leaves_no_buffers_behind(void **state)
{
	struct fixture *x = *state;
	struct pair p;
	size_t before, n;

	pair_shake(x, &p, "a.localhost");
	before = held;
	assert_int_equal(stream_put(p.server.tls, "a", 1, &n), ERR_OK);
	assert_true(held < before + 8192);
	pair_part(x, &p);
}

/* Reads one byte, and says two things. */
static void talk_on_ready(void *arg, unsigned ready)
{
	struct hand *hand = arg;
	char byte;
	size_t n;

	(void)ready;
	assert_int_equal(stream_read(hand->tls, &byte, 1, &n), ERR_OK);
	assert_int_equal(stream_put(hand->tls, "1", 1, &n), ERR_OK);
	assert_int_equal(stream_put(hand->tls, "2", 1, &n), ERR_OK);
}

static void test_what_is_said_in_one_call_is_sent_together(void **state)
{
	struct fixture *x = *state;
	struct pair p;
	int ends[2];
	char byte;
	size_t n;

	/* It reads the header of a record alone while the handshake lasts, which cuts a
	 * message. */
	if (OPENSSL_version_major() > 3 || OPENSSL_version_minor() >= 2)
		skip();
	/* Messages, so that one can be told from two. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	hand_begin(x, &p.client, ends[0], "a.localhost");
	hand_begin(x, &p.server, ends[1], NULL);
	turn(x);
	assert_int_equal(stream_put(p.server.tls, "a", 1, &n), ERR_OK);
	assert_int_equal(stream_read(p.client.tls, &byte, 1, &n), ERR_OK);
	stream_set_owner(p.server.tls, talk_on_ready, &p.server);
	stream_want(p.server.tls, LOOP_READ);
	assert_int_equal(stream_put(p.client.tls, "?", 1, &n), ERR_OK);
	turn(x);
	assert_int_equal(lies_at(&p.client), 2 * TLS_BYTE_BYTES);
	pair_part(x, &p);
}

/* One more TLS over what @hand has, whose stream is taken. */
static void hand_nest(struct fixture *x, struct hand *outer, struct hand *hand,
	const char *name)
{
	struct tls_options o = { .context = name != NULL ? x->client_context :
							   x->server_context,
		.loop = x->loop,
		.below = outer->tls,
		.is_server = name == NULL,
		.server_name = name };

	*hand = (struct hand){ .rc = ERR_AGAIN };
	assert_int_equal(tls_open(&o, &hand->tls, NULL), ERR_OK);
	stream_set_owner(hand->tls, hand_on_ready, hand);
	hand_on_ready(hand, 0);
}

/* The inner records fill outer ones, and wait for each other to the end of the turn. */
static void check_nested_records(struct fixture *x, struct pair *outer, int fd)
{
	static const char bytes[2 * (16384 - 22)];
	struct pair p;
	int lying;
	size_t n;

	hand_nest(x, &outer->client, &p.client, "a.localhost");
	hand_nest(x, &outer->server, &p.server, NULL);
	assert_int_equal(stream_socket(p.server.tls), fd);
	turn(x);
	assert_int_equal(p.client.rc, ERR_OK);
	assert_int_equal(stream_put(p.client.tls, bytes, sizeof(bytes), &n), ERR_OK);
	assert_int_equal(n, sizeof(bytes));
	assert_int_equal(ioctl(fd, FIONREAD, &lying), 0);
	assert_int_equal(lying, 0); /* there might come more */
	loop_turn(x->loop);
	assert_int_equal(ioctl(fd, FIONREAD, &lying), 0);
	assert_int_equal(lying, 2 * (16384 + 22));
	pair_part(x, &p);
}

static void test_records_fit_into_those_that_carry_them(void **state)
{
	struct fixture *x = *state;
	struct pair outer;

	pair_shake(x, &outer, "a.localhost");
	check_nested_records(x, &outer, stream_socket(outer.server.tls));
}

static void test_records_fit_through_what_lies_between(void **state)
{
	struct fixture *x = *state;
	struct stream *pushed_back;
	struct pair outer;
	int fd;

	pair_shake(x, &outer, "a.localhost");
	fd = stream_socket(outer.server.tls);
	assert_int_equal(pushback_open(x->loop, outer.client.tls, span_str(""),
				 &pushed_back),
		ERR_OK);
	outer.client.tls = pushed_back;
	check_nested_records(x, &outer, fd);
}

static void test_an_older_version_is_refused(void **state)
{
	struct fixture *x = *state;
	struct visitor v;

	visitor_init(&v, TLS1_2_VERSION);
	assert_int_equal(visitor_visit(x, &v), FULL);
	visitor_fini(&v);
	visitor_init(&v, TLS1_2_VERSION);
	tls_context_free(x->server_context);
	x->server_context = new_server(x, TLS_VERSION_1_3);
	assert_int_equal(visitor_visit(x, &v), REFUSED);
	visitor_fini(&v);
	visitor_init(&v, TLS1_3_VERSION);
	assert_int_equal(visitor_visit(x, &v), FULL);
	visitor_fini(&v);
}

/* ---- names under localhost ---- */

static const struct name_row {
	const char *names; /* of the certificate */
	const char *host;
	bool is_covered;
} name_rows[] = {
	{ "DNS:*.localhost", "a.localhost", true },
	{ "DNS:*.localhost", "A.LocalHost", true },
	{ "DNS:*.localhost", "a.b.localhost", false },
	{ "DNS:*.localhost", "localhost", false }, { "DNS:*.localhost", "a.test", false },
	{ "DNS:*.localhost", "a.localhost.test", false },
	{ "DNS:localhost", "localhost", true }, { "DNS:localhost", "a.localhost", false },
	{ "DNS:a.localhost", "a.localhost", true },
	{ "DNS:a.localhost", "b.localhost", false },
	{ "DNS:*.b.localhost", "a.b.localhost", true },
	{ "DNS:*.b.localhost", "b.localhost", false },
	{ "DNS:*.test", "a.test", false }, /* only localhost is so */
};

static void test_names_right_under_localhost_are_covered(void **state)
{
	struct fixture *x = *state;
	struct pair p;

	for (size_t i = 0; i < mem_count(name_rows); i++) {
		const struct name_row *row = &name_rows[i];
		bool was_accepted;

		make_certificate(x, row->names);
		tls_context_free(x->server_context);
		x->server_context = new_server(x, 0);
		use_client(x, false);
		pair_shake(x, &p, row->host);
		was_accepted = p.client.rc == ERR_OK;
		pair_part(x, &p);
		if (tls_pem_covers(buf_span(&x->pem), row->host) != row->is_covered ||
			was_accepted != row->is_covered)
			fail_msg("%s for %s: accepted %d", row->names, row->host,
				was_accepted);
	}
}

static void test_a_dot_in_front_is_no_name(void **state)
{
	struct fixture *x = *state;
	struct tls_options o = { .context = x->client_context,
		.loop = x->loop,
		.server_name = ".localhost" };
	struct stream *s;
	int ends[2];

	assert_false(tls_pem_covers(buf_span(&x->pem), ".localhost"));
	unix_pair(ends);
	assert_int_equal(socket_open_take(x->loop, ends[0], &o.below), ERR_OK);
	assert_int_equal(tls_open(&o, &s, NULL), ERR_USAGE);
	stream_close(o.below);
	close(ends[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fifty_handshakes_are_answered_in_any_order),
		TEST(test_a_stream_closed_meanwhile_cancels_its_signature),
		TEST(test_a_stream_may_be_closed_between_answer_and_wake),
		TEST(test_without_a_good_signature_there_is_no_handshake),
		TEST(test_a_resumed_session_needs_no_signature),
		TEST(test_tickets_end_with_their_context),
		TEST(test_a_ticket_goes_with_the_first_bytes),
		TEST(test_a_ticket_leaves_no_buffers_behind),
		TEST(test_what_is_said_in_one_call_is_sent_together),
		TEST(test_records_fit_into_those_that_carry_them),
		TEST(test_records_fit_through_what_lies_between),
		TEST(test_an_older_version_is_refused),
		TEST(test_names_right_under_localhost_are_covered),
		TEST(test_a_dot_in_front_is_no_name),
	};

	CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
