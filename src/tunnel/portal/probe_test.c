/* Behaviour of probes, and of accepts that look for them, with all kinds of relays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "crypto/certificate_test.h"
#include "loop/timer_test.h"
#include "net/bridge.h"
#include "net/listener.h"
#include "net/socket.h"
#include "net/talker_test.h"
#include "tunnel/portal/visitor_tls.h"

#define HOST "demo.relay.example"
#define GUESTS_MAX 16

enum manner {
	HONEST,     /* passes visitors on to the server */
	LISTENS_IN, /* ends their TLS, and begins another */
	SWALLOWS,   /* takes them, and says nothing */
	GREETS,     /* ends their TLS, and nothing reaches the server */
};

/* A visitor that reached the server. */
struct guest {
	struct stream *tls;
	enum err rc;
};

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct listener *listener;
	struct test_certificate agents, relays;
	struct visitor_chain *chain;
	struct visitor_tls *server;
	struct tls_context *relay_server, *client;
	struct prober *prober;
	enum manner manner;

	unsigned accepted; /* by the relay */
	struct guest guests[GUESTS_MAX];
	unsigned guests_n, received;
	int swallowed[GUESTS_MAX];
	unsigned swallowed_n;
	struct stream *greeted;
	struct bridge *bridge;

	unsigned verdicts;
	enum probe_verdict verdict;
	struct why why;
	bool frees; /* the prober, in the next verdict */
};

/* ---- the server ---- */

/* Guests are numbered by the port of the address that brought them. */
static void on_accepted(void *owner, enum err rc, struct stream *tls,
	const struct addr *relay, const struct why *why)
{
	struct fixture *f = owner;
	struct guest *g = &f->guests[addr_port(relay)];

	assert_true(rc == ERR_OK || why->text[0] != '\0');
	g->rc = rc;
	g->tls = tls;
	f->received++;
}

static void receive(struct fixture *f, int fd)
{
	struct addr relay;
	struct visitor_tls_accept o = { .prober = f->prober, .relay = &relay };

	assert_int_equal(addr_from_literal("127.0.0.1", (uint16_t)f->guests_n, &relay),
		ERR_OK);
	assert_true(f->guests_n < GUESTS_MAX);
	f->guests[f->guests_n++] = (struct guest){ .rc = ERR_AGAIN };
	assert_int_equal(socket_open_take(f->loop, fd, &o.visitor), ERR_OK);
	assert_int_equal(visitor_tls_accept(f->server, &o), ERR_OK);
}

/* ---- the relay ---- */

static struct stream *open_tls(struct fixture *f, int fd, struct tls_context *context,
	bool is_server)
{
	struct tls_options o = { .context = context,
		.loop = f->loop,
		.is_server = is_server,
		.server_name = HOST };
	struct stream *tls;

	assert_int_equal(socket_open_take(f->loop, fd, &o.below), ERR_OK);
	assert_int_equal(tls_open(&o, &tls, NULL), ERR_OK);
	return tls;
}

static void on_bridged(void *arg, const struct bridge_end *end)
{
	struct fixture *f = arg;

	(void)end;
	f->bridge = NULL;
}

static void listen_in(struct fixture *f, int fd)
{
	struct bridge_options o = { .loop = f->loop,
		.pool = &f->pool,
		.on_closed = on_bridged,
		.arg = f };
	int ends[2];

	tcp_pair(ends);
	receive(f, ends[0]);
	o.a = open_tls(f, fd, f->relay_server, true);
	o.b = open_tls(f, ends[1], f->client, false);
	assert_null(f->bridge);
	assert_int_equal(bridge_open(&o, &f->bridge), ERR_OK);
}

static void on_greeted(void *arg, unsigned ready)
{
	struct fixture *f = arg;
	uint8_t bytes[4096];
	size_t got;
	enum err rc;

	(void)ready;
	do {
		rc = stream_read(f->greeted, bytes, sizeof(bytes), &got);
	} while (rc == ERR_OK);
	stream_want(f->greeted, rc == ERR_AGAIN ? LOOP_READ : 0);
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct fixture *f = arg;

	(void)peer;
	f->accepted++;
	switch (f->manner) {
	case HONEST:
		receive(f, fd);
		break;
	case LISTENS_IN:
		listen_in(f, fd);
		break;
	case SWALLOWS:
		f->swallowed[f->swallowed_n++] = fd;
		break;
	case GREETS:
		assert_null(f->greeted);
		f->greeted = open_tls(f, fd, f->relay_server, true);
		stream_set_owner(f->greeted, on_greeted, f);
		stream_want(f->greeted, LOOP_READ);
		break;
	}
}

/* ---- the prober's owner ---- */

static void on_verdict(void *owner, enum probe_verdict verdict, const struct why *why)
{
	struct fixture *f = owner;

	f->verdicts++;
	f->verdict = verdict;
	f->why = *why;
	if (f->frees) {
		prober_free(f->prober);
		f->prober = NULL;
	}
}

static void wait_for(struct fixture *f, const unsigned *what, unsigned count)
{
	if (!time_wait(f->loop, what, count))
		fail_msg("%u in place of %u; %u accepted, %u verdicts: %s", *what, count,
			f->accepted, f->verdicts, f->why.text);
}

static void wait_for_verdict(struct fixture *f, enum probe_verdict verdict)
{
	unsigned before = f->verdicts;

	prober_start(f->prober);
	wait_for(f, &f->verdicts, before + 1);
	assert_int_equal(f->verdict, verdict);
	assert_false(prober_is_busy(f->prober));
}

static struct tls_context *new_server(const struct test_certificate *c)
{
	struct tls_server_options o = { .cert_pem = buf_span(&c->pem) };
	struct tls_context *context;
	struct why why = { "" };

	assert_int_equal(remote_key_new(o.cert_pem, test_certificate_on_order,
				 (void *)(uintptr_t)c, &o.key, NULL),
		ERR_OK);
	if (tls_context_new_server(&o, &context, &why) != ERR_OK)
		fail_msg("%s", why.text);
	remote_key_unref(o.key);
	return context;
}

static void new_prober(struct fixture *f)
{
	struct prober_options o = { .loop = f->loop,
		.host = "127.0.0.1",
		.server_name = HOST,
		.on_verdict = on_verdict,
		.owner = f };
	struct addr at;

	listener_addr(f->listener, &at);
	o.port = addr_port(&at);
	assert_int_equal(prober_new(&o, &f->prober, NULL), ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct tls_client_options client = { .skip_verify = true };
	struct visitor_tls_options server = { .sign = test_certificate_on_order,
		.on_accepted = on_accepted };

	time_begin(1000000);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, 66560, 4);
	test_certificate_init(&f->agents, "DNS:" HOST);
	test_certificate_init(&f->relays, "DNS:" HOST);
	server.loop = f->loop;
	assert_int_equal(relay_share_chain(NULL, buf_span(&f->agents.pem), &f->chain,
				 NULL),
		ERR_OK);
	server.chain = f->chain;
	server.sign_arg = &f->agents;
	server.owner = f;
	assert_int_equal(visitor_tls_new(&server, &f->server, NULL), ERR_OK);
	f->relay_server = new_server(&f->relays);
	assert_int_equal(tls_context_new_client(&client, &f->client, NULL), ERR_OK);
	assert_int_equal(listener_open(f->loop, "127.0.0.1", 0, on_accept, f,
				 &f->listener, NULL),
		ERR_OK);
	new_prober(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < f->guests_n; i++)
		stream_abort(f->guests[i].tls);
	for (unsigned i = 0; i < f->swallowed_n; i++)
		close(f->swallowed[i]);
	stream_abort(f->greeted);
	prober_free(f->prober);
	bridge_close(f->bridge);
	listener_close(f->listener);
	visitor_tls_free(f->server);
	visitor_chain_unref(f->chain);
	tls_context_free(f->relay_server);
	tls_context_free(f->client);
	test_certificate_fini(&f->agents);
	test_certificate_fini(&f->relays);
	loop_turn(f->loop);
	loop_free(f->loop);
	pool_fini(&f->pool);
	free(f);
	return 0;
}

/* ---- verdicts ---- */

static void test_an_honest_relay_passes(void **state)
{
	struct fixture *f = *state;

	wait_for_verdict(f, PROBE_PASSED);
	assert_int_equal(f->accepted, 1);
	assert_int_equal(f->guests[0].rc, ERR_EXISTS); /* it must not be served */
	assert_null(f->guests[0].tls);
	time_pass(f->loop, 60000);
	assert_int_equal(f->verdicts, 1);
}

static void test_an_intercepting_relay_is_detected(void **state)
{
	struct fixture *f = *state;

	f->manner = LISTENS_IN;
	wait_for_verdict(f, PROBE_MISMATCH);
	assert_int_equal(f->guests[0].rc, ERR_EXISTS);
	assert_non_null(strstr(f->why.text, "tls_exporter_mismatch"));
	time_pass(f->loop, 60000);
	assert_int_equal(f->verdicts, 1);
}

/* After so much, and not before: it may have been slow. */
static void check_is_unknown_after_5_s(struct fixture *f)
{
	prober_start(f->prober);
	wait_for(f, &f->accepted, 1);
	time_pass(f->loop, 4990);
	assert_int_equal(f->verdicts, 0);
	assert_true(prober_is_busy(f->prober));
	time_pass(f->loop, 20);
	assert_int_equal(f->verdicts, 1);
	assert_int_equal(f->verdict, PROBE_UNKNOWN);
	assert_false(prober_is_busy(f->prober));
}

static void test_a_silent_relay_has_no_verdict(void **state)
{
	struct fixture *f = *state;

	f->manner = SWALLOWS;
	check_is_unknown_after_5_s(f);
}

static void test_a_visit_that_does_not_arrive_gives_no_verdict(void **state)
{
	struct fixture *f = *state;

	f->manner = GREETS;
	check_is_unknown_after_5_s(f);
	assert_non_null(strstr(f->why.text, "probe_timeout"));
}

static void test_an_absent_peer_is_unknown(void **state)
{
	struct fixture *f = *state;

	listener_close(f->listener);
	f->listener = NULL;
	wait_for_verdict(f, PROBE_UNKNOWN);
	assert_non_null(strstr(f->why.text, "refused"));
}

/* ---- when ---- */

static void check_rests(struct fixture *f, enum probe_verdict verdict)
{
	wait_for_verdict(f, verdict);
	time_pass(f->loop, 29990);
	prober_start(f->prober);
	assert_false(prober_is_busy(f->prober));
	time_pass(f->loop, 20);
	wait_for_verdict(f, verdict);
	assert_int_equal(f->accepted, 2);
}

static void test_no_probe_runs_soon_after_one_that_passed(void **state)
{
	check_rests(*state, PROBE_PASSED);
}

static void test_no_probe_runs_soon_after_a_mismatch(void **state)
{
	struct fixture *f = *state;

	f->manner = LISTENS_IN;
	check_rests(f, PROBE_MISMATCH);
}

static void test_an_unknown_verdict_is_probed_again_at_once(void **state)
{
	struct fixture *f = *state;

	f->manner = GREETS;
	check_is_unknown_after_5_s(f);
	f->manner = HONEST;
	wait_for_verdict(f, PROBE_PASSED);
}

static void test_there_is_one_at_a_time(void **state)
{
	struct fixture *f = *state;

	f->manner = SWALLOWS;
	for (int i = 0; i < 5; i++) {
		prober_start(f->prober);
		time_settle(f->loop);
	}
	assert_int_equal(f->accepted, 1);
}

/* Each visit has new random bytes, so the next ones cannot be predicted. */
static void test_bytes_of_an_earlier_probe_are_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t zero[PROBE_NONCE_BYTES] = { 0 };

	assert_false(prober_claims(f->prober, NULL, zero)); /* none is under way */
	f->manner = GREETS;
	prober_start(f->prober);
	assert_false(prober_claims(f->prober, NULL, zero));
	wait_for(f, &f->accepted, 1);
	time_settle(f->loop);
	assert_false(prober_claims(f->prober, NULL, zero));
}

/* ---- real visitors meanwhile ---- */

/* Comes by himself, and says @text. */
static struct stream *visit(struct fixture *f, const char *text)
{
	struct stream *tls;
	size_t put = 0;
	int ends[2];

	tcp_pair(ends);
	receive(f, ends[0]);
	tls = open_tls(f, ends[1], f->client, false);
	for (int i = 0; i < 50000; i++) {
		if (tls_handshake(tls, NULL) == ERR_OK)
			break;
		time_turn(f->loop);
	}
	if (text[0] != '\0')
		assert_int_equal(stream_put(tls, text, strlen(text), &put), ERR_OK);
	assert_int_equal(put, strlen(text));
	return tls;
}

static void hear(struct fixture *f, struct stream *tls, const char *text)
{
	char got[256] = "";
	size_t n = 0, piece;

	for (int i = 0; i < 50000 && n < strlen(text); i++) {
		if (stream_read(tls, got + n, sizeof(got) - 1 - n, &piece) == ERR_OK)
			n += piece;
		else
			time_turn(f->loop);
	}
	assert_string_equal(got, text);
}

static void begin_probe(struct fixture *f)
{
	f->manner = GREETS;
	prober_start(f->prober);
	wait_for(f, &f->accepted, 1);
	time_settle(f->loop);
	assert_true(prober_is_busy(f->prober));
}

static void test_a_visitor_gets_its_bytes_back(void **state)
{
	static const char *const said[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"0123456789abcdef", "short" };
	struct fixture *f = *state;

	begin_probe(f);
	for (unsigned i = 0; i < mem_count(said); i++) {
		struct stream *tls = visit(f, said[i]);

		time_pass(f->loop, PROBE_PEEK_MS + 1);
		wait_for(f, &f->received, i + 1);
		assert_int_equal(f->guests[i].rc, ERR_OK);
		hear(f, f->guests[i].tls, said[i]);
		stream_abort(tls);
	}
	assert_int_equal(f->verdicts, 0);
}

static void test_a_client_that_lets_the_server_begin_waits_briefly(void **state)
{
	struct fixture *f = *state;
	struct stream *tls;
	size_t put;

	begin_probe(f);
	tls = visit(f, "");
	time_settle(f->loop);
	time_pass(f->loop, PROBE_PEEK_MS - 10);
	assert_int_equal(f->received, 0);
	time_pass(f->loop, 20);
	assert_int_equal(f->received, 1);
	assert_int_equal(f->guests[0].rc, ERR_OK);
	assert_int_equal(stream_put(f->guests[0].tls, "220 hi", 6, &put), ERR_OK);
	hear(f, tls, "220 hi");
	stream_abort(tls);
}

static void test_a_slow_client_is_not_kept(void **state)
{
	struct fixture *f = *state;
	struct stream *tls;
	size_t put;

	begin_probe(f);
	tls = visit(f, "first ");
	time_pass(f->loop, PROBE_PEEK_MS + 1);
	wait_for(f, &f->received, 1);
	assert_int_equal(stream_put(tls, "and last", 8, &put), ERR_OK);
	hear(f, f->guests[0].tls, "first and last");
	stream_abort(tls);
}

static void test_a_connection_that_closes_is_not_kept(void **state)
{
	struct fixture *f = *state;
	struct stream *tls;

	begin_probe(f);
	tls = visit(f, "bye");
	assert_int_equal(stream_finish(tls), ERR_OK);
	wait_for(f, &f->received, 1); /* no time passes: its end is noticed */
	hear(f, f->guests[0].tls, "bye");
	stream_abort(tls);
}

static void test_without_a_probe_no_relay_is_judged(void **state)
{
	struct fixture *f = *state;
	struct stream *tls = visit(f, "");

	wait_for(f, &f->received, 1); /* no time has passed */
	assert_int_equal(f->guests[0].rc, ERR_OK);
	stream_abort(tls);
}

static void test_a_handshake_takes_15_s_at_most(void **state)
{
	struct fixture *f = *state;
	int ends[2];

	tcp_pair(ends);
	receive(f, ends[0]);
	time_pass(f->loop, 14990);
	assert_int_equal(f->received, 0);
	time_pass(f->loop, 20);
	assert_int_equal(f->guests[0].rc, ERR_TIMEOUT);
	close(ends[1]);
}

/* ---- the end ---- */

static void test_it_may_be_freed_in_its_verdict(void **state)
{
	struct fixture *f = *state;

	f->frees = true;
	prober_start(f->prober);
	wait_for(f, &f->verdicts, 1);
	time_pass(f->loop, 10000);
	assert_int_equal(f->verdicts, 1);
}

static void test_it_may_be_freed_at_any_time(void **state)
{
	struct fixture *f = *state;

	for (unsigned turns = 0; turns < 25; turns++) {
		if (f->prober == NULL)
			new_prober(f);
		prober_start(f->prober);
		for (unsigned i = 0; i < turns && f->verdicts == 0; i++)
			time_turn(f->loop);
		visitor_tls_drop(f->server);
		f->guests_n = 0;
		prober_free(f->prober);
		f->prober = NULL;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_honest_relay_passes),
		TEST(test_an_intercepting_relay_is_detected),
		TEST(test_a_silent_relay_has_no_verdict),
		TEST(test_a_visit_that_does_not_arrive_gives_no_verdict),
		TEST(test_an_absent_peer_is_unknown),
		TEST(test_no_probe_runs_soon_after_one_that_passed),
		TEST(test_no_probe_runs_soon_after_a_mismatch),
		TEST(test_an_unknown_verdict_is_probed_again_at_once),
		TEST(test_there_is_one_at_a_time),
		TEST(test_bytes_of_an_earlier_probe_are_refused),
		TEST(test_a_visitor_gets_its_bytes_back),
		TEST(test_a_client_that_lets_the_server_begin_waits_briefly),
		TEST(test_a_slow_client_is_not_kept),
		TEST(test_a_connection_that_closes_is_not_kept),
		TEST(test_without_a_probe_no_relay_is_judged),
		TEST(test_a_handshake_takes_15_s_at_most),
		TEST(test_it_may_be_freed_in_its_verdict),
		TEST(test_it_may_be_freed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
