/* What an exposure does with relays that end their visitors' TLS themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/expose.h"
#include "agent/relay_test.h"
#include "base/said_test.h"
#include "net/bridge.h"

#define BAD "bad.localhost"
#define GOOD "good.localhost"
#define BRIDGES_MAX 16

struct fixture {
	struct worker worker;
	struct pool pool;
	struct test_relay bad, good;
	struct listener *front;  /* where visitors of the bad one come */
	bool is_honest;          /* it is not that bad */
	struct tls_context *any; /* for a client that trusts any server */
	struct bridge *bridges[BRIDGES_MAX];
	unsigned came;

	struct identity identity;
	struct message_metadata metadata;
	struct log log;
	struct said said;
	struct listener *target; /* says nothing */
	int served[BRIDGES_MAX];
	unsigned served_n;
	struct target where;
	struct expose *expose;
	unsigned opened, ended;
};

/* ---- visitors of the bad relay ---- */

static struct stream *over(struct fixture *f, struct stream *below,
	struct tls_context *context, bool is_server)
{
	struct tls_options o = { .context = context,
		.loop = f->worker.loop,
		.below = below,
		.is_server = is_server,
		.server_name = VECTOR_NAME "." BAD };
	struct stream *tls;

	assert_int_equal(tls_open(&o, &tls, NULL), ERR_OK);
	return tls;
}

static void on_bridged(void *arg, const struct bridge_end *end)
{
	(void)end;
	*(struct bridge **)arg = NULL;
}

static void on_come(void *arg, int fd, const struct addr *peer)
{
	struct fixture *f = arg;
	struct bridge **bridge = &f->bridges[f->came++];
	struct bridge_options o = { .loop = f->worker.loop,
		.pool = &f->pool,
		.on_closed = on_bridged,
		.arg = bridge };
	unsigned i = 0;

	(void)peer;
	assert_true(f->came <= BRIDGES_MAX);
	while (f->bad.sessions[i] == NULL)
		i++;
	assert_true(i < f->bad.sessions_n);
	assert_int_equal(socket_open_take(f->worker.loop, fd, &o.a), ERR_OK);
	o.b = test_relay_activate(&f->bad, i, MARKER_TLS);
	if (!f->is_honest) {
		o.a = over(f, o.a, f->bad.tls, true);
		o.b = over(f, o.b, f->any, false);
	}
	assert_int_equal(bridge_open(&o, bridge), ERR_OK);
}

/* ---- the exposure ---- */

static void on_open(void *owner, const char *relay, const char *url, const char *tcp,
	bool is_back)
{
	struct fixture *f = owner;

	(void)relay;
	(void)url;
	(void)tcp;
	(void)is_back;
	f->opened++;
}

static void on_ended(void *owner)
{
	struct fixture *f = owner;

	f->ended++;
}

static const struct expose_hooks hooks = { .on_open = on_open, .on_ended = on_ended };

static void on_served(void *arg, int fd, const struct addr *peer)
{
	struct fixture *f = arg;

	(void)peer;
	assert_true(f->served_n < BRIDGES_MAX);
	f->served[f->served_n++] = fd;
}

static void wait_for(struct fixture *f, const unsigned *what, unsigned count)
{
	if (!time_wait(f->worker.loop, what, count))
		fail_msg("%u in place of %u; %u open, %u came, %u served", *what, count,
			f->opened, f->came, f->served_n);
}

static uint16_t open_listener(struct fixture *f, listener_accept_fn *fn,
	struct listener **out)
{
	struct addr at;

	assert_int_equal(listener_open(f->worker.loop, "127.0.0.1", 0, fn, f, out, NULL),
		ERR_OK);
	listener_addr(*out, &at);
	return addr_port(&at);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct tls_client_options any = { .skip_verify = true };
	char text[32];

	time_begin(1700000000000);
	assert_int_equal(worker_init(&f->worker, 0), ERR_OK);
	pool_init(&f->pool, 66560, 16);
	test_relay_init(&f->bad, f->worker.loop, &f->pool, BAD, "DNS:" BAD ",DNS:*." BAD);
	test_relay_init(&f->good, f->worker.loop, &f->pool, GOOD,
		"DNS:" GOOD ",DNS:*." GOOD);
	f->bad.sni_port = open_listener(f, on_come, &f->front);
	assert_int_equal(tls_context_new_client(&any, &f->any, NULL), ERR_OK);
	assert_int_equal(identity_parse(IDENTITY_CLIENT, span_str(VECTOR_FILE),
				 &f->identity, NULL),
		ERR_OK);
	log_init(&f->log, NULL, "test");
	snprintf(text, sizeof(text), "127.0.0.1:%u",
		open_listener(f, on_served, &f->target));
	assert_int_equal(target_parse(span_str(text), &f->where, NULL), ERR_OK);
	said_begin(&f->said);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	said_end(&f->said);
	expose_close(f->expose);
	for (unsigned i = 0; i < f->came; i++)
		bridge_close(f->bridges[i]);
	for (unsigned i = 0; i < f->served_n; i++)
		close(f->served[i]);
	listener_close(f->front);
	listener_close(f->target);
	test_relay_fini(&f->bad);
	test_relay_fini(&f->good);
	tls_context_free(f->any);
	loop_turn(f->worker.loop);
	worker_fini(&f->worker);
	pool_fini(&f->pool);
	identity_wipe(&f->identity);
	free(f);
	return 0;
}

static void begin(struct fixture *f, bool bans_mitm, bool has_good)
{
	struct expose_options o = { .worker = &f->worker,
		.service.target = &f->where,
		.identity = &f->identity,
		.metadata = &f->metadata,
		.log = &f->log,
		.bans_mitm = bans_mitm,
		.hooks = &hooks,
		.owner = f };
	struct relay_urls list = { 0 };

	assert_int_equal(expose_open(&o, &f->expose, NULL), ERR_OK);
	assert_int_equal(relay_urls_add(&list, span_str(f->bad.url), NULL), ERR_OK);
	if (has_good)
		assert_int_equal(relay_urls_add(&list, span_str(f->good.url), NULL),
			ERR_OK);
	assert_int_equal(expose_set_relays(f->expose, &list, NULL), ERR_OK);
	relay_urls_fini(&list);
	wait_for(f, &f->opened, has_good ? 2 : 1);
	wait_for(f, &f->bad.sessions_n, 2);
	time_settle(f->worker.loop);
}

/* Somebody comes to the bad relay, greets in TLS, and stays. */
static struct stream *visit(struct fixture *f)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(f->bad.sni_port),
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned before = f->came;
	struct stream *s;

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(socket_open_take(f->worker.loop, fd, &s), ERR_OK);
	s = over(f, s, f->any, false);
	wait_for(f, &f->came, before + 1);
	for (int i = 0; i < 20000 && tls_handshake(s, NULL) == ERR_AGAIN; i++)
		time_turn(f->worker.loop);
	return s;
}

/* Somebody comes through session @i. */
static struct stream *visit_session(struct fixture *f, unsigned i)
{
	struct stream *s = over(f, test_relay_activate(&f->bad, i, MARKER_TLS), f->any,
		false);

	for (int turns = 0; turns < 20000 && tls_handshake(s, NULL) == ERR_AGAIN; turns++)
		time_turn(f->worker.loop);
	return s;
}

static bool is_connected(struct fixture *f, struct stream *visitor)
{
	char byte = 'x';
	size_t n;
	enum err rc;

	time_settle(f->worker.loop);
	rc = stream_read(visitor, &byte, 1, &n);
	return rc == ERR_AGAIN || rc == ERR_OK;
}

/* ---- what comes of it ---- */

static void test_an_intercepting_relay_is_banned_and_logged(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor;

	begin(f, true, false);
	visitor = visit(f);
	wait_for(f, &f->ended, 1); /* there was no other */
	assert_int_equal(f->bad.asked[ASKED_UNREGISTER], 1);
	assert_int_equal(said_count(&f->said, f->bad.url), 1); /* which */
	assert_int_equal(said_count(&f->said, "tls_exporter_mismatch"), 1);
	assert_int_equal(said_count(&f->said, "is banned"), 1);
	assert_int_equal(said_count(&f->said, "--ban-mitm=false"),
		1); /* how to undo it */
	assert_false(is_connected(f, visitor));
	time_pass(f->worker.loop, 60000);
	assert_int_equal(f->bad.asked[ASKED_REGISTER], 1);
	stream_abort(visitor);
}

static void test_other_relays_stay_in_use(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor;

	begin(f, true, true);
	visitor = visit(f);
	wait_for(f, &f->bad.asked[ASKED_UNREGISTER], 1);
	expose_retry_now(f->expose, "a test", false);
	time_pass(f->worker.loop, 5000);
	assert_int_equal(f->bad.asked[ASKED_REGISTER], 1);
	assert_true(f->good.asked[ASKED_REGISTER] >= 2);
	assert_int_equal(f->ended, 0);
	stream_abort(visitor);
}

static void test_an_intercepting_relay_may_stay_in_use(void **state)
{
	struct fixture *f = *state;
	struct stream *first, *second;

	begin(f, false, false);
	first = visit(f);
	wait_for(f, &f->came, 2); /* the probe */
	time_settle(f->worker.loop);
	assert_int_equal(said_count(&f->said, "tls_exporter_mismatch"), 1);
	assert_int_equal(said_count(&f->said, "is banned"), 0);
	assert_true(is_connected(f, first));
	for (int i = 0; i < 3; i++) { /* to the end of the prober's rest */
		time_pass(f->worker.loop, 11000);
		test_relay_keep(&f->bad);
	}
	second = visit(f);
	wait_for(f, &f->came, 4);
	time_settle(f->worker.loop);
	assert_int_equal(said_count(&f->said, "tls_exporter_mismatch"),
		1); /* once is enough */
	assert_int_equal(f->ended, 0);
	stream_abort(first);
	stream_abort(second);
}

static void test_an_honest_relay_passes_the_probe(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor;

	f->is_honest = true;
	begin(f, true, false);
	visitor = visit(f);
	wait_for(f, &f->came, 2);
	time_pass(f->worker.loop, 6000);
	assert_int_equal(said_count(&f->said, "mismatch"), 0);
	assert_int_equal(f->bad.asked[ASKED_UNREGISTER], 0);
	assert_true(is_connected(f, visitor));
	assert_int_equal(f->served_n, 1); /* the probe is not served */
	stream_abort(visitor);
}

/* Many a machine cannot visit itself from outside: that is said once, and is no end. */
static void test_a_visit_to_oneself_may_fail(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor;

	begin(f, true, false);
	f->is_honest = true;
	visitor = visit(f);
	listener_close(f->front); /* before the probe comes there */
	f->front = NULL;
	for (unsigned round = 0; round < 3; round++) {
		wait_for(f, &f->served_n, round + 1);
		time_settle(f->worker.loop);
		assert_int_equal(said_count(&f->said, "the probe of the tunnel failed"),
			1);
		stream_abort(visitor);
		test_relay_kill(&f->bad);
		test_relay_start(&f->bad);
		time_pass(f->worker.loop, 4000);
		visitor = visit_session(f, f->bad.sessions_n - 1);
	}
	assert_int_equal(said_count(&f->said, "public again"), 0);
	assert_int_equal(f->ended, 0);
	stream_abort(visitor);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_intercepting_relay_is_banned_and_logged),
		TEST(test_other_relays_stay_in_use),
		TEST(test_an_intercepting_relay_may_stay_in_use),
		TEST(test_an_honest_relay_passes_the_probe),
		TEST(test_a_visit_to_oneself_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
